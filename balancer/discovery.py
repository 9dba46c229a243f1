"""Learns from Consul which instances there are, and says so whenever that changes.

Blocking queries run on a thread of their own, because python-consul blocks; nothing waits for that thread, so
that a Consul that hangs can't hold up a shutdown. A Consul that is away changes nothing: the last known
instances stay. Knows nothing about the pool.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import consul
import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)
from tenacity.nap import sleep_using_event

from tidegate.balancer.consul_http import ConsulAccess, ConsulHttp
from tidegate.balancer.core.instance import Registration
from tidegate.balancer.memory import Memory
from tidegate.balancer.registration import read_registration

Observe = Callable[[Sequence[Registration], str], None]

WAIT_S = 10
"""How long Consul holds a question that has no news. Short, so that a silent loss is noticed."""
SLACK_S = 5.0
"""Consul adds up to a sixteenth to the wait; beyond this the connection is taken for dead."""
FIRST_RETRY_S, LONGEST_RETRY_S = 0.2, 2.0

_log = structlog.get_logger("tidegate.balancer.discovery")


class ConsulDiscovery:
    """Watches one service name in one Consul."""

    def __init__(self, access: ConsulAccess, service: str, observe: Observe) -> None:
        self._url = access.url
        self._service = service
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._is_away = False
        self._complaints: set[str] = set()
        http = ConsulHttp(access, (SLACK_S, WAIT_S + SLACK_S))
        # The whole client would read CONSUL_HTTP_ADDR, which must not outvote the setting.
        self._health = consul.base.Consul.Health(SimpleNamespace(http=http, token=None, dc=None))
        self._thread = threading.Thread(target=self._watch, name="consul", daemon=True)

    def __str__(self) -> str:
        return f"consul {self._url}"

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    async def stop(self) -> None:
        """Stop watching; a question that Consul still holds is left to itself."""
        self._stopping.set()

    def _watch(self) -> None:
        memory, told = Memory(), None
        retrying = Retrying(
            retry=retry_if_exception_type(
                # requests' own are OSErrors; so is a CA that can't be read.
                (consul.ConsulException, OSError, ValueError, KeyError, TypeError)
            ),
            wait=wait_exponential(multiplier=FIRST_RETRY_S, max=LONGEST_RETRY_S)
            + wait_random(0, 0.1),
            stop=stop_when_event_set(self._stopping),
            sleep=sleep_using_event(self._stopping),
            before_sleep=self._note_away,
            retry_error_callback=lambda _: None,
        )
        while not self._stopping.is_set():
            answer = retrying(self._ask, memory.index)
            if answer is None or self._stopping.is_set():
                return
            index, registrations = answer
            memory = memory.believe(index, registrations, time.monotonic())
            if self._is_away:
                self._is_away = False
                _log.info("consul is back", url=self._url)
            if told != memory.registrations:
                told = memory.registrations
                self._tell(memory.registrations)

    def _ask(self, index: int | None) -> tuple[int, tuple[Registration, ...]]:
        if self._is_away:
            # It may have lost its memory, and would wait for an index that is far ahead of it.
            index = None
        now_index, nodes = self._health.service(self._service, index=index, wait=f"{WAIT_S}s")
        return int(now_index), tuple(self._readable(nodes))

    def _readable(self, nodes: Sequence[Mapping[str, Any]]) -> list[Registration]:
        """The registrations that can be read; the others are complained about once."""
        complaints: set[str] = set()
        readable = [self._read(node, complaints) for node in nodes]
        self._complaints = complaints
        return sorted((each for each in readable if each is not None), key=lambda each: each.id)

    def _read(self, node: Mapping[str, Any], complaints: set[str]) -> Registration | None:
        try:
            return read_registration(node)
        except ValueError as error:
            complaint = f"{node['Service']['ID']}: {error}"
            complaints.add(complaint)
            if complaint not in self._complaints:
                _log.warning("registration ignored", problem=complaint)
            return None

    def _note_away(self, state: RetryCallState) -> None:
        if self._is_away or state.outcome is None:
            return
        self._is_away = True
        error = state.outcome.exception()
        _log.warning("consul is away", url=self._url, problem=f"{type(error).__name__}: {error}")

    def _tell(self, registrations: Sequence[Registration]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._observe, registrations, "consul")
        except RuntimeError:
            # The loop has ended; nobody is left to tell.
            self._stopping.set()
