"""Keeps other web sites away from a gateway that trusts who can reach it.

A page of another site can have a browser send to 127.0.0.1, and a name of that site can be made to
point there (DNS rebinding). So the name under which we are called must be one of ours, and what
calls must be our own page. Knows nothing about what is asked.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidegate.clients.web.events import Event, as_json, refused_event

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text ever becomes markup, not even by our own mistake.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def refusal(
    method: str, path: str, headers: Headers, names: Collection[str]
) -> tuple[HTTPStatus, Event] | None:
    """Why this must not be served; None when it may.

    names are the host names, in lower case, that are ours beside localhost and every address: to
    an address no name can be rebound.
    """
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not _is_ours(hosts[0], names):
        said = f"the host {', '.join(hosts)!r} is not served here; --allow-host NAME adds a name"
        return HTTPStatus.FORBIDDEN, refused_event("HOST", said)
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != hosts[0].lower():
        return HTTPStatus.FORBIDDEN, refused_event("ORIGIN", "another site's page called")
    if path.startswith("/api/") and headers.get("sec-fetch-site", "none") not in {
        "none",
        "same-origin",
    }:
        return HTTPStatus.FORBIDDEN, refused_event("ORIGIN", "another site's page called")
    # A form of another site can send text/plain without asking first, but never this.
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if method == "POST" and kind != "application/json":
        said = f"content-type: {kind!r} is not application/json"
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, refused_event("CONTENT_TYPE", said)
    return None


class Guard:
    """An ASGI layer: refuses what must not be served, and sends the headers that browsers obey."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one call on, or refuse it."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        why = refusal(scope["method"], scope["path"], Headers(scope=scope), self._names)
        if why is None:
            await self._app(scope, receive, send_guarded)
        else:
            status, event = why
            answer = Response(as_json(event.fields), status, media_type="application/json")
            await answer(scope, receive, send_guarded)


def _is_ours(host: str, names: Collection[str]) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
