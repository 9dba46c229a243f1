"""Watches what calls wait for, and ends those that wait for their own callers for too long.

A call waits for its caller until its message is here, while an answer in a stream is not taken, and once its method is done until
the caller is rid of it. Knows nothing about what is called.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from tidegate.limits.hang_up import CallTask, hang_up, make_task
from tidegate.limits.settings import LimitSettings
from tidegate.limits.stalls import Stalls
from tidegate.operating.freed_memory import give_back

LOOK_S = 0.25
GIVE_BACK_S = 0.5
"""While calls are ended, so often their memory goes back to the system."""
WANTED = 0.2
"""Part of the limit that counts where others wait for the slot that a call holds."""

Call: TypeAlias = "asyncio.Task[Any]"
IsWanted: TypeAlias = Callable[[], bool]
"""Says whether others wait for what a call holds."""


class StallWatch:
    """The calls of one process, each named by its task, on the running loop. `on_stalled` is told of each that is ended."""

    def __init__(self, limits: LimitSettings, on_stalled: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit_s = limits.stall_s
        self._on_stalled = on_stalled
        # Before their methods have begun, and after they are done: these hold nothing but memory.
        self._outside: Stalls[Call] = Stalls(limits.stalled_calls)
        # In the midst of them: there are no more of these than may be under way.
        self._within: dict[Call, tuple[float, IsWanted]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._ended_some = False

    def start(self) -> None:
        """Begin to look. From now on the loop makes the tasks of calls so that they can be ended."""
        self._loop.set_task_factory(make_task)  # type: ignore[arg-type]
        self._looking = asyncio.ensure_future(self._look())

    async def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._loop.set_task_factory(None)

    def now_s(self) -> float:
        """The clock that everything here is measured by."""
        return self._loop.time()

    def came(self) -> None:
        """The present task is that of a call which has come; its message may not have."""
        call = asyncio.current_task()
        if isinstance(call, CallTask) and call.made_by is not None:
            # Not with its own end: gRPC may be far from rid of the call by then.
            call.made_by.add_done_callback(lambda _: self._outside.end(call))
            self.waits(call)

    def waits(self, call: Call) -> None:
        """A call waits for its caller, and holds nothing."""
        if isinstance(call, CallTask) and (oldest := self._outside.begin(call, self.now_s())):
            self._end(oldest)

    def goes_on(self, call: Call) -> None:
        """It doesn't any more."""
        self._outside.end(call)

    def waits_within(self, call: Call, is_wanted: IsWanted) -> None:
        """A call waits for its caller, and holds what others may want."""
        self._within[call] = self.now_s(), is_wanted

    def goes_on_within(self, call: Call) -> None:
        """It doesn't any more."""
        self._within.pop(call, None)

    def is_too_long(self, since_s: float, is_wanted: IsWanted) -> bool:
        """Whether a call that holds something has waited long enough for its caller."""
        waited_s = self.now_s() - since_s
        return waited_s >= self._limit_s or (waited_s >= self._limit_s * WANTED and is_wanted())

    async def _look(self) -> None:
        given_back_s = self.now_s()
        while True:
            await asyncio.sleep(LOOK_S)
            if self._ended_some and self.now_s() - given_back_s >= GIVE_BACK_S:
                # A millisecond.
                give_back()
                self._ended_some, given_back_s = False, self.now_s()
            for call in self._outside.take_older(self.now_s() - self._limit_s):
                self._end(call)
            for call, (since_s, is_wanted) in list(self._within.items()):
                if self.is_too_long(since_s, is_wanted):
                    del self._within[call]
                    self._end(call)

    def note_stalled(self) -> None:
        """A call ends because of its caller, by other means than here."""
        self._on_stalled()

    def _end(self, call: Call) -> None:
        self._ended_some = True
        self._on_stalled()
        hang_up(call)
