from tidegate.balancer.core.instance import Phase, Registration
from tidegate.balancer.memory import REGISTER_AGAIN_S, Memory

A, B = (Registration(name, f"{name}:1", Phase.HOT) for name in "ab")


def test_an_answer_is_believed():
    memory = Memory().believe(5, [A, B], now=0.0).believe(6, [B], now=1.0)
    assert (memory.index, memory.registrations) == (6, (B,))


def test_a_consul_that_forgot_is_given_time_to_be_told_again():
    memory = Memory().believe(50, [A, B], now=0.0).believe(7, [], now=1.0)
    assert (memory.index, memory.registrations) == (None, (A, B))
    memory = memory.believe(8, [B], now=2.0)
    assert memory.registrations == (B, A)
    assert memory.believe(9, [B], now=1.0 + REGISTER_AGAIN_S).registrations == (B,)


def test_an_index_of_zero_is_not_asked_with():
    assert Memory().believe(0, [A], now=0.0).index is None


def test_one_that_registered_again_is_hot_before_its_first_check_is_in():
    unchecked = Registration("a", "a:1", Phase.WARMING)
    memory = Memory().believe(50, [A, B], now=0.0).believe(7, [], now=1.0)
    memory = memory.believe(8, [unchecked], now=2.0)
    assert memory.registrations == (A, B)
    memory = memory.believe(9, [A], now=2.5).believe(10, [unchecked], now=3.0)
    assert memory.registrations == (unchecked, B)
    assert memory.believe(11, [unchecked], now=1.0 + REGISTER_AGAIN_S).registrations == (unchecked,)
