"""A launcher that is kept at what it was told, by who may."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from structlog.testing import capture_logs
from support.waiting import eventually

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launching import Launching


class Shelf:
    """Keeps numbers; `problem` is raised by everything while it is set."""

    def __init__(self) -> None:
        self.kept = dict.fromkeys(Role, 0)
        self.acts: list[str] = []
        self.problem: Exception | None = None

    def _act(self, name: str) -> None:
        self.acts.append(name)
        if self.problem is not None:
            raise self.problem

    async def open(self) -> None:
        self._act("open")

    async def count(self, role: Role) -> int:
        self._act("count")
        return self.kept[role]

    async def keep(self, role: Role, count: int) -> None:
        self._act("keep")
        self.kept[role] = count

    async def close(self) -> None:
        self._act("close")


class Lead:
    is_ours = True

    def __call__(self) -> bool:
        return self.is_ours


@asynccontextmanager
async def launching(shelf: Shelf, lead: Lead) -> AsyncIterator[Launching]:
    it = Launching(shelf, [Role.BOTH], lead)
    it.start()
    try:
        yield it
    finally:
        await it.stop()


async def test_it_knows_what_is_kept_once_it_has_asked_and_at_once_what_it_told():
    shelf = Shelf()
    shelf.kept[Role.BOTH] = 2
    async with launching(shelf, Lead()) as it:
        assert it.kept(Role.BOTH) is None
        await eventually(lambda: it.kept(Role.BOTH) == 2)
        it.tell(Role.BOTH, 3)
        assert it.kept(Role.BOTH) == 3
        await eventually(lambda: shelf.kept[Role.BOTH] == 3)
    assert shelf.acts[0] == "open"
    assert shelf.acts[-1] == "close"


async def test_who_does_not_lead_touches_nothing():
    shelf, lead = Shelf(), Lead()
    lead.is_ours = False
    async with launching(shelf, lead) as it:
        it.tell(Role.BOTH, 3)
        await eventually(lambda: it.kept(Role.BOTH) is None)
        assert shelf.acts == []
        lead.is_ours = True
        await eventually(lambda: it.kept(Role.BOTH) == 0)
        lead.is_ours = False
        await eventually(lambda: it.kept(Role.BOTH) is None)
        before = list(shelf.acts)
        it.tell(Role.BOTH, 3)
        await eventually(lambda: it.kept(Role.BOTH) is None)
        assert shelf.acts == before
        assert shelf.kept[Role.BOTH] == 0


async def test_what_goes_on_being_wrong_is_told_once_and_again_when_it_comes_back():
    shelf = Shelf()
    async with launching(shelf, Lead()) as it:
        await eventually(lambda: it.kept(Role.BOTH) == 0)
        for _ in range(2):
            shelf.problem = LaunchError("no disk")
            it.tell(Role.BOTH, 1)
            await eventually(lambda: it.take_problems(Role.BOTH) == ["no disk"])
            before = len(shelf.acts)
            await eventually(lambda before=before: len(shelf.acts) > before)
            assert it.take_problems(Role.BOTH) == []
            assert it.take_failure(Role.BOTH)
            # What was told came to nothing: whoever wants it has to say so again.
            assert it.kept(Role.BOTH) == 0
            shelf.problem = None
            before = len(shelf.acts)
            await eventually(lambda before=before: len(shelf.acts) > before)
            await eventually(lambda: not it.take_failure(Role.BOTH))


async def test_a_launcher_with_a_mistake_in_it_is_tried_again():
    shelf = Shelf()
    shelf.problem = ZeroDivisionError("division by zero")
    with capture_logs() as logs:
        async with launching(shelf, Lead()) as it:
            said = ["ZeroDivisionError: division by zero"]
            await eventually(lambda: it.take_problems(Role.BOTH) == said)
            shelf.problem = None
            await eventually(lambda: it.kept(Role.BOTH) == 0)
    assert any(each["event"] == "launcher failed" for each in logs)
