"""What tracing costs a balancer: balancers that differ in their share of traced calls, in turns.

`python -m benchmarks.tracing` has each of them forward calls to an instance in this process, and prints the processor time that the
balancer's own process took for a call: median and range of the rounds.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

import grpc
import psutil

from benchmarks.machine import cores, processor
from tidegate.v1 import sentiment_pb2, sentiment_pb2_grpc

# The instance and the collector are those of the tests.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.instances import PlayedInstance
from support.otlp import running_collector
from support.programs import Program, free_port

AT_ONCE = 4
SHARES = {"off": None, "share 0.01": 0.01, "share 1": 1.0}


async def forward(port: int, calls: int) -> None:
    """Make so many calls, a few at once."""
    numbers = iter(range(calls))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = sentiment_pb2_grpc.SentimentStub(channel)

        async def caller() -> None:
            for number in numbers:
                await stub.Classify(sentiment_pb2.ClassifyRequest(text=f"text {number}"))

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))


def used_s(program: Program) -> float:
    """The processor time of a process so far."""
    times = psutil.Process(program.process.pid).cpu_times()
    return float(times.user + times.system)


async def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2000)
    asked = parser.parse_args()
    found: dict[str, list[float]] = {name: [] for name in SHARES}
    with tempfile.TemporaryDirectory() as folder, running_collector() as collector:
        async with PlayedInstance(sentiment_slots=64) as instance:
            programs, ports = {}, {}
            for name, share in SHARES.items():
                ports[name] = free_port()
                command = ["tidegate-balancer", "--instances", instance.address]
                command += ["--port", str(ports[name])]
                if share is not None:
                    command += ["--traces-to", collector.endpoint, "--traces-share", str(share)]
                programs[name] = Program(command, Path(folder) / name.replace(" ", "-"), {})
                await asyncio.to_thread(programs[name].wait_for, "1 hot")
            try:
                for round_number in range(asked.rounds + 1):
                    for name in SHARES:
                        before_s = used_s(programs[name])
                        await forward(ports[name], asked.calls)
                        # The first round warms up.
                        if round_number:
                            took_s = used_s(programs[name]) - before_s
                            found[name].append(took_s / asked.calls * 1e6)
            finally:
                for program in programs.values():
                    await asyncio.to_thread(program.stop)
    print(f"{processor()}, {cores()} cores")
    for name, each in found.items():
        ratio = statistics.median(each) / statistics.median(found["off"])
        print(
            f"{name:12} {statistics.median(each):6.0f} µs a call "
            f"({min(each):.0f} to {max(each):.0f}), {ratio:.2f} of off"
        )


if __name__ == "__main__":
    asyncio.run(main())
