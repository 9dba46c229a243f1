"""Makes the page's calls at a balancer, and says what came of them as events.

Knows nothing about HTTP. It tries nothing twice: when to come back is for the page to show.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType

import grpc

from tidegate.clients import messages
from tidegate.clients.answers import Classification, Delta, End, Warming
from tidegate.clients.async_calls import next_message
from tidegate.clients.channel import channel_options
from tidegate.clients.errors import TidegateError, error_of_broken_stream
from tidegate.clients.options import Streaming
from tidegate.clients.patience import attempts_metadata
from tidegate.clients.renewal import Renewal
from tidegate.clients.targets import target_of
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
    warming_event,
)
from tidegate.v1 import chat_pb2, fleet_pb2
from tidegate.v1.chat_pb2_grpc import ChatStub
from tidegate.v1.fleet_pb2_grpc import FleetStub


class Balancer:
    """A channel to the balancer at host:port, or to several (`targets`), for any number of browsers. Use `async with`.

    Closing a generator of events cancels its call at once.
    """

    def __init__(self, address: str, tls: Tls | None = None, token: str | None = None) -> None:
        """Raises ValueError for a token that would travel unencrypted, OSError for files that can't be read."""
        self.address = address
        checked_token(token, tls, address)
        self._shown: tuple[tuple[str, str], ...] = (
            () if token is None else (("authorization", f"Bearer {token}"),)
        )
        self._tls = tls
        self._renewal = Renewal(tls)
        self._channel = self._connected()
        self._retired: grpc.aio.Channel | None = None
        self._closing: asyncio.Task[None] | None = None

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
        if self._retired is not None:
            await self._retired.close()

    async def judge_and_reply(
        self, asking: Asking, time_s: float, caller: str, call_id: str
    ) -> AsyncGenerator[Event, None]:
        """The label, the reply's pieces, then its end or an error, which is always the last.

        While nothing is hot, the first event is how long that is likely to last.
        """
        options = Streaming(
            conversation_id=asking.conversation or None,
            accept_degraded=asking.accept_degraded,
            progress=True,
        )
        fields = messages.chat_fields(asking.as_turns(), options)
        metadata = [
            *messages.chat_metadata(options),
            *self._shown,
            ("tidegate-caller", caller),
            ("x-request-id", call_id),
            # The balancer keeps room for who comes back as told.
            *attempts_metadata(asking.attempt),
        ]
        call = ChatStub(self._current()).JudgeAndReply(
            chat_pb2.JudgeAndReplyRequest(**fields), timeout=time_s, metadata=tuple(metadata)
        )
        end: End | None = None
        try:
            while (message := await next_message(call)) is not None:
                match messages.judge_event(message):
                    case Warming() as warming:
                        yield warming_event(warming)
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
        call = FleetStub(self._current()).WatchStatus(
            fleet_pb2.WatchStatusRequest(), metadata=(*self._shown, ("x-request-id", call_id))
        )
        try:
            while (status := await next_message(call)) is not None:
                yield fleet_event(status)
        except TidegateError as error:
            yield error_event(error, call_id)
        finally:
            call.cancel()

    def _current(self) -> grpc.aio.Channel:
        """The channel for a new call; another one when the files of TLS have changed."""
        if self._renewal.is_due():
            if self._retired is not None:
                self._closing = asyncio.ensure_future(self._retired.close())
            self._retired, self._channel = self._channel, self._connected()
        return self._channel

    def _connected(self) -> grpc.aio.Channel:
        options, tls = channel_options(self.address), self._tls
        if tls is None:
            return grpc.aio.insecure_channel(target_of(self.address), options)
        return grpc.aio.secure_channel(
            target_of(self.address), tls.credentials(), [*options, *tls.channel_options()]
        )


async def _trailers(call: grpc.aio.Call) -> Trailers:
    """The trailers of a call that has ended."""
    return dict(await call.trailing_metadata() or ())
