"""Equal sentiment calls over real gRPC: one forward for all, whoever leaves."""

import asyncio

import grpc
import pytest
from support.instances import PlayedInstance, refusal_trailers
from support.sidecars import front_of
from support.waiting import eventually

from tidegate.balancer.core.call import Lane
from tidegate.v1 import sentiment_pb2

TEXT = sentiment_pb2.ClassifyRequest(text="今天的实验终于成功了")
OTHER = sentiment_pb2.ClassifyRequest(text="今天的实验又失败了")


async def ended(*calls):
    return await asyncio.gather(*calls, return_exceptions=True)


async def under_way(it, count: int, instance: PlayedInstance, forwards: int = 1) -> None:
    """Wait until so many calls are with the balancer, by so many forwards."""
    sharing = it.sidecar.sharing
    await eventually(lambda: sum(sharing.waiting) == count and instance.in_flight == forwards)


async def test_equal_calls_under_way_are_answered_by_one_forward():
    async with PlayedInstance() as instance, front_of([instance], share_equal_calls=True) as it:
        instance.hold()
        calls = [
            it.sentiment.Classify(TEXT, metadata=[("tidegate-caller", f"{n}")]) for n in range(5)
        ]
        other = it.sentiment.Classify(OTHER)
        await under_way(it, 6, instance, forwards=2)
        instance.release()
        answers = await asyncio.gather(*calls, other)
        assert instance.answered == 2
        assert len({answer.SerializeToString() for answer in answers[:5]}) == 1
        shared = [dict(await call.trailing_metadata()).get("tidegate-shared") for call in calls]
        assert sorted(each or "" for each in shared) == ["", *["in-flight"] * 4]
        await it.at_rest()
        tally = it.tally(Lane.SENTIMENT)
        assert (tally.offered, tally.full, tally.shared) == (6, 6, 4)


@pytest.mark.parametrize("leaving", [0, 1], ids=["the first", "another"])
async def test_a_caller_who_leaves_takes_nothing_from_the_others(leaving):
    async with PlayedInstance() as instance, front_of([instance], share_equal_calls=True) as it:
        instance.hold()
        calls = [it.sentiment.Classify(TEXT)]
        await under_way(it, 1, instance)
        calls.append(it.sentiment.Classify(TEXT))
        await under_way(it, 2, instance)
        calls.pop(leaving).cancel()
        await under_way(it, 1, instance)
        instance.release()
        await asyncio.gather(*calls)
        assert (instance.answered, instance.cancelled) == (1, 0)
        await it.at_rest()
        tally = it.tally(Lane.SENTIMENT)
        assert (tally.offered, tally.full, tally.cancelled) == (2, 1, 1)


async def test_when_the_last_has_left_the_forward_is_cancelled():
    async with PlayedInstance() as instance, front_of([instance], share_equal_calls=True) as it:
        instance.hold()
        calls = [it.sentiment.Classify(TEXT) for _ in range(3)]
        await under_way(it, 3, instance)
        for call in calls:
            call.cancel()
        await eventually(lambda: instance.cancelled == 1)
        await it.at_rest()
        tally = it.tally(Lane.SENTIMENT)
        assert (tally.offered, tally.cancelled) == (3, 3)


async def test_the_deadline_of_one_ends_that_one_alone():
    async with PlayedInstance() as instance, front_of([instance], share_equal_calls=True) as it:
        instance.hold()
        patient = it.sentiment.Classify(TEXT, timeout=20)
        await under_way(it, 1, instance)
        (error,) = await ended(it.sentiment.Classify(TEXT, timeout=0.2))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        # The caller's clock may be ahead of the balancer's by some milliseconds.
        await eventually(lambda: it.tally(Lane.SENTIMENT).expired == 1)
        instance.release()
        await patient
        await it.at_rest()
        tally = it.tally(Lane.SENTIMENT)
        assert (tally.offered, tally.full, tally.expired) == (2, 1, 1)


async def test_what_is_wrong_with_a_message_is_told_to_all_and_other_errors_to_one():
    async with PlayedInstance() as instance, front_of([instance], share_equal_calls=True) as it:
        ends = [grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT]

        async def fail(context):
            await instance.released()
            code = ends.pop(0)
            await context.abort(code, "no", refusal_trailers(code, "BAD"))

        instance.on_call = fail
        instance.hold()
        calls = [it.sentiment.Classify(TEXT) for _ in range(4)]
        await under_way(it, 4, instance)
        instance.release()
        codes = sorted(error.code().name for error in await ended(*calls))
        assert codes == ["INTERNAL", *["INVALID_ARGUMENT"] * 3]
        assert not ends
        await it.at_rest()


@pytest.mark.parametrize("metadata", [("tidegate-profile", "other"), ("authorization", "me")])
async def test_calls_that_an_instance_could_tell_apart_share_nothing(metadata):
    async with PlayedInstance() as instance, front_of([instance], share_equal_calls=True) as it:
        instance.hold()
        calls = [it.sentiment.Classify(TEXT), it.sentiment.Classify(TEXT, metadata=[metadata])]
        await under_way(it, 2, instance, forwards=2)
        instance.release()
        await asyncio.gather(*calls)
        assert instance.answered == 2


async def test_a_remembered_answer_is_given_until_the_profile_changes():
    settings = {"share_equal_calls": True, "answer_cache_s": 60.0}
    async with PlayedInstance() as instance, front_of([instance], **settings) as it:
        instance.profile_version = "v1"
        await it.sentiment.Classify(TEXT)
        call = it.sentiment.Classify(TEXT)
        await call
        assert dict(await call.trailing_metadata())["tidegate-shared"] == "cache"
        assert instance.answered == 1
        instance.profile_version = "v2"
        await it.sentiment.Classify(OTHER)
        assert (await it.sentiment.Classify(TEXT)).profile_version == "v2"
        assert instance.answered == 3
        await it.at_rest()
        tally = it.tally(Lane.SENTIMENT)
        assert (tally.offered, tally.full, tally.cached) == (4, 4, 1)


async def test_without_the_cache_a_repeated_call_is_forwarded_again():
    async with PlayedInstance() as instance, front_of([instance], share_equal_calls=True) as it:
        await it.sentiment.Classify(TEXT)
        await it.sentiment.Classify(TEXT)
        assert instance.answered == 2
