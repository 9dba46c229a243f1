"""Speaks to one Consul agent: registers a service, looks it up, takes it away.

The one module of the server that uses python-consul. Every method blocks, for a few seconds
at most; call it on a thread. Knows nothing of when to register.
"""

import functools
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from consul.base import Consul as BaseConsul
from consul.base import ConsulException
from consul.std import HTTPClient

# What a conversation with an agent that is away or ill may raise; requests' errors are OSErrors.
CONSUL_ERRORS = (OSError, ConsulException)

# An agent is local and answers in milliseconds.
_TIMEOUT_S = 2.0
_CHECK_EVERY = "1s"
_DEREGISTER_AFTER = "60s"


class ConsulAgent:
    """The agent at `url`, for example http://127.0.0.1:8500. Methods raise CONSUL_ERRORS."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._http = HTTPClient(
            parts.hostname, parts.port or 8500, parts.scheme, verify=parts.scheme == "https"
        )
        session = self._http.session
        # The library has no timeouts, and the environment must not overrule the setting.
        session.request = functools.partial(session.request, timeout=_TIMEOUT_S)
        session.trust_env = False
        self._agent = BaseConsul.Agent(_Connection(self._http))

    def register(
        self, name: str, service_id: str, host: str, port: int, tags: Sequence[str]
    ) -> None:
        """Register the service, or change it, with a gRPC health check of its address."""
        check = {
            "GRPC": f"{host}:{port}",
            "Interval": _CHECK_EVERY,
            "DeregisterCriticalServiceAfter": _DEREGISTER_AFTER,
        }
        self._agent.service.register(
            name, service_id=service_id, address=host, port=port, tags=list(tags), check=check
        )

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


class _Connection:
    """What python-consul's API classes need of a client, without its reading of CONSUL_…."""

    consistency = "default"
    dc = None
    token = None

    def __init__(self, http: HTTPClient) -> None:
        self.http = http
