"""The process that calls: makes every call when it is due, whatever becomes of those before.

Reads one plan from stdin and writes one JSON object to stdout: the calls, and how late they were made. Started
by `load.drive`, never by hand.
"""

import asyncio
import gc
import json
import sys
import time
from typing import Any, TypeAlias

import grpc

from benchmarks.overload.ending import Call, End, end_of
from benchmarks.overload.traffic import Arrival, Callers, Lane, arrivals
from tidegate.v1.chat_pb2 import ReplyRequest, ReplyResponse, Sampling
from tidegate.v1.sentiment_pb2 import ClassifyRequest

_PATHS = {
    Lane.SENTIMENT: "/tidegate.v1.Sentiment/Classify",
    Lane.CHAT: "/tidegate.v1.Chat/Reply",
}
Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"

# Before the first call: connections are made, and balancers know their instances.
_SETTLE_S = 1.0


class Generator:
    """Makes the calls of one plan, over several connections."""

    def __init__(self, plan: dict[str, Any]) -> None:
        options: list[tuple[str, Any]] = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", int(bool(plan["service_config"]))),
        ]
        if plan["service_config"]:
            options.append(("grpc.service_config", plan["service_config"]))
        self._channels = [
            grpc.aio.insecure_channel(plan["target"], options=options)
            for _ in range(plan["channels"])
        ]
        self._methods: dict[Lane, list[Method]] = {
            lane: [channel.unary_unary(path) for channel in self._channels]
            for lane, path in _PATHS.items()
        }
        callers = tuple(
            Callers(
                **{**each, "lane": Lane(each["lane"]), "rates": tuple(map(tuple, each["rates"]))}
            )
            for each in plan["callers"]
        )
        coming = arrivals(callers, plan["duration_s"], plan["seed"])
        # Written before the start: what a call costs here is time that another is late.
        self._coming = [(arrival, _request(arrival)) for arrival in coming]
        self._calls: list[Call] = []
        self._lags_s: list[float] = []

    async def run(self) -> dict[str, Any]:
        """Make all calls and wait for their ends."""
        for channel in self._channels:
            await asyncio.wait_for(channel.channel_ready(), 30)
        gc.collect()
        gc.disable()
        loop = asyncio.get_running_loop()
        began_s, cpu_s = loop.time() + _SETTLE_S, time.process_time()
        tasks: set[asyncio.Task[None]] = set()
        for number, (arrival, request) in enumerate(self._coming):
            if (wait_s := began_s + arrival.at_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            task = asyncio.create_task(self._call(number, arrival, request, began_s))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        lasted_s = max(loop.time() - began_s, 1e-9)
        cpu_s = time.process_time() - cpu_s
        await asyncio.gather(*tasks)
        await asyncio.gather(*(channel.close() for channel in self._channels))
        return {
            "calls": [
                [call.at_s, call.lane.value, call.tokens, call.end.value, call.took_s]
                for call in self._calls
            ],
            "lags_s": self._lags_s,
            "cpu": cpu_s / lasted_s,
        }

    async def _call(self, number: int, arrival: Arrival, request: bytes, began_s: float) -> None:
        loop = asyncio.get_running_loop()
        due_s = began_s + arrival.at_s
        methods = self._methods[arrival.lane]
        self._lags_s.append(loop.time() - due_s)
        try:
            answer = await methods[number % len(methods)](request, timeout=arrival.deadline_s)
            is_degraded = arrival.lane is Lane.CHAT and ReplyResponse.FromString(answer).degraded
            end = end_of(grpc.StatusCode.OK, is_degraded)
        except grpc.aio.AioRpcError as error:
            end = end_of(error.code(), False)
            if end is End.FAILED:
                print(f"{error.code()}: {error.details()}", file=sys.stderr)
        took_s = loop.time() - due_s
        self._calls.append(Call(arrival.at_s, arrival.lane, arrival.tokens, end, took_s))


def _request(arrival: Arrival) -> bytes:
    if arrival.lane is Lane.SENTIMENT:
        return ClassifyRequest(text=arrival.text).SerializeToString()
    sampling = Sampling(max_tokens=arrival.tokens)
    return ReplyRequest(text=arrival.text, sampling=sampling).SerializeToString()


async def _main() -> dict[str, Any]:
    return await Generator(json.load(sys.stdin)).run()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main())))
