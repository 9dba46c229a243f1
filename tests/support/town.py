"""Two servers with simulated models, a balancer before them and the web page, as processes with all their ports; and those who attack them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from support.attackers.aim import Aim
from support.identities import Pair
from support.programs import Program, free_port, running

from tidegate.v1 import fleet_pb2, fleet_pb2_grpc, instance_pb2, instance_pb2_grpc

_TESTS = Path(__file__).parents[1]

LATENCY = "step_s = 0.04\nprompt_token_s = 0.0002\nrow_s = 0.0002\nreply_tokens = 32\n"
"""A 0.5B model on a machine with more cores than this one: a label takes 50 ms alone, and one server gives 60 a second."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the system says of a process."""

    resident_kb: int
    files: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Vitals":
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        said = dict(line.split(":", 1) for line in lines)
        files = len(os.listdir(f"/proc/{pid}/fd"))
        return cls(int(said["VmRSS"].split()[0]), files, int(said["Threads"]))


@dataclass(frozen=True)
class Town:
    """What stands, and what is known of it."""

    programs: dict[str, Program]
    aim: Aim

    def vitals(self) -> dict[str, Vitals]:
        return {name: Vitals.of(each.process.pid) for name, each in self.programs.items()}

    def fallen(self) -> list[str]:
        """Programs that are no more."""
        return [name for name, each in self.programs.items() if each.process.poll() is not None]

    def logged(self) -> dict[str, str]:
        return {name: each.output for name, each in self.programs.items()}

    async def calls_open(self) -> dict[str, int]:
        """Calls that gRPC itself has under way at its listeners, by program."""
        ports = {"balancer": self.aim.front_admin, "server": self.aim.server_admin}
        return {name: await _calls_open(port) for name, port in ports.items() if port}

    async def status(self) -> fleet_pb2.GetStatusResponse:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.aim.front}", _OWN) as channel:
            stub = fleet_pb2_grpc.FleetStub(channel)
            return await stub.GetStatus(fleet_pb2.GetStatusRequest(), timeout=10)

    async def load(self) -> instance_pb2.GetLoadResponse:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.aim.server}", _OWN) as channel:
            stub = instance_pb2_grpc.InstanceStub(channel)
            return await stub.GetLoad(instance_pb2.GetLoadRequest(), timeout=10)


# A connection of its own each time, as a newcomer has it.
_OWN = [("grpc.use_local_subchannel_pool", 1)]


async def _calls_open(port: int) -> int:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", _OWN) as channel:
        stub = channelz_pb2_grpc.ChannelzStub(channel)
        found = await stub.GetServers(channelz_pb2.GetServersRequest(), timeout=10)
        data = [each.data for each in found.server]
        # But for this very question.
        return sum(it.calls_started - it.calls_succeeded - it.calls_failed for it in data) - 1


@contextmanager
def town(folder: Path, latency: str = LATENCY, tls: Pair | None = None) -> Iterator[Town]:
    """Build it; with `tls` there is a second balancer, which is met by TLS."""
    file = folder / "latency.toml"
    file.write_text(latency)
    ports, other = Aim(*(free_port() for _ in range(8))), free_port()
    at = {name: f"127.0.0.1:{getattr(ports, name)}" for name in ports.__slots__}
    commands = {
        "server": f"tidegate-server --model simulated:{file} --consul off --port {ports.server} "
        f"--metrics-listen {at['server_metrics']} --admin-listen {at['server_admin']}",
        "other server": f"tidegate-server --model simulated:{file} --consul off --port {other}",
        "balancer": f"tidegate-balancer --instances {at['server']},127.0.0.1:{other} --port {ports.front} "
        f"--slow-start-s 0 --metrics-listen {at['front_metrics']} --admin-listen {at['front_admin']}",
        "web": f"tidegate web --address {at['front']} --port {ports.web}",
    }
    ready = {
        "server": " hot ",
        "other server": " hot ",
        "balancer": "balancer listens",
        "web": "http",
    }
    if tls is not None:
        commands["behind tls"] = (
            f"tidegate-balancer --instances {at['server']} --port {ports.tls} "
            f"--tls-cert {tls.cert} --tls-key {tls.key}"
        )
        ready["behind tls"] = "balancer listens"
    with ExitStack() as stack:
        programs = {}
        for name, command in commands.items():
            log = folder / f"{name}.log"
            programs[name] = stack.enter_context(running(command.split(), log))
        for name, program in programs.items():
            program.wait_for(ready[name])
        yield Town(programs, ports)


@asynccontextmanager
async def attacked(names: Sequence[str], aim: Aim) -> AsyncIterator[dict[str, dict[str, int]]]:
    """Have these attack for the length of a block, in a process of their own; afterwards what they did is in what is given."""
    deeds: dict[str, dict[str, int]] = {}
    command = [sys.executable, "-m", "support.attackers", ",".join(names), aim.written()]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=_TESTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield deeds
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        said, problem = await process.communicate()
        assert process.returncode == 0, problem.decode()[-3000:]
        deeds.update(json.loads(said))


async def at_peace(
    it: Town, before: dict[str, Vitals], calls: dict[str, int], within_s: float
) -> None:
    """Return when files, calls, slots and counts are as they were; fail with what isn't."""
    left = "nobody looked"

    async def look() -> str:
        now = it.vitals()
        for name, was in before.items():
            if now[name].files > was.files + 3:
                return f"{name} has {now[name].files} files open, {was.files} before"
        for name, count in (await it.calls_open()).items():
            if count > calls[name]:
                return f"{name} has {count} calls open, {calls[name]} before"
        load = await it.load()
        if load.running or load.waiting or any(each.in_flight for each in load.lanes):
            return f"the server is at work: {load}"
        status = await it.status()
        for each in status.instances:
            if each.in_flight:
                return f"the balancer has calls in flight: {each}"
        for lane in status.lanes:
            got = lane.counts
            ended = got.full + got.degraded + got.shed + got.expired + got.cancelled + got.failed
            if lane.depth or got.offered != ended:
                return f"counts of {lane.lane} don't add up: {lane}"
        return ""

    end_s = asyncio.get_running_loop().time() + within_s
    while left:
        left = await look()
        if left:
            assert asyncio.get_running_loop().time() < end_s, left
            await asyncio.sleep(0.2)
