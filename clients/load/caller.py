"""A process that calls: makes each call when it is due, whatever became of those before.

Reads its number and a plan from stdin, a line each, and says every second what it has counted, as a line of JSON; the
last one says that it is done. Started by load.drive, never by hand.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc

from tidegate.clients.channel import channel_options
from tidegate.clients.errors import Overloaded, TidegateError, Unavailable, error_of_call
from tidegate.clients.load.arrivals import Arrival, arrivals
from tidegate.clients.load.plan import LANES, Method, Plan, plan_of
from tidegate.clients.load.tally import End, LaneTally, new_times, note
from tidegate.clients.targets import target_of
from tidegate.clients.tls import Tls
from tidegate.v1 import chat_pb2, sentiment_pb2

# A call that is made later than this was not made when it was due.
LATE_S = 0.01

# From the last connection to the first call, so that all processes begin together.
_SETTLE_S = 0.5
_CONNECT_S = 20.0

Unary: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[Any, Any]"
Stream: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[Any, Any]"


class Caller:
    """Makes the calls of one process, over several connections."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan = plan
        self._coming = arrivals(plan, number)
        self._metadata = (("authorization", f"Bearer {plan.token}"),) if plan.token else ()
        self._channels = [_channel(plan) for _ in range(plan.channels)]
        self._labels: list[Unary] = [
            channel.unary_unary(
                "/tidegate.v1.Sentiment/Classify",
                request_serializer=sentiment_pb2.ClassifyRequest.SerializeToString,
            )
            for channel in self._channels
        ]
        self._replies: dict[Method, list[Stream]] = {
            Method.CHAT: [
                channel.unary_stream(
                    "/tidegate.v1.Chat/StreamReply",
                    request_serializer=chat_pb2.StreamReplyRequest.SerializeToString,
                    response_deserializer=chat_pb2.StreamReplyResponse.FromString,
                )
                for channel in self._channels
            ],
            Method.JUDGE: [
                channel.unary_stream(
                    "/tidegate.v1.Chat/JudgeAndReply",
                    request_serializer=chat_pb2.JudgeAndReplyRequest.SerializeToString,
                    response_deserializer=chat_pb2.JudgeAndReplyResponse.FromString,
                )
                for channel in self._channels
            ],
        }
        self._lanes = {lane: LaneTally() for lane in LANES}
        self._lags = new_times()
        self._late = 0
        self._made = 0
        self._began_s = 0.0
        self._sent_at = (0.0, 0.0)

    async def connect(self) -> None:
        """Make every connection. Raises TimeoutError where nobody answers."""
        await asyncio.wait_for(
            asyncio.gather(*(channel.channel_ready() for channel in self._channels)), _CONNECT_S
        )

    async def run(self) -> None:
        """Make all calls, wait for their ends, and tell of it meanwhile."""
        gc.collect()
        # What a collection takes would make calls late; of what a call leaves, little is cyclic.
        gc.disable()
        loop = asyncio.get_running_loop()
        self._began_s = loop.time() + _SETTLE_S
        self._sent_at = (loop.time(), time.process_time())
        telling = asyncio.create_task(self._tell_every_second())
        running: set[asyncio.Task[None]] = set()
        for number, arrival in enumerate(self._coming):
            if (wait_s := self._began_s + arrival.at_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            task = asyncio.create_task(self._call(number, arrival))
            running.add(task)
            task.add_done_callback(running.discard)
        cpu = self._cpu()
        await asyncio.gather(*running)
        telling.cancel()
        self._tell(cpu, is_done=True)
        await asyncio.gather(*(channel.close() for channel in self._channels))

    async def _call(self, number: int, arrival: Arrival) -> None:
        loop = asyncio.get_running_loop()
        due_s = self._began_s + arrival.at_s
        tally = self._lanes[arrival.method.lane]
        lag_s = loop.time() - due_s
        self._made += 1
        self._late += lag_s > LATE_S
        note(self._lags, lag_s)
        tally.offer(arrival.at_s)
        reason = ""
        try:
            is_degraded = await self._answer(number % len(self._channels), arrival, tally, due_s)
            end = End.DEGRADED if is_degraded else End.FULL
        except grpc.aio.AioRpcError as failure:
            error = error_of_call(failure.code(), failure.details(), failure.trailing_metadata())
            end, reason = end_of(error)
            if end is End.FAILED:
                sys.stderr.write(f"{error.code.name}: {error}\n")
        now_s = loop.time()
        tally.finish(end, reason, now_s - due_s, now_s - self._began_s)

    async def _answer(self, channel: int, arrival: Arrival, tally: LaneTally, due_s: float) -> bool:
        """Make one call to its end, and return whether it was answered in short."""
        timeout_s = arrival.deadline_s
        if arrival.method is Method.SENTIMENT:
            label = sentiment_pb2.ClassifyRequest(text=arrival.text)
            await self._labels[channel](label, timeout=timeout_s, metadata=self._metadata)
            return False
        sampling = chat_pb2.Sampling(max_tokens=self._plan.reply_tokens)
        kind = (
            chat_pb2.StreamReplyRequest
            if arrival.method is Method.CHAT
            else chat_pb2.JudgeAndReplyRequest
        )
        request = kind(text=arrival.text, sampling=sampling)
        method = self._replies[arrival.method][channel]
        call = method(request, timeout=timeout_s, metadata=self._metadata)
        return await _read(aiter(call), tally, due_s)

    async def _tell_every_second(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._tell(self._cpu())

    def _cpu(self) -> float:
        """The share of a core that was used since it was last asked."""
        now = (asyncio.get_running_loop().time(), time.process_time())
        began, self._sent_at = self._sent_at, now
        return (now[1] - began[1]) / max(now[0] - began[0], 1e-9)

    def _tell(self, cpu: float, is_done: bool = False) -> None:
        """One line of all that is counted; of the seconds only what the last line didn't have."""
        lanes = {}
        for lane, tally in self._lanes.items():
            lanes[lane] = {**tally.told(), "seconds": tally.seconds}
            tally.seconds = {}
        told = {
            "lanes": lanes,
            "made": self._made,
            "late": self._late,
            "lags": self._lags.encode().decode(),
            "cpu": cpu,
            "at_s": asyncio.get_running_loop().time() - self._began_s,
            "is_done": is_done,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def end_of(error: TidegateError) -> tuple[End, str]:
    """What an error means to a caller, and the reason of a shed or the status of a failure."""
    if error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return End.EXPIRED, ""
    if isinstance(error, Overloaded | Unavailable) and error.reason:
        return End.SHED, error.reason
    return End.FAILED, error.code.name


async def _read(messages: AsyncIterator[Any], tally: LaneTally, due_s: float) -> bool:
    """Read a reply to its end; the first delta is timed. Returns whether it was a short one."""
    loop = asyncio.get_running_loop()
    is_degraded, is_first = False, True
    async for message in messages:
        match message.WhichOneof("event"):
            case "delta" if is_first:
                is_first = False
                note(tally.first_s, loop.time() - due_s)
            case "end":
                is_degraded = message.end.degraded
            case _:
                pass
    return is_degraded


def _channel(plan: Plan) -> grpc.aio.Channel:
    # Each has a connection of its own: a balancer may have several workers on one port.
    options = [*channel_options(plan.address), ("grpc.use_local_subchannel_pool", 1)]
    if plan.tls is None:
        return grpc.aio.insecure_channel(target_of(plan.address), options)
    tls = Tls(**plan.tls)
    return grpc.aio.secure_channel(
        target_of(plan.address), tls.credentials(), [*options, *tls.channel_options()]
    )


async def _main() -> int:
    number, plan = int(sys.stdin.readline()), plan_of(sys.stdin.readline())
    caller = Caller(plan, number)
    try:
        await caller.connect()
    except (asyncio.TimeoutError, TimeoutError):
        sys.stderr.write(f"nobody answers at {plan.address}\n")
        return 1
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    # All begin together, once every one of them is connected.
    await asyncio.to_thread(sys.stdin.readline)
    await caller.run()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
