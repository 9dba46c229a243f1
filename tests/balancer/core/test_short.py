import pytest

from tidegate.balancer.core.short import WINDOW_S, ShortBudget


def test_short_answers_take_their_share_of_what_full_ones_take():
    budget, now, short_s, chat_s, running = ShortBudget(0.05), 0.0, 0.0, 0.0, 0
    budget.advance(now, 8, 0)
    for turn in range(10_000):
        now += 0.1
        budget.advance(now, 8, running)
        short_s, chat_s = short_s + 0.1 * running, chat_s + 0.8
        # Each takes three turns.
        running = 1 if budget.allows or (running and turn % 3) else 0
    assert short_s / chat_s == pytest.approx(0.05, rel=0.05)


def test_the_first_is_allowed_and_the_next_when_it_is_paid():
    budget = ShortBudget(0.1)
    budget.advance(0.0, 5, 0)
    assert budget.allows
    budget.advance(1.0, 5, 1)
    assert not budget.allows
    budget.advance(1.9, 5, 0)
    assert not budget.allows
    budget.advance(2.1, 5, 0)
    assert budget.allows


def test_what_is_not_used_adds_up_for_a_while_only():
    budget = ShortBudget(0.05)
    budget.advance(0.0, 8, 0)
    budget.advance(1000.0, 8, 0)
    assert budget.left_s == pytest.approx(0.05 * 8 * WINDOW_S)


def test_without_full_answers_nothing_suffers():
    budget = ShortBudget(0.05)
    budget.advance(0.0, 1, 3)
    budget.advance(5.0, 1, 3)
    assert not budget.allows
    budget.advance(6.0, 0, 3)
    assert budget.allows
