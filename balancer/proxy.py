"""Forwards calls as bytes: deadline, cancellation, metadata, status and details pass through.

Every call holds a lease of the dispatcher while it is with an instance, and each attempt ends in one
outcome. Knows no message class, and decides nothing about load.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

import grpc

from tidegate.balancer.arrival import read_call
from tidegate.balancer.channels import Channels
from tidegate.balancer.core.call import Call, Lane, Outcome
from tidegate.balancer.dispatcher import Dispatcher, Lease, OnCold, ShedError
from tidegate.balancer.ending import Progress, answer_in, outcome_of
from tidegate.balancer.metadata import Metadata, forwarded, forwarded_trailers
from tidegate.balancer.methods import Shape, is_known, lane_of, shape_of
from tidegate.balancer.refusal import refuse
from tidegate.balancer.sharing import Sharing, Unary
from tidegate.balancer.tape import Tape
from tidegate.balancer.telemetry.meter import Meter
from tidegate.balancer.warming import Warming

Context = grpc.aio.ServicerContext[bytes, bytes]

IN_SHORT = ("tidegate-mode", "degraded")
"""Asks an instance for the label and one sentence of the input in place of a reply."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """The status that an instance ended the call with."""

    code: grpc.StatusCode
    message: str
    trailers: Metadata


class Proxy(grpc.GenericRpcHandler):
    """Handles every method of the services that the contract names; no others."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        channels: Channels,
        meter: Meter,
        sharing: Sharing | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._sharing = sharing
        self._channels = channels
        self._meter = meter
        self._ids = count(1)
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The handler for a method; None, which gRPC answers with UNIMPLEMENTED, if it isn't ours."""
        path = handler_call_details.method
        known = self._handlers.get(path)
        if known is not None:
            return known
        lane = lane_of(path)
        return None if lane is None else self._handler(path, lane)

    def _handler(self, path: str, lane: Lane) -> "grpc.RpcMethodHandler[Any, Any]":
        forward = _Forward(path, lane, self._dispatcher, self._channels, self._meter, self._ids)
        handler: grpc.RpcMethodHandler[Any, Any]
        match shape_of(path):
            case Shape.UNARY:
                unary: Unary = forward.unary
                if self._sharing is not None and lane is Lane.SENTIMENT:
                    unary = self._sharing.share(path, lane, unary)
                handler = grpc.unary_unary_rpc_method_handler(unary)
            case Shape.SERVER_STREAM:
                handler = grpc.unary_stream_rpc_method_handler(forward.server_stream)
            case Shape.STREAM:
                handler = grpc.stream_stream_rpc_method_handler(forward.stream)
        if is_known(path):
            # Only these are kept: callers can make up other names without end.
            self._handlers[path] = handler
        return handler


