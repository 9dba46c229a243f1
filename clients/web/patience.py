"""Closes connections of browsers that wait for the other side for too long, which uvicorn has no setting for.

Knows nothing about what is served.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def patient_for(patience_s: float) -> type[PatientProtocol]:
    """The protocol that has so much patience."""
    return type("_Patient", (PatientProtocol,), {"patience_s": patience_s})


class PatientProtocol(H11Protocol):
    """One connection. It is looked at now and then; who was waited for at two looks, for the same, has gone or means harm."""

    patience_s: float
    _look: asyncio.TimerHandle | None = None
    _waited_for: tuple[str, object] | None = None

    def connection_made(self, transport: Any) -> None:
        """As asyncio tells."""
        super().connection_made(transport)
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio tells."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        self._look = self.loop.call_later(self.patience_s / 2, self._look_now)

    def _look_now(self) -> None:
        waiting_for = self._waits_for()
        if waiting_for is not None and waiting_for == self._waited_for:
            self.transport.abort()
            return
        self._waited_for = waiting_for
        self._look_later()

    def _waits_for(self) -> tuple[str, object] | None:
        """What the other side has to do next; None when it is our turn."""
        if self.flow.write_paused:
            return "to read", self.cycle
        if self.cycle is None or self.cycle.response_complete:
            return "to ask", self.cycle
        return None
