"""What Consul knows of a fleet, as the tests of launchers ask for it."""

import asyncio
from dataclasses import dataclass
from typing import Any

from support.consul import ConsulAgent


@dataclass(frozen=True)
class Seen:
    """The instances of one fleet, by its name in Consul."""

    consul: ConsulAgent
    name: str

    def instances(self, phase: str = "hot") -> list[dict[str, Any]]:
        """Those in a phase; a hot one must pass its check, too."""
        return [
            each
            for each in self.consul.services(self.name)
            if each["tags"]["phase"] == phase and (each["passes"] or phase != "hot")
        ]

    async def hot(self, count: int, within_s: float = 20.0) -> list[dict[str, Any]]:
        """Return the instances when exactly so many are registered, and hot."""
        end_s = asyncio.get_running_loop().time() + within_s
        while True:
            everything = await asyncio.to_thread(self.consul.services, self.name)
            hot = await asyncio.to_thread(self.instances)
            if len(hot) == len(everything) == count:
                return hot
            assert asyncio.get_running_loop().time() < end_s, (
                f"not {count} hot within {within_s:g} s: {everything}"
            )
            await asyncio.sleep(0.05)
