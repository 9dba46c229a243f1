"""Makes what guards a server of its settings: its TLS, whom it trusts, its way to Consul.

The wiring only. Raises StartError for files that can't be used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tidegate.identity.bearer import watched_secret
from tidegate.identity.listening import ListeningTls
from tidegate.identity.pems import PemFiles
from tidegate.identity.problem import IdentityError
from tidegate.identity.revoked import watched_revoked
from tidegate.identity.tokens import watched_tokens
from tidegate.server.config import ServerSettings
from tidegate.server.consul_agent import ConsulAgent
from tidegate.server.start_error import StartError
from tidegate.server.trust import Trust


@dataclass(frozen=True, slots=True)
class Guard:
    """What stands before a server. `tls` None: plaintext; `trust` None: whoever reaches it may call."""

    tls: ListeningTls | None = None
    trust: Trust | None = None


OPEN = Guard()


def guard_of(settings: ServerSettings) -> Guard:
    """The guard by the settings."""
    with _as_start_error():
        tls = None
        if settings.tls_cert is not None:
            tls = ListeningTls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        return Guard(tls, _trust_of(settings) if settings.entrance.names_callers else None)


def consul_of(settings: ServerSettings) -> ConsulAgent:
    """The way to Consul."""
    with _as_start_error():
        if settings.consul_ca is not None:
            # Read by who asks, with each connection; what is wrong with it now is told now.
            PemFiles("consul", ca=settings.consul_ca).read()
        if settings.consul_token_file is None:
            return ConsulAgent(settings.consul, ca=settings.consul_ca)
        token = watched_secret("consul_token_file", settings.consul_token_file)
    return ConsulAgent(settings.consul, lambda: token.value, settings.consul_ca)


def _trust_of(settings: ServerSettings) -> Trust:
    revoked = settings.tls_revoked
    names = (each.strip() for each in settings.trusted_names.split(","))
    return Trust(
        None if settings.tokens is None else watched_tokens("tokens", settings.tokens),
        None if revoked is None else watched_revoked("tls_revoked", revoked),
        frozenset(each for each in names if each),
        takes_certificates=settings.tls_client_ca is not None,
        takes_nobody=settings.entrance.lets_anonymous_in,
    )


@contextmanager
def _as_start_error() -> Iterator[None]:
    try:
        yield
    except IdentityError as error:
        raise StartError(str(error)) from None
