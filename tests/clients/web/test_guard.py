from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from tidegate.clients.web.guard import refusal


@pytest.mark.parametrize(
    ("host", "is_served"),
    [
        ("localhost", True),
        ("LOCALHOST:50080", True),
        ("localhost.:50080", True),
        ("127.0.0.1:50080", True),
        ("[::1]:50080", True),
        ("192.168.1.7:50080", True),
        ("tide.example", True),
        ("tide.example:443", True),
        ("evil.example", False),
        ("tide.example.evil", False),
        ("localhost.evil", False),
        ("127.0.0.1.evil", False),
        ("", False),
        ("[", False),
        ("tide.example@evil.example", False),
    ],
)
def test_only_our_names_and_addresses_are_served(host: str, is_served: bool) -> None:
    why = refusal("GET", "/", Headers({"host": host}), {"tide.example"})
    assert (why is None) is is_served


def test_no_host_or_two_are_refused() -> None:
    assert refusal("GET", "/", Headers({}), ()) is not None
    twice = Headers(raw=[(b"host", b"localhost"), (b"host", b"localhost")])
    assert refusal("GET", "/", twice, ()) is not None


def test_a_link_on_another_site_may_open_the_page_but_not_the_api() -> None:
    headers = Headers({"host": "localhost", "sec-fetch-site": "cross-site"})
    assert refusal("GET", "/", headers, ()) is None
    assert refusal("GET", "/api/fleet", headers, ()) is not None


def test_an_origin_of_another_port_is_another_site() -> None:
    headers = {"host": "localhost:1", "content-type": "application/json; charset=utf-8"}
    assert refusal("POST", "/api/judge", Headers(headers), ()) is None
    ours = Headers({**headers, "origin": "http://localhost:1"})
    assert refusal("POST", "/api/judge", ours, ()) is None
    theirs = Headers({**headers, "origin": "http://localhost:2"})
    assert refusal("POST", "/api/judge", theirs, ()) is not None
