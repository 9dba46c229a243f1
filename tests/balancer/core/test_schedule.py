from datetime import datetime, timedelta, timezone

import pytest

from tidegate.balancer.core.schedule import Entry, scheduled

NINE = Entry("0 9 * * *", 3, "Europe/Berlin", for_s=3600.0)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("wall", "is_on"),
    [
        ("2026-11-24T08:59:29+01:00", False),
        ("2026-11-24T08:59:30+01:00", True),
        ("2026-11-24T09:59:59+01:00", True),
        ("2026-11-24T10:00:01+01:00", False),
        # The same in another zone, and in summer time.
        ("2026-11-24T08:10:00+00:00", True),
        ("2026-07-24T07:10:00+00:00", True),
        ("2026-07-24T08:10:00+00:00", False),
    ],
)
def test_an_entry_is_on_from_its_lead_to_its_end(wall, is_on):
    assert NINE.is_on(at(wall), lead_s=30.0) is is_on


def test_an_hour_that_summer_time_skips_is_on_and_one_that_it_repeats_is_on_twice():
    nightly = Entry("30 2 * * *", 1, "Europe/Berlin", for_s=600.0)
    for day, times in (("2026-03-29", 1), ("2026-10-25", 2)):
        midnight = at(f"{day}T00:00:00+00:00") - timedelta(hours=2)
        looks = [
            nightly.is_on(midnight + timedelta(minutes=minute), lead_s=0.0)
            for minute in range(5 * 60)
        ]
        begins = sum(
            now and not before for before, now in zip([False, *looks], looks, strict=False)
        )
        assert begins == times


def test_the_entry_that_wants_most_counts():
    wall = datetime(2026, 11, 24, 8, 30, tzinfo=timezone.utc)
    less = Entry("0 8 * * *", 2)
    assert scheduled((less, NINE), wall, 0.0) is NINE
    assert scheduled((), wall, 0.0) is None


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"cron": "0 25 * * *", "count": 1}, "cron: '0 25"),
        ({"cron": "0 0 30 2 *", "count": 1}, "cron: '0 0 30 2"),
        ({"cron": "0 9 * *", "count": 1}, r"cron: '0 9 \* \*'"),
        ({"cron": "0 9 * * *", "count": 1, "zone": "Mars/Base"}, "zone: 'Mars/Base'"),
        ({"cron": "0 9 * * *", "count": 1, "zone": "../etc"}, "zone: "),
        ({"cron": "0 9 * * *", "count": 0}, "count: 0"),
        ({"cron": "0 9 * * *", "count": 1, "for_s": 0.0}, "for_s: 0"),
    ],
)
def test_a_wrong_entry_names_field_and_value(told, named):
    with pytest.raises(ValueError, match=named):
        Entry(**told)
