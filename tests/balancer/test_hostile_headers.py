"""Whatever a caller says in its headers: no lane rises, nothing breaks, nothing piles up."""

import asyncio
import gc
import random
from types import FunctionType, ModuleType

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.instances import PlayedInstance
from support.raw_http2 import end_of_raw_call
from support.sidecars import front_of

from tidegate.balancer.arrival import read_call
from tidegate.balancer.core.call import Call, Lane, Outcome
from tidegate.balancer.core.instance import Phase, Registration
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.core.verdict import Send
from tidegate.balancer.metadata import forwarded, forwarded_trailers
from tidegate.v1 import chat_pb2, sentiment_pb2

GOOD = sentiment_pb2.ClassifyRequest(text="positive")
PATH = "/tidegate.v1.Sentiment/Classify"
OURS = [
    "tidegate-accept-degraded",
    "tidegate-caller",
    "tidegate-conversation",
    "tidegate-mode",
    "tidegate-previous-attempts",
    "tidegate-profile",
    "tidegate-system-prompt-bin",
    "tidegate-load-bin",
    "grpc-previous-rpc-attempts",
    "grpc-retry-pushback-ms",
]

numbers = st.sampled_from(["-1", "0", "9" * 40, "-" + "9" * 40, "1e999", "NaN", "inf", "0x10"])
values = st.one_of(numbers, st.text(max_size=200), st.binary(max_size=200))
keys = st.one_of(st.sampled_from(OURS), st.text(min_size=1, max_size=20))
pairs = st.lists(st.tuples(keys, values), max_size=30)
moments = st.one_of(st.none(), st.floats(min_value=-1e300, max_value=1e300))
lanes = st.sampled_from([Lane.SENTIMENT, Lane.CHAT])


@given(lanes, pairs, moments, st.floats(0, 1e9))
@settings(max_examples=300, deadline=None)
def test_no_header_raises_a_lane_or_breaks_the_pool(lane, metadata, left_s, now):
    call = read_call(1, lane, metadata, "peer", 9, left_s, now)
    assert call.lane is lane
    assert len(call.caller) <= 16
    assert len(call.conversation) <= 16

    slots = {Lane.SENTIMENT: 1, Lane.CHAT: 1}
    pool = Pool(Policy(slow_start_s=0), random.Random(1))
    pool.observe([Registration("a", "a:1", Phase.HOT, slots=slots)], "test", now)
    verdict = pool.offer(call, now)
    assert not isinstance(verdict, Send) or verdict.lane is lane
    waiting = pool.offer(read_call(2, lane, metadata, "peer", 9, left_s, now), now)
    pool.next_tick_s(now)
    if isinstance(verdict, Send):
        pool.finish(verdict, Outcome.FULL, now)
    pool.close(now)
    assert waiting.call.lane is lane


@given(pairs)
@settings(max_examples=300, deadline=None)
def test_what_goes_on_is_what_grpc_can_carry(metadata):
    for key, value in (*forwarded(metadata), *forwarded_trailers(metadata)):
        assert (key, value) in metadata or key == "endpoint-load-metrics-bin"
        assert key.isascii()
        assert key == key.lower()
        assert isinstance(value, bytes) is key.endswith("-bin")
        if isinstance(value, str):
            assert all(" " <= letter <= "~" for letter in value)
    assert not [key for key, _ in forwarded(metadata) if key == "tidegate-mode"]


def test_10000_entries_are_read_like_one():
    metadata = [(f"key-{number}", "x" * 9) for number in range(10_000)]
    call = read_call(1, Lane.CHAT, metadata, "peer", 9, None, 0.0)
    assert call == read_call(1, Lane.CHAT, [], "peer", 9, None, 0.0)
    assert len(forwarded(metadata)) == 10_000


def reachable(root: object) -> int:
    """How many objects `root` keeps alive."""
    seen, left = set[int](), [root]
    while left:
        each = left.pop()
        if id(each) in seen or isinstance(each, type | ModuleType | FunctionType):
            continue
        seen.add(id(each))
        left.extend(gc.get_referents(each))
    return len(seen)


