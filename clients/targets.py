"""What gRPC is told of an address: one balancer, several, or a name that stands for several.

Knows nothing about channels, and looks no name up.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from urllib.parse import urlsplit

_NAMED = ("dns:", "unix:", "ipv4:", "ipv6:", "xds:")


def target_of(address: str) -> str:
    """The target for host:port, for a list of them with commas between, or for a target of gRPC's own.

    A list is of IP addresses of one family, for gRPC takes no names in one. Raises ValueError saying what is accepted.
    """
    if not is_of_several(address) or address.startswith(_NAMED):
        return address
    parts = [part.strip() for part in address.split(",")]
    families = {_family_of(part, address) for part in parts}
    if len(families) > 1:
        raise ValueError(f"address: {address!r} mixes IPv4 and IPv6; all must be of one kind")
    named = (part.replace("localhost", "127.0.0.1") for part in parts)
    return f"{families.pop()}:{','.join(named)}"


def is_of_several(address: str) -> bool:
    """Whether the address may stand for more than one balancer."""
    return "," in address or address.startswith("dns:")


def is_loopback(address: str) -> bool:
    """Whether all that the address stands for is surely on this machine."""
    plain = address.removeprefix("ipv4:").removeprefix("ipv6:")
    return all(_is_local(part.strip()) for part in plain.split(","))


def _is_local(part: str) -> bool:
    host = _host_of(part)
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _family_of(part: str, address: str) -> str:
    host, version, port = _host_of(part), 4, None
    with suppress(ValueError):
        if host != "localhost":
            version = ipaddress.ip_address(host or "").version
        port = urlsplit(f"//{part}").port
    if not port:
        raise ValueError(
            f"address: {part!r} in {address!r} is not IP:PORT; several balancers are named by their IP addresses, "
            "or by one name that has the addresses of all: dns:///NAME:PORT"
        )
    return f"ipv{version}"


def _host_of(part: str) -> str | None:
    try:
        return urlsplit(f"//{part}").hostname
    except ValueError:
        return None
