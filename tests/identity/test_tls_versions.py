"""Every port with TLS takes 1.2 and 1.3 and nothing older, from a caller who would speak it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread

import pytest
from support.gateway import running_gateway
from support.identities import Authority, Pair
from support.instances import PlayedInstance
from support.served import serve
from support.sidecars import front_of

from tidegate.identity.listening import ListeningTls

OLD, OLDEST_TAKEN, NEW = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
METRICS = "127.0.0.1:0"
NOT_TAKEN = ("TLSV1_ALERT_PROTOCOL_VERSION", "cut off")
"""The metrics say so; gRPC and, below the page, Python's asyncio hang up, and tell their own logs why."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Authority(tmp_path_factory.mktemp("ours")).issue("127.0.0.1")


@asynccontextmanager
async def every_port(pair: Pair) -> AsyncIterator[dict[str, int]]:
    """All ports that speak TLS, by their names."""
    tls = {"tls_cert": pair.cert, "tls_key": pair.key}
    async with (
        PlayedInstance() as instance,
        front_of([instance], metrics_listen=METRICS, **tls) as it,
        serve(metrics_listen=METRICS, **tls) as server,
        running_gateway("127.0.0.1:1", page=ListeningTls(pair.cert, pair.key, None)) as web,
    ):
        yield {
            "balancer": it.sidecar.port,
            "balancer's metrics": it.sidecar.metrics_port,
            "server": server.port,
            "server's metrics": server.metrics_port,
            "page": web.port,
        }


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_1_1_is_refused_by_every_port_and_1_2_and_1_3_are_taken(pair: Pair) -> None:
    async with every_port(pair) as ports:
        for name, port in ports.items():
            for version in (OLDEST_TAKEN, NEW):
                spoken = await asyncio.to_thread(handshake, port, version)
                assert spoken == version.name.replace("_", "."), name
            spoken = await asyncio.to_thread(handshake, port, OLD)
            assert spoken in NOT_TAKEN, f"{name}: {spoken}"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_who_was_refused_is_taken_by_one_who_still_speaks_it(pair: Pair) -> None:
    """Else it would be the caller that refuses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.load_cert_chain(pair.cert, pair.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take_one() -> None:
            with context.wrap_socket(listener.accept()[0], server_side=True) as taken:
                taken.recv(1)

        taking = Thread(target=take_one)
        taking.start()
        spoken = await asyncio.to_thread(handshake, listener.getsockname()[1], OLD)
        taking.join()
    assert spoken == "TLSv1.1"


def handshake(port: int, version: ssl.TLSVersion) -> str:
    """What is spoken at a port with somebody who speaks this version alone, or why nothing is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Without it OpenSSL itself would offer nothing older than 1.2.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        try:
            with context.wrap_socket(plain) as secured:
                return secured.version() or "nothing"
        except (ssl.SSLEOFError, ConnectionResetError):
            return "cut off"
        except ssl.SSLError as error:
            return error.reason or str(error)
