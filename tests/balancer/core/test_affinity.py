from tidegate.balancer.core.affinity import Affinity


def test_the_instance_that_answered_last_is_remembered():
    it = Affinity()
    assert it.home_of("talk") is None
    it.remember("talk", "a")
    it.remember("talk", "b")
    assert it.home_of("talk") == "b"


def test_no_conversation_is_no_conversation():
    it = Affinity()
    it.remember("", "a")
    assert (it.home_of(""), len(it)) == (None, 0)


def test_the_conversation_that_was_quiet_for_longest_is_forgotten():
    it = Affinity(most=2)
    for conversation in ("one", "two", "one", "three"):
        it.remember(conversation, "a")
    assert [it.home_of(each) for each in ("one", "two", "three")] == ["a", None, "a"]
