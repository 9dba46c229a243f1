"""Runs one soak from the start of the system to its end: calls, blows and looks beside one another.

Knows every part, and judges nothing.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from benchmarks.soak import mischief, traffic
from benchmarks.soak.book import Book
from benchmarks.soak.callers import ATTEMPTS, CHAT_S, Callers
from benchmarks.soak.capacity import measure
from benchmarks.soak.counted import CountedClient
from benchmarks.soak.ending import Kind
from benchmarks.soak.journal import Journal
from benchmarks.soak.look import busy_slots
from benchmarks.soak.losses import WHOLE_AGAIN_S, Losses
from benchmarks.soak.page import Page
from benchmarks.soak.striking import Striker
from benchmarks.soak.system import System
from benchmarks.soak.traffic import Rates
from benchmarks.soak.watching import EVERY_S, Watching

SHARE = 0.8
_UP_S, _REST_S = 120.0, 20.0
_TABS = 2
_MISSED_S = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """How long, how often something is lost, and by which draws. `measure_s` is how long capacity is measured."""

    lasts_s: float
    every_s: float
    seed: int
    is_calm: bool
    measure_s: float
    spared: int = 2


class Soak:
    """One run. `tell` is told how it goes."""

    def __init__(
        self, system: System, wanted: Wanted, journal: Journal, tell: Callable[[str], None]
    ) -> None:
        self._system = system
        self._wanted = wanted
        self._journal = journal
        self._tell = tell
        self._book = Book()
        self._watching = Watching(system, self._book, journal)
        self._failed = 0
        self._losses: Losses | None = None
        address = system.address
        self._callers = Callers(
            self._book,
            CountedClient(address, self._book, attempts=ATTEMPTS),
            CountedClient(address, self._book, attempts=1),
            Page(system.page_port, self._book),
            self._note_failure,
        )

    async def run(self) -> None:
        """Start everything, soak it, let it come to rest, end it, and write the summary."""
        self._tell("starting Consul, two balancers, the page and the instances")
        await self._start()
        capacity = await measure(
            self._callers.patient, self._system.instances, self._wanted.measure_s
        )
        rates = capacity.times(SHARE)
        self._tell(
            f"calls: {rates.labels:.1f} labels' worth and {rates.chats:.2f} chats a second, {SHARE:g} of capacity"
        )
        self._journal.write("rates", share=SHARE, **asdict(rates), seed=self._wanted.seed)
        beside = [self._watching.beat(), self._watch()]
        rng = Random(f"tabs {self._wanted.seed}")
        beside += [self._callers.page.keep_tab(rng, self._book.errors.append) for _ in range(_TABS)]
        running: list[asyncio.Future[Any]] = [asyncio.ensure_future(each) for each in beside]
        story: asyncio.Future[Any] = asyncio.gather(self._call(rates), self._lose())
        try:
            done, _ = await asyncio.wait({story, *running}, return_when=asyncio.FIRST_COMPLETED)
            # What goes on for ever ends by an error of ours alone.
            for each in done:
                await each
            await self._callers.ended(CHAT_S + _REST_S)
            await self._watching.until_whole(WHOLE_AGAIN_S)
        finally:
            story.cancel()
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        await self._end()

    async def _start(self) -> None:
        await self._system.consul.start()
        for part in (*self._system.balancers, self._system.web):
            await part.start()
        if not await self._watching.until_whole(_UP_S):
            raise TimeoutError(f"not everything is up after {_UP_S:g} s; see {self._system.folder}")

    async def _call(self, rates: Rates) -> None:
        began_s = time.monotonic()
        for arrival in traffic.arrivals(rates, self._wanted.lasts_s, self._wanted.seed):
            left_s = began_s + arrival.at_s - time.monotonic()
            # Callers are held up with all others; what they missed they don't make at once.
            if left_s > -_MISSED_S:
                await asyncio.sleep(max(left_s, 0.0))
                self._callers.begin(arrival)

    async def _lose(self) -> None:
        if self._wanted.is_calm:
            return
        wanted = self._wanted
        blows = mischief.plan(wanted.lasts_s, wanted.every_s, wanted.seed)
        spared = self._system.instance_pids()[: wanted.spared]
        striker = Striker(self._system, self._journal, spared)
        self._losses = Losses(striker, self._watching, self._journal, self._tell, self._so_far)
        await self._losses.run(list(blows), wanted.lasts_s / 2)

    async def _watch(self) -> None:
        while True:
            self._watching.sample()
            await self._watching.read_figures()
            if self._losses is None or not self._losses.is_holding:
                await self._watching.look()
            self._journal.write("count", ends=self._ends(), open=self._book.unaccounted)
            await asyncio.sleep(EVERY_S)

    async def _end(self) -> None:
        is_settled = await self._watching.look()
        await self._watching.read_figures()
        busy = sum([await busy_slots(address) for address in self._watching.addresses])
        await self._callers.patient.close()
        await self._callers.heedless.close()
        await self._watching.close()
        codes = {
            part.name: await part.stop() for part in (self._system.web, *self._system.balancers)
        }
        book, seen = self._book, self._watching
        labels = {
            f"label_p{round(100 * share)}_s": book.percentile_s(Kind.LABEL, share)
            for share in (0.5, 0.95, 0.99)
        }
        self._journal.write(
            "summary",
            begun=sum(book.begun.values()),
            unaccounted=book.unaccounted,
            errors=book.errors[:20],
            ends=self._ends(),
            is_settled=is_settled,
            reckoned=seen.reckoning.summary(),
            readings=seen.readings,
            lost=seen.lost,
            busy_slots=busy,
            instances=len(seen.addresses),
            exit_codes=codes,
            **labels,
        )

    def _ends(self) -> dict[str, dict[str, int]]:
        return {
            kind.value: {end.value: count for end, count in ends.items()}
            for kind, ends in self._book.ends.items()
        }

    def _so_far(self) -> str:
        begun = sum(self._book.begun.values())
        return f"{begun} calls, {self._failed} labels failed, {len(self._watching.reckoning.wrong)} counts wrong"

    def _note_failure(self, took_s: float, said: str) -> None:
        self._failed += 1
        self._journal.write("failure", took_s=round(took_s, 2), said=said)
