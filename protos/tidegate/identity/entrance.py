"""Says what is wrong between the settings of identity: what is of no use without another, and whether anything says who may call.

Pure: no file is read. Knows nothing about how settings are given.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.identity.exposure import is_loopback
from tidegate.identity.problem import IdentityError

PORT_NEEDS = (
    ("tls_key", "tls_cert"),
    ("tls_client_ca", "tls_cert"),
    ("tls_revoked", "tls_client_ca"),
)
"""The settings of a port's TLS that are of no use alone, each with the one that it needs."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """How one gets into a program by its port: where that is reached, and how callers can show who they are."""

    host: str
    tokens: Path | None
    client_ca: Path | None
    anonymous: bool

    @property
    def names_callers(self) -> bool:
        """Whether callers can show who they are."""
        return self.tokens is not None or self.client_ca is not None

    @property
    def lets_anonymous_in(self) -> bool:
        """Whether who shows nothing may call: where it was asked for, else on loopback, unless callers have names.

        Raises IdentityError where neither says who may call and others can reach the host.
        """
        for problem in self.problems():
            raise IdentityError(problem)
        return self.anonymous or not self.names_callers

    def problems(self) -> Iterator[str]:
        """What is wrong with it, each in one line: field, value, what to do."""
        if not (self.anonymous or self.names_callers or is_loopback(self.host)):
            yield (
                f"host: {self.host} is reached from other machines, and nothing says who may call; give tokens or "
                "tls_client_ca, or let everybody in with anonymous = true"
            )


def lacking(given: Mapping[str, object], needs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What was given without what it needs, each in one line: field, value, what to give as well."""
    for field, needed in needs:
        if given[field] and not given[needed]:
            yield f"{field}: {given[field]} needs {needed}"


def consul_problems(address: str, ca: Path | None) -> Iterator[str]:
    """What is wrong between Consul's address and who signs its certificate."""
    if ca is not None and not address.startswith("https://"):
        yield f"consul_ca: {ca} is for https://, and consul is {address}"
