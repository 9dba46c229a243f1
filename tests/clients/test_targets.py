"""Which addresses a client takes, and how gRPC is told of several balancers."""

from __future__ import annotations

import pytest

from tidegate.clients import AsyncClient, Client
from tidegate.clients.targets import is_loopback, is_of_several, target_of


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("localhost:50051", "localhost:50051"),
        ("tidegate.example.org:443", "tidegate.example.org:443"),
        ("10.0.0.1:50051,10.0.0.2:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051"),
        ("localhost:1, localhost:2", "ipv4:127.0.0.1:1,127.0.0.1:2"),
        ("[::1]:50051,[fd00::2]:50051", "ipv6:[::1]:50051,[fd00::2]:50051"),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", "ipv4:10.0.0.1:1,10.0.0.2:1"),
        ("dns:///tidegate:50051", "dns:///tidegate:50051"),
    ],
)
def test_an_address_is_what_grpc_takes_and_a_list_becomes_that(address: str, target: str) -> None:
    assert target_of(address) == target


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("one:50051,two:50051", r"address: 'one:50051' in .* is not IP:PORT; .*dns:///NAME:PORT"),
        ("10.0.0.1:1,", r"address: '' in .* is not IP:PORT"),
        ("10.0.0.1,10.0.0.2", r"address: '10\.0\.0\.[12]' in .* is not IP:PORT"),
        ("10.0.0.1:1,10.0.0.2:x", r"address: '10\.0\.0\.2:x' in .* is not IP:PORT"),
        ("10.0.0.1:1,[::1]:1", "mixes IPv4 and IPv6"),
    ],
)
def test_a_list_that_grpc_could_not_call_is_refused_with_what_is_accepted(
    address: str, said: str
) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match=said):
            kind(address)


@pytest.mark.parametrize(
    ("address", "local", "several"),
    [
        ("localhost:1", True, False),
        ("[::1]:1", True, False),
        ("127.0.0.1:1,127.0.0.1:2", True, True),
        ("ipv4:127.0.0.1:1,127.0.0.1:2", True, True),
        ("127.0.0.1:1,10.0.0.1:1", False, True),
        ("dns:///localhost:1", False, True),
        ("example.org:1", False, False),
        ("[broken", False, False),
    ],
)
def test_a_list_is_local_when_all_of_it_is(address: str, local: bool, several: bool) -> None:
    assert (is_loopback(address), is_of_several(address)) == (local, several)
