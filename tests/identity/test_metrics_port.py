"""The metrics port before those who hold it open."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from support.identities import Authority

from tidegate.identity.listening import ListeningTls
from tidegate.identity.metrics_port import MOST, MetricsPort


def program(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"up 1\n"]


@pytest.fixture
def port() -> Iterator[MetricsPort]:
    opened = MetricsPort("127.0.0.1", 0, program, None, None, patience_s=1.0)
    yield opened
    opened.close()


def connected(port: MetricsPort) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port.port), timeout=10)


def scrape(port: MetricsPort) -> bytes:
    with urlopen(f"http://127.0.0.1:{port.port}/metrics", timeout=10) as answer:
        return answer.read()


def test_who_holds_connections_open_keeps_nobody_out(port: MetricsPort) -> None:
    before = threading.active_count()
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(port)) for _ in range(4 * MOST)]
        assert scrape(port) == b"up 1\n"
        assert threading.active_count() <= before + 2 * MOST
        # The oldest had to go.
        assert silent[0].recv(1) == b""


def test_a_connection_lasts_for_its_time_however_much_it_says(port: MetricsPort) -> None:
    began_s = time.monotonic()
    with connected(port) as dripping, suppress(OSError):
        while time.monotonic() - began_s < 8:
            dripping.sendall(b"G")
            time.sleep(0.05)
    assert 0.9 < time.monotonic() - began_s < 4


def test_a_handshake_that_is_never_finished_ends(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("localhost")
    tls = ListeningTls(pair.cert, pair.key, None)
    port = MetricsPort("127.0.0.1", 0, program, tls, None, patience_s=1.0)
    try:
        with connected(port) as silent:
            # Half of a greeting.
            silent.sendall(b"\x16\x03\x01\x02\x00\x01")
            assert silent.recv(1) == b""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with trusting.wrap_socket(connected(port)) as secured:
            secured.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            said = b"".join(iter(lambda: secured.recv(1000), b""))
        assert said.endswith(b"up 1\n")
    finally:
        port.close()
