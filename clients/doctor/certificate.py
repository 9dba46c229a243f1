"""Judges certificates: whether they count now and for how long, and whether they are in the name that is called.

They come from files or from a port; changes nothing. Knows nothing about tokens or Consul.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tidegate.clients.doctor.finding import Finding, good, problem, warning
from tidegate.clients.tls import Tls

SOON = timedelta(days=14)
"""Before a certificate ends by less, somebody should know."""
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: what has expired is told by us, with its date."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What matters of one: its DNS names and addresses, and from when until when it counts."""

    names: tuple[str, ...]
    begins: datetime
    ends: datetime


def judge(name: str, certificate: Certificate, host: str | None, now: datetime) -> Finding:
    """What a certificate is like; `host` is what it is called by, None for one that isn't called."""
    shown = ", ".join(certificate.names) or "no name"
    if certificate.ends <= now:
        advice = "issue a new one; files are read anew when they change, nothing needs a restart"
        return problem(name, f"expired on {certificate.ends:%Y-%m-%d %H:%M} UTC", advice)
    if certificate.begins > now:
        advice = "wait, or set this machine's clock: one of both is wrong"
        return problem(name, f"counts from {certificate.begins:%Y-%m-%d %H:%M} UTC on", advice)
    if host is not None and not fits(host, certificate.names):
        advice = (
            "issue one with that name (subjectAltName), or say one of those by --tls-server-name"
        )
        return problem(name, f"is for {shown}, and not for {host}", advice)
    left = certificate.ends - now
    if left < SOON:
        advice = "issue a new one in time; files are read anew when they change"
        return warning(name, f"ends on {certificate.ends:%Y-%m-%d}, in {left.days} days", advice)
    return good(name, f"for {shown}, until {certificate.ends:%Y-%m-%d}")


def fits(host: str, names: tuple[str, ...]) -> bool:
    """Whether a certificate in these names is one of this host: alike, or below a `*` in place of its first label."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        host = host.lower().rstrip(".")
        return any(each.lower() in (host, f"*.{host.partition('.')[2]}") for each in names)
    for each in names:
        with suppress(ValueError):
            if ipaddress.ip_address(each) == address:
                return True
    return False


def shown_by_server(cert: Path, key: Path) -> Certificate:
    """The certificate that somebody who listens with these files shows. Raises OSError for one that no server may show."""
    return _meet(_shows(ssl.PROTOCOL_TLS_SERVER, cert, key), _trusts(ssl.PROTOCOL_TLS_CLIENT, cert))


def shown_by_client(cert: Path, key: Path) -> Certificate:
    """The certificate that somebody who calls with these files shows. Raises OSError for one that no caller may show."""
    return _meet(
        _trusts(ssl.PROTOCOL_TLS_SERVER, cert, key), _shows(ssl.PROTOCOL_TLS_CLIENT, cert, key)
    )


def authorities_in(ca: Path) -> list[Certificate]:
    """Those in a file who may sign. Raises OSError for one that can't be read as such."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    return [_read(each) for each in context.get_ca_certs()]


def at_port(address: str, tls: Tls, timeout_s: float) -> Certificate:
    """The certificate that is shown at host:port, signed by whom `tls` trusts, in whatever name and of whatever age.

    Raises OSError; ssl.SSLError for one that isn't.
    """
    context = _lenient(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca is None:
        context.load_default_certs()
    elif isinstance(tls.ca, bytes):
        context.load_verify_locations(cadata=tls.ca.decode("ascii", "replace"))
    else:
        context.load_verify_locations(tls.ca)
    if isinstance(tls.cert, str | Path) and isinstance(tls.key, str | Path):
        context.load_cert_chain(tls.cert, tls.key)
    host, _, _ = address.rpartition(":")
    with secured(address, context, tls.server_name or host.strip("[]"), timeout_s) as found:
        return _read(found.getpeercert() or {})


def speaks_tls(address: str, timeout_s: float) -> bool:
    """Whether the port answers a greeting of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        secured(address, context, None, timeout_s).close()
    except OSError:
        return False
    return True


def secured(
    address: str, context: ssl.SSLContext, name: str | None, timeout_s: float
) -> ssl.SSLSocket:
    """A connection to host:port after its handshake. Raises OSError."""
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    plain = socket.create_connection((host.strip("[]"), int(port)), timeout_s)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def _lenient(protocol: int) -> ssl.SSLContext:
    """Asks for a certificate, and takes one in any name and of any age."""
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _NO_CHECK_TIME | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _trusts(protocol: int, cert: Path, key: Path | None = None) -> ssl.SSLContext:
    context = _lenient(protocol)
    context.load_verify_locations(cert)
    if key is not None:
        context.load_cert_chain(cert, key)
    return context


def _shows(protocol: int, cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(cert, key)
    return context


def _meet(server: ssl.SSLContext, client: ssl.SSLContext) -> Certificate:
    """Let both shake hands in memory; what the one who asks has seen. Python reads no certificate that nobody showed."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(there, back, server_side=True),
        client.wrap_bio(back, there, server_side=False),
    ]
    for end in (*reversed(ends), *ends * 2):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return next(_read(seen) for end in ends if (seen := end.getpeercert()))


def _read(said: dict[str, Any]) -> Certificate:
    names = [value for kind, value in said.get("subjectAltName", ()) if kind != "othername"]
    return Certificate(tuple(names), _time(said["notBefore"]), _time(said["notAfter"]))


def _time(said: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(said), timezone.utc)
