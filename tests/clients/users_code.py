"""What a user writes, for a type checker: never run. An ignored error that is none is an error (tox -e types)."""

from typing_extensions import assert_type

from tidegate.clients import (
    AsyncClient,
    Classification,
    Client,
    DegradedReply,
    Delta,
    End,
    Overloaded,
    Reply,
    Sampling,
    TidegateError,
    Tls,
    Warming,
)


def blocking(texts: list[str]) -> list[str]:
    with Client("localhost:50051", timeout_s=5, tls=Tls(ca="ca.pem"), token="t") as client:
        assert_type(client, Client)
        assert_type(client.classify("好").label, str)
        client.reply("好", sampling=Sampling(temperature=0.2), accept_degraded=False)
        client.reply("好", profil="typo")  # type: ignore[call-arg]
        client.reply("好", timeout_s="5")  # type: ignore[arg-type]
        client.classify("好", sampling=None)  # type: ignore[call-arg]
        client.stream_reply("好", sentiment_profile="x")  # type: ignore[call-arg]
        client.judge_and_reply("好", sentiment_profile="x", progress=True)
        client.reply("好", progress=True)  # type: ignore[call-arg]
        for item in client.classify_many(texts, concurrency=4, profile="shop"):
            if isinstance(item.outcome, TidegateError):
                assert_type(item.outcome.retry_after_s, float | None)
            else:
                assert_type(item.outcome, Classification)
        reply = client.reply("好")
        assert_type(reply, Reply)
        if isinstance(reply, DegradedReply):
            assert_type(reply.sentiment, Classification)
        return [reply.text]


async def on_asyncio() -> None:
    async with AsyncClient() as client:
        try:
            async for event in client.stream_reply("好"):
                assert_type(event, Warming | Delta | End)
            async for judged in client.judge_and_reply("好"):
                assert_type(judged, Warming | Classification | Delta | End)
        except Overloaded as shed:
            assert_type(shed.retry_after_s, float | None)
        label: str = client.classify("好").label  # type: ignore[attr-defined]
        assert_type(label, str)
