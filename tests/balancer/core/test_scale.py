"""Stories of a role that is watched once a second."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

import pytest

from tidegate.balancer.core.instance import Role
from tidegate.balancer.core.scale import Plan, RoleScale, RoleView, Scaler
from tidegate.balancer.core.schedule import Entry

SETTINGS = RoleScale(minimum=1, maximum=6, warm_up_s=10.0, idle_s=100.0)


@dataclass
class Story:
    """A fleet of 8 slots an instance, whose starts take `start_s`; None: they never end."""

    settings: RoleScale = SETTINGS
    launched: int = 1
    hot: int = 1
    start_s: float | None = 10.0
    now: float = 0.0
    began: datetime = datetime(2026, 11, 24, 8, 0, tzinfo=timezone.utc)
    starts: list[float] = field(default_factory=list)
    plans: list[tuple[float, Plan]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scaler = Scaler({Role.BOTH: self.settings})

    def go(self, seconds: int, calls: int, **more: float) -> list[Plan]:
        plans = []
        for _ in range(seconds):
            self.now += 1.0
            while self.start_s is not None and self.starts:
                if self.starts[0] + self.start_s > self.now:
                    break
                self.starts.pop(0)
                self.hot += 1
            in_flight = min(calls, self.hot * 8)
            view = RoleView(
                Role.BOTH, self.launched, 0, self.hot, 0, 8, in_flight, calls - in_flight, 0.0
            )
            view = replace(view, **more)
            wall = self.began + timedelta(seconds=self.now)
            self.scaler.observe(view, self.now, wall)
            plan = self.scaler.plan(view, self.now, wall)
            if plan is not None:
                self.apply(plan)
                plans.append(plan)
        return plans

    def apply(self, plan: Plan) -> None:
        assert plan.was == self.launched
        if plan.count > plan.was:
            self.starts += [self.now] * (plan.count - plan.was)
        self.launched = plan.count
        del self.starts[max(plan.count - self.hot, 0) :]
        self.hot = min(self.hot, plan.count)


def test_a_full_instance_gets_one_more_beside_it_before_the_long_window_knows():
    story = Story()
    story.go(60, calls=0)
    (plan,) = story.go(4, calls=8)
    assert plan == Plan(Role.BOTH, 1, 2, "8 calls for 8 slots for 2 s; 1 -> 2")


def test_a_long_wait_spills_too():
    (plan,) = Story().go(4, calls=2, estimated_wait_s=1.0)
    assert plan.count == 2


def test_fullness_that_passes_starts_nothing():
    story = Story()
    story.go(60, calls=0)
    for _ in range(5):
        assert story.go(1, calls=8) == []
        assert story.go(1, calls=1) == []


def test_while_one_starts_no_other_is_started_for_the_same_need():
    story = Story()
    story.go(60, calls=0)
    assert [plan.count for plan in story.go(9, calls=9)] == [2]


def test_an_alarm_starts_as_many_as_the_short_window_wants():
    story = Story()
    story.go(60, calls=0)
    plans = story.go(8, calls=28)
    assert max(plan.count for plan in plans) == 5
    assert any("alarm" in plan.reason for plan in plans)


def test_nothing_is_stopped_during_an_alarm():
    story = Story(replace(SETTINGS, idle_s=10.0))
    story.go(20, calls=40)
    before = story.launched
    story.go(40, calls=0)
    assert story.launched == before
    story.go(30, calls=0)
    assert story.launched == 1


def test_more_than_the_maximum_is_never_planned_and_taken_back_in_an_alarm():
    story = Story(replace(SETTINGS, maximum=2))
    story.go(30, calls=100)
    assert story.launched == 2
    story.launched = 3
    story.go(1, calls=100)
    assert story.launched == 2


def test_what_was_not_wanted_for_the_idle_time_is_stopped():
    story = Story(launched=3, hot=3)
    assert story.go(99, calls=1) == []
    story.go(10, calls=1)
    assert story.launched == 1


def test_calls_that_are_over_before_the_next_look_keep_the_last_one():
    story = Story(replace(SETTINGS, minimum=0))
    assert story.go(300, calls=0, arrived=1) == []
    story.go(200, calls=0)
    assert story.launched == 0


def test_the_last_one_goes_cold_after_the_idle_time():
    story = Story(replace(SETTINGS, minimum=0))
    story.go(20, calls=1)
    assert story.go(99, calls=0) == []
    (plan,) = story.go(3, calls=0)
    assert plan.reason == "no more were wanted for 100 s; 1 -> 0"


@pytest.mark.parametrize("more", [{}, {"waiting": 0, "turned_away": 100}])
def test_a_hundred_calls_from_zero_start_one(more):
    story = Story(replace(SETTINGS, minimum=0), launched=0, hot=0)
    plans = story.go(1, calls=100, **more) + story.go(5, calls=100, **more)
    assert [plan.count for plan in plans] == [1]


def test_those_that_waited_for_the_first_start_no_more_if_it_answers_them_at_once():
    story = Story(replace(SETTINGS, minimum=0), launched=0, hot=0)
    assert len(story.go(10, calls=100)) == 1
    assert story.go(1, calls=100) == []
    assert story.hot == 1
    assert story.go(30, calls=2) == []


def test_those_that_waited_for_the_first_and_go_on_waiting_start_one_more_and_then_raise_the_alarm():
    story = Story(replace(SETTINGS, minimum=0), launched=0, hot=0)
    story.go(11, calls=100)
    (spill,) = story.go(5, calls=100)
    assert spill.reason == "100 calls for 8 slots for 2 s; 1 -> 2"
    (alarm,) = story.go(2, calls=100)
    assert (alarm.was, alarm.count) == (2, 6)


def test_one_that_is_lost_is_replaced_by_one_however_busy_it_was():
    story = Story(replace(SETTINGS, minimum=0), launched=3, hot=3)
    story.go(60, calls=16)
    story.launched = story.hot = 0
    (plan,) = story.go(1, calls=16)
    assert plan.reason == "16 calls and nothing hot; 0 -> 1"


def test_one_that_is_lost_is_no_start_before_its_launcher_knows_and_none_that_failed():
    story = Story(replace(SETTINGS, minimum=2), launched=2, hot=2)
    story.go(10, calls=1)
    story.hot = 1
    assert story.go(3, calls=1) == []
    assert not story.scaler.is_starting(Role.BOTH)
    # It comes back by itself: that was a check that failed, and no warm-up.
    story.hot = 2
    story.go(1, calls=1)
    assert story.scaler.warm_up_s(Role.BOTH) == 10.0
    story.hot = story.launched = 1
    (plan,) = story.go(1, calls=1)
    assert plan.count == 2
    assert story.scaler.is_starting(Role.BOTH)


def hangs(story: Story, count: int = 1) -> None:
    story.hot -= count


def test_one_that_hangs_is_replaced_and_nobody_is_stopped_in_its_place():
    story = Story(replace(SETTINGS, minimum=2, give_up_s=30.0), launched=2, hot=2)
    story.go(10, calls=1)
    hangs(story)
    (plan,) = story.go(32, calls=1)
    assert (plan.was, plan.count, plan.reason) == (2, 3, "minimum 2; 2 -> 3")
    story.go(11, calls=1)
    assert story.hot == 2
    # It ends at last, and nothing follows from that.
    story.launched = 2
    assert story.go(200, calls=1) == []


def test_one_that_hung_and_is_back_makes_one_too_many():
    story = Story(replace(SETTINGS, minimum=2, give_up_s=30.0), launched=2, hot=2)
    story.go(10, calls=1)
    hangs(story)
    story.go(45, calls=1)
    story.hot = 3
    (plan,) = story.go(1, calls=1)
    assert plan.reason == "no more were wanted for 100 s; 3 -> 2"


def test_one_that_hangs_does_not_keep_a_role_from_going_cold():
    story = Story(replace(SETTINGS, minimum=0, give_up_s=30.0), launched=2, hot=2)
    story.go(10, calls=9)
    hangs(story, 2)
    (plan,) = story.go(150, calls=0)
    assert (plan.count, story.launched) == (0, 0)


def test_no_more_than_the_maximum_is_replaced_because_it_hangs():
    story = Story(replace(SETTINGS, minimum=1, maximum=1, give_up_s=30.0), launched=1, hot=1)
    for _ in range(4):
        story.go(60, calls=0)
        story.hot = 0
    assert story.launched == 2


def test_whoever_takes_over_stops_nothing_before_the_idle_time():
    story = Story(launched=0, hot=0)
    running = RoleView(Role.BOTH, 3, 0, 3, 0, 8, 1, 0, 0.0)
    for now in range(1, 50):
        story.scaler.observe(running, float(now), story.began)
        story.scaler.follow(running, float(now))
    story.launched, story.hot, story.now = 3, 3, 50.0
    assert story.go(98, calls=1) == []
    (plan,) = story.go(5, calls=1)
    assert plan.count == 1


def test_a_failed_start_is_tried_later_and_later():
    story = Story(replace(SETTINGS, minimum=0), launched=0, hot=0, start_s=None)
    begun = []
    for _ in range(40):
        if story.go(1, calls=1):
            begun.append(story.now)
            story.launched, story.starts = 0, []
            story.scaler.failed(Role.BOTH, story.now)
            story.scaler.failed(Role.BOTH, story.now)
    assert begun == [1.0, 6.0, 16.0, 36.0]


def test_one_that_never_becomes_hot_is_given_up_and_success_ends_the_back_off():
    story = Story(replace(SETTINGS, minimum=2, give_up_s=30.0), start_s=None)
    plans = story.go(34, calls=0)
    assert [plan.count for plan in plans] == [2, 1]
    assert plans[1].reason == "not hot after 30 s; 2 -> 1"
    story.start_s = 3.0
    plans = story.go(20, calls=0)
    assert [plan.count for plan in plans] == [2]
    assert story.scaler.warm_up_s(Role.BOTH) == 3.0


def test_the_warm_up_is_measured_and_promised():
    story = Story(replace(SETTINGS, minimum=2), start_s=20.0)
    assert story.scaler.ready_s(Role.BOTH, 0.0) is None
    assert story.scaler.warm_up_s(Role.BOTH) == 10.0
    story.go(2, calls=0)
    assert story.scaler.ready_s(Role.BOTH, 2.0) == 11.0
    story.go(13, calls=0)
    assert story.scaler.ready_s(Role.BOTH, story.now) == story.now
    story.go(10, calls=0)
    assert story.scaler.ready_s(Role.BOTH, story.now) is None
    assert story.scaler.warm_up_s(Role.BOTH) == 20.0


def test_a_call_that_finds_nothing_hot_is_told_of_the_start_that_it_causes():
    story = Story(replace(SETTINGS, minimum=0), launched=0, hot=0)
    assert story.scaler.could_be_ready_s(Role.BOTH, 3.0) == 13.0
    story.go(5, calls=1)
    assert story.scaler.could_be_ready_s(Role.BOTH, 5.0) == 11.0
    story.launched, story.starts = 0, []
    story.scaler.failed(Role.BOTH, story.now)
    story.go(1, calls=0)
    assert story.scaler.could_be_ready_s(Role.BOTH, 6.0) == 10.0 + 10.0


def test_where_nothing_may_be_started_nothing_is_coming():
    scaler = Scaler({Role.BOTH: RoleScale(minimum=0, maximum=0)})
    assert scaler.could_be_ready_s(Role.BOTH, 0.0) is None


def test_a_schedule_has_its_instances_hot_at_its_minute():
    entry = Entry("10 8 * * *", 3, for_s=600.0)
    story = Story(replace(SETTINGS, schedule=(entry,)))
    story.go(599, calls=0)
    assert story.hot == 3
    assert story.launched == 3
    assert story.go(500, calls=0) == []
    story.go(110, calls=0)
    assert story.launched == 1


def test_a_start_that_was_quicker_than_expected_is_not_stopped_before_its_minute():
    entry = Entry("1 8 * * *", 2, for_s=60.0)
    story = Story(replace(SETTINGS, warm_up_s=40.0, idle_s=1.0, schedule=(entry,)), start_s=5.0)
    (start,) = story.go(119, calls=0)
    assert start.count == 2
    assert story.scaler.warm_up_s(Role.BOTH) == 5.0
    story.go(5, calls=0)
    assert story.launched == 1


def test_a_pin_holds_until_it_is_let_go():
    story = Story()
    story.scaler.pin(Role.BOTH, 2)
    (plan,) = story.go(1, calls=0)
    assert plan.reason == "pinned to 2; 1 -> 2"
    story.go(200, calls=0)
    assert story.launched == 2
    story.scaler.pin(Role.BOTH, None)
    story.go(1, calls=0)
    assert story.launched == 1


def test_a_minimum_above_the_maximum_is_refused():
    with pytest.raises(ValueError, match="minimum: 3 is not from 0 to maximum, 2"):
        RoleScale(minimum=3, maximum=2)


def test_a_start_that_is_given_up_before_it_can_be_hot_is_refused():
    with pytest.raises(ValueError, match=r"give_up_s: 60 is below warm_up_s, 90: .* at least that"):
        RoleScale(warm_up_s=90.0, give_up_s=60.0)
    assert RoleScale(warm_up_s=60.0, give_up_s=60.0)


def test_a_forecast_has_its_instances_hot_when_they_were_needed_on_earlier_days():
    story = Story(replace(SETTINGS, minimum=0, forecast_days=2), launched=0, hot=0)
    story.began = datetime(2026, 11, 24, 8, 50, tzinfo=timezone.utc)
    story.go(600, calls=0)
    story.go(600, calls=12)
    story.go(600, calls=0)
    assert story.launched == 0
    story.began += timedelta(days=1) - timedelta(seconds=story.now)
    assert story.go(580, calls=0) == []
    story.go(19, calls=0)
    assert story.hot == 3


def test_a_forecast_gives_its_reason_with_its_error():
    story = Story(replace(SETTINGS, minimum=0, forecast_days=2), launched=0, hot=0)
    story.began = datetime(2026, 11, 24, 9, 0, tzinfo=timezone.utc)
    story.go(300, calls=6)
    story.go(300, calls=0)
    story.began += timedelta(days=1) - timedelta(seconds=600)
    story.launched = story.hot = 0
    plans = story.go(1, calls=0)
    assert [plan.reason for plan in plans] == [
        "forecast 6.0 slots, the median of 1 earlier day; 0 -> 2"
    ]


def test_a_zone_that_is_none_is_refused():
    with pytest.raises(ValueError, match="forecast_zone: 'Mars/Base' is not a time zone"):
        RoleScale(forecast_zone="Mars/Base")
