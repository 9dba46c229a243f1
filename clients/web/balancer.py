"""Makes the page's calls at a balancer, and says what came of them as events.

Knows nothing about HTTP. It tries nothing twice: when to come back is for the page to show.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import TracebackType

import grpc

from tidegate.clients import messages
from tidegate.clients.answers import Classification, Delta, End
from tidegate.clients.async_calls import next_message
from tidegate.clients.channel import channel_options
from tidegate.clients.errors import TidegateError, error_of_broken_stream
from tidegate.clients.options import Chatting
from tidegate.clients.tls import Tls, checked_token
from tidegate.clients.web.asking import Asking
from tidegate.clients.web.events import (
    Event,
    Trailers,
    delta_event,
    end_event,
    error_event,
    fleet_event,
    label_event,
)
from tidegate.v1 import chat_pb2, fleet_pb2
from tidegate.v1.chat_pb2_grpc import ChatStub
from tidegate.v1.fleet_pb2_grpc import FleetStub


class Balancer:
    """A channel to one balancer at host:port, for any number of browsers. Use `async with`.

    Closing a generator of events cancels its call at once.
    """

    def __init__(self, address: str, tls: Tls | None = None, token: str | None = None) -> None:
        """Raises ValueError for a token that would travel unencrypted, OSError for files that can't be read."""
        self.address = address
        checked_token(token, tls, address)
        self._shown: tuple[tuple[str, str], ...] = (
            () if token is None else (("authorization", f"Bearer {token}"),)
        )
        options = channel_options(address)
        self._channel = (
            grpc.aio.insecure_channel(address, options)
            if tls is None
            else grpc.aio.secure_channel(
                address, tls.credentials(), [*options, *tls.channel_options()]
            )
        )
        self._chat = ChatStub(self._channel)
        self._fleet = FleetStub(self._channel)

    def __repr__(self) -> str:
        return f"<Balancer {self.address}>"

    async def __aenter__(self) -> Balancer:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def judge_and_reply(
        self, asking: Asking, time_s: float, caller: str, call_id: str
    ) -> AsyncGenerator[Event, None]:
        """The label, the reply's pieces, then its end or an error, which is always the last."""
        options = Chatting(
            conversation_id=asking.conversation or None, accept_degraded=asking.accept_degraded
        )
        fields = messages.chat_fields(asking.as_turns(), options)
        metadata = [
            *messages.chat_metadata(options),
            *self._shown,
            ("tidegate-caller", caller),
            ("x-request-id", call_id),
        ]
        if asking.attempt:
            # As gRPC's own retry policy says it: the balancer keeps room for who comes back as told.
            metadata.append(("grpc-previous-rpc-attempts", str(asking.attempt)))
        call = self._chat.JudgeAndReply(
            chat_pb2.JudgeAndReplyRequest(**fields), timeout=time_s, metadata=tuple(metadata)
        )
        end: End | None = None
        try:
            while (message := await next_message(call)) is not None:
                match messages.judge_event(message):
                    case Classification() as label:
                        yield label_event(label)
                    case Delta() as delta:
                        yield delta_event(delta)
                    case End() as heard:
                        end = heard
                    case None:
                        pass
            if end is None:
                raise error_of_broken_stream()
            yield end_event(end, await _trailers(call))
        except TidegateError as error:
            yield error_event(error, call_id, await _trailers(call))
        finally:
            call.cancel()

    async def watch(self, call_id: str) -> AsyncGenerator[Event, None]:
        """The fleet, now and whenever it changes, until an error, which is the last event."""
        call = self._fleet.WatchStatus(
            fleet_pb2.WatchStatusRequest(), metadata=(*self._shown, ("x-request-id", call_id))
        )
        try:
            while (status := await next_message(call)) is not None:
                yield fleet_event(status)
        except TidegateError as error:
            yield error_event(error, call_id)
        finally:
            call.cancel()


async def _trailers(call: grpc.aio.Call) -> Trailers:
    """The trailers of a call that has ended."""
    return dict(await call.trailing_metadata() or ())
