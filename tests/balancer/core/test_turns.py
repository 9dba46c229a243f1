from tidegate.balancer.core.turns import Turns


def turns(**served: float) -> Turns:
    it = Turns()
    for caller in served:
        it.join(caller)
    for caller, work in served.items():
        it.charge(caller, work)
    return it


def order(it: Turns, **works: list[float]) -> str:
    """Whose turn it is, one letter a call; places are in order of the letters."""
    lines = {
        caller: [(caller, index, work) for index, work in enumerate(each)]
        for caller, each in works.items()
    }
    turns = it.order(lines, place=lambda call: call[:2], work=lambda call: call[2])
    return "".join(caller for caller, _, _ in turns)


def test_callers_take_turns_by_work_and_not_by_calls():
    assert order(turns(a=0, b=0), a=[1, 1, 1, 1], b=[1, 1]) == "ababaa"
    assert order(turns(a=0, b=0), a=[3, 1], b=[1, 1, 1, 1]) == "abbbab"


def test_who_was_served_least_goes_first():
    assert order(turns(a=2, b=0), a=[1, 1], b=[1, 1, 1]) == "bbaba"


def test_a_newcomer_begins_where_the_least_served_stands():
    it = turns(a=7, b=5)
    it.join("c")
    assert order(it, a=[1], b=[1], c=[1]) == "bca"


def test_a_caller_who_is_gone_is_forgotten_with_what_it_was_given():
    it = turns(a=7, b=5)
    it.leave("a")
    assert len(it) == 1
    it.join("a")
    assert order(it, a=[1], b=[1]) == "ab"


def test_a_quiet_caller_has_little_ahead_of_it_and_a_loud_one_its_own_calls():
    it = turns(loud=0)
    assert it.ahead("quiet", 0, {"loud": 50}) == 1
    assert it.ahead("loud", 50, {"loud": 50}) == 50
    it.join("quiet")
    assert it.ahead("loud", 50, {"loud": 50, "quiet": 2}) == 52
