"""Tells the story of what is lost: blow after blow when it is due, and after each the way back to a whole system.

Knows nothing of calls.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from benchmarks.soak.journal import Journal
from benchmarks.soak.mischief import Blow, Kind
from benchmarks.soak.striking import Striker
from benchmarks.soak.watching import Watching

WHOLE_AGAIN_S = 50.0
"""More than a lost leader's session lives, and a start takes."""
_IN_ACCOUNTS = {Kind.BALANCER, Kind.WEB}
"""Of an instance or of Consul that is lost the balancers' accounts know nothing."""


class Losses:
    """The losses of one run. `so_far` says what came of the calls until now."""

    def __init__(
        self,
        striker: Striker,
        watching: Watching,
        journal: Journal,
        tell: Callable[[str], None],
        so_far: Callable[[], str],
    ) -> None:
        self._striker = striker
        self._watching = watching
        self._journal = journal
        self._tell = tell
        self._so_far = so_far

    @property
    def is_holding(self) -> bool:
        """Whether something is stopped now."""
        return self._striker.is_holding

    async def run(self, blows: Sequence[Blow], half_s: float) -> None:
        """Carry out all blows; those before `half_s` spare what is to live long."""
        began_s = time.monotonic()
        for at_s in sorted({blow.at_s for blow in blows}):
            await asyncio.sleep(max(began_s + at_s - time.monotonic(), 0.0))
            await self._lose([blow for blow in blows if blow.at_s == at_s], at_s < half_s)

    async def _lose(self, blows: Sequence[Blow], is_sparing: bool) -> None:
        hit_s = time.monotonic()
        touches_accounts = any(blow.kind in _IN_ACCOUNTS for blow in blows)
        over = self._watching.disturbed() if touches_accounts else None
        said = await asyncio.gather(
            *(self._striker.strike(blow, is_sparing=is_sparing) for blow in blows)
        )
        is_whole = await self._watching.until_whole(WHOLE_AGAIN_S)
        # Until all is there again, connections are made anew.
        if over is not None:
            over()
        back_s = time.monotonic() - hit_s
        self._journal.write("back", said=said, is_whole=is_whole, after_s=round(back_s, 2))
        again = f"all there again after {back_s:.1f} s" if is_whole else "NOT ALL THERE"
        self._tell(f"{' and '.join(said)}; {again}; {self._so_far()}")
