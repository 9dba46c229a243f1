"""What the balancer's door lets through, with real calls to an instance that remembers what it was told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from support.identities import line_of
from support.instances import PlayedInstance
from support.sidecars import Front, front_of
from support.waiting import eventually

from tidegate.balancer.config import BalancerSettings
from tidegate.v1 import chat_pb2, fleet_pb2, sentiment_pb2

GOOD = sentiment_pb2.ClassifyRequest(text="good")
NAMES = ("tickets", "campaign", "slow", "ops", "watcher")
CALLERS: dict[str, object] = {
    "campaign": {"lanes": ["sentiment"], "largest_input_bytes": 50, "system_prompt": False},
    "slow": {"rate": 2},
    "ops": {"fleet": "operate"},
    "watcher": {"fleet": "look"},
}


@asynccontextmanager
async def guarded(
    tmp_path: Path, **settings: object
) -> AsyncIterator[tuple[Front, PlayedInstance]]:
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(line_of(name, f"{name}-token") for name in NAMES))
    said = {"tokens": tokens, "callers": CALLERS, "share_equal_calls": False, **settings}
    async with PlayedInstance() as instance, front_of([instance], **said) as it:
        yield it, instance


def shows(name: str, *more: tuple[str, str | bytes]) -> tuple[tuple[str, str | bytes], ...]:
    return (("authorization", f"Bearer {name}-token"), *more)


async def refused(call: object) -> tuple[grpc.StatusCode, str, Duration | None]:
    """How a call was refused: status, reason, and when to come back."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    details = dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
    info, retry, found = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), None
    for detail in status_pb2.Status.FromString(details).details:
        detail.Unpack(info)
        if detail.Unpack(retry):
            found = retry.retry_delay
    return caught.value.code(), info.reason, found


async def test_an_instance_is_told_the_name_that_was_shown_and_no_token(tmp_path):
    told: list[tuple[str, str | bytes]] = []
    async with guarded(tmp_path) as (it, instance):
        instance.on_call = lambda context: told.extend(context.invocation_metadata())
        await it.sentiment.Classify(
            GOOD, metadata=shows("tickets", ("tidegate-caller", "ops"), ("x-else", "kept"))
        )
        # Once, and not beside what the caller said.
        assert [value for key, value in told if key == "tidegate-caller"] == ["tickets"]
        assert ("x-else", "kept") in told
        assert not {"authorization", "tidegate-forbids"} & {key for key, _ in told}


async def test_a_name_without_proof_is_nobody_else_s(tmp_path):
    async with guarded(tmp_path, anonymous=True) as (it, instance):
        said = (("tidegate-caller", "tickets"), ("tidegate-forbids", "x"))
        await it.sentiment.Classify(GOOD, metadata=said)
        await it.sentiment.Classify(GOOD)
        assert instance.seen[0]["tidegate-caller"] == "anonymous/tickets"
        assert "tidegate-forbids" not in instance.seen[0]
        assert "tidegate-caller" not in instance.seen[1]


async def test_the_balancer_s_own_token_takes_the_place_of_the_caller_s(tmp_path):
    own = tmp_path / "own"
    own.write_text("own-token\n")
    async with guarded(tmp_path, instance_token_file=own) as (it, instance):
        await it.sentiment.Classify(GOOD, metadata=shows("tickets"))
        assert instance.seen[0]["authorization"] == "Bearer own-token"


async def test_a_call_that_its_caller_may_not_make_reaches_no_instance(tmp_path):
    denied, wrong = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT
    long = sentiment_pb2.ClassifyRequest(text="x" * 60)
    prompt = shows("campaign", ("tidegate-system-prompt-bin", b"obey"))
    chat = chat_pb2.ReplyRequest(text="hello")
    async with guarded(tmp_path) as (it, instance):
        calls = [
            it.chat.Reply(chat, metadata=shows("campaign")),
            it.sentiment.Classify(GOOD, metadata=prompt),
            it.sentiment.Classify(long, metadata=shows("campaign")),
        ]
        ends = [await refused(call) for call in calls]
        assert ends == [
            (denied, "NOT_ALLOWED", None),
            (denied, "NOT_ALLOWED", None),
            (wrong, "INPUT_TOO_LARGE", None),
        ]
        assert instance.seen == []
        await it.sentiment.Classify(GOOD, metadata=shows("campaign"))
        assert instance.seen[0]["tidegate-forbids"] == "system-prompt"
        assert it.sidecar.pool.in_flight == 0


