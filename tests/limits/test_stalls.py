from tidegate.limits.stalls import SPARED_S, Stalls


def test_who_waits_too_long_is_taken_out_in_order_and_once():
    stalls: Stalls[str] = Stalls(9)
    for at_s, call in enumerate("abc"):
        assert stalls.begin(call, float(at_s)) is None
    assert stalls.take_older(1.0) == ["a", "b"]
    assert stalls.take_older(1.0) == []
    assert len(stalls) == 1


def test_who_goes_on_waits_no_more():
    stalls: Stalls[str] = Stalls(9)
    stalls.begin("a", 0.0)
    assert stalls.end("a")
    assert not stalls.end("a")
    assert stalls.take_older(99.0) == []


def test_one_too_many_costs_the_one_that_has_waited_longest():
    stalls: Stalls[str] = Stalls(2)
    for at_s, call in enumerate("ab"):
        stalls.begin(call, float(at_s))
    assert stalls.begin("c", 2.0) == "a"
    assert stalls.take_older(99.0) == ["b", "c"]


def test_a_rush_costs_nobody_who_has_only_just_come():
    stalls: Stalls[str] = Stalls(1)
    stalls.begin("a", 0.0)
    assert stalls.begin("b", SPARED_S / 2) is None
    assert stalls.begin("c", SPARED_S) == "a"
