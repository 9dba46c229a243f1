"""A burst that one hot instance can't carry: who calls, what came of it, and how long the start took that it caused."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import grpc
from support.sidecars import Front
from support.waiting import eventually

from tidegate.balancer.core.instance import Role
from tidegate.balancer.scaling import RoleStatus

SHARE = 1.2
"""The first answer may come so many times the start's own warm-up after the decision."""

Asked = tuple[grpc.aio.UnaryUnaryMultiCallable, object]


@dataclass
class Wall:
    """A clock that shows what the test sets it to, and runs on from there."""

    shown: datetime = datetime(2026, 11, 25, 0, 0, tzinfo=timezone.utc)
    set_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def __call__(self) -> datetime:
        return self.shown + timedelta(seconds=asyncio.get_running_loop().time() - self.set_s)

    def set(self, shown: datetime) -> None:
        self.shown, self.set_s = shown, asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Met:
    """How a burst was met: times after the decision to start one more, and how many calls were answered: all of them."""

    newcomer: str
    hot_s: float
    first_answer_s: float
    answered: int

    @property
    def share(self) -> float:
        """The first answer as a share of the warm-up, both in like conditions: of this very start."""
        return self.first_answer_s / self.hot_s

    def __str__(self) -> str:
        return (
            f"hot {self.hot_s:.1f} s after the decision, first answer after {self.first_answer_s:.1f} s "
            f"({self.share:.2f}); {self.answered} calls answered, none lost"
        )


class _Burst:
    """Callers who call again as soon as they have an answer."""

    def __init__(self, wall: Wall, callers: Sequence[Asked]) -> None:
        self._wall = wall
        self.answers: list[tuple[datetime, str]] = []
        self._goes_on = True
        self._callers = [asyncio.ensure_future(self._call(*asked)) for asked in callers]

    async def _call(self, method: grpc.aio.UnaryUnaryMultiCallable, message: object) -> None:
        while self._goes_on:
            call = method(message, timeout=180)
            await call
            trailers = dict(await call.trailing_metadata())
            self.answers.append((self._wall(), trailers["tidegate-served-by"]))

    def first_of(self, instance: str) -> datetime | None:
        """When that instance answered first."""
        return min((at for at, by in self.answers if by == instance), default=None)

    async def end(self) -> None:
        """Let each have the answer that it waits for; raises what any call raised."""
        self._goes_on = False
        await asyncio.gather(*self._callers)


def scale_of(front: Front) -> RoleStatus:
    assert front.sidecar.heat is not None
    scale = front.sidecar.heat.scaling.status(Role.BOTH)
    assert scale is not None
    return scale


def hot_ones(front: Front) -> set[str]:
    return {each.id for each in front.sidecar.pool.instances if each.phase.value == "hot"}


async def burst(front: Front, wall: Wall, callers: Sequence[Asked]) -> Met:
    """Have so many callers until another instance has answered one of them; no call may fail."""
    before, running = hot_ones(front), scale_of(front).launched
    calls = _Burst(wall, callers)
    await eventually(
        lambda: [each for each in scale_of(front).decisions[:1] if each.after == running + 1], 60
    )
    decided = scale_of(front).decisions[0].at
    await eventually(lambda: hot_ones(front) - before, 120)
    hot_s = (wall() - decided).total_seconds()
    (newcomer,) = hot_ones(front) - before
    await eventually(lambda: calls.first_of(newcomer), 60)
    await calls.end()
    first = calls.first_of(newcomer)
    assert first is not None
    return Met(newcomer, hot_s, (first - decided).total_seconds(), len(calls.answers))