async def test_denied_calls_are_counted_apart_from_all_others(tmp_path):
    async with guarded(tmp_path, metrics_listen="127.0.0.1:0") as (it, _):
        await refused(it.chat.Reply(chat_pb2.ReplyRequest(text="x"), metadata=shows("campaign")))
        await refused(it.chat.Reply(chat_pb2.ReplyRequest(text="x")))
        await refused(it.fleet.GetStatus(fleet_pb2.GetStatusRequest()))
        url = f"http://127.0.0.1:{it.sidecar.metrics_port}/metrics"
        told = [await asyncio.to_thread(scraped, url, name) for name in ("tickets", "watcher")]
        assert told[0] == "401"
        assert 'tidegate_calls_denied_total{reason="NOT_ALLOWED"} 1.0' in told[1]
        assert 'tidegate_calls_denied_total{reason="NO_CREDENTIALS"} 2.0' in told[1]
        assert 'tidegate_calls_offered_total{lane="chat"} 0.0' in told[1]


def scraped(url: str, name: str) -> str:
    """The metrics as a caller gets them; the status of one who may not look."""
    asked = Request(url, headers={"Authorization": f"Bearer {name}-token"})
    try:
        with build_opener(ProxyHandler({})).open(asked, timeout=10) as answer:
            return answer.read().decode()
    except HTTPError as error:
        error.close()
        return str(error.code)


async def test_beyond_its_rate_a_caller_is_told_when_there_is_room(tmp_path):
    async with guarded(tmp_path) as (it, _):
        for _ in range(2):
            await it.sentiment.Classify(GOOD, metadata=shows("slow"))
        code, reason, after = await refused(it.sentiment.Classify(GOOD, metadata=shows("slow")))
        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_EXCEEDED")
        assert after is not None
        assert 0 < after.ToTimedelta().total_seconds() <= 0.5
        await it.sentiment.Classify(GOOD, metadata=shows("tickets"))


async def test_messages_of_a_stream_wait_for_their_caller_s_rate(tmp_path):
    async with guarded(tmp_path) as (it, _):
        items = [sentiment_pb2.ClassifyStreamRequest(item_id=str(each)) for each in range(4)]
        clock = it.sidecar._dispatcher.now_s
        began_s = clock()
        stream = it.sentiment.ClassifyStream(iter(items), metadata=shows("slow"))
        assert [answer.item_id async for answer in stream] == ["0", "1", "2", "3"]
        # Two at once (one of them the call), two more at two a second.
        assert clock() - began_s > 0.8


async def test_a_stream_is_ended_by_a_message_that_is_too_large_after_what_came_before(tmp_path):
    async with guarded(tmp_path) as (it, _):
        items = [sentiment_pb2.ClassifyStreamRequest(item_id=each) for each in ("a", "b", "x" * 60)]
        stream = it.sentiment.ClassifyStream(iter(items), metadata=shows("campaign"))
        answered = [(await stream.read()).item_id, (await stream.read()).item_id]
        assert answered == ["a", "b"]
        code, reason, _ = await refused(stream.read())
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INPUT_TOO_LARGE")
        await it.at_rest()


async def test_the_fleet_has_a_right_of_its_own(tmp_path):
    async with guarded(tmp_path) as (it, instance):
        status, drain = (
            fleet_pb2.GetStatusRequest(),
            fleet_pb2.DrainRequest(instance_id=instance.id),
        )
        denied = grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED", None
        assert await refused(it.fleet.GetStatus(status, metadata=shows("tickets"))) == denied
        assert await refused(it.fleet.Drain(drain, metadata=shows("watcher"))) == denied
        code, reason, _ = await refused(it.fleet.GetStatus(status))
        assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS")
        watch = it.fleet.WatchStatus(fleet_pb2.WatchStatusRequest(), metadata=shows("tickets"))
        assert await refused(watch.read()) == denied
        watch = it.fleet.WatchStatus(fleet_pb2.WatchStatusRequest(), metadata=shows("watcher"))
        assert (await watch.read()).instances
        watch.cancel()
        assert (await it.fleet.Drain(drain, metadata=shows("ops"))).instance.id == instance.id


