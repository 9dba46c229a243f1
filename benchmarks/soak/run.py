"""Runs one soak from the start of the system to its end: calls, blows and looks beside one another.

Knows every part, and judges nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from itertools import count
from random import Random

from benchmarks.soak import mischief, traffic
from benchmarks.soak.book import Book
from benchmarks.soak.callers import ATTEMPTS, CHAT_S, Callers
from benchmarks.soak.counted import CountedClient
from benchmarks.soak.ending import Kind
from benchmarks.soak.journal import Journal
from benchmarks.soak.look import busy_slots
from benchmarks.soak.mischief import Kind as Lost
from benchmarks.soak.page import Page
from benchmarks.soak.striking import Striker
from benchmarks.soak.system import CHAT_SLOTS, SENTIMENT_SLOTS, System
from benchmarks.soak.traffic import Rates
from benchmarks.soak.watching import EVERY_S, Watching

SHARE = 0.8
_UP_S, _WHOLE_AGAIN_S, _REST_S = 120.0, 50.0, 20.0
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
        rates = (await self._capacity()).times(SHARE)
        self._tell(
            f"calls: {rates.labels:.1f} labels' worth and {rates.chats:.2f} chats a second, {SHARE:g} of capacity"
        )
        self._journal.write("rates", share=SHARE, **asdict(rates), seed=self._wanted.seed)
        beside = [self._watching.beat(), self._watch()]
        rng = Random(f"tabs {self._wanted.seed}")
        beside += [self._callers.page.keep_tab(rng, self._book.errors.append) for _ in range(_TABS)]
        running = [asyncio.ensure_future(each) for each in beside]
        story = asyncio.gather(self._call(rates), self._strike())
        try:
            done, _ = await asyncio.wait({story, *running}, return_when=asyncio.FIRST_COMPLETED)
            # What goes on for ever ends by an error of ours alone.
            for each in done:
                await each
            await self._callers.ended(CHAT_S + _REST_S)
            await self._until_whole(_WHOLE_AGAIN_S)
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
        if not await self._until_whole(_UP_S):
            raise TimeoutError(f"not everything is up after {_UP_S:g} s; see {self._system.folder}")

    async def _capacity(self) -> Rates:
        """How many labels and chats a second are answered when there are always more, of either."""
        began_s, client, numbers = time.monotonic(), self._callers.patient, count(1)

        async def rate(call: Callable[[str], Awaitable[object]]) -> float:
            """Calls a second of one who calls again and again, the last one to its end."""
            calls, now_s = 0, began_s
            while now_s < began_s + self._wanted.measure_s:
                await call(f"第{next(numbers)}条")
                calls, now_s = calls + 1, time.monotonic()
            return calls / (now_s - began_s)

        size = self._system.instances
        labels, chats = await asyncio.gather(
            asyncio.gather(*(rate(client.classify) for _ in range(size * SENTIMENT_SLOTS))),
            asyncio.gather(*(rate(client.reply) for _ in range(size * CHAT_SLOTS))),
        )
        return Rates(sum(labels), sum(chats))

    async def _call(self, rates: Rates) -> None:
        began_s = time.monotonic()
        for arrival in traffic.arrivals(rates, self._wanted.lasts_s, self._wanted.seed):
            left_s = began_s + arrival.at_s - time.monotonic()
            # Callers are held up with all others; what they missed they don't make at once.
            if left_s > -_MISSED_S:
                await asyncio.sleep(max(left_s, 0.0))
                self._callers.begin(arrival)

    async def _strike(self) -> None:
        if self._wanted.is_calm:
            return
        wanted, began_s = self._wanted, time.monotonic()
        spared = self._system.instance_pids()[: wanted.spared]
        self._striker = Striker(self._system, self._journal, spared)
        blows = list(mischief.plan(wanted.lasts_s, wanted.every_s, wanted.seed))
        for at_s in sorted({blow.at_s for blow in blows}):
            await asyncio.sleep(max(began_s + at_s - time.monotonic(), 0.0))
            hit_s = time.monotonic()
            kinds = {blow.kind for blow in blows if blow.at_s == at_s}
            # Of an instance or of Consul that is lost the balancers' accounts know nothing.
            touches_accounts = kinds & {Lost.BALANCER, Lost.WEB}
            over = self._watching.disturbed() if touches_accounts else None
            said = await asyncio.gather(
                *(
                    self._striker.strike(
                        blow,
                        is_first_half=mischief.is_first_half(blow, wanted.lasts_s, wanted.every_s),
                    )
                    for blow in blows
                    if blow.at_s == at_s
                )
            )
            is_whole = await self._until_whole(_WHOLE_AGAIN_S)
            # Until all is there again, connections are made anew.
            if over is not None:
                over()
            back_s = time.monotonic() - hit_s
            self._journal.write("back", said=said, is_whole=is_whole, after_s=round(back_s, 2))
            again = f"all there again after {back_s:.1f} s" if is_whole else "NOT ALL THERE"
            self._tell(f"{' and '.join(said)}; {again}; {self._so_far()}")

    async def _watch(self) -> None:
        while True:
            self._watching.sample()
            await self._watching.read_figures()
            striker = getattr(self, "_striker", None)
            if striker is None or not striker.is_holding:
                await self._watching.look()
            self._journal.write("count", ends=self._ends(), open=self._book.unaccounted)
            await asyncio.sleep(EVERY_S)

    async def _until_whole(self, within_s: float) -> bool:
        until_s = time.monotonic() + within_s
        while not await self._watching.is_whole():
            if time.monotonic() > until_s:
                return False
            await asyncio.sleep(0.5)
        return True

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
