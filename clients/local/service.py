"""Brings a whole service up on this machine, waits until it answers, and takes it down again.

Knows nothing about command lines (plan), processes (supervisor) or Consul (registry).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tidegate.clients.async_client import AsyncClient
from tidegate.clients.errors import TidegateError
from tidegate.clients.fleet import Phase
from tidegate.clients.local.child import Child
from tidegate.clients.local.plan import Plan
from tidegate.clients.local.ports import is_free
from tidegate.clients.local.registry import Registry, answers
from tidegate.clients.local.supervisor import Supervisor
from tidegate.clients.words import told

Say = Callable[[str], None]

_POLL_S = 0.25
# Often enough to show that nothing hangs, seldom enough to spare the server's progress bars.
_REMINDER_S = 30.0


async def serve(plan: Plan, registry: Registry, say: Say, on_ready: Callable[[float], None]) -> int:
    """Run the service until a signal (0) or until a child dies (1); nothing is left running.

    on_ready is called once, with the seconds that it took, when an instance of ours is hot.
    A second signal kills what is still finishing its calls.
    """
    stop = asyncio.Event()
    supervisor = Supervisor()

    def on_signal() -> None:
        if stop.is_set():
            supervisor.kill()
        stop.set()

    with _signals(on_signal):
        async with supervisor:
            return await _serve(plan, registry, supervisor, stop, say, on_ready)


async def _serve(
    plan: Plan,
    registry: Registry,
    supervisor: Supervisor,
    stop: asyncio.Event,
    say: Say,
    on_ready: Callable[[float], None],
) -> int:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    if registry.agent is not None:
        await supervisor.start(registry.agent)
        url = registry.url or ""
        # A blocking probe gets a thread: the agent may need a moment to answer.
        ready = _until(lambda: asyncio.to_thread(answers, url), say, told("Consul is starting"))
        if not await _reached(ready, supervisor, stop, say):
            return _exit_code(stop)
    await supervisor.start(*plan.servers(registry.url))
    await supervisor.start(plan.balancer(registry.url))
    await supervisor.start(*plan.page())
    say(told("loading the model; the first start also unpacks or downloads it"))
    async with AsyncClient(plan.balancer_address, timeout_s=2.0, attempts=1) as client:
        hot = _until(lambda: _is_hot(client, plan), say, told("the model is loading"))
        if not await _reached(hot, supervisor, stop, say):
            return _exit_code(stop)
    page = _until(lambda: _listens(plan.web_port), say, told("the web page is starting"))
    if not await _reached(page, supervisor, stop, say):
        return _exit_code(stop)
    on_ready(loop.time() - started_s)
    await _reached(stop.wait(), supervisor, stop, say)
    return _exit_code(stop)


@contextmanager
def _signals(on_signal: Callable[[], None]) -> Iterator[None]:
    """Hears the signals that end us, instead of dying of them."""
    loop = asyncio.get_running_loop()
    # SIGHUP: the terminal was closed. The children have left it and would not notice.
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _is_hot(client: AsyncClient, plan: Plan) -> bool:
    """Whether the balancer sends calls to a server of this plan; others may share its Consul."""
    with suppress(TidegateError):
        fleet = await client.status()
        return any(
            each.phase is Phase.HOT and each.address in plan.server_addresses
            for each in fleet.instances
        )
    return False


async def _listens(port: int | None) -> bool:
    """Whether somebody listens there; nobody has to where there is no port."""
    return port is None or not is_free(port)


async def _until(condition: Callable[[], Awaitable[bool]], say: Say, meanwhile: str) -> None:
    loop = asyncio.get_running_loop()
    started_s = reminded_s = loop.time()
    while not await condition():
        if loop.time() - reminded_s >= _REMINDER_S:
            reminded_s = loop.time()
            seconds = f"{reminded_s - started_s:.0f}"
            say(told("{what}, {seconds} s so far", what=meanwhile, seconds=seconds))
        await asyncio.sleep(_POLL_S)


async def _reached(
    goal: Awaitable[object], supervisor: Supervisor, stop: asyncio.Event, say: Say
) -> bool:
    """Whether the goal came before a signal and before a death; says which death it was."""
    reaching = asyncio.ensure_future(goal)
    dying = asyncio.ensure_future(supervisor.first_death())
    stopping = asyncio.ensure_future(stop.wait())
    waits: list[asyncio.Future[Any]] = [reaching, dying, stopping]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            say(told("stopping; calls that are running may finish, a second Ctrl-C ends them"))
            return False
        if dying.done():
            _say_death(dying.result(), say)
            return False
        reaching.result()
        return True
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def _say_death(child: Child, say: Say) -> None:
    name, ending = child.command.name, child.how_it_ended()
    say(told("{name} {ending}; stopping the rest", name=name, ending=ending))
    for line in child.last_words().splitlines():
        say(f"  {line}")


def _exit_code(stop: asyncio.Event) -> int:
    return 0 if stop.is_set() else 1
