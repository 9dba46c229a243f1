"""In somebody's mesh: client, Envoy, balancer, Envoys with TLS between them, instances; and nothing is lost on the way."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import trustme
from google.rpc import error_details_pb2, status_pb2
from support.envoy import Hop, Identity, running_envoy
from support.instances import NOT_SERVING, SERVING, PlayedInstance, refusal_trailers
from support.served import serve
from support.sidecars import Front, front
from support.waiting import eventually

from tidegate.balancer.core.call import Lane
from tidegate.v1 import chat_pb2, chat_pb2_grpc, sentiment_pb2, sentiment_pb2_grpc

pytestmark = pytest.mark.beside

FRONT_DOOR, OUTBOUND, INBOUND = "front.mesh", "outbound.mesh", "inbound.mesh"
GOOD = sentiment_pb2.ClassifyRequest(text="good")


@dataclass
class Mesh:
    """What a caller has in hand, and the balancer in the middle."""

    front: Front
    channel: grpc.aio.Channel
    doors: Sequence[Hop]

    def __post_init__(self) -> None:
        self.sentiment = sentiment_pb2_grpc.SentimentStub(self.channel)
        self.chat = chat_pb2_grpc.ChatStub(self.channel)

    def served_by(self, number: int) -> str:
        """The id of an instance: a balancer knows it by the door that its Envoy opens."""
        return f"tidegate-127.0.0.1-{self.doors[number].port}"


@asynccontextmanager
async def mesh(
    instances: Sequence[PlayedInstance], folder: Path, **settings: object
) -> AsyncIterator[Mesh]:
    """TLS to the front door; from the balancer on each way is two Envoys that ask each other for certificates."""
    authority = trustme.CA()
    at_the_front, out, into = (
        Identity.issue(authority, name, folder) for name in (FRONT_DOOR, OUTBOUND, INBOUND)
    )
    ends = [Hop([each.port], serving=into.serving(asks_back=True)) for each in instances]
    doors = [Hop([each.port], calling=out.calling(INBOUND)) for each in ends]
    addresses = ",".join(f"127.0.0.1:{each.port}" for each in doors)
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    async with AsyncExitStack() as stack:
        inner, outer = folder / "inner", folder / "outer"
        inner.mkdir()
        outer.mkdir()
        await stack.enter_async_context(running_envoy([*ends, *doors], inner))
        it = await stack.enter_async_context(front(instances=addresses, **settings))
        hop = Hop([it.sidecar.port], serving=at_the_front.serving(asks_back=False))
        await stack.enter_async_context(running_envoy([hop], outer))
        options = [("grpc.ssl_target_name_override", FRONT_DOOR), ("grpc.enable_retries", 0)]
        channel = grpc.aio.secure_channel(f"127.0.0.1:{hop.port}", credentials, options)
        await it.hot(len(instances))
        yield Mesh(it, await stack.enter_async_context(channel), doors)


def details_of(error: grpc.aio.AioRpcError) -> tuple[str, dict[str, str | bytes]]:
    """The reason of a refusal, and its trailers; message and details must agree."""
    trailers = dict(error.trailing_metadata() or ())
    packed = trailers["grpc-status-details-bin"]
    assert isinstance(packed, bytes)
    status, info = status_pb2.Status.FromString(packed), error_details_pb2.ErrorInfo()
    assert (status.code, status.message) == (error.code().value[0], error.details())
    assert status.details[0].Unpack(info)
    return info.reason, trailers


async def test_an_answer_brings_its_metadata_and_trailers_through_both_envoys(tmp_path: Path):
    async with PlayedInstance() as instance, mesh([instance], tmp_path) as it:
        said = (("x-mine", "one"), ("x-mine-bin", b"\x00\xff"), ("tidegate-caller", "tickets"))
        call = it.sentiment.Classify(GOOD, metadata=said)
        answer = await call
        first, last = await call.initial_metadata(), await call.trailing_metadata()

        assert answer.label == "good"
        assert ("x-instance", instance.id) in tuple(first)
        assert [value for key, value in last if key == "x-trailer"] == ["one", "two"]
        assert ("tidegate-served-by", it.served_by(0)) in tuple(last)
        assert dict(last)["tidegate-queue-duration-ms"] == "0"
        assert said[0] in instance.seen[-1].items()
        assert said[1] in instance.seen[-1].items()
        await it.front.at_rest()


async def test_a_refusal_of_an_instance_and_one_of_the_balancer_keep_their_details(tmp_path: Path):
    async with (
        PlayedInstance(chat_slots=1) as instance,
        mesh([instance], tmp_path, chat_wait_s=0.2) as it,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as invalid:
            await it.sentiment.Classify(sentiment_pb2.ClassifyRequest())
        assert invalid.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert invalid.value.details() == "text: '' is blank"
        trailers = dict(invalid.value.trailing_metadata() or ())
        assert (trailers["x-mistake"], trailers["x-mistake-bin"]) == ("text", b"\x00\xff")

        instance.on_call = lambda context: context.abort(
            grpc.StatusCode.UNAVAILABLE,
            "BROKEN",
            refusal_trailers(grpc.StatusCode.UNAVAILABLE, "BROKEN"),
        )
        with pytest.raises(grpc.aio.AioRpcError) as broken:
            await it.sentiment.Classify(GOOD)
        reason, trailers = details_of(broken.value)
        assert (reason, trailers["grpc-retry-pushback-ms"]) == ("BROKEN", "50")

        instance.on_call = None
        instance.hold()
        running = asyncio.ensure_future(it.chat.Reply(chat_pb2.ReplyRequest(text="first")))
        await eventually(lambda: instance.in_flight == 1)
        with pytest.raises(grpc.aio.AioRpcError) as shed:
            await it.chat.Reply(chat_pb2.ReplyRequest(text="second"))
        reason, trailers = details_of(shed.value)
        assert (reason, trailers["grpc-retry-pushback-ms"]) == ("QUEUE_TIMEOUT", "-1")
        instance.release()
        await running
        await it.front.at_rest()


async def test_words_come_one_by_one_and_not_at_the_end(tmp_path: Path):
    async with PlayedInstance() as instance, mesh([instance], tmp_path) as it:
        instance.hold()
        call = it.chat.StreamReply(chat_pb2.StreamReplyRequest(text="one two"))
        assert (await asyncio.wait_for(call.read(), 10)).delta == "one"
        assert instance.in_flight == 1
        instance.release()
        assert [(await call.read()).delta, (await call.read()).delta] == ["two", ""]
        assert await call.read() is grpc.aio.EOF


async def test_a_caller_who_hangs_up_frees_the_instance_at_once(tmp_path: Path):
    async with PlayedInstance() as instance, mesh([instance], tmp_path) as it:
        instance.hold()
        call = it.chat.StreamReply(chat_pb2.StreamReplyRequest(text="one two"))
        await call.read()
        unary = it.sentiment.Classify(GOOD)
        await eventually(lambda: instance.in_flight == 2)
        call.cancel()
        unary.cancel()
        await eventually(lambda: instance.cancelled == 2)
        await it.front.at_rest()
        assert it.front.tally(Lane.SENTIMENT).cancelled == 1
        assert it.front.tally(Lane.CHAT).cancelled == 1


async def test_a_deadline_reaches_the_instance_and_ends_the_call_there_too(tmp_path: Path):
    async with PlayedInstance() as instance, mesh([instance], tmp_path) as it:
        instance.hold()
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await it.sentiment.Classify(GOOD, timeout=0.5)
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        (remaining_s,) = instance.remaining_s
        assert remaining_s is not None
        assert 0 < remaining_s <= 0.5
        await eventually(lambda: instance.cancelled == 1)
        await it.front.at_rest()


async def test_an_instance_that_dies_behind_its_envoy_costs_no_call(tmp_path: Path):
    async with (
        PlayedInstance() as one,
        PlayedInstance() as other,
        mesh([one, other], tmp_path) as it,
    ):
        await one.stop()
        requests = [sentiment_pb2.ClassifyRequest(text=str(number)) for number in range(20)]
        answers = await asyncio.gather(*(it.sentiment.Classify(each) for each in requests))

        assert {answer.model for answer in answers} == {other.id}
        # Its own health, through the Envoy that is still there, is what takes it out.
        await it.front.hot(1)


async def test_an_envoy_that_retries_by_itself_brings_new_calls_and_confuses_no_count(
    tmp_path: Path,
):
    retry = {
        "retry_on": "unavailable",
        "num_retries": 100,
        "retry_back_off": {"base_interval": "0.05s", "max_interval": "0.1s"},
    }
    async with PlayedInstance() as instance:
        await instance.say_health(NOT_SERVING)
        async with front(instances=instance.address) as it:
            hop = Hop([it.sidecar.port], retry=retry)
            async with (
                running_envoy([hop], tmp_path),
                grpc.aio.insecure_channel(
                    f"127.0.0.1:{hop.port}", options=[("grpc.enable_retries", 0)]
                ) as channel,
            ):
                call = sentiment_pb2_grpc.SentimentStub(channel).Classify(GOOD)
                asking = asyncio.ensure_future(call)
                await eventually(lambda: it.tally(Lane.SENTIMENT).shed >= 2)
                await instance.say_health(SERVING)
                assert (await asking).label == "good"
            tally = it.tally(Lane.SENTIMENT)
            assert tally.full == 1
            assert tally.offered == tally.shed + 1


async def test_an_envoy_that_weighs_by_load_reports_sends_more_where_there_is_more_room(
    tmp_path: Path,
):
    policy = "envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3"
    weighing = {
        "@type": f"type.googleapis.com/{policy}.ClientSideWeightedRoundRobin",
        "blackout_period": "0.1s",
        "weight_update_period": "0.1s",
    }
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        roomy, small = await enter(serve(sentiment_slots=16)), await enter(serve(sentiment_slots=2))
        ports = [each.port for each in (roomy, small)]
        fronts = [await enter(front(instances=f"127.0.0.1:{port}")) for port in ports]
        hop = Hop([each.sidecar.port for each in fronts], balancing=weighing)
        await enter(running_envoy([hop], tmp_path))
        channel = await enter(grpc.aio.insecure_channel(f"127.0.0.1:{hop.port}"))
        stub = sentiment_pb2_grpc.SentimentStub(channel)
        for each in fronts:
            await each.hot(1)

        async def ask(number: int) -> str:
            call = stub.Classify(sentiment_pb2.ClassifyRequest(text=f"text {number}"))
            await call
            return dict(await call.trailing_metadata())["tidegate-served-by"]

        async def shares() -> Counter[str]:
            served: Counter[str] = Counter()
            for start in range(0, 60, 4):
                served.update(await asyncio.gather(*(ask(start + each) for each in range(4))))
            return served

        ids = [f"tidegate-127.0.0.1-{port}" for port in ports]
        until_s = asyncio.get_running_loop().time() + 30
        while (seen := await shares())[ids[0]] < 3 * seen[ids[1]]:
            assert asyncio.get_running_loop().time() < until_s, seen
        assert seen[ids[1]] > 0
