"""What earlier days foretell."""

from datetime import datetime, timedelta, timezone

import pytest

from tidegate.balancer.core.forecast import SPAN_S, Forecast

NINE = datetime(2026, 11, 2, 9, 0, tzinfo=timezone.utc)


class Days:
    """A role that is looked at every half minute."""

    def __init__(self, days: int = 3, zone: str = "UTC") -> None:
        self.forecast, self.now = Forecast(days, zone), 0.0

    def go(self, begins: datetime, *loads: float) -> None:
        """One load after another, for a span each."""
        for number in range(len(loads) * SPAN_S // 30 + 1):
            load = loads[min(number * 30 // SPAN_S, len(loads) - 1)]
            wall = begins + timedelta(seconds=30 * number)
            self.forecast.learn(load, self.now + 30 * number, wall)
        self.now += 3600.0

    def at(self, wall: datetime, ahead_s: float = 0.0) -> str:
        return str(self.forecast.estimate(wall, ahead_s))


def day(number: int) -> datetime:
    return NINE + timedelta(days=number)


def test_before_the_first_day_is_over_nothing_is_foretold():
    days = Days()
    assert days.at(NINE) == "None"
    days.go(NINE, 5.0)
    assert days.at(NINE) == "None"
    assert days.at(day(1)) == "forecast 5.0 slots, the median of 1 earlier day"


def test_it_is_the_median_so_that_one_odd_day_does_not_count():
    days = Days()
    for number, load in enumerate((4.0, 100.0, 5.0)):
        days.go(day(number), load)
    assert days.at(day(3)).startswith("forecast 5.0 slots, the median of 3 earlier days, off by ")


def test_it_says_by_how_much_it_was_off():
    days = Days()
    days.go(NINE, 4.0)
    days.go(day(1), 6.0)
    assert (
        days.at(day(2))
        == "forecast 5.0 slots, the median of 2 earlier days, off by 2.0 in the mean"
    )


def test_days_that_are_too_long_ago_count_no_more():
    days = Days(days=2)
    for number, load in enumerate((90.0, 4.0, 6.0, 8.0)):
        days.go(day(number), load)
    assert days.at(day(4)).startswith("forecast 7.0 slots, the median of 2 earlier days")
    assert days.at(day(7)) == "None"


@pytest.mark.parametrize(("ahead_s", "slots"), [(0.0, "1.0"), (SPAN_S, "8.0"), (3 * SPAN_S, "8.0")])
def test_the_most_that_comes_until_then_is_told(ahead_s, slots):
    days = Days()
    days.go(NINE, 1.0, 8.0, 2.0)
    assert days.at(day(1), ahead_s).startswith(f"forecast {slots} slots")


def test_a_span_of_which_little_was_seen_tells_nothing():
    days = Days()
    days.go(NINE + timedelta(seconds=0.7 * SPAN_S), 7.0)
    assert days.at(day(1)) == "None"


def test_the_day_is_that_of_its_zone_also_where_summer_time_ends():
    days = Days(zone="Europe/Berlin")
    before = datetime(2026, 10, 24, 7, 0, tzinfo=timezone.utc)
    days.go(before, 5.0)
    assert days.at(before + timedelta(days=1, hours=1)).startswith("forecast 5.0")
    assert days.at(before + timedelta(days=1)) == "None"
