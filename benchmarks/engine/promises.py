"""Rows without an opponent: what ours promises, held against the promise itself."""

import statistics
from collections.abc import Callable

from benchmarks.engine.conductor import Setting
from benchmarks.engine.process import ContenderError
from benchmarks.engine.texts import Texts
from benchmarks.gate import percentile
from benchmarks.row import Row, Verdict

# The step that runs when a label comes, and the one that carries it.
_STEPS = 2
_HEALTH_S = 0.050
_START_S = 3.0


def label_among_chats(setting: Setting) -> Row:
    """How many steps a label waits and takes while 8 chats run."""
    texts = Texts(seed=4)
    system = texts.one(32)
    with setting.contender("ours", 8) as ours:
        ours.ask("prepare", system=system)
        seen = ours.ask(
            "labels_among_chats",
            system=system,
            chats=texts.many(8, 32),
            texts=texts.many(setting.scale.labels, 30),
            write=setting.scale.write,
        )
    seconds, steps = seen["seconds"], seen["steps"]
    shares = ", ".join(
        f"p{round(share * 100)} {percentile(seconds, share) * 1000:.0f}"
        for share in (0.1, 0.5, 0.9, 1.0)
    )
    most = max(steps)
    return Row(
        "label-among-chats",
        "steps that a label lives through while 8 chats run: the running one and its own",
        "the promise",
        Verdict.MET if most <= _STEPS else Verdict.MISSED,
        "steps",
        f"≤{_STEPS}",
        most,
        _STEPS,
        most / _STEPS,
        min(steps) / _STEPS,
        most / _STEPS,
        len(steps),
        f"ms: {shares}; a step of the chats alone {seen['step_s'] * 1000:.0f}, "
        f"a label alone {seen['label_alone_s'] * 1000:.0f}",
    )


def health(setting: Setting) -> Row:
    """How long a server's health takes at full load."""
    texts = Texts(seed=5)
    with setting.contender("service") as service:
        times = service.ask(
            "health_s",
            chats=texts.many(8, 32),
            texts=texts.many(4, 30),
            for_s=setting.scale.health_s,
        )
        service.ask("stop")
    return _within("health", "grpc.health.v1 at full load, p99", times, 0.99, _HEALTH_S)


def start(setting: Setting) -> Row:
    """How long a server takes from nothing to its first correct label."""
    text = Texts(seed=6).one(30)
    with setting.contender("oracle") as oracle:
        scores = oracle.ask("scores", text=text)
    with setting.contender("start") as starter:
        starter.ask("start", text=text, scores=scores)
        times = [
            starter.ask("start", text=text, scores=scores) for _ in range(setting.scale.starts)
        ]
    return _within(
        "start", "start of the process to the first correct label, p95", times, 0.95, _START_S
    )


def _within(name: str, what: str, times: list[float], share: float, limit_s: float) -> Row:
    seen = percentile(times, share)
    return Row(
        name,
        what,
        "the promise",
        Verdict.MET if seen <= limit_s else Verdict.MISSED,
        "ms",
        f"≤{limit_s * 1000:g} ms",
        seen * 1000,
        limit_s * 1000,
        seen / limit_s,
        min(times) / limit_s,
        max(times) / limit_s,
        len(times),
        f"median {statistics.median(times) * 1000:.0f} ms, most {max(times) * 1000:.0f} ms",
    )


PROMISES: dict[str, Callable[[Setting], Row]] = {
    "label-among-chats": label_among_chats,
    "health": health,
    "start": start,
}


def keep(name: str, setting: Setting) -> Row:
    """Return the row of the promise `name`, or one that says how measuring it failed."""
    setting.tell(f"{name}{f' ({setting.scale.starts} starts)' if name == 'start' else ''}")
    try:
        return PROMISES[name](setting)
    except ContenderError as error:
        return Row(name, "", "the promise", Verdict.FAILED, note=str(error))
