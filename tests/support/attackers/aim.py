"""Where an attacker finds what it attacks."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

HOST = "127.0.0.1"

Deeds = Counter[str]
"""What was done, and what became of it, counted."""


@dataclass(frozen=True, slots=True)
class Aim:
    """Ports of one balancer, one server behind it, and a page; 0 where there is none."""

    front: int
    server: int
    front_metrics: int = 0
    server_metrics: int = 0
    front_admin: int = 0
    server_admin: int = 0
    web: int = 0
    tls: int = 0

    @property
    def grpc(self) -> tuple[int, ...]:
        """The ports that callers and balancers call."""
        return self.front, self.server

    @property
    def http(self) -> tuple[int, ...]:
        """The ports that speak HTTP/1."""
        return tuple(port for port in (self.front_metrics, self.server_metrics, self.web) if port)

    @property
    def every(self) -> tuple[int, ...]:
        """All ports that are open."""
        admin = (port for port in (self.front_admin, self.server_admin) if port)
        return (*self.grpc, *self.http, *admin)

    def written(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> "Aim":
        return cls(**json.loads(text))


Attack = Callable[[Aim, Deeds], Awaitable[None]]