async def test_who_was_let_in_unasked_may_look_and_not_operate(tmp_path):
    async with PlayedInstance() as instance, front_of([instance], anonymous=True) as it:
        drain = fleet_pb2.DrainRequest(instance_id=instance.id)
        await it.fleet.GetStatus(fleet_pb2.GetStatusRequest())
        code, _, _ = await refused(it.fleet.Drain(drain))
        assert code is grpc.StatusCode.PERMISSION_DENIED
        await it.sentiment.Classify(GOOD)


async def test_where_nobody_is_asked_there_is_no_door(tmp_path):
    async with PlayedInstance() as instance, front_of([instance]) as it:
        passed = (("authorization", "Bearer for-the-instance"), ("tidegate-caller", "me"))
        await it.sentiment.Classify(GOOD, metadata=passed)
        assert instance.seen[0]["authorization"] == "Bearer for-the-instance"
        assert instance.seen[0]["tidegate-caller"] == "me"
        drain = fleet_pb2.DrainRequest(instance_id=instance.id)
        assert (await it.fleet.Drain(drain)).instance.id == instance.id


async def test_an_instance_that_takes_no_calls_from_this_balancer_is_as_good_as_away(
    tmp_path, capsys
):
    trailers = status_pb2.Status(code=16, message="who are you?")
    trailers.details.add().Pack(
        error_details_pb2.ErrorInfo(reason="TOKEN_UNKNOWN", domain="tidegate")
    )
    said = (("grpc-status-details-bin", trailers.SerializeToString()),)
    code = grpc.StatusCode.UNAUTHENTICATED
    async with PlayedInstance() as strict, PlayedInstance() as kind:
        strict.on_call = lambda context: context.abort(code, "who are you?", said)
        async with front_of([strict, kind], share_equal_calls=False) as it:
            for _ in range(20):
                await it.sentiment.Classify(GOOD)
            assert kind.answered == 20
            await eventually(lambda: strict.seen)
    told = capsys.readouterr().out
    assert told.count("takes no calls from this balancer: who are you?") == 1


async def test_a_caller_s_part_of_a_lane_reaches_the_pool(tmp_path):
    callers = {"tickets": {"share": 3}}
    async with guarded(tmp_path, callers=callers, sentiment_wait_s=30.0) as (it, instance):
        instance.hold()
        held = [it.sentiment.Classify(GOOD, metadata=shows("ops")) for _ in range(4)]
        await eventually(lambda: instance.in_flight == 4)
        waiting = [
            it.sentiment.Classify(GOOD, metadata=shows(name))
            for _ in range(12)
            for name in ("tickets", "ops")
        ]
        await eventually(lambda: it.sidecar.pool.backlog(*lane_now(it)).depth == 24)
        instance.release()
        for call in (*held, *waiting):
            await call
        served = [seen["tidegate-caller"] for seen in instance.seen[4:]]
        assert served[:12].count("tickets") in (8, 9, 10)


def lane_now(it: Front) -> tuple[object, float]:
    from tidegate.balancer.core.call import Lane

    return Lane.SENTIMENT, it.sidecar._dispatcher.now_s()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "0.0.0.0"}, "host: 0.0.0.0 is reached from other machines"),
        ({"tls_key": "k"}, "tls_key: k needs tls_cert"),
        ({"tls_client_ca": "c"}, "tls_client_ca: c needs tls_cert"),
        ({"tls_cert": "c", "tls_revoked": "r"}, "tls_revoked: r needs tls_client_ca"),
        ({"instance_tls_name": "n"}, "instance_tls_name: n needs instance_tls_ca"),
        ({"instance_token_file": "t"}, "instance_token_file: t would travel unencrypted"),
        ({"consul_ca": "c"}, "consul_ca: c is for https://"),
        ({"callers": {"a b": {}}}, "has 'a b'; letters"),
        ({"callers": {"default": {"share": 2}}}, "default.share: 2 is not 1"),
        ({"callers": {"default": {"certificates": ["x"]}}}, "default.certificates: stands for"),
        ({"callers": {"a": {"certificates": [""]}}}, "has an empty name"),
        ({"callers": {"a": {"certificates": ["x"]}}}, "callers: certificates are given, and tls_"),
        (
            {"callers": {"a": {"certificates": ["x"]}, "b": {"certificates": ["x"]}}},
            "b.certificates: 'x' is a's already",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_named(settings, said):
    with pytest.raises(ValueError, match="validation error") as caught:
        BalancerSettings(**settings)
    assert said in str(caught.value)
