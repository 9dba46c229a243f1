"""Which beginnings are kept, and found again."""

from tidegate.server.engine.prefixes import Prefixes


def test_the_longest_kept_beginning_is_found() -> None:
    prefixes = Prefixes(100)
    prefixes.keep([1, 2])
    prefixes.keep([1, 2, 3])
    prefixes.keep([1, 9, 3, 4])

    found = prefixes.longest([1, 2, 3, 4])

    assert found is not None
    assert found.tokens == (1, 2, 3)


def test_one_token_is_always_left_to_compute() -> None:
    prefixes = Prefixes(100)
    prefixes.keep([1, 2, 3])

    assert None is prefixes.longest([1, 2, 3])


def test_text_that_differs_in_one_token_is_not_shared() -> None:
    prefixes = Prefixes(100)
    prefixes.keep([1, 2, 3])

    assert None is prefixes.longest([1, 2, 4, 5])


def test_the_least_recently_used_goes_first() -> None:
    prefixes = Prefixes(6)
    prefixes.keep([1, 1])
    prefixes.keep([2, 2])
    prefixes.longest([1, 1, 5])

    new, evicted = prefixes.keep([3, 3, 3])

    assert new is not None
    assert [old.tokens for old in evicted] == [(2, 2)]
    assert repr(prefixes) == "<Prefixes 2 kept, 5 tokens>"


def test_what_is_kept_already_or_too_long_is_not_taken() -> None:
    prefixes = Prefixes(3)
    prefixes.keep([1, 2])

    assert prefixes.keep([1, 2]) == (None, [])
    assert prefixes.keep([1, 2, 3, 4]) == (None, [])
    assert (1, 2) in prefixes
