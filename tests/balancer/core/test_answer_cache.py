from tidegate.balancer.core.answer_cache import ENTRY_BYTES, AnswerCache


def cache(live_s: float = 10.0, most_bytes: int = 1 << 20) -> AnswerCache[str]:
    it: AnswerCache[str] = AnswerCache(live_s, most_bytes)
    it.keep("a", "good", "profile", "v1", 10, 100.0)
    return it


def test_an_answer_is_good_for_its_time_to_live():
    it = cache()
    assert (it.find("a", 109.9), it.find("b", 109.9)) == ("good", None)
    assert it.find("a", 110.0) is None
    assert len(it) == 0


def test_an_answer_of_another_version_ends_all_older_ones_of_its_profile():
    it = cache()
    it.keep("b", "other", "another profile", "v1", 10, 100.0)
    it.keep("c", "new", "profile", "v2", 10, 101.0)
    assert [it.find(key, 102.0) for key in "abc"] == [None, "other", "new"]


def test_a_newer_answer_takes_the_place_of_an_older_one():
    it = cache()
    it.keep("a", "newer", "profile", "v1", 10, 105.0)
    assert (it.find("a", 114.0), len(it)) == ("newer", 1)


def test_what_was_not_asked_for_the_longest_goes_first():
    it = cache(most_bytes=2 * (ENTRY_BYTES + 10))
    it.keep("b", "b", "profile", "v1", 10, 100.0)
    it.find("a", 101.0)
    it.keep("c", "c", "profile", "v1", 10, 101.0)
    assert [it.find(key, 102.0) for key in "abc"] == ["good", None, "c"]


def test_an_answer_that_is_larger_than_all_room_is_not_kept():
    it = cache(most_bytes=600)
    it.keep("b", "b" * 1000, "profile", "v1", 1000, 100.0)
    assert (it.find("b", 100.0), it.find("a", 100.0)) == (None, "good")


def test_without_a_time_to_live_nothing_is_kept():
    it = cache(live_s=0.0)
    assert not it.is_on
    assert len(it) == 0
