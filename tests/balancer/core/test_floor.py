import pytest

from tidegate.balancer.core.floor import EPSILON_S, ChatFloor


def floor() -> ChatFloor:
    return ChatFloor(share=0.2, window_s=30.0)


def test_chat_is_owed_nothing_before_any_time_has_passed():
    it = floor()
    it.advance(0.0, chat=0, total=4)
    assert not it.is_due


def test_chat_without_its_share_is_due():
    it = floor()
    it.advance(0.0, 0, 4)
    it.advance(2.5, 0, 4)
    assert it.is_due


def test_chat_with_its_share_is_not_due():
    it = floor()
    it.advance(0.0, 1, 4)
    it.advance(2.5, 1, 4)
    assert not it.is_due


def test_time_without_a_backlog_does_not_count():
    it = floor()
    it.advance(0.0, 0, 0)
    it.advance(100.0, 0, 0)
    assert not it.is_due


def test_what_lies_before_the_window_is_forgotten():
    it = floor()
    it.advance(0.0, 4, 4)
    it.advance(10.0, 4, 4)
    it.advance(11.0, 0, 4)
    assert not it.is_due
    it.advance(60.0, 0, 4)
    assert it.is_due


def test_the_time_until_chat_is_due_is_exact():
    it = floor()
    it.advance(0.0, 2, 4)
    it.advance(1.0, 2, 4)
    # 2 slot-seconds of 4: a surplus of 1.2, falling by 0.8 a second when chat has none.
    in_s = it.due_in_s(chat=0, total=4)
    assert in_s == pytest.approx(1.5, abs=2 * EPSILON_S)
    it.advance(1.0 + in_s, 0, 4)
    assert it.is_due


def test_chat_that_keeps_its_share_is_never_due():
    assert floor().due_in_s(chat=1, total=5) is None
