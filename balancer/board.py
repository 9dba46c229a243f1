"""What the balancers of one fleet tell each other of hot and cold, by keys in Consul: what each has to do, and what operators want.

Whoever leads sees the calls of all, and a wish that any of them took. Asks on a thread of its own, because
python-consul blocks. While Consul is away the last wishes hold, and nothing is known of the others. Knows nothing about what follows.
"""

import asyncio
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import consul
import structlog

from tidegate.balancer.consul_http import ConsulAccess, ConsulHttp
from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.core.instance import Role
from tidegate.balancer.core.look import Press
from tidegate.balancer.wishes import Wishes

EXCHANGE_S = 1.0
TELL_AGAIN_S = 3.0
"""What hasn't changed is told again so often, as a sign of life."""
STALE_S = 10.0
"""Who was silent for so long is gone."""
NOW_S = 0.1
"""How soon the others are told of what can't wait for the next exchange."""
TIMEOUT_S = 3.0
GOODBYE_S = 2.0

_PROBLEMS = (consul.ConsulException, OSError, ValueError, KeyError, TypeError)
"""requests' own are OSErrors; so is a CA that can't be read."""

Work = Mapping[Role, Mapping[Lane, Press]]

_log = structlog.get_logger("tidegate.balancer.board")


class BoardError(Exception):
    """Consul did not take what was to be put there; the message is one line."""


@dataclass(slots=True)
class _Seen:
    """What another balancer told last, by which index of Consul, and when that was new."""

    index: int
    at_s: float
    work: Work


class Board:
    """One balancer's view of the board of a service; `name` is its own, unlike all others'."""

    def __init__(self, access: ConsulAccess, service: str, name: str) -> None:
        self._url = access.url
        self._root = f"tidegate/{service}/"
        self._name = name
        agent = SimpleNamespace(
            http=ConsulHttp(access, TIMEOUT_S), token=None, dc=None, consistency="default"
        )
        self._keys = consul.base.Consul.KV(agent)
        self._own: Work = {}
        self._told = ""
        self._told_s = float("-inf")
        self._seen: dict[str, _Seen] = {}
        self._wishes: dict[Role, Wishes] = {}
        self._problem = ""
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._exchange_on, name="board", daemon=True)

    def __repr__(self) -> str:
        return f"<Board {self._root} | {len(self._seen)} others>"

    @property
    def work(self) -> Work:
        """What the other balancers have to do, all together."""
        found: dict[Role, dict[Lane, Press]] = {}
        fresh_s = time.monotonic() - STALE_S
        for seen in list(self._seen.values()):
            if seen.at_s > fresh_s:
                for role, lanes in seen.work.items():
                    for lane, press in lanes.items():
                        sums = found.setdefault(role, {})
                        sums[lane] = sums.get(lane, Press()) + press
        return found

    def wishes(self, role: Role) -> Wishes:
        """What operators want of `role`."""
        return self._wishes.get(role, Wishes())

    def start(self) -> None:
        """Begin to exchange."""
        self._thread.start()

    async def stop(self) -> None:
        """Take back what was told, and stop."""
        self._stopping.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, GOODBYE_S)

    def tell(self, work: Work) -> None:
        """Tell the others what this balancer has to do; at once when it has something and had nothing."""
        had_nothing, self._own = not _is_any(self._own), work
        if had_nothing and _is_any(work):
            self._wake.set()

    async def wish(self, role: Role, wishes: Wishes) -> None:
        """Put the wishes of a role in place of the former ones. Raises BoardError."""
        try:
            await asyncio.to_thread(self._put, role, wishes)
        except _PROBLEMS as error:
            raise BoardError(f"Consul at {self._url} does not take it: {error}") from None

    def _put(self, role: Role, wishes: Wishes) -> None:
        # Not amid an exchange, which would put back what it read before.
        with self._turn:
            self._keys.put(f"{self._root}wishes/{role.value}", wishes.text)
            self._wishes = {**self._wishes, role: wishes}

    def _exchange_on(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._turn:
                    self._exchange()
                problem = ""
            except _PROBLEMS as error:
                problem = f"{type(error).__name__}: {error}"
            if problem != self._problem:
                self._problem = problem
                if problem:
                    _log.warning("the board can't be read", url=self._url, problem=problem)
            self._wake.wait(EXCHANGE_S)
            self._wake.clear()
            self._stopping.wait(NOW_S)
        try:
            self._keys.delete(self._key)
        except _PROBLEMS:
            return

    @property
    def _key(self) -> str:
        return f"{self._root}work/{self._name}"

    def _exchange(self) -> None:
        now = time.monotonic()
        text = _text(self._own)
        if text != self._told or now - self._told_s >= TELL_AGAIN_S:
            self._keys.put(self._key, text)
            self._told, self._told_s = text, now
        _, entries = self._keys.get(self._root, recurse=True)
        wishes: dict[Role, Wishes] = {}
        present = set()
        for entry in entries or ():
            kind, _, name = entry["Key"].removeprefix(self._root).partition("/")
            text = (entry["Value"] or b"").decode()
            if kind == "wishes":
                wishes[Role(name)] = Wishes.read(text)
            elif kind == "work" and name != self._name:
                present.add(name)
                self._note(name, entry, text, now)
        for gone in self._seen.keys() - present:
            del self._seen[gone]
        self._wishes = wishes

    def _note(self, name: str, entry: Mapping[str, Any], text: str, now: float) -> None:
        index, seen = int(entry["ModifyIndex"]), self._seen.get(name)
        if seen is None or seen.index != index:
            self._seen[name] = _Seen(index, now, _read(text))


def _is_any(work: Work) -> bool:
    return any(press.slots for lanes in work.values() for press in lanes.values())


def _text(work: Work) -> str:
    said = {
        role.value: {
            lane.value: [
                press.in_flight,
                press.waiting,
                press.turned_away,
                round(press.estimated_wait_s, 1),
            ]
            for lane, press in lanes.items()
        }
        for role, lanes in work.items()
    }
    return json.dumps(said, sort_keys=True)


def _read(text: str) -> Work:
    said = json.loads(text)
    return {
        Role(role): {lane: Press(*lanes[lane.value]) for lane in QUEUES if lane.value in lanes}
        for role, lanes in said.items()
    }
