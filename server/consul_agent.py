"""Speaks to one Consul agent: registers a service, looks it up, takes it away.

The one module of the server that uses python-consul. Every method blocks, for a few seconds
at most; call it on a thread. Knows nothing of when to register.
"""

import functools
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from consul.base import Consul as BaseConsul
from consul.base import ConsulException
from consul.std import HTTPClient
from typing_extensions import assert_never

# What a conversation with an agent that is away or ill may raise; requests' errors are OSErrors.
CONSUL_ERRORS = (OSError, ConsulException)

# An agent is local and answers in milliseconds.
_TIMEOUT_S = 2.0
_CHECK_EVERY = "1s"
_DEREGISTER_AFTER = "60s"
_SIGN_OF_LIFE_WITHIN = "5s"


class Check(Enum):
    """How Consul learns whether a service lives."""

    GRPC = "it asks the service over gRPC"
    SIGN_OF_LIFE = "the service tells it: for one that Consul has no certificate to ask"


class ConsulAgent:
    """The agent at `url`, for example http://127.0.0.1:8500. Methods raise CONSUL_ERRORS."""

    def __init__(
        self, url: str, token: Callable[[], str] | None = None, ca: Path | None = None
    ) -> None:
        """`token` gives the access token at that time; `ca` is a PEM file of those who may sign the agent's certificate."""
        parts = urlsplit(url)
        # What the library verifies by goes with each question.
        verify = True if ca is None else str(ca)
        self._http = HTTPClient(parts.hostname, parts.port or 8500, parts.scheme, verify=verify)
        session = self._http.session
        if token is not None:
            session.auth = _Token(token)
        # The library has no timeouts, and the environment must not overrule the setting.
        session.request = functools.partial(session.request, timeout=_TIMEOUT_S)
        session.trust_env = False
        self._agent = BaseConsul.Agent(_Connection(self._http))

    def register(
        self,
        name: str,
        service_id: str,
        host: str,
        port: int,
        tags: Sequence[str],
        way: Check = Check.GRPC,
    ) -> None:
        """Register the service, or change it, with a health check."""
        check = {"DeregisterCriticalServiceAfter": _DEREGISTER_AFTER}
        match way:
            case Check.GRPC:
                check |= {"GRPC": f"{host}:{port}", "Interval": _CHECK_EVERY}
            case Check.SIGN_OF_LIFE:
                # Passing from the first: what it says of itself is what is known.
                check |= {"TTL": _SIGN_OF_LIFE_WITHIN, "Status": "passing"}
            case _:
                assert_never(way)
        self._agent.service.register(
            name, service_id=service_id, address=host, port=port, tags=list(tags), check=check
        )

    def give_sign_of_life(self, service_id: str) -> None:
        """Say that the service lives, where Consul doesn't ask it."""
        self._agent.check.ttl_pass(f"service:{service_id}")

    def find_tags(self, service_id: str) -> set[str] | None:
        """Return the tags under which the service is registered, or None if it isn't."""
        service: dict[str, Any] | None = self._agent.services().get(service_id)
        return None if service is None else set(service["Tags"] or ())

    def deregister(self, service_id: str) -> None:
        """Take the service away; one that isn't there is no error."""
        if self.find_tags(service_id) is not None:
            self._agent.service.deregister(service_id)

    def close(self) -> None:
        """Close the connections."""
        self._http.session.close()


class _Token(requests.auth.AuthBase):
    """Puts the access token on each question; in its header, for an address is logged."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Consul-Token"] = self._token()
        return request


class _Connection:
    """What python-consul's API classes need of a client, without its reading of CONSUL_…."""

    consistency = "default"
    dc = None
    token = None

    def __init__(self, http: HTTPClient) -> None:
        self.http = http
