"""Keeps at most one of the balancers that share a fleet its leader, by a session and a lock in Consul.

A leader knows until when it leads without asking anybody: a session lives for SESSION_S after each renewal, so one
that hears nothing from Consul stops leading by itself, before Consul gives the lock to another. Runs on a thread of
its own, because python-consul blocks. Knows nothing about what a leader does.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import consul
import structlog

from tidegate.balancer.consul_http import ConsulAccess, ConsulHttp

SESSION_S = 10
"""Time to live of the session: the shortest that Consul accepts."""
LOCK_DELAY_S = 3
"""How long Consul keeps the lock shut after a session ran out. A leader has stopped by its own clock before that."""
RENEW_S = 2.0
"""How often a leader renews its session, and another one asks for the lock."""
TIMEOUT_S = 3.0
"""An answer that takes longer is taken for none, so that two renewals fit into a session's life."""
GOODBYE_S = 2.0
"""How long a stop waits for the lock to be given back; after that it is left to the session's end."""

_PROBLEMS = (consul.ConsulException, OSError, ValueError, KeyError, TypeError)
"""requests' own are OSErrors; so is a CA that can't be read."""

_log = structlog.get_logger("tidegate.balancer.leadership")


class ConsulLeadership:
    """One candidate for the lead of the fleet of one service name; `name` is for people."""

    def __init__(self, access: ConsulAccess, service: str, name: str) -> None:
        self._url = access.url
        self._key = f"tidegate/{service}/leader"
        self._name = name
        agent = SimpleNamespace(http=ConsulHttp(access, TIMEOUT_S), token=None, dc=None)
        self._sessions = consul.base.Consul.Session(agent)
        self._keys = consul.base.Consul.KV(agent)
        self._session: str | None = None
        self._leads_until_s = -math.inf
        self._led = False
        self._problem = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._stand, name="leadership", daemon=True)

    def __repr__(self) -> str:
        return f"<ConsulLeadership {self._name} | {'leads' if self.is_leader else 'follows'}>"

    @property
    def is_leader(self) -> bool:
        """Whether it leads at this very moment. Ask again before each thing that only a leader does."""
        return time.monotonic() < self._leads_until_s

    def start(self) -> None:
        """Begin to stand for the lead."""
        self._thread.start()

    async def stop(self) -> None:
        """Lead no longer, and give the lock back, so that another one can lead at once."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, GOODBYE_S)

    def _stand(self) -> None:
        while not self._stopping.is_set():
            problem = self._attempt(self._ask)
            if problem != self._problem:
                self._problem = problem
                if problem:
                    _log.warning("leadership can't be asked for", url=self._url, problem=problem)
            self._tell()
            self._stopping.wait(RENEW_S)
        self._leads_until_s = -math.inf
        self._attempt(self._give_back)
        self._tell()

    def _attempt(self, act: Callable[[], None]) -> str:
        """Do it; return what went wrong, in words, or nothing."""
        try:
            act()
        except _PROBLEMS as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _ask(self) -> None:
        # Before the question: the session lives on from when Consul gets it, which is later.
        began_s = time.monotonic()
        if self._session is not None:
            try:
                self._sessions.renew(self._session)
            except consul.NotFound:
                # It ran out, or Consul has lost its memory: whoever holds the lock now, we don't.
                self._session, self._leads_until_s = None, -math.inf
        if self._session is None:
            # No checks: the lock must not be lost because Consul's own agent is thought ill.
            self._session = self._sessions.create(
                name=self._key, checks=[], lock_delay=LOCK_DELAY_S, ttl=SESSION_S
            )
        is_ours = self._keys.put(self._key, self._name, acquire=self._session)
        self._leads_until_s = began_s + SESSION_S if is_ours else -math.inf

    def _give_back(self) -> None:
        if self._session is not None:
            # Released before the session ends: a lock that loses its session stays shut for a while.
            self._keys.put(self._key, self._name, release=self._session)
            self._sessions.destroy(self._session)

    def _tell(self) -> None:
        if self.is_leader != self._led:
            self._led = not self._led
            _log.info("leads the fleet" if self._led else "leads no longer", name=self._name)
