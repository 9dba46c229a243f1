"""Plays the rounds: each contestant is started, asked and ended in turn, alone on the machine.

Knows nothing about how a contestant answers, nor about what is made of the figures.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from pathlib import Path

from tidegate.clients.bench.measured import Name, Run
from tidegate.clients.bench.ours import OurServer, OurSession
from tidegate.clients.bench.progress import Say, shown
from tidegate.clients.bench.session import Session, peak_bytes
from tidegate.clients.bench.theirs import Other
from tidegate.clients.bench.words import LABELS, texts, write_profiles

# A chat before the first that counts, to warm up.
_WARM_UP_TOKENS = 4


@dataclass(frozen=True, slots=True)
class Course:
    """How far a run goes: rounds, and in each of them calls of each kind.

    A course that is not warmed up lets the first round pay for what is done but once: the
    download or conversion of the model, and cold files.
    """

    rounds: int
    labels: int
    chats: int
    chat_tokens: int
    warmed_up: bool


def full(rounds: int) -> Course:
    """A course whose figures can be believed, as far as their ranges say."""
    return Course(rounds, labels=8, chats=2, chat_tokens=32, warmed_up=True)


# One round, to see that everything works.
QUICK = Course(rounds=1, labels=3, chats=1, chat_tokens=16, warmed_up=False)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured, and with what; threads 0 leaves their number to each contestant."""

    model: str
    threads: int
    cache_dir: Path | None


async def play(setting: Setting, course: Course, say: Say) -> list[Run]:
    """The runs of all rounds. Raises BenchError with one line when a contestant fails."""
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as name:
        profiles = Path(name)
        write_profiles(profiles)
        ours = OurServer(setting.model, setting.threads, profiles, setting.cache_dir)
        return await _Rounds(ours, course, say).play()


class _Rounds:
    """What stays the same from run to run, and where the model was found to lie."""

    def __init__(self, ours: OurServer, course: Course, say: Say) -> None:
        self._ours = ours
        self._course = course
        self._say = say
        self._texts = texts()
        self._folder = ""

    async def play(self) -> list[Run]:
        runs = []
        if self._course.warmed_up:
            what = "preparing the model: the first time it is unpacked or downloaded"
            async with shown(self._say, what), self._ours.session() as session:
                await session.first_label(next(self._texts))
                self._folder = session.folder()
        for number in range(self._course.rounds):
            for name in _order(number):
                where = f"round {number + 1} of {self._course.rounds}, {name.value}"
                runs.append(await self._run(name, where))
        return runs

    async def _run(self, name: Name, where: str) -> Run:
        began_s = time.perf_counter()
        async with self._session(name) as session:
            async with shown(self._say, f"{where}: starting"):
                await session.first_label(next(self._texts))
                start_s = time.perf_counter() - began_s
            if isinstance(session, OurSession):
                self._folder = session.folder()
            async with shown(self._say, f"{where}: labels, one by one"):
                label_s, good_labels = await self._label(session)
            async with shown(self._say, f"{where}: chats, one by one"):
                await _chat(session, next(self._texts), _WARM_UP_TOKENS)
                chats = [
                    await _chat(session, next(self._texts), self._course.chat_tokens)
                    for _ in range(self._course.chats)
                ]
            return Run(
                name,
                start_s,
                label_s,
                tuple(first_s for first_s, _ in chats),
                tuple(rate for _, rate in chats),
                good_labels,
                peak_bytes(session.child),
            )

    def _session(self, name: Name) -> AbstractAsyncContextManager[Session]:
        if name is Name.OURS:
            return self._ours.session()
        return Other(name, self._folder, self._ours.threads).session()

    async def _label(self, session: Session) -> tuple[tuple[float, ...], int]:
        seconds, good = [], 0
        for _ in range(self._course.labels):
            text = next(self._texts)
            began_s = time.perf_counter()
            label = await session.label(text)
            seconds.append(time.perf_counter() - began_s)
            good += label in LABELS
        return tuple(seconds), good


async def _chat(session: Session, text: str, most_tokens: int) -> tuple[float, float]:
    """The seconds to the first words, and the tokens a second from the call to the end."""
    began_s = time.perf_counter()
    first_s = tokens = 0.0
    async with aclosing(session.chat(text, most_tokens)) as counts:
        async for count in counts:
            first_s = first_s or time.perf_counter() - began_s
            tokens = count
    spent_s = time.perf_counter() - began_s
    return first_s, tokens / spent_s


def _order(number: int) -> Iterator[Name]:
    """Ours first in the first round, because it finds the model; then each in its turn."""
    names = list(Name)
    at = number % len(names)
    yield from names[at:] + names[:at]
