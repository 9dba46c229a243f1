import pytest

from tidegate.server.builtin_profiles import builtin_profiles
from tidegate.server.call_metadata import CallMetadata
from tidegate.server.profiles import ProfileStore
from tidegate.server.prompts import Speaker
from tidegate.server.refusal import RefusedError
from tidegate.server.validation import Defaults, Validation
from tidegate.v1.chat_pb2 import JudgeAndReplyRequest, ReplyRequest, Sampling, Turn
from tidegate.v1.sentiment_pb2 import ClassifyRequest

NOTHING = CallMetadata()


@pytest.fixture
def validation():
    profiles = ProfileStore(builtin_profiles("chatml"), None, lambda file, profile: None)
    return Validation(profiles, Defaults("sentiment", "chat", "review"), 100)


def wrong_fields(check, *arguments) -> dict[str, str]:
    with pytest.raises(RefusedError) as caught:
        check(*arguments)
    return {one.field: one.problem for one in caught.value.refusal.violations}


@pytest.mark.parametrize(
    ("request_", "metadata", "field", "told"),
    [
        (ClassifyRequest(), NOTHING, "text", "'' is empty; 1 to 100 characters"),
        (ClassifyRequest(text=" \n\u3000"), NOTHING, "text", "is blank"),
        (ClassifyRequest(text="x" * 101), NOTHING, "text", "101 characters; at most 100"),
        (
            ClassifyRequest(text="x", profile="no"),
            NOTHING,
            "profile",
            "'no' is unknown; of kind 'classify' there are: sentiment",
        ),
        (ClassifyRequest(text="x", profile="chat"), NOTHING, "profile", "'chat' is of kind 'chat'"),
        (
            ClassifyRequest(text="x"),
            CallMetadata(profile="no"),
            "tidegate-profile",
            "'no' is unknown",
        ),
        (
            ClassifyRequest(text="x", system_prompt="x" * 2001),
            NOTHING,
            "system_prompt",
            "2001 characters; profile 'sentiment' accepts at most 2000",
        ),
        (
            ClassifyRequest(text="x"),
            CallMetadata(system_prompt="x" * 2001),
            "tidegate-system-prompt-bin",
            "at most 2000",
        ),
    ],
)
def test_a_wrong_classification_names_field_value_and_range(
    validation, request_, metadata, field, told
):
    wrong = wrong_fields(validation.classify, request_, metadata)
    assert list(wrong) == [field]
    assert told in wrong[field]


@pytest.mark.parametrize(
    ("said", "field", "told"),
    [
        ({}, "text", "one of text and turns must be given"),
        ({"text": "  "}, "text", "is blank"),
        ({"text": "x", "turns": [Turn(role="user", content="x")]}, "turns", "only one of both"),
        (
            {"turns": [Turn(role="robot", content="x")]},
            "turns[0].role",
            '\'robot\'; "user" and "assistant"',
        ),
        ({"turns": [Turn(role="user", content=" ")]}, "turns[0].content", "is blank"),
        (
            {"turns": [Turn(role="user", content="x"), Turn(role="assistant", content="y")]},
            "turns[1].role",
            "the last turn must be the user's",
        ),
        (
            {"turns": [Turn(role="user", content="x" * 51)] * 2},
            "turns",
            "102 characters together; at most 100",
        ),
        ({"text": "x", "conversation_id": "情" * 86}, "conversation_id", "258 bytes; at most 256"),
        ({"text": "x", "profile": "sentiment"}, "profile", "of kind 'chat' there are: chat"),
        (
            {"text": "x", "sampling": Sampling(temperature=2.1)},
            "sampling.temperature",
            "2.1; 0 to 2",
        ),
        (
            {"text": "x", "sampling": Sampling(temperature=float("nan"))},
            "sampling.temperature",
            "nan",
        ),
        ({"text": "x", "sampling": Sampling(top_p=0)}, "sampling.top_p", "0; above 0, at most 1"),
        (
            {"text": "x", "sampling": Sampling(repetition_penalty=0.5)},
            "sampling.repetition_penalty",
            "1 to 2",
        ),
        (
            {"text": "x", "sampling": Sampling(max_tokens=0)},
            "sampling.max_tokens",
            "0; profile 'chat' accepts 1 to 1024",
        ),
        ({"text": "x", "sampling": Sampling(max_tokens=1025)}, "sampling.max_tokens", "1025; "),
        (
            {"text": "x", "sampling": Sampling(stop=["x"] * 9)},
            "sampling.stop",
            "9 texts; at most 8",
        ),
        (
            {"text": "x", "sampling": Sampling(stop=["", "y"])},
            "sampling.stop[0]",
            "0 characters; 1 to 64",
        ),
    ],
)
def test_a_wrong_chat_names_field_value_and_range(validation, said, field, told):
    wrong = wrong_fields(validation.chat, ReplyRequest(**said), NOTHING)
    assert list(wrong) == [field]
    assert told in wrong[field]


def test_every_wrong_field_is_told_at_once(validation):
    wrong = wrong_fields(validation.classify, ClassifyRequest(text=" ", profile="no"), NOTHING)
    assert list(wrong) == ["text", "profile"]


def test_the_body_wins_and_an_empty_system_prompt_is_one(validation):
    metadata = CallMetadata(profile="no", system_prompt="beside")
    call = validation.classify(
        ClassifyRequest(text="x", profile="sentiment", system_prompt=""), metadata
    )
    assert (call.profile.name, call.system_prompt) == ("sentiment", "")
    beside = validation.classify(ClassifyRequest(text="x"), CallMetadata(system_prompt="beside"))
    assert beside.system_prompt == "beside"


def test_what_the_call_leaves_open_the_profile_says(validation):
    profile = builtin_profiles("chatml")["chat"]
    call = validation.chat(
        ReplyRequest(text="x", sampling=Sampling(temperature=0, seed=5)), NOTHING
    )
    assert (call.sampling.temperature, call.sampling.seed) == (0, 5)
    assert call.sampling.top_p == profile.top_p
    assert call.sampling.max_tokens == profile.max_tokens
    assert [turn.speaker for turn in call.turns] == [Speaker.USER]


def test_the_last_turn_is_judged(validation):
    turns = [
        Turn(role="user", content="x"),
        Turn(role="assistant", content="y"),
        Turn(role="user", content="z"),
    ]
    request = JudgeAndReplyRequest(turns=turns)
    call = validation.chat(request, NOTHING)
    assert validation.judgement(request, call.turns).text == "z"
    assert list(
        wrong_fields(validation.judgement, JudgeAndReplyRequest(sentiment_profile="no"), call.turns)
    ) == ["sentiment_profile"]