@dataclass(frozen=True, slots=True)
class _Forward:
    """Forwards the calls of one method."""

    path: str
    lane: Lane
    dispatcher: Dispatcher
    channels: Channels
    meter: Meter
    ids: "count[int]"

    async def unary(self, request: bytes, context: Context) -> bytes:
        """One request, one answer: the fast path."""
        answer = b""

        async def attempt(lease: Lease, call: Call, said: Metadata) -> Outcome | _Ending:
            nonlocal answer
            method = self.channels.unary(lease.send.address, self.path)
            found = await method(request, _told(lease, said), self._left_s(call))
            if found.message is None:
                ended = _Ending(found.code, found.details, found.trailers)
                return self._ended(lease, ended, Progress.NOTHING)
            answer = found.message
            self.meter.answering(call, self.dispatcher.now_s())
            await _pass_initial_metadata(found.initial, context)
            return self._finish(lease, found.trailers, context)

        await self._forward(context, len(request), attempt)
        return answer

    async def server_stream(self, request: bytes, context: Context) -> None:
        """One request, many answers."""

        async def attempt(lease: Lease, call: Call, said: Metadata) -> Outcome | _Ending:
            method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel(
                lease
            ).unary_stream(self.path)
            upstream = method(request, metadata=_told(lease, said), timeout=self._left_s(call))
            return await self._pass_answers(
                lease, call, upstream, context, lambda: None, has_begun=warming.is_told
            )

        warming = Warming(self.path, context)
        on_cold = warming.tell if warming.is_asked_for else None
        await self._forward(context, len(request), attempt, on_cold)

    async def stream(self, requests: object, context: Context) -> None:
        """Any number of messages each way, which is what every unknown method is taken for."""
        tape = Tape(context.read)

        async def attempt(lease: Lease, call: Call, said: Metadata) -> Outcome | _Ending:
            method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channel(
                lease
            ).stream_stream(self.path)
            upstream = method(metadata=_told(lease, said), timeout=self._left_s(call))
            pump = asyncio.ensure_future(_pump(tape, upstream))
            try:
                ending = await self._pass_answers(
                    lease, call, upstream, context, tape.stop_recording
                )
            finally:
                # Cancelling a write that waits cancels its call too, so cancel that first.
                upstream.cancel()
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)
            if ending in (Outcome.LOST, Outcome.REFUSED) and not tape.is_complete:
                lease.end(Outcome.CUT if ending is Outcome.LOST else Outcome.FAILED)
                return _Ending(
                    grpc.StatusCode.UNAVAILABLE,
                    f"{lease.send.instance_id} was lost after too much had been sent to repeat it",
                    (),
                )
            return ending

        try:
            # A slot is for one who has something to say.
            await tape.message(0)
            await self._forward(context, 0, attempt, is_stream=True)
        finally:
            tape.close()

    async def _forward(
        self,
        context: Context,
        size_bytes: int,
        attempt: Callable[[Lease, Call, Metadata], Awaitable[Outcome | _Ending]],
        on_cold: OnCold | None = None,
        *,
        is_stream: bool = False,
    ) -> None:
        """Hold a lease, make attempts until one comes to something, end the call as it ended."""
        # Read once: gRPC makes it anew each time.
        said = context.invocation_metadata() or ()
        call = read_call(
            next(self.ids),
            self.lane,
            said,
            _peer(context),
            size_bytes,
            context.time_remaining(),
            self.dispatcher.now_s(),
            is_stream=is_stream,
        )
        try:
            async with self.dispatcher.lease(call, on_cold) as lease:
                passed_on = forwarded(said)
                while isinstance(ending := await attempt(lease, call, passed_on), Outcome):
                    if ending in (Outcome.FULL, Outcome.DEGRADED):
                        lease.end(ending)
                        return
                    await lease.again(ending)
        except ShedError as error:
            await refuse(context, error.shed)
        await context.abort(ending.code, ending.message, ending.trailers)

    async def _pass_answers(
        self,
        lease: Lease,
        call: Call,
        upstream: "grpc.aio.UnaryStreamCall[bytes, bytes] | grpc.aio.StreamStreamCall[bytes, bytes]",
        context: Context,
        on_first: Callable[[], None],
        *,
        has_begun: bool = False,
    ) -> Outcome | _Ending:
        """Pass answers on until there are no more. `has_begun` when the caller was told something before."""
        progress = Progress.NOTHING
        try:
            while isinstance(message := await upstream.read(), bytes):
                if progress is Progress.NOTHING:
                    progress = Progress.ANSWERING
                    self.meter.answering(call, self.dispatcher.now_s())
                    on_first()
                    if not has_begun:
                        await _pass_initial_metadata(await upstream.initial_metadata(), context)
                await context.write(message)
        except grpc.aio.AioRpcError as error:
            trailers = tuple(error.trailing_metadata() or ())
            ended = _Ending(error.code(), error.details() or "", trailers)
            return self._ended(lease, ended, progress)
        return self._finish(lease, tuple(await upstream.trailing_metadata()), context)

    def _ended(self, lease: Lease, ended: _Ending, progress: Progress) -> Outcome | _Ending:
        """Lost and refused sends go back to the pool as outcomes; all else ends the call."""
        outcome = outcome_of(ended.code, ended.trailers, progress)
        if outcome in (Outcome.LOST, Outcome.REFUSED):
            if outcome is Outcome.LOST:
                self.channels.note_lost(lease.send.address, ended.code, ended.message)
            return outcome
        lease.end(outcome)
        code, message = ended.code, ended.message
        if outcome is Outcome.CUT:
            code = grpc.StatusCode.UNAVAILABLE
            message = f"{lease.send.instance_id} was lost in the middle of its answer: {message}"
        trailers = (*forwarded_trailers(ended.trailers), *_own_trailers(lease))
        return _Ending(code, message, trailers)

    def _finish(self, lease: Lease, trailers: Metadata, context: Context) -> Outcome:
        context.set_trailing_metadata((*forwarded_trailers(trailers), *_own_trailers(lease)))
        return answer_in(trailers)

    def _channel(self, lease: Lease) -> grpc.aio.Channel:
        return self.channels.to(lease.send.address)

    def _left_s(self, call: Call) -> float | None:
        if call.deadline_s is None:
            return None
        return max(call.deadline_s - self.dispatcher.now_s(), 0.0)


def _told(lease: Lease, said: Metadata) -> Metadata:
    """What an instance is told beside what the caller said."""
    return (*said, IN_SHORT) if lease.send.lane is Lane.DEGRADED else said


def _peer(context: Context) -> str:
    """Who is at the other end: its host, whatever the port."""
    return context.peer().rpartition(":")[0]


def _own_trailers(lease: Lease) -> Metadata:
    return (
        ("tidegate-served-by", lease.send.instance_id),
        ("tidegate-queue-duration-ms", str(round(lease.queued_s * 1000))),
    )


async def _pass_initial_metadata(said: Iterable[tuple[str, str | bytes]], context: Context) -> None:
    metadata = forwarded(said)
    if metadata:
        await context.send_initial_metadata(metadata)


async def _pump(tape: Tape, upstream: "grpc.aio.StreamStreamCall[bytes, bytes]") -> None:
    async def write(message: bytes) -> None:
        # `upstream.write` puts INTERNAL over the status that the instance ended the call with
        # when that comes amid a write (grpc/grpc#36066); what it is made of does not.
        await upstream.wait_for_connection()
        await upstream._cython_call.send_serialized_message(message)  # type: ignore[attr-defined]

    # A call that has ended takes no more; its status is told to whoever reads the answers.
    ended = (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError)
    with contextlib.suppress(*ended):
        await tape.pump(write)
        await upstream.done_writing()
