from dataclasses import replace

import pytest

from tidegate.balancer.arrival import read_call
from tidegate.balancer.core.call import Call, Lane


def read(*metadata: tuple[str, str | bytes], left_s: float | None = None) -> Call:
    return read_call(7, Lane.CHAT, metadata, "host", 9, left_s, 100.0)


def test_a_call_that_says_nothing_has_no_deadline_and_takes_what_it_gets():
    known = Call(7, Lane.CHAT, 100.0, None, accepts_degraded=True, size_bytes=9)
    assert replace(read(), caller="") == known


def test_a_caller_without_a_name_is_its_host_and_a_long_name_is_a_short_key():
    nameless, named = read().caller, read(("tidegate-caller", "x" * 8192)).caller
    assert nameless != named
    assert (nameless, len(named)) == ("host", 16)
    # A name is never taken for somebody's host.
    assert read(("tidegate-caller", "host")).caller != nameless


def test_the_deadline_is_converted_once():
    assert read(left_s=2.5).deadline_s == 102.5


@pytest.mark.parametrize("key", ["grpc-previous-rpc-attempts", "tidegate-previous-attempts"])
@pytest.mark.parametrize(
    ("value", "is_retried"),
    [
        ("1", True),
        ("003", True),
        ("9" * 5000, True),
        ("0", False),
        ("0" * 5000, False),
        ("-1", False),
        ("1.5", False),
        ("１", False),
        ("yes", False),
        ("", False),
        (b"\x01", False),
    ],
)
def test_a_call_that_is_sent_again_is_known_by_either_key(key, value, is_retried):
    assert read((key, value)).is_retried is is_retried
    assert not read().is_retried


def test_of_two_keys_the_one_that_says_more_counts():
    assert read(("tidegate-previous-attempts", "0"), ("grpc-previous-rpc-attempts", "2")).is_retried
    assert read(
        ("tidegate-previous-attempts", "2"), ("grpc-previous-rpc-attempts", "none")
    ).is_retried


def test_a_conversation_is_known_by_a_short_key_however_long_its_name():
    short, long = (read(("tidegate-conversation", name * 4096)).conversation for name in "ab")
    assert short != long
    assert len(short) == len(long) == 16
    assert read().conversation == read(("tidegate-conversation", "")).conversation == ""


@pytest.mark.parametrize(
    ("value", "accepts"), [("false", False), ("true", True), ("FALSE?", True), ("", True)]
)
def test_only_a_plain_false_declines_a_short_answer(value, accepts):
    assert read(("tidegate-accept-degraded", value)).accepts_degraded is accepts
