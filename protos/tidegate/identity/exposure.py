"""Decides whether somebody without a name may call, by where a program listens.

Pure. Knows nothing about sockets.
"""

import ipaddress

from tidegate.identity.problem import IdentityError


def is_loopback(host: str) -> bool:
    """Whether a host to listen on is surely reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def lets_anonymous_in(host: str, *, names_callers: bool, asked: bool) -> bool:
    """Whether anonymous callers are let in: where it was asked for, else on loopback, unless callers have names.

    Raises IdentityError where neither says who may call and others can reach the host.
    """
    if asked:
        return True
    if names_callers:
        return False
    if not is_loopback(host):
        raise IdentityError(
            f"host: {host} is reached from other machines, and nothing says who may call; give tokens or "
            "tls_client_ca, or let everybody in with anonymous = true"
        )
    return True
