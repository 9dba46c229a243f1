"""Makes what guards a balancer of its settings: its TLS on both sides, its porter, its way to Consul.

The wiring only; every part knows its own work. Raises IdentityError for files that can't be used.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tidegate.balancer.arrival import key_of
from tidegate.balancer.config import BalancerSettings
from tidegate.balancer.consul_http import ConsulAccess
from tidegate.balancer.core.callers import ANONYMOUS, DEFAULT, Callers
from tidegate.balancer.core.permit import FleetRight, Permit
from tidegate.balancer.porter import Porter
from tidegate.balancer.recognition import Credentials, Recognition
from tidegate.identity.bearer import watched_secret
from tidegate.identity.calling import CallingTls
from tidegate.identity.listening import ListeningTls
from tidegate.identity.pems import PemFiles
from tidegate.identity.revoked import watched_revoked
from tidegate.identity.tokens import watched_tokens
from tidegate.identity.watched import Watched
from tidegate.identity.why import Why

ASKED = Permit(fleet=FleetRight.LOOK)
"""What nobody in particular may do where that was asked for: all but change the fleet."""


def consul_of(settings: BalancerSettings) -> ConsulAccess:
    """The way to Consul."""
    if settings.consul_ca is not None:
        # Read by who asks, with each connection; what is wrong with it now is told now.
        PemFiles("consul", ca=settings.consul_ca).read()
    if settings.consul_token_file is not None:
        token = watched_secret("consul_token_file", settings.consul_token_file)
        return ConsulAccess(settings.consul, lambda: token.value, settings.consul_ca)
    said = settings.consul_token
    return ConsulAccess(settings.consul, (lambda: said) if said else None, settings.consul_ca)


def shares_of(settings: BalancerSettings) -> dict[str, float]:
    """The callers' parts of a lane, by the keys that their calls have."""
    return {
        key_of(name): caller.share for name, caller in settings.callers.items() if caller.share != 1
    }


def listening_of(settings: BalancerSettings) -> ListeningTls | None:
    """TLS of the port for callers; None for plaintext."""
    if settings.tls_cert is None:
        return None
    return ListeningTls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


def calling_of(settings: BalancerSettings) -> CallingTls | None:
    """TLS towards instances; None for plaintext."""
    if settings.instance_tls_ca is None:
        return None
    return CallingTls(
        settings.instance_tls_ca,
        settings.instance_tls_cert,
        settings.instance_tls_key,
        settings.instance_tls_name,
        "instance_tls",
    )


def own_token_of(settings: BalancerSettings) -> Watched[str] | None:
    """The token for instances, if there is one."""
    file = settings.instance_token_file
    return None if file is None else watched_secret("instance_token_file", file)


@dataclass(frozen=True, slots=True)
class Guard:
    """The porter, and before what it stands. Before neither, a call costs nothing more than without it."""

    porter: Porter
    guards_lanes: bool
    guards_fleet: bool


def guard_of(
    settings: BalancerSettings, own_token: Watched[str] | None, on_denied: Callable[[Why], None]
) -> Guard:
    """The guard by the settings."""
    permits = {name: caller.permit() for name, caller in settings.callers.items()}
    restricts_nobody = ANONYMOUS not in permits
    permits.setdefault(ANONYMOUS, ASKED)
    by_certificate = {
        certificate: name
        for name, caller in settings.callers.items()
        for certificate in caller.certificates
    }
    credentials = Credentials(
        None if settings.tokens is None else watched_tokens("tokens", settings.tokens),
        None
        if settings.tls_revoked is None
        else watched_revoked("tls_revoked", settings.tls_revoked),
        takes_certificates=settings.tls_client_ca is not None,
        takes_nobody=settings.entrance.lets_anonymous_in,
    )
    callers = Callers(permits, by_certificate, permits.get(DEFAULT, Permit()))
    is_open = restricts_nobody and not settings.entrance.names_callers
    return Guard(
        Porter(Recognition(callers, credentials), own_token, on_denied),
        guards_lanes=not is_open or own_token is not None,
        guards_fleet=not is_open or settings.anonymous,
    )
