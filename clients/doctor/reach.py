"""Judges the ports of balancer and server as a caller finds them: who answers there, by which certificate, and to which token.

Asks and changes nothing. Knows nothing about files, nor about Consul.
"""

from __future__ import annotations

import socket
import ssl
from datetime import datetime

import grpc

from tidegate.clients.doctor import certificate
from tidegate.clients.doctor.finding import Finding, Verdict, good, note, problem, warning
from tidegate.clients.health import SERVING, ask_health, channel_to
from tidegate.clients.tls import Tls, checked_token
from tidegate.v1 import fleet_pb2, fleet_pb2_grpc

TIMEOUT_S = 2.0


def look(what: str, address: str, tls: Tls | None, now: datetime) -> list[Finding]:
    """What there is to say of a port; with TLS, of the certificate that it shows as well."""
    status, is_bound = ask_port(address, tls)
    name = f"{what} at {address}"
    if tls is None:
        if status is None and is_bound and certificate.speaks_tls(address, TIMEOUT_S):
            advice = "--tls-ca, before the command's name, says who signs its certificate"
            return [problem(name, "speaks TLS, and is called in plaintext", advice)]
        return [judge_port(what, address, status, is_bound)]
    if not is_bound:
        return [judge_port(what, address, status, is_bound)]
    shown = _judge_shown(f"certificate of {what}", address, tls, now)
    if status is None and shown.verdict is Verdict.PROBLEM:
        return [shown]
    if status is None:
        advice = (
            "--tls-cert and --tls-key, before the command's name, with a certificate that it trusts"
        )
        seen = "lets nobody in like this: it asks for a certificate, or no gRPC is spoken there"
        return [shown, problem(name, seen, advice)]
    return [shown, judge_port(what, address, status, is_bound)]


def try_token(token: str, what: str, address: str, tls: Tls | None) -> Finding:
    """What becomes of a call with our token."""
    try:
        code, words = ask_with(token, address, tls)
    except (ValueError, OSError) as error:
        advice = "--tls-ca, before the command's name; tokens travel encrypted or on loopback alone"
        return problem(f"token at {what} {address}", str(error), advice)
    return judge_token(what, address, code, words)


def judge_port(what: str, address: str, status: str | None, is_bound: bool) -> Finding:
    """What a port is like: `status` is the health that somebody gives there, None when nobody does."""
    name = f"{what} at {address}"
    if status == SERVING:
        return good(name, "serves")
    if status is not None:
        return warning(
            name,
            f"answers {status}",
            "nothing is hot: `tidegate status` shows which instances are known, and their phases",
        )
    if is_bound:
        return problem(
            name, "something else listens there", "`ss -ltnp` names it; choose another --port"
        )
    return note(name, "nobody listens", "start it, or name its address by --address or --server")


def judge_token(what: str, address: str, code: grpc.StatusCode, words: str) -> Finding:
    """What became of a call for the fleet's status with our token."""
    name = f"token at {what} {address}"
    if code is grpc.StatusCode.UNAUTHENTICATED:
        advice = (
            "`tidegate token new NAME --file` makes one; the file is that of the balancer's tokens"
        )
        return problem(name, words, advice)
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return good(name, "is known; it may not look at the fleet")
    if code is grpc.StatusCode.OK:
        return good(name, "is known, and may look at the fleet")
    return note(name, f"could not be tried: {code.name}")


def _judge_shown(name: str, address: str, tls: Tls, now: datetime) -> Finding:
    host = tls.server_name or address.rpartition(":")[0].strip("[]")
    try:
        seen = certificate.at_port(address, tls, TIMEOUT_S)
    except ssl.SSLCertVerificationError as error:
        advice = "--tls-ca with the CA that signed it, or its owner gives it the one of this CA"
        return problem(name, f"is not trusted: {error.verify_message}", advice)
    except OSError as error:
        advice = (
            "call it without TLS options if it speaks plaintext; its log tells of the handshake"
        )
        return problem(name, f"is not shown: {error}", advice)
    return certificate.judge(name, seen, host, now)


def ask_port(address: str, tls: Tls | None = None) -> tuple[str | None, bool]:
    """The health that is told at host:port, None when nobody does; and whether somebody listens."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S).close()
    except OSError:
        return None, False
    try:
        return ask_health(address, timeout_s=TIMEOUT_S, tls=tls), True
    except (grpc.RpcError, OSError):
        return None, True


def ask_with(token: str, address: str, tls: Tls | None) -> tuple[grpc.StatusCode, str]:
    """The status, and its words, of a call for the fleet's status with a token. Raises ValueError for one that can't travel."""
    checked = checked_token(token, tls, address)
    with channel_to(address, tls) as channel:
        try:
            fleet_pb2_grpc.FleetStub(channel).GetStatus(
                fleet_pb2.GetStatusRequest(),
                timeout=TIMEOUT_S,
                metadata=(("authorization", f"Bearer {checked}"),),
            )
        except grpc.RpcError as error:
            return error.code(), " ".join(str(error.details()).split())
    return grpc.StatusCode.OK, ""
