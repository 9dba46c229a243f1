import pytest

from tidegate.balancer.wishes import Wishes


def test_a_pin_holds_until_another_takes_its_place():
    pinned = Wishes().pin(2)
    assert pinned.floor(1e9) == (2, "pinned")
    assert pinned.pin(1).floor(1e9) == (1, "pinned")
    assert pinned.pin(0).floor(1e9) == (None, "")


def test_a_warm_holds_for_its_while_and_the_largest_counts():
    wishes = Wishes().warm(3, until_s=20.0, now_s=0.0).warm(2, until_s=40.0, now_s=0.0).pin(1)
    assert wishes.floor(19.0) == (3, "warmed")
    assert wishes.floor(20.0) == (2, "warmed")
    assert wishes.floor(40.0) == (1, "pinned")
    assert wishes.warm(5, until_s=60.0, now_s=30.0).warmed == ((2, 40.0), (5, 60.0))


def test_wishes_travel_as_text():
    wishes = Wishes().warm(3, until_s=20.5, now_s=0.0).pin(1)
    assert Wishes.read(wishes.text) == wishes


@pytest.mark.parametrize("text", ["", "{}", '{"pinned": 1, "warmed": 2}', "[]"])
def test_what_is_no_wish_is_said(text):
    with pytest.raises(ValueError):
        Wishes.read(text)