def test_callers_and_conversations_without_end_are_not_kept():
    slots = {Lane.SENTIMENT: 1, Lane.CHAT: 2}
    pool = Pool(Policy(slow_start_s=0), random.Random(1))
    pool.observe([Registration("a", "a:1", Phase.HOT, slots=slots)], "test", 0.0)
    now = 0.0

    def play(first: int, count: int) -> int:
        nonlocal now
        sends = []
        for number in range(first, first + count):
            now += 0.001
            names = {"caller": f"caller-{number}", "conversation": f"conversation-{number}"}
            verdict = pool.offer(Call(number, Lane.CHAT, now, **names), now)
            sends += [verdict] if isinstance(verdict, Send) else []
            while len(sends) > 1 or (sends and number == first + count - 1):
                verdicts = pool.finish(sends.pop(0), Outcome.FULL, now)
                sends += [each for each in verdicts if isinstance(each, Send)]
            pool.take_changes()
        assert pool.in_flight == 0
        return reachable(pool)

    # More than the conversations that are remembered, so that this is as large as it gets.
    before = play(0, 6_000)
    assert play(6_000, 12_000) <= before * 1.05


DEADLINES = [1e-9, 0.0, -1.0, 1e9, 1e12, 1e18, 1e300]


async def test_absurd_deadlines_are_answered_and_leave_nothing():
    async with PlayedInstance() as instance, front_of([instance]) as it:
        calls = [it.sentiment.Classify(GOOD, timeout=timeout) for timeout in DEADLINES]
        codes = {await call.code() for call in calls}
        assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED}
        assert (await it.sentiment.Classify(GOOD)).label == "positive"
        await it.at_rest()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([key for key in OURS if not key.startswith("grpc-")]),
            st.one_of(numbers, st.text(st.characters(min_codepoint=32, max_codepoint=126))),
        ).map(lambda pair: (pair[0], pair[1].encode() if pair[0].endswith("-bin") else pair[1])),
        max_size=20,
    )
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_our_own_keys_say_a_call_is_answered(metadata):
    async def ask() -> None:
        async with PlayedInstance(degraded_slots=1) as instance, front_of([instance]) as it:
            answer = await it.chat.Reply(chat_pb2.ReplyRequest(text="hello"), metadata=metadata)
            assert not answer.degraded
            await it.at_rest()

    asyncio.run(ask())


@pytest.mark.parametrize(
    "header",
    [
        (b"x-word", "café".encode()),
        (b"x-word", b"\xff\xfe\x80"),
        (b"x-word", b"a\x01b"),
        (b"tidegate-caller", b"\xf0\x28\x8c\x28" * 2048),
        (b"tidegate-accept-degraded", b"\xff"),
        (b"tidegate-system-prompt-bin", b"!!! not base64 !!!"),
        (b"X-Upper", b"1"),
        (b"x y", b"1"),
        (b"grpc-timeout", b"99999999H"),
        (b"grpc-timeout", b"-5S"),
        (b"grpc-timeout", b"9" * 40 + b"S"),
        (b"grpc-timeout", b"0n"),
        (b"grpc-previous-rpc-attempts", b"\xff"),
        (b"tidegate-previous-attempts", b"\xff"),
        (b"tidegate-previous-attempts", b"9" * 5000),
    ],
    ids=repr,
)
async def test_headers_that_no_library_sends_end_the_call_and_harm_nobody(header, raw_front):
    port = raw_front.sidecar.port
    await end_of_raw_call(port, PATH, GOOD.SerializeToString(), [header])

    assert (await raw_front.sentiment.Classify(GOOD, timeout=5)).label == "positive"
    await raw_front.at_rest()


@pytest.fixture
async def raw_front():
    async with PlayedInstance() as instance, front_of([instance]) as it:
        yield it
