"""Several balancers on one port: starts them, starts one again that died, and ends them together.

The kernel gives each new connection to one of them (SO_REUSEPORT), and nothing else is shared: each is a sidecar like
any other before the same instances. Knows nothing about calls.
"""

import asyncio
import contextlib
import os
import signal
import sys

import structlog

from tidegate.balancer.config import AT_ONCE, BalancerSettings
from tidegate.balancer.port import PortError, bracketed, shared_port
from tidegate.balancer.restarts import Restarts
from tidegate.balancer.sidecar import StartError
from tidegate.balancer.worker import LISTENS, Part
from tidegate.operating.reload import compare

END_GRACE_S = 10.0
"""Beyond the drain: for a worker that has to notice, and to close."""

_log = structlog.get_logger("tidegate.balancer")


class Crew:
    """The workers of one `tidegate-balancer`."""

    def __init__(self, settings: BalancerSettings) -> None:
        self._settings = settings
        self._coming = settings.workers
        self._port = settings.port
        self._running: dict[int, asyncio.subprocess.Process] = {}

    def __repr__(self) -> str:
        return f"<Crew of {self._settings.workers}, {self._coming} of them coming>"

    async def live(self, asked_to_stop: asyncio.Event) -> None:
        """Keep the workers until asked to stop, then let them drain.

        Raises `StartError` when one of them can't start in the first place.
        """
        host = self._settings.host
        try:
            with shared_port(host, self._settings.port) as port:
                await self._keep_all(port, asked_to_stop)
        except PortError as error:
            raise StartError(str(error)) from None

    def adopt(self, settings: BalancerSettings) -> None:
        """Have every worker take in settings that were read anew, and those that will start begin with them."""
        self._settings = compare(self._settings, settings, AT_ONCE).settings
        # Each says in its own log what changed, and what needs a restart.
        told = settings.model_copy(update={"workers": self._settings.workers})
        for number, process in self._running.items():
            if process.stdin is not None:
                process.stdin.write(self._part(number, told).line())

    async def _keep_all(self, port: int, asked_to_stop: asyncio.Event) -> None:
        self._port = port
        numbers = range(1, self._settings.workers + 1)
        keeping = [asyncio.ensure_future(self._keep(each)) for each in numbers]
        asked = asyncio.ensure_future(asked_to_stop.wait())
        try:
            # To keep a worker never ends by itself but by an error.
            await asyncio.wait([asked, *keeping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (asked, *keeping):
                each.cancel()
            ends = await asyncio.gather(*keeping, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        _log.info("balancer stopped", workers=len(keeping))

    def _part(self, number: int, settings: BalancerSettings) -> Part:
        """The settings of a worker: the common port, and a metrics port of its own."""
        changed: dict[str, object] = {"port": self._port}
        metrics = settings.metrics_address
        if metrics is not None and metrics[1]:
            changed["metrics_listen"] = f"{bracketed(metrics[0])}:{metrics[1] + number - 1}"
        admin = settings.admin_address
        if admin is not None and admin[1]:
            changed["admin_listen"] = f"{admin[0]}:{admin[1] + number - 1}"
        return Part(settings.model_copy(update=changed), number)

    async def _keep(self, number: int) -> None:
        """Run a worker, and another in its place when it ended, until this is cancelled."""
        loop, restarts = asyncio.get_running_loop(), Restarts()
        has_listened = False
        while True:
            began_s = loop.time()
            part = self._part(number, self._settings)
            process = self._running[number] = await _start(part)
            try:
                if process.stdout is not None and await process.stdout.readline() == LISTENS:
                    self._came(part, has_listened)
                    has_listened = True
                await process.wait()
            finally:
                del self._running[number]
                await _end(process, self._settings.drain_s + END_GRACE_S)
            if not has_listened:
                raise StartError(f"worker {number} of {self._settings.workers} did not start")
            pause_s = restarts.pause_s(loop.time() - began_s)
            how = f"exit code {process.returncode}"
            _log.warning("worker ended", worker=number, how=how, again_in_s=pause_s)
            await asyncio.sleep(pause_s)

    def _came(self, part: Part, again: bool) -> None:
        if again:
            _log.info("worker is back", worker=part.number)
            return
        self._coming -= 1
        if not self._coming:
            address = f"{bracketed(part.settings.host)}:{part.settings.port}"
            _log.info("workers listen", address=address, workers=self._settings.workers)


async def _start(part: Part) -> asyncio.subprocess.Process:
    """Start a worker out of the terminal's reach: Ctrl-C is the parent's alone."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate.balancer.worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    if process.stdin is not None:
        # Left open: its end tells the worker that there is no parent any more.
        process.stdin.write(part.line())
    return process


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> None:
    """Ask it to drain, and kill it when it takes much longer than that."""
    if process.returncode is None:
        _send(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except asyncio.TimeoutError:
            _log.warning("worker killed: it did not drain", pid=process.pid)
            _send(process, signal.SIGKILL)
            await process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    # Not Process.send_signal: it polls, which can take the exit code away from asyncio's own watch.
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
