"""Texts of callers in the log: none, or as much as was asked for."""

import grpc
import pytest
from support.served import serve, unpack

from tidegate.v1.chat_pb2 import ReplyRequest
from tidegate.v1.sentiment_pb2 import ClassifyRequest

TEXT, PROMPT = "味道不错，分量也足", "你是一位谨慎的客服"


async def calls(**settings: object) -> None:
    async with serve(**settings) as it:
        await it.sentiment.Classify(ClassifyRequest(text=TEXT, system_prompt=PROMPT))
        await it.chat.Reply(ReplyRequest(text=f"喂{TEXT}"))


async def test_no_text_is_logged_unless_asked_for(capsys):
    await calls()
    assert TEXT[:2] not in "".join(capsys.readouterr())


async def test_the_beginning_of_each_text_is_logged_where_that_is_asked_for(capsys):
    await calls(log_text_characters=4)
    told = "".join(capsys.readouterr())
    assert f"{TEXT[:4]}…" in told
    assert f"喂{TEXT[:3]}…" in told
    assert TEXT[:5] not in told
    assert PROMPT[:2] not in told


@pytest.mark.parametrize("where", ["message", "metadata"])
async def test_a_caller_who_may_bring_no_system_prompt_is_refused_one(where):
    forbids = ("tidegate-forbids", "system-prompt")
    async with serve() as it:
        for call in (
            lambda request, **more: it.sentiment.Classify(ClassifyRequest(**request), **more),
            lambda request, **more: it.chat.Reply(ReplyRequest(**request), **more),
        ):
            body = {"text": TEXT}
            await call(body, metadata=(forbids,))
            said = [forbids]
            if where == "message":
                body["system_prompt"] = PROMPT
            else:
                said.append(("tidegate-system-prompt-bin", PROMPT.encode()))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(body, metadata=tuple(said))
            refused = unpack(caught.value)
            assert refused.code is grpc.StatusCode.PERMISSION_DENIED
            assert refused.reason == "NOT_ALLOWED"
            assert PROMPT not in refused.message


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "0.0.0.0"}, "host: 0.0.0.0 is reached from other machines"),
        ({"tls_key": "k"}, "tls_key: k needs tls_cert"),
        ({"trusted_names": "n"}, "trusted_names: n needs tls_client_ca"),
        ({"consul_ca": "c"}, "consul_ca: c is for https://"),
    ],
)
async def test_settings_that_do_not_fit_together_are_named(settings, said):
    with pytest.raises(ValueError, match="validation error") as caught:
        async with serve(**settings):
            pass
    assert said in str(caught.value)
