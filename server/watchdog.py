"""Notices an engine that stands still with work before it, and ends the process for a restart.

A step that never returns can't be interrupted, and its thread can't be replaced: only a new
process helps. Knows nothing of gRPC, nor of what the steps compute.
"""

import os
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType

import structlog

from tidegate.server.engine.sequence import EngineLoad

# EX_SOFTWARE of sysexits.h: an internal error, worth a restart.
EXIT_CODE = 70
# How often the engine is looked at; a small limit is looked at ten times within it.
_LOOK_EVERY_S = 1.0
_LOOKS_WITHIN_LIMIT = 10
# A look that comes later than this was late itself: the whole process had been stopped.
_LATE_LOOKS = 3
# A machine that is so busy that steps take seconds is slow, not broken: 128 tokens that take half
# a second on two quiet cores were seen to take 13 s beside eight other programs.
_TIMES_SLOWEST_STEP = 5

log = structlog.get_logger()


class Stillness:
    """How long the engine has had work and made no step. `observe` is told the time.

    Time in which nobody looked counts little: a process that was stopped and continued stood
    still as a whole, and its engine deserves the same time again. An engine whose slowest step
    so far took long gets five times that.
    """

    def __init__(self, limit_s: float, look_every_s: float) -> None:
        self._limit_s = limit_s
        self._most_s = _LATE_LOOKS * look_every_s
        self._steps = 0
        self._slowest_s = 0.0
        self._looked_s: float | None = None
        self.still_s = 0.0

    def observe(self, load: EngineLoad, now: float) -> bool:
        """Return whether the engine hangs: work at every look, and no step for the limit."""
        passed_s = 0.0 if self._looked_s is None else now - self._looked_s
        is_idle = load.running + load.waiting == 0
        if is_idle or load.steps != self._steps:
            self._slowest_s = max(self._slowest_s, self.still_s)
            self.still_s = 0.0
        else:
            self.still_s += min(passed_s, self._most_s)
        self._looked_s, self._steps = now, load.steps
        return self.still_s >= max(self._limit_s, _TIMES_SLOWEST_STEP * self._slowest_s)


class Watchdog:
    """Looks at the engine from a thread of its own, from `__enter__` to `__exit__`.

    When it hangs, the stacks of all threads are logged, `say_farewell` is called (it must come
    back by itself) and `end` is called with the exit code.
    """

    def __init__(
        self,
        look: Callable[[], EngineLoad],
        clock: Callable[[], float],
        limit_s: float,
        say_farewell: Callable[[], None],
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._look = look
        self._clock = clock
        self._every_s = min(_LOOK_EVERY_S, limit_s / _LOOKS_WITHIN_LIMIT)
        self._stillness = Stillness(limit_s, self._every_s)
        self._say_farewell = say_farewell
        self._end = end
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()

    def _watch(self) -> None:
        while not self._is_over.wait(self._every_s):
            if self._stillness.observe(self._look(), self._clock()):
                self._give_up()
                return

    def _give_up(self) -> None:
        still_s = round(self._stillness.still_s, 1)
        log.critical("engine hangs", still_s=still_s, exit_code=EXIT_CODE, stack=_all_stacks())
        try:
            self._say_farewell()
        except Exception:
            # A process in this state may be broken elsewhere, too; it must end all the same.
            log.exception("farewell failed")
        self._end(EXIT_CODE)


def _all_stacks() -> str:
    """Return where every thread stands: files and lines, and none of the callers' texts."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"thread {names.get(ident, 'of a library')}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    )
