"""Plays the matches: both sides loaded, asked in turn, round after round.

Holds no figures of its own; `contests` has the plan, `gate` the arithmetic.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.engine.contests import Contest, Match, Scale
from benchmarks.engine.process import Contender, ContenderError
from benchmarks.engine.texts import Texts
from benchmarks.gate import compare
from benchmarks.row import Row, Verdict

# Tokens that a chat of the benchmark may have: prompt and reply.
_CONTEXT_TOKENS = 256
# A server's profiles alone have more.
_SERVER_CONTEXT_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Setting:
    """On what, and how, everything of one run is measured."""

    folder: Path
    threads: int
    scale: Scale
    log: Path
    tell: Callable[[str], None]

    def contender(self, name: str, chats: int = 0) -> Contender:
        """Return a contender, not started, with the options that its kind takes."""
        options: dict[str, Any] = {"folder": str(self.folder), "threads": self.threads}
        if name in ("service", "start"):
            options["context_tokens"] = _SERVER_CONTEXT_TOKENS
        elif chats:
            options |= {"chats": chats, "context_tokens": _CONTEXT_TOKENS}
        return Contender(name, options, self.log)


def play(match: Match, contests: tuple[Contest, ...], setting: Setting) -> Iterator[Row]:
    """Yield a row for each of the match's `contests`."""
    if not _is_installed(match.package):
        for contest in contests:
            yield _without_figures(
                match, contest, Verdict.ABSENT, f"not installed: pip install {match.package}"
            )
        return
    with ExitStack() as stack:
        setting.tell(f"loading ours and {match.name}")
        ours = stack.enter_context(setting.contender(match.ours, match.chats))
        theirs = (
            ours
            if match.opponent == match.ours
            else stack.enter_context(setting.contender(match.opponent, match.their_chats))
        )
        for contest in contests:
            setting.tell(f"{contest.row} against {match.name}")
            try:
                yield _contest(match, contest, setting, ours, theirs)
            except ContenderError as error:
                yield _without_figures(match, contest, Verdict.FAILED, str(error))


def _contest(
    match: Match, contest: Contest, setting: Setting, ours: Contender, theirs: Contender
) -> Row:
    texts = Texts(seed=1)
    figures: tuple[list[float], list[float]] = ([], [])
    asks = (contest.ask, contest.their_ask or contest.ask)
    for side in (ours, theirs):
        _warm_up(side, contest, setting, match)
    for _ in range(1 if contest.is_once else setting.scale.rounds):
        details = contest.details(texts, setting.scale)
        for side, ask, found in zip((ours, theirs), asks, figures, strict=True):
            answer = side.ask(ask, **details)
            found.append(contest.unit.figure(answer, contest.amount(setting.scale)))
    result = compare(*figures)
    verdict = Verdict.SHOWN
    if contest.gate is not None:
        verdict = Verdict.MET if contest.gate.is_met_by(result.ratio) else Verdict.MISSED
    return Row(
        contest.row,
        contest.what,
        match.name,
        verdict,
        contest.unit.value,
        "" if contest.gate is None else str(contest.gate),
        result.ours,
        result.theirs,
        result.ratio,
        result.least,
        result.most,
        result.rounds,
    )


def _warm_up(side: Contender, contest: Contest, setting: Setting, match: Match) -> None:
    """Do once, unmeasured, what will be measured, with other texts than those."""
    details = contest.details(Texts(seed=2), setting.scale)
    if "system" in details:
        side.ask("prepare", system=details["system"])
    elif contest.ask == "peak_bytes":
        _work(side, setting)
        return
    side.ask(contest.ask, **details)


def _work(side: Contender, setting: Setting) -> None:
    """Work as much as memory is judged by: the same for everyone who is."""
    texts = Texts(seed=3)
    write = setting.scale.write
    if side.name in ("service", "split"):
        side.ask("judge_and_reply", text=texts.one(120), write=write)
        return
    side.ask("label", system=texts.one(32), text=texts.one(30))
    side.ask("chats", texts=texts.many(8, 32), write=write)


def _without_figures(match: Match, contest: Contest, verdict: Verdict, note: str) -> Row:
    gate = "" if contest.gate is None else str(contest.gate)
    return Row(contest.row, contest.what, match.name, verdict, contest.unit.value, gate, note=note)


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return package == "tidegate"
    return True
