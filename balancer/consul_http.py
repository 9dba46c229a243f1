"""The way to one Consul: python-consul's transport with a time-out, a token and a CA, deaf to the environment's proxies.

Token and CA are files, and both are read anew: the token when it has changed, the CA with each connection. Knows nothing
about what is asked.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests
from consul.std import HTTPClient


@dataclass(frozen=True, slots=True)
class ConsulAccess:
    """Where Consul is, and how it is asked: `token` gives the access token at that time, `ca` is a PEM file."""

    url: str
    token: Callable[[], str] | None = field(default=None, repr=False)
    ca: Path | None = None

    def __str__(self) -> str:
        return self.url


class ConsulHttp(HTTPClient):  # type: ignore[misc]  # the library has no types
    """A way to the Consul of `access`; an answer that takes longer than `timeout_s` (to connect, to answer) is none."""

    def __init__(self, access: ConsulAccess, timeout_s: float | tuple[float, float]) -> None:
        parts = urlsplit(access.url)
        # What the library verifies by goes with each question.
        verify = True if access.ca is None else str(access.ca)
        host, port = parts.hostname or "127.0.0.1", parts.port or 8500
        super().__init__(host, port, parts.scheme, verify=verify)
        self.session.trust_env = False
        self.session.verify = verify
        self.session.request = functools.partial(self.session.request, timeout=timeout_s)
        if access.token is not None:
            # The library sends none with what it asks of sessions.
            self.session.auth = _Token(access.token)


class _Token(requests.auth.AuthBase):
    """Puts the access token on each question."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Consul-Token"] = self._token()
        return request
