"""Decides when an instance that can't be reached is left alone, and when it is tried again.

Three transport failures in a row put it out for 5 s, doubling up to 60 s; then one call at a
time may probe it, and the first that gets through brings it back. Knows nothing about other
instances: that the last living one is never left alone is the roster's rule.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Ejection:
    """The record of one instance. `out_until_s` is None while it is trusted."""

    eject_after: int
    eject_s: float
    eject_max_s: float
    failures: int = 0
    times: int = 0
    out_until_s: float | None = None

    def fail(self, now: float) -> bool:
        """Note a transport failure; True if the instance goes out because of it.

        While it is out, further failures are those of calls sent before, and change nothing.
        """
        if self.is_out(now):
            return False
        self.failures += 1
        if self.out_until_s is None and self.failures < self.eject_after:
            return False
        out_s = min(self.eject_s * 2.0**self.times, self.eject_max_s)
        self.failures, self.times, self.out_until_s = 0, self.times + 1, now + out_s
        return True

    def succeed(self) -> bool:
        """Note that the transport works; True if the instance comes back because of it."""
        came_back = self.out_until_s is not None
        self.failures, self.times, self.out_until_s = 0, 0, None
        return came_back

    def is_out(self, now: float) -> bool:
        """Whether no call may go there."""
        return self.out_until_s is not None and now < self.out_until_s

    def is_on_probation(self, now: float) -> bool:
        """Whether one call at a time may go there, as a probe."""
        return self.out_until_s is not None and now >= self.out_until_s
