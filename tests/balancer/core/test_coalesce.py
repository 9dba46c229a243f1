from tidegate.balancer.core.coalesce import Coalescing


def test_the_first_of_equal_calls_is_sent_and_the_others_wait_for_it():
    it = Coalescing()
    assert [it.join("a", 1), it.join("a", 2), it.join("b", 3)] == [True, False, True]
    assert it.waiting == (2, 1)
    assert (it.end("a"), it.end("b")) == (2, 1)


def test_the_work_goes_on_until_the_last_has_left_whoever_was_first():
    it = Coalescing()
    for number in (1, 2, 3):
        it.join("a", number)
    assert [it.leave("a", 1), it.leave("a", 3), it.leave("a", 2)] == [False, False, True]
    assert it.waiting == ()


def test_after_an_answer_the_next_equal_call_is_a_first_one():
    it = Coalescing()
    it.join("a", 1)
    it.end("a")
    assert it.join("a", 2)
