"""The arithmetic between what was measured and what is said about it."""

import pytest

from benchmarks.gate import Gate, Sense, compare, percentile


def test_a_ratio_is_taken_round_by_round() -> None:
    # The machine was twice as slow in the second round, for both.
    seen = compare([1.0, 2.0, 1.0], [2.0, 4.0, 4.0])

    assert (seen.ratio, seen.least, seen.most) == (0.5, 0.25, 0.5)
    assert (seen.ours, seen.theirs, seen.rounds) == (1.0, 4.0, 3)


def test_series_of_different_lengths_are_no_comparison() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compare([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("sense", "ratio", "is_met"),
    [
        (Sense.AT_MOST, 0.39, True),
        (Sense.AT_MOST, 0.4, True),
        (Sense.AT_MOST, 0.41, False),
        (Sense.AT_LEAST, 0.41, True),
        (Sense.AT_LEAST, 0.4, True),
        (Sense.AT_LEAST, 0.39, False),
    ],
)
def test_a_gate_holds_its_bound(sense: Sense, ratio: float, is_met: bool) -> None:
    assert Gate(sense, 0.4).is_met_by(ratio) is is_met


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1.0), (0.5, 10.0), (0.95, 19.0), (0.99, 20.0), (1.0, 20.0)]
)
def test_a_percentile_is_a_value_that_was_seen(share: float, value: float) -> None:
    assert percentile([float(n) for n in range(20, 0, -1)], share) == value
