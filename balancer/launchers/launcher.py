"""What a launcher promises: to keep a number of instances of a role running, somewhere.

An instance tells Consul of itself once it runs, and the balancer learns of it there: a launcher is never asked
where its instances are. Knows nothing about load, or why a number is wanted.
"""

from typing import Protocol

from tidegate.balancer.core.instance import Role


class LaunchError(Exception):
    """The launcher can't do what it was told; the message is one line that says why, and what to do."""


class Launcher(Protocol):
    """Starts and stops instances. Every method but `close` raises LaunchError."""

    async def open(self) -> None:
        """Take over what an earlier balancer of this fleet left running; starts nothing."""

    async def count(self, role: Role) -> int:
        """Return how many of `role` it keeps: those that run or are being started, none that was told to stop."""

    async def keep(self, role: Role, count: int) -> None:
        """Start or stop as many as it takes to keep `count`; returns when that is under way.

        Whoever is stopped drains first: SIGTERM, then 40 seconds before it is killed.
        """

    async def close(self) -> None:
        """Let go of what runs, without stopping any of it."""
