"""Drives the pool on an asyncio loop: a lease per call, one timer, verdicts to whoever waits.

Membership is applied when it is reported, time before any call. Leaving a lease by success, failure or
cancellation finishes its send with exactly one outcome. Knows nothing about gRPC, and decides nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType

from typing_extensions import assert_never

from tidegate.balancer.core.call import Call, Outcome
from tidegate.balancer.core.change import Change
from tidegate.balancer.core.instance import Registration, Role
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.core.verdict import Send, Shed, Verdict, Wait
from tidegate.balancer.telemetry.meter import Meter

DEADLINE_SLACK_S = 0.02
"""A hang-up this close to the call's deadline is the deadline: the transport's clock rounds."""


OnCold = Callable[[float], Awaitable[None]]
"""Tells a caller for how many seconds it is likely to wait while nothing is hot."""


class ShedError(Exception):
    """The call was shed; `shed` says why and when to come back."""

    def __init__(self, shed: Shed) -> None:
        super().__init__(shed.reason.value)
        self.shed = shed


class Lease:
    """The right to send one call, from `__aenter__` until it is left.

    Entering waits for the pool's verdict and raises `ShedError` when that is a shed. Whoever holds the
    lease says how the send ended with `end`; who leaves it without a word has hung up or failed.
    """

    def __init__(self, dispatcher: "Dispatcher", call: Call, on_cold: OnCold | None) -> None:
        self._dispatcher = dispatcher
        self._call = call
        self._on_cold = on_cold
        self._send: Send | None = None
        self._outcome: Outcome | None = None

    async def __aenter__(self) -> "Lease":
        self._send = await self._dispatcher.acquire(self._call, self._on_cold)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._send is None:
            return
        outcome = self._outcome
        if outcome is None and isinstance(error, asyncio.CancelledError):
            outcome = self._dispatcher.hang_up(self._call)
        self._dispatcher.finish(self._send, outcome or Outcome.FAILED)

    @property
    def send(self) -> Send:
        """Where the call is to go now."""
        if self._send is None:
            raise RuntimeError("the lease is not held")
        return self._send

    @property
    def queued_s(self) -> float:
        """How long the call waited before the present send."""
        return max(self.send.began_s - self._call.arrived_s, 0.0)

    def end(self, outcome: Outcome) -> None:
        """Say how the send ended; leaving the lease reports it."""
        self._outcome = outcome

    async def again(self, outcome: Outcome) -> None:
        """Finish the present send as lost or refused and wait for another one.

        Raises `ShedError` if the pool grants none; the call is over then.
        """
        send, self._send = self.send, None
        self._send = await self._dispatcher.acquire_again(send, outcome)


class Dispatcher:
    """One pool on the running loop. Times are those of `loop.time()`."""

    def __init__(self, pool: Pool, meter: Meter, on_change: Callable[[Change], None]) -> None:
        self._pool = pool
        self._meter = meter
        self._on_change = on_change
        self.on_cold: Callable[[], None] | None = None
        """Told of each call that finds nothing hot."""
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[Send | Shed]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def __repr__(self) -> str:
        return repr(self._pool)

    @property
    def pool(self) -> Pool:
        """The pool; to look at only."""
        return self._pool

    def now_s(self) -> float:
        """The clock that every time in the pool is of."""
        return self._loop.time()

    def lease(self, call: Call, on_cold: OnCold | None = None) -> Lease:
        """`async with dispatcher.lease(call) as lease` holds a send for the call.

        `on_cold` is awaited once, when the call has to wait because nothing is hot.
        """
        return Lease(self, call, on_cold)

    def observe(self, registrations: Sequence[Registration], reason: str) -> None:
        """Take `registrations` as the whole membership."""
        self._apply(self._pool.observe(registrations, reason, self.now_s()))

    def adopt(self, policy: Policy) -> None:
        """Decide by other numbers from now on."""
        self._pool.adopt(policy)
        # Whoever waits may have room by them.
        self._apply(self._pool.tick(self.now_s()))

    def note_ready(self, role: Role, ready_s: float | None) -> None:
        """Take in when the next instance of `role` is expected to be hot; None: none is coming."""
        self._apply(self._pool.note_ready(role, ready_s, self.now_s()))

    def note_lag(self, lag_s: float) -> None:
        """Take in how late the loop runs."""
        self._meter.lagged(lag_s)
        self._pool.note_lag(lag_s, self.now_s())
        self._tell_changes()

    def note_delay(self, took_s: float) -> None:
        """Take in how long a call of the balancer to itself took."""
        self._pool.note_delay(took_s, self.now_s())

    def close(self) -> None:
        """Refuse what waits and what comes from now on."""
        self._apply(self._pool.close(self.now_s()))

    async def drained(self) -> None:
        """Return when no call is with an instance."""
        await self._idle.wait()

    def stop(self) -> None:
        """Disarm the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What a lease calls

    async def acquire(self, call: Call, on_cold: OnCold | None = None) -> Send:
        """Offer the call and wait for its send; raises `ShedError`."""
        now = self.now_s()
        if self._timer is not None and self._timer.when() <= now:
            self._tick()
        verdict = self._pool.offer(call, now)
        self._meter.offered(verdict, now)
        if self.on_cold is not None and not isinstance(verdict, Send) and self._is_cold(call):
            self.on_cold()
        match verdict:
            case Send():
                self._follow()
                return verdict
            case Shed():
                raise ShedError(verdict)
            case Wait():
                future = self._expect(call)
                self._follow()
                if on_cold is None or not self._is_cold(call):
                    return await self._verdict(call, future)
                return await self._verdict(call, future, on_cold(verdict.estimated_wait_s))
            case _:
                assert_never(verdict)

    async def acquire_again(self, send: Send, outcome: Outcome) -> Send:
        """Finish a send that came to nothing and wait for the next; raises `ShedError`."""
        future = self._expect(send.call)
        self._apply(self._finish(send, outcome))
        return await self._verdict(send.call, future)

    def finish(self, send: Send, outcome: Outcome) -> None:
        """Finish a send."""
        self._apply(self._finish(send, outcome))

    def hang_up(self, call: Call) -> Outcome:
        """What it means that a call is cancelled now: its deadline passed, or its caller left."""
        deadline_s = call.deadline_s
        expired = deadline_s is not None and deadline_s - DEADLINE_SLACK_S <= self.now_s()
        return Outcome.EXPIRED if expired else Outcome.CANCELLED

    # Verdicts and time

    def _is_cold(self, call: Call) -> bool:
        return self._pool.is_cold(call.lane)

    def _expect(self, call: Call) -> asyncio.Future[Send | Shed]:
        future: asyncio.Future[Send | Shed] = self._loop.create_future()
        self._waiting[call.id] = future
        return future

    async def _verdict(
        self,
        call: Call,
        future: asyncio.Future[Send | Shed],
        meanwhile: Awaitable[None] | None = None,
    ) -> Send:
        try:
            if meanwhile is not None:
                await meanwhile
            verdict = await future
        except BaseException:
            self._give_up(call, future)
            raise
        if isinstance(verdict, Shed):
            raise ShedError(verdict)
        return verdict

    def _give_up(self, call: Call, future: asyncio.Future[Send | Shed]) -> None:
        """The caller left while it waited, perhaps in the very turn in which its send came."""
        outcome = self.hang_up(call)
        if self._waiting.pop(call.id, None) is not None:
            now = self.now_s()
            verdicts = self._pool.withdraw(call, outcome, now)
            self._meter.withdrawn(call, outcome, now)
            self._apply(verdicts)
        elif not future.cancelled() and isinstance(verdict := future.result(), Send):
            self.finish(verdict, outcome)

    def _finish(self, send: Send, outcome: Outcome) -> list[Verdict]:
        now = self.now_s()
        verdicts = self._pool.finish(send, outcome, now)
        self._meter.finished(send, outcome, now)
        return verdicts

    def _apply(self, verdicts: Iterable[Verdict]) -> None:
        """Hand out verdicts, and do what follows from them."""
        pending = list(verdicts)
        while pending:
            verdict = pending.pop(0)
            if isinstance(verdict, Wait):
                continue
            self._meter.decided(verdict, self.now_s())
            future = self._waiting.pop(verdict.call.id)
            if not future.cancelled():
                future.set_result(verdict)
            elif isinstance(verdict, Send):
                # Cancelled in this very turn, and its task has not run yet.
                pending += self._finish(verdict, self.hang_up(verdict.call))
        self._follow()

    def _follow(self) -> None:
        """Follow the pool: report its changes, note whether it is idle, arm the timer."""
        self._tell_changes()
        if self._pool.in_flight:
            self._idle.clear()
        else:
            self._idle.set()
        self._arm()

    def _tell_changes(self) -> None:
        for change in self._pool.take_changes():
            self._meter.changed(change)
            self._on_change(change)

    def _arm(self) -> None:
        due_s = self._pool.next_tick_s(self.now_s())
        if self._timer is not None:
            if self._timer.when() == due_s:
                return
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            self._timer = self._loop.call_at(due_s, self._tick)

    def _tick(self) -> None:
        self.stop()
        self._apply(self._pool.tick(self.now_s()))
