from tidegate.balancer.core.hold import Hold


def test_holds_double_up_to_a_fifth_of_a_second_while_refusals_go_on():
    hold, now, lengths = Hold(), 0.0, []
    for _ in range(4):
        hold.refuse(now)
        lengths.append(round(hold.until_s - now, 3))
        now = hold.until_s
    assert lengths == [0.05, 0.1, 0.2, 0.2]


def test_refusals_during_a_hold_do_not_add_up():
    hold = Hold()
    hold.refuse(0.0)
    hold.refuse(0.01)
    assert (hold.until_s, hold.next_s) == (0.05, 0.1)


def test_a_call_that_gets_in_ends_the_hold():
    hold = Hold()
    hold.refuse(0.0)
    hold.admit()
    assert hold == Hold()
