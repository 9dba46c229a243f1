from __future__ import annotations

from tidegate.clients.conversation import LONGEST_CHARACTERS, Conversation
from tidegate.clients.inputs import Speaker, Turn


def test_a_question_comes_after_all_that_was_said() -> None:
    conversation = Conversation()
    conversation.remember("你好", "好")
    assert conversation.with_question("再见") == (
        Turn(Speaker.USER, "你好"),
        Turn(Speaker.ASSISTANT, "好"),
        Turn(Speaker.USER, "再见"),
    )


def test_a_question_without_an_answer_is_forgotten() -> None:
    conversation = Conversation()
    conversation.remember("你好", " ")
    conversation.with_question("anyone?")
    assert conversation.with_question("再见") == (Turn(Speaker.USER, "再见"),)


def test_the_oldest_pairs_give_way_but_never_the_question() -> None:
    conversation = Conversation()
    half = "字" * (LONGEST_CHARACTERS // 2)
    conversation.remember("first", half)
    conversation.remember("second", half)
    assert [turn.content for turn in conversation.with_question("?")] == ["second", half, "?"]
    too_long = half * 3
    assert conversation.with_question(too_long) == (Turn(Speaker.USER, too_long),)


def test_two_conversations_have_two_names() -> None:
    assert Conversation().conversation_id != Conversation().conversation_id
