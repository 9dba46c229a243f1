"""Looks at everything every few seconds while the soak runs, and writes it down: accounts, samples, gaps.

Decides nothing: what the figures should be is for reckoning and gates.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable, Sequence

from benchmarks.soak.book import LANES, Book
from benchmarks.soak.journal import Journal
from benchmarks.soak.look import Status, Watcher, answers
from benchmarks.soak.reckoning import Account, Reckoning
from benchmarks.soak.samples import sample
from benchmarks.soak.system import System

EVERY_S = 5.0
_TRIES, _PAUSE_S = 80, 0.05
"""Until both sides agree: a call is on the wire for milliseconds, an equal one's answer is counted with the first's."""
_BEAT_S, _LATE_S = 0.25, 1.0
_LOOK_S = 0.5


class Watching:
    """The eyes of one soak."""

    def __init__(self, system: System, book: Book, journal: Journal) -> None:
        self.reckoning = Reckoning()
        self.readings = 0
        self._disturbances: list[tuple[float, float]] = []
        self.lost = 0
        """Calls that a metrics port had nowhere, over all readings."""
        self.addresses: tuple[str, ...] = ()
        self._system = system
        self._book = book
        self._journal = journal
        ports = zip(system.ports, system.metrics_ports, strict=True)
        self._watchers = [Watcher(*each) for each in ports]

    async def close(self) -> None:
        """Look no more."""
        for watcher in self._watchers:
            await watcher.close()

    async def beat(self) -> None:
        """Write down when this process could not run, for ever: nor could the others then, most likely."""
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(_BEAT_S)
            late_s = time.monotonic() - before_s - _BEAT_S
            if late_s > _LATE_S:
                self._disturbances.append((before_s, time.monotonic()))
                self._journal.write("gap", lasted_s=round(late_s, 2))

    def disturbed(self) -> Callable[[], None]:
        """Note that a balancer or the page is lost or stands still from now on; returns what notes that it is over."""
        begin_s, place = time.monotonic(), len(self._disturbances)
        self._disturbances.append((begin_s, math.inf))

        def over() -> None:
            self._disturbances[place] = begin_s, time.monotonic()

        return over

    async def look(self) -> bool:
        """Take one account. Returns whether both balancers answered and callers and balancers agree on what is under way."""
        for _ in range(_TRIES):
            account = await self._account()
            if account is None:
                return False
            if account.is_settled and account.attempts == self._book.snapshot():
                # What held everything up a moment ago is noticed by the next beat.
                await asyncio.sleep(2 * _BEAT_S)
                since_s = self.reckoning.since_s
                is_disturbed = any(
                    begin < account.at_s and since_s < end for begin, end in self._disturbances
                )
                self.reckoning.take(account, is_disturbed=is_disturbed)
                self._journal.write("look", **_told(account))
                return True
            await asyncio.sleep(_PAUSE_S)
        self.reckoning.unsettled += 1
        self._journal.write("unsettled", account=str(account))
        return False

    async def statuses(self) -> Sequence[Status | None]:
        """What the balancers say, each; None for one that doesn't answer."""
        return await asyncio.gather(*(each.status() for each in self._watchers))

    async def read_figures(self) -> None:
        """Read both metrics ports, and hold each reading against itself."""
        for watcher in self._watchers:
            figures = await watcher.figures()
            if figures is not None:
                self.readings += 1
                self.lost += abs(figures.lost)

    async def is_whole(self) -> bool:
        """Whether every part is there and every balancer has all instances hot."""
        found = [each for each in await self.statuses() if each is not None]
        if len(found) < len(self._watchers) or any(
            each.hot != self._system.instances for each in found
        ):
            return False
        if len(self._system.instance_pids()) != self._system.instances:
            return False
        self.addresses = found[0].addresses
        return await answers(self._system.page_port, "/api/about") and await answers(
            self._system.consul_port, "/v1/status/leader"
        )

    async def until_whole(self, within_s: float) -> bool:
        """Return when every part is there, or False when that takes too long."""
        # By looks, not by the clock, which goes on when the machine stands still.
        for _ in range(round(within_s / _LOOK_S)):
            if await self.is_whole():
                return True
            await asyncio.sleep(_LOOK_S)
        return False

    def sample(self) -> None:
        """Write down what each process takes."""
        self._sample("callers", os.getpid())
        for kind, parts in self._system.parts().items():
            for part in parts:
                self._sample(kind.value, part.pid)
        for pid in self._system.instance_pids():
            self._sample("instance", pid)

    def _sample(self, kind: str, pid: int) -> None:
        found = sample(pid) if pid else None
        if found is not None:
            self._journal.write(
                "sample",
                kind=kind,
                pid=pid,
                rss=found.rss_bytes,
                fds=found.descriptors,
                threads=found.threads,
                cpu_s=found.cpu_s,
            )

    async def _account(self) -> Account | None:
        """The callers' side, then the balancers'; None when one of them doesn't answer."""
        at_s, before, lives = time.monotonic(), self._book.snapshot(), self._lives()
        statuses = [each for each in await self.statuses() if each is not None]
        if len(statuses) < len(self._watchers) or lives != self._lives():
            return None
        return Account(at_s, lives, tuple(statuses), before)

    def _lives(self) -> tuple[int, ...]:
        return tuple(each.pid for each in self._system.balancers)


def _told(account: Account) -> dict[str, object]:
    """An account as JSON's values."""
    return {
        lane: {
            "under_way": account.under_way(lane),
            "waiting": sum(each.lanes[lane].waiting for each in account.statuses),
            "offered": account.offered(lane),
        }
        for lane in LANES
    }
