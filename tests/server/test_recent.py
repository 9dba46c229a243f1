import pytest

from tidegate.server.lane import Lane
from tidegate.server.recent import FADES_S, Lately, Recent


def busy(recent: Recent, lane: Lane, level: float, calls_a_second: int, until_s: int) -> None:
    """Calls that come evenly, each `level` of the lane for all of its time."""
    for number in range(until_s * calls_a_second):
        now_s = number / calls_a_second
        recent.fill(lane, level, now_s)
        recent.note_end(now_s)


def test_an_instance_that_has_seen_nothing_says_nothing():
    assert Recent(Lane).lately(5.0) == Lately(0.0, 0.0)


@pytest.mark.parametrize("until_s", [2, 10, 100])
def test_an_even_load_reads_the_same_however_long_it_lasts(until_s):
    recent = Recent(Lane)
    busy(recent, Lane.CHAT, 0.25, 40, until_s)

    lately = recent.lately(until_s)

    assert lately.calls_a_second == pytest.approx(40, rel=0.03)
    assert lately.utilization == pytest.approx(0.25, rel=0.01)


def test_the_fullest_lane_is_the_utilization_of_the_whole():
    recent = Recent(Lane)
    recent.fill(Lane.CHAT, 0.5, 0.0)
    recent.fill(Lane.SENTIMENT, 0.75, 0.0)
    assert recent.lately(5.0).utilization == pytest.approx(0.75)


def test_what_is_over_fades():
    recent = Recent(Lane)
    busy(recent, Lane.CHAT, 1.0, 10, 60)
    recent.fill(Lane.CHAT, 0.0, 60.0)

    lately = recent.lately(60.0 + 3 * FADES_S)

    assert lately.utilization == pytest.approx(0.05, abs=0.005)
    assert lately.calls_a_second == pytest.approx(0.5, abs=0.05)


def test_one_first_call_is_no_flood():
    recent = Recent(Lane)
    recent.fill(Lane.CHAT, 1.0, 0.0)
    recent.note_end(0.001)
    assert recent.lately(0.001).calls_a_second < 1.1


def test_busy_instances_are_told_apart_by_what_they_could_answer():
    """16 slots and 2 slots, half full each: the quotient says how many a second they have room for."""
    roomy, small = Recent(Lane), Recent(Lane)
    busy(roomy, Lane.SENTIMENT, 0.5, 80, 20)
    busy(small, Lane.SENTIMENT, 0.5, 10, 20)

    weights = [each.lately(20.0) for each in (roomy, small)]

    roomy_weight, small_weight = (each.calls_a_second / each.utilization for each in weights)
    assert roomy_weight / small_weight == pytest.approx(8, rel=0.05)
