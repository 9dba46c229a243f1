"""Puts hot and cold together for one balancer: who leads, what runs, what is wanted.

Knows every part, and decides nothing.
"""

import os
import secrets
import socket
from collections.abc import Callable, Collection
from datetime import datetime

from tidegate.balancer.board import Board
from tidegate.balancer.config import BalancerSettings
from tidegate.balancer.consul_http import ConsulAccess
from tidegate.balancer.dispatcher import Dispatcher
from tidegate.balancer.launchers.choice import Choice
from tidegate.balancer.launching import Launching
from tidegate.balancer.leadership import ConsulLeadership
from tidegate.balancer.scaling import Scaling


class Heat:
    """Hot and cold of one balancer, on the running loop."""

    def __init__(
        self,
        settings: BalancerSettings,
        consul: ConsulAccess,
        choice: Choice,
        dispatcher: Dispatcher,
        drained: Callable[[], Collection[str]],
        worker: str,
        wall: Callable[[], datetime],
    ) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        service = settings.service_name
        self._leadership = ConsulLeadership(consul, service, f"{name} {worker}".strip())
        self._board = Board(consul, service, name)
        self._launching = Launching(
            choice.launcher, settings.scales, lambda: self._leadership.is_leader
        )
        self.scaling = Scaling(
            settings.scales, dispatcher, self._launching, self._board, choice.name, drained, wall
        )
        dispatcher.on_cold = self.scaling.wake

    def __repr__(self) -> str:
        return f"<Heat {self._leadership!r} {self._launching!r}>"

    @property
    def is_leading(self) -> bool:
        """Whether it is this balancer that starts and stops."""
        return self._leadership.is_leader

    def start(self) -> None:
        """Stand for the lead, and begin to look."""
        self._leadership.start()
        self._board.start()
        self._launching.start()
        self.scaling.start()

    async def lead_no_more(self) -> None:
        """Start and stop nothing any more, and let another balancer do it."""
        await self.scaling.stop()
        await self._leadership.stop()

    async def stop(self) -> None:
        """Let go of what runs."""
        await self._board.stop()
        await self._launching.stop()
