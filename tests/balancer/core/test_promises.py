import pytest

from tidegate.balancer.core.promises import LAPSES_S, MOST, Promises


def promises(*due: tuple[str, float]) -> Promises:
    it = Promises()
    for caller, due_s in due:
        it.give(caller, due_s)
    return it


def test_a_promise_is_claimed_once_and_no_earlier_than_it_was_given_for():
    it = promises(("a", 10.0))
    assert not it.claim("a", 9.0)
    assert it.claim("a", 10.0)
    assert not it.claim("a", 10.0)
    assert (len(it), it.expected) == (0, 0.0)


def test_nobody_claims_what_another_was_promised():
    it = promises(("a", 10.0))
    assert not it.claim("b", 11.0)
    assert it.claim("a", 11.0)


def test_of_a_callers_promises_the_earliest_is_claimed_first():
    it = promises(("a", 20.0), ("a", 10.0))
    assert it.claim("a", 10.0)
    assert not it.claim("a", 19.0)
    assert it.claim("a", 20.0)


def test_who_does_not_come_is_forgotten():
    it = promises(("a", 10.0), ("b", 11.0))
    it.lapse(10.5 + LAPSES_S)
    assert len(it) == 1
    assert not it.claim("a", 10.5 + LAPSES_S)
    assert it.claim("b", 10.5 + LAPSES_S)
    # What was claimed lapses no more.
    it.give("b", 30.0)
    it.lapse(12.0 + LAPSES_S)
    assert len(it) == 1


def test_callers_who_never_come_back_are_less_and_less_expected():
    it = promises()
    for number in range(60):
        it.give("a", float(number))
        it.lapse(number + LAPSES_S + 0.5)
    it.give("a", 100.0)
    assert it.expected == pytest.approx(0.0, abs=0.1)
    for number in range(60):
        it.give("b", 100.0 + number)
        assert it.claim("b", 100.0 + number)
    assert it.expected == pytest.approx(1.0, abs=0.1)


def test_promises_without_end_are_not_remembered():
    it = promises(*(("a", float(number)) for number in range(MOST + 10)))
    assert len(it) == MOST
