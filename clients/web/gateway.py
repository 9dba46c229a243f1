"""Gives the page to browsers, and their calls to the balancer.

Knows nothing about models, lanes or when to try again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from importlib.metadata import version
from typing import Any

import grpc
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tidegate.clients.errors import InvalidInput, ServerFailure
from tidegate.clients.web.asking import Asking, asking_of
from tidegate.clients.web.assets import INDEX, assets
from tidegate.clients.web.balancer import Balancer
from tidegate.clients.web.event_stream import EventStream
from tidegate.clients.web.events import Event, as_json, error_event, refused_event
from tidegate.clients.web.guard import Guard
from tidegate.clients.web.limits import Limits

Say = Callable[[str], None]

# A body of this size takes no time; one that trickles in holds a connection.
_BODY_S = 15.0


class Gateway:
    """The ASGI side of one balancer.

    names: host names beside localhost and addresses under which browsers may come.
    closing: ends what would go on for ever, so that the process can stop. hurrying: ends the
    replies that are being written, too.
    """

    def __init__(
        self,
        balancer: Balancer,
        *,
        names: Collection[str] = (),
        limits: Limits | None = None,
        say: Say,
    ) -> None:
        self.closing = asyncio.Event()
        self.hurrying = asyncio.Event()
        self._balancer = balancer
        self.limits = limits or Limits()
        self._say = say
        self._assets = assets()
        self.app: ASGIApp = Starlette(
            routes=[
                Route("/", self._index),
                Route("/page/{name}", self._asset),
                Route("/api/about", self._about),
                Route("/api/fleet", self._fleet),
                Route("/api/judge", self._judge, methods=["POST"]),
            ],
            middleware=[Middleware(Guard, names=names)],
        )

    async def _index(self, request: Request) -> Response:
        return self._assets[INDEX].answer(request)

    async def _asset(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        return Response(status_code=404) if asset is None else asset.answer(request)

    async def _about(self, _: Request) -> Response:
        """What the page must know before it sends anything."""
        return _json(
            {
                "release": version("tidegate"),
                "balancer": self._balancer.address,
                "characters": self.limits.characters,
                "deadline_s": self.limits.deadline_s,
            }
        )

    async def _fleet(self, _: Request) -> EventStream:
        call_id = _new_id()
        events = self._guarded(self._balancer.watch(call_id), call_id)
        return EventStream(events, {"x-request-id": call_id}, self.closing)

    async def _judge(self, request: Request) -> EventStream | Response:
        call_id = _new_id()
        try:
            body = await asyncio.wait_for(self._body(request), _BODY_S)
        except (asyncio.TimeoutError, ClientDisconnect):
            return _json(refused_event("BODY", "the body did not come in time").fields, 408)
        if body is None:
            too_large = f"the body is longer than {self.limits.body_bytes} bytes"
            return _json(refused_event("TOO_LARGE", too_large).fields, 413)
        try:
            asking = asking_of(body, self.limits)
        except InvalidInput as error:
            return _json(error_event(error, call_id).fields, 400)
        events = self._guarded(self._answer(asking, request, call_id), call_id)
        return EventStream(events, {"x-request-id": call_id}, self.hurrying)

    def _answer(
        self, asking: Asking, request: Request, call_id: str
    ) -> AsyncGenerator[Event, None]:
        # As the balancer would take the browser's host for the caller if there were no gateway.
        caller = f"web@{request.client.host if request.client else 'unknown'}"
        return self._balancer.judge_and_reply(asking, asking.time_s(self.limits), caller, call_id)

    async def _guarded(
        self, events: AsyncGenerator[Event, None], call_id: str
    ) -> AsyncGenerator[Event, None]:
        """The same events; a fault of ours ends them with an error that finds its line in the log."""
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
        except Exception as error:
            # The kind alone: a message could quote what somebody wrote.
            self._say(f"call {call_id} failed in the gateway: {type(error).__name__}")
            fault = ServerFailure(grpc.StatusCode.INTERNAL, f"the gateway failed (id {call_id})")
            yield error_event(fault, call_id)

    async def _body(self, request: Request) -> bytes | None:
        """The whole body; None when it is longer than any call can be."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.limits.body_bytes:
                return None
        return bytes(body)


def _json(fields: Mapping[str, Any], status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(as_json(fields), status, headers, media_type="application/json")


def _new_id() -> str:
    return uuid.uuid4().hex
