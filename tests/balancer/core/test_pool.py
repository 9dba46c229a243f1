"""Stories of the pool: events in, verdicts out."""

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tidegate.balancer.core.call import Call, Lane, Outcome
from tidegate.balancer.core.instance import Phase, Registration, Role
from tidegate.balancer.core.policy import LanePolicy, Policy
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.core.tally import Beside
from tidegate.balancer.core.verdict import Reason, Send, Shed, Wait

CHAT, DEGRADED, SENTIMENT = Lane.CHAT, Lane.DEGRADED, Lane.SENTIMENT


def hot(
    name: str, role: Role = Role.BOTH, *, sentiment: int = 1, chat: int = 1, degraded: int = 0
) -> Registration:
    slots: Mapping[Lane, int] = {SENTIMENT: sentiment, CHAT: chat, DEGRADED: degraded}
    return Registration(name, f"{name}:1", Phase.HOT, role, slots)


class Story:
    """A pool with its own clock and numbered calls."""

    def __init__(self, *registrations: Registration, policy: Policy | None = None) -> None:
        self.pool = Pool(policy or Policy(), random.Random(5))
        self.now = 100.0
        self.calls = 0
        self.pool.observe(registrations, "test", self.now)

    def call(self, lane: Lane = CHAT, left_s: float | None = None, **said: object) -> Call:
        self.calls += 1
        deadline_s = None if left_s is None else self.now + left_s
        return Call(self.calls, lane, self.now, deadline_s, **said)

    def offer(self, lane: Lane = CHAT, left_s: float | None = None, **said: object):
        return self.pool.offer(self.call(lane, left_s, **said), self.now)

    def finish(self, send: Send, outcome: Outcome = Outcome.FULL, after_s: float = 0.0):
        self.now += after_s
        return self.pool.finish(send, outcome, self.now)

    def tick(self):
        """Let time pass until the next tick is due."""
        self.now = self.pool.next_tick_s(self.now)
        return self.pool.tick(self.now)

    def learn(self, lane: Lane, duration_s: float) -> None:
        self.finish(self.offer(lane), after_s=duration_s)


def reasons(verdicts) -> list[Reason]:
    return [verdict.reason for verdict in verdicts if isinstance(verdict, Shed)]


def test_a_call_with_room_is_sent_at_once():
    story = Story(hot("a"))
    send = story.offer()
    assert isinstance(send, Send)
    assert (send.instance_id, send.address, send.began_s) == ("a", "a:1", 100.0)
    assert repr(story.pool) == "<Pool 1 hot | 1 in flight, 0 waiting>"
    assert story.pool.in_flight == 1


def test_a_call_without_room_waits_until_a_send_is_finished():
    story = Story(hot("a"))
    first, second = story.offer(), story.offer()
    assert isinstance(second, Wait)
    (sent,) = story.finish(first)
    assert sent.call == second.call
    assert repr(story.pool) == "<Pool 1 hot | 1 in flight, 0 waiting>"


def test_waiting_calls_go_to_whichever_instance_has_room_first():
    story = Story(hot("a"), hot("b"))
    first, second = story.offer(), story.offer()
    assert {first.instance_id, second.instance_id} == {"a", "b"}
    story.offer()
    (sent,) = story.finish(second)
    assert sent.instance_id == second.instance_id


def test_a_second_instance_shares_the_load_at_once():
    story = Story(hot("a"))
    story.offer()
    waiting = story.offer()
    (sent,) = story.pool.observe([hot("a"), hot("b")], "test", story.now)
    assert (sent.call, sent.instance_id) == (waiting.call, "b")


def test_a_fresh_instance_gets_one_call_at_first_and_more_as_time_passes():
    story = Story(hot("a"), replace(hot("b", chat=3), phase=Phase.WARMING))
    story.offer()
    assert isinstance(story.offer(), Wait)
    (sent,) = story.pool.observe([hot("a"), hot("b", chat=3)], "test", story.now)
    assert sent.instance_id == "b"
    assert isinstance(story.offer(), Wait)
    (sent,) = story.tick()
    assert (sent.instance_id, story.now) == ("b", 115.0)


def test_while_others_take_the_slots_a_wait_is_estimated_by_what_is_ours():
    story = Story(hot("a", chat=4))
    story.learn(CHAT, 8.0)
    refused = [story.offer() for _ in range(3)].pop()
    alone_s = story.pool.backlog(CHAT, story.now).estimated_wait_s
    story.finish(refused, Outcome.REFUSED)
    beside_s = story.pool.backlog(CHAT, story.now).estimated_wait_s
    # Behind the one that waits, with two of the four slots ours; with all of them it would be 4 s.
    assert (alone_s, beside_s) == (0.0, 8.0)


def test_without_an_instance_a_call_is_shed_with_a_short_hint():
    shed = Story().offer()
    assert shed.reason is Reason.NO_INSTANCE
    assert 1.0 <= shed.retry_after_s <= 1.2
    assert shed.backlog.instances == 0
    assert Story(hot("a", Role.SENTIMENT)).offer(CHAT).reason is Reason.NO_INSTANCE


def test_when_the_last_instance_goes_the_waiting_are_told():
    story = Story(hot("a"))
    story.offer()
    story.offer()
    assert reasons(story.pool.observe([], "test", story.now)) == [Reason.NO_INSTANCE]


def test_while_nothing_is_hot_a_call_waits_for_one_that_is_coming():
    story = Story()
    story.pool.note_ready(Role.BOTH, 110.0, story.now)
    waiting = story.offer(left_s=10.0)
    assert (type(waiting), waiting.estimated_wait_s) == (Wait, 10.0)
    assert story.pool.next_tick_s(story.now) == 110.0
    assert story.pool.is_cold(CHAT)
    (sent,) = story.pool.observe([hot("a")], "test", 109.0)
    assert sent.call == waiting.call
    assert not story.pool.is_cold(CHAT)


def test_a_warm_up_that_is_too_long_for_a_call_refuses_it_at_once_and_tells_its_end():
    story = Story()
    story.pool.note_ready(Role.BOTH, 110.0, story.now)
    for shed in (story.offer(SENTIMENT), story.offer(left_s=9.9)):
        assert shed.reason is Reason.WARMING_UP
        assert shed.backlog.estimated_wait_s == 10.0
        assert 10.0 <= shed.retry_after_s <= 12.0


def test_a_warm_up_leaves_the_time_that_answers_take():
    story = Story(hot("a"))
    story.learn(CHAT, 4.0)
    story.pool.observe([], "test", story.now)
    story.pool.note_ready(Role.BOTH, story.now + 10.0, story.now)
    assert story.offer(left_s=13.9).reason is Reason.WARMING_UP
    assert isinstance(story.offer(left_s=14.0), Wait)


def test_a_role_that_does_not_serve_the_lane_is_not_waited_for():
    story = Story()
    story.pool.note_ready(Role.SENTIMENT, 101.0, story.now)
    assert story.offer(CHAT).reason is Reason.NO_INSTANCE
    assert isinstance(story.offer(SENTIMENT), Wait)
    story.pool.note_ready(Role.BOTH, 100.5, story.now)
    assert story.offer(SENTIMENT).estimated_wait_s == 0.5


def test_a_late_warm_up_is_expected_at_any_moment():
    story = Story()
    story.pool.note_ready(Role.BOTH, 101.0, story.now)
    waiting = story.offer()
    story.now = 105.0
    assert story.offer().estimated_wait_s == 0.0
    assert reasons(story.tick()) == [Reason.QUEUE_TIMEOUT]
    assert story.now == waiting.call.arrived_s + 30.0


def test_news_of_a_later_warm_up_turns_away_whom_it_is_too_late_for():
    story = Story()
    story.pool.note_ready(Role.BOTH, 105.0, story.now)
    story.offer(caller="x")
    early = story.offer(left_s=10.0, caller="y")
    (shed,) = story.pool.note_ready(Role.BOTH, 120.0, story.now)
    assert (shed.call, shed.reason) == (early.call, Reason.WARMING_UP)
    assert reasons(story.pool.note_ready(Role.BOTH, None, story.now)) == [Reason.NO_INSTANCE]


def test_who_waits_when_the_last_instance_goes_waits_for_the_next():
    story = Story(hot("a"))
    story.offer()
    story.offer()
    story.pool.note_ready(Role.BOTH, 110.0, story.now)
    assert story.pool.observe([], "test", story.now) == []
    (sent,) = story.pool.observe([hot("b")], "test", 108.0)
    assert sent.instance_id == "b"


def test_a_full_lane_sheds_the_newcomer():
    lanes = {CHAT: LanePolicy(30.0, 1), SENTIMENT: LanePolicy(2.0, 1)}
    story = Story(hot("a"), policy=Policy(lanes=lanes))
    story.offer()
    story.offer()
    shed = story.offer()
    assert (shed.reason, shed.backlog.depth) == (Reason.QUEUE_FULL, 1)
    assert isinstance(story.offer(SENTIMENT), Send)


def test_whoever_waits_hears_how_long_that_is_expected_to_take():
    story = Story(hot("a"))
    story.learn(CHAT, 12.0)
    _, second, third = (story.offer() for _ in range(3))
    assert (second.estimated_wait_s, third.estimated_wait_s) == (12.0, 24.0)


def test_a_lane_is_bounded_by_its_estimated_wait():
    story = Story(hot("a"))
    story.learn(CHAT, 12.0)
    verdicts = [story.offer() for _ in range(4)]
    assert [type(verdict) for verdict in verdicts] == [Send, Wait, Wait, Shed]
    shed = verdicts[-1]
    assert (shed.reason, shed.backlog.estimated_wait_s) == (Reason.WAIT_TOO_LONG, 36.0)
    assert 18.0 <= shed.retry_after_s <= 21.6


def test_at_equal_lane_a_retried_call_is_shed_first():
    story = Story(hot("a"))
    story.learn(CHAT, 26.0)
    story.offer()
    assert story.offer(is_retried=True).reason is Reason.WAIT_TOO_LONG
    assert isinstance(story.offer(), Wait)


def test_a_deadline_out_of_reach_is_refused_on_arrival():
    story = Story(hot("a"))
    story.learn(CHAT, 4.0)
    story.offer()
    assert story.offer(left_s=7.9).reason is Reason.DEADLINE_UNREACHABLE
    assert isinstance(story.offer(left_s=8.0), Wait)


def test_a_deadline_that_went_out_of_reach_is_refused_before_sending():
    story = Story(hot("a"), hot("b"))
    story.learn(CHAT, 4.0)
    first, _second = story.offer(), story.offer()
    assert isinstance(story.offer(left_s=8.0), Wait)
    assert reasons(story.finish(first, after_s=5.0)) == [Reason.DEADLINE_UNREACHABLE]


def test_an_idle_lane_tries_a_call_that_an_old_estimate_would_refuse():
    story = Story(hot("a"))
    story.learn(CHAT, 20.0)
    send = story.offer(left_s=1.0)
    assert isinstance(send, Send)
    story.finish(send, Outcome.EXPIRED, after_s=1.0)
    for _ in range(130):
        story.learn(CHAT, 0.5)
    story.offer()
    assert isinstance(story.offer(left_s=1.5), Wait)


def test_a_deadline_that_is_past_is_expired_and_not_shed():
    story = Story(hot("a"))
    shed = story.offer(left_s=0.0)
    assert (shed.reason, shed.retry_after_s) == (Reason.EXPIRED, None)
    tally = story.pool.tally(CHAT)
    assert (tally.expired, tally.shed) == (1, 0)


def test_waiting_ends_exactly_at_the_lanes_limit():
    story = Story(hot("a"))
    story.offer()
    story.offer()
    assert story.pool.next_tick_s(story.now) == 130.0
    assert story.pool.tick(129.9) == []
    assert reasons(story.tick()) == [Reason.QUEUE_TIMEOUT]
    assert story.pool.next_tick_s(story.now) is None


def test_waiting_ends_exactly_at_the_calls_own_deadline():
    story = Story(hot("a"))
    story.offer()
    story.offer(left_s=3.0)
    assert reasons(story.tick()) == [Reason.EXPIRED]
    assert story.now == 103.0


def test_the_earliest_deadline_goes_first():
    story = Story(hot("a"))
    first = story.offer()
    story.offer(left_s=20.0)
    urgent = story.offer(left_s=10.0)
    (sent,) = story.finish(first)
    assert sent.call == urgent.call


def test_a_caller_who_hangs_up_frees_its_place():
    story = Story(hot("a"))
    story.offer()
    waiting = story.offer()
    assert story.pool.withdraw(waiting.call, Outcome.CANCELLED, story.now) == []
    assert story.pool.withdraw(waiting.call, Outcome.CANCELLED, story.now) == []
    assert story.pool.tally(CHAT).cancelled == 1
    assert story.pool.next_tick_s(story.now) is None


def test_chat_stands_back_while_a_sentiment_waits():
    story = Story(hot("a", sentiment=1, chat=2))
    chat, sentiment = story.offer(CHAT), story.offer(SENTIMENT)
    story.offer(CHAT)
    waiting_chat, waiting_sentiment = story.offer(CHAT), story.offer(SENTIMENT)
    assert story.finish(chat, after_s=0.5) == []
    verdicts = story.finish(sentiment)
    assert [verdict.call for verdict in verdicts] == [waiting_sentiment.call, waiting_chat.call]


def test_a_caller_who_hangs_up_lets_those_go_who_stood_back_for_it():
    story = Story(hot("a", sentiment=1, chat=2))
    chat, _ = story.offer(CHAT), story.offer(SENTIMENT)
    story.offer(CHAT)
    waiting_chat, waiting_sentiment = story.offer(CHAT), story.offer(SENTIMENT)
    story.finish(chat, after_s=0.5)
    (sent,) = story.pool.withdraw(waiting_sentiment.call, Outcome.CANCELLED, story.now)
    assert sent.call == waiting_chat.call


def test_chat_goes_when_its_floor_is_due_though_sentiments_wait():
    story = Story(hot("a", sentiment=4, chat=1))
    for _ in range(5):
        story.offer(SENTIMENT)
    chat = story.offer(CHAT)
    assert isinstance(chat, Wait)
    (sent,) = story.tick()
    assert sent.call == chat.call
    assert repr(story.pool) == "<Pool 1 hot | 5 in flight, 1 waiting>"


def test_a_floor_that_is_paid_asks_for_no_tick():
    story = Story(hot("a", sentiment=1, chat=2))
    chat, _, other = story.offer(CHAT), story.offer(SENTIMENT), story.offer(CHAT)
    story.offer(CHAT)
    story.offer(SENTIMENT)
    story.finish(chat, after_s=0.5)
    # One of the two in flight is a chat: half of the slot-seconds, more than the floor.
    assert story.pool.next_tick_s(story.now) == 102.0
    assert other.instance_id == "a"


def test_chat_does_not_stand_back_where_no_sentiment_could_go():
    story = Story(hot("a", Role.SENTIMENT), hot("b", Role.CHAT))
    story.offer(SENTIMENT)
    story.offer(SENTIMENT)
    assert story.offer(CHAT).instance_id == "b"


def test_a_refused_call_goes_back_to_the_head_and_is_no_attempt():
    story = Story(hot("a"))
    first, second = story.offer(), story.offer()
    assert story.finish(first, Outcome.REFUSED) == []
    assert repr(story.pool) == "<Pool 1 hot | 0 in flight, 2 waiting>"
    (sent,) = story.tick() or story.tick()
    assert (sent.call, story.now) == (first.call, pytest.approx(100.05))
    (sent,) = story.finish(sent)
    assert sent.call == second.call


def test_a_refused_call_goes_to_another_instance_at_once():
    story = Story(hot("a"), hot("b"))
    first = story.offer()
    (sent,) = story.finish(first, Outcome.REFUSED)
    assert sent.call == first.call
    assert sent.instance_id != first.instance_id


def test_a_lost_call_is_sent_once_more_to_another_instance():
    story = Story(hot("a"), hot("b"), hot("c"))
    first = story.offer()
    (second,) = story.finish(first, Outcome.LOST)
    assert second.instance_id != first.instance_id
    assert reasons(story.finish(second, Outcome.LOST)) == [Reason.INSTANCE_LOST]


def test_a_lost_call_without_another_instance_is_shed():
    story = Story(hot("a"))
    assert reasons(story.finish(story.offer(), Outcome.LOST)) == [Reason.INSTANCE_LOST]


def test_a_lost_call_that_waits_lets_others_go_to_where_it_may_not():
    story = Story(hot("a"), hot("b"))
    first, second = story.offer(), story.offer()
    assert story.finish(first, Outcome.LOST) == []
    third = story.offer()
    assert third.instance_id == first.instance_id
    verdicts = story.pool.observe([hot(first.instance_id)], "test", story.now)
    assert reasons(verdicts) == [Reason.INSTANCE_LOST]
    assert story.finish(second) == []


def test_lost_calls_are_retried_within_a_budget():
    story = Story(hot("a", chat=8), hot("b", chat=8), policy=Policy(retry_min=1, retry_share=0.1))
    sends = [story.offer() for _ in range(6)]
    lost = [send for send in sends if send.instance_id == "a"]
    (retried,) = story.finish(lost[0], Outcome.LOST)
    assert isinstance(retried, Send)
    assert reasons(story.finish(lost[1], Outcome.LOST)) == [Reason.INSTANCE_LOST]
    story.finish(retried)
    assert isinstance(story.finish(lost[2], Outcome.LOST)[0], Send)


def test_an_instance_that_cannot_be_reached_is_ejected_and_the_change_is_told():
    story = Story(hot("a", chat=8), hot("b", chat=8))
    story.pool.take_changes()
    sends = [story.offer() for _ in range(8)]
    for send in [send for send in sends if send.instance_id == "a"][:3]:
        story.finish(send, Outcome.CUT)
    (change,) = story.pool.take_changes()
    assert (change.instance_id, change.after) == ("a", "ejected")
    assert story.pool.take_changes() == []
    assert {story.offer().instance_id for _ in range(4)} == {"b"}


def test_a_send_that_is_finished_twice_counts_once():
    story = Story(hot("a"))
    send = story.offer()
    story.finish(send)
    assert story.finish(send, Outcome.FAILED) == []
    tally = story.pool.tally(CHAT)
    assert (tally.full, tally.failed) == (1, 0)


def test_a_send_of_a_gone_instance_frees_no_slot_of_its_successor():
    story = Story(hot("a"))
    old = story.offer()
    story.pool.observe([], "test", story.now)
    story.pool.observe([hot("a")], "test", story.now)
    new = story.offer()
    waiting = story.offer()
    assert story.finish(old) == []
    assert isinstance(waiting, Wait)
    assert [instance.in_flight[CHAT] for instance in story.pool.instances] == [1]
    assert len(story.finish(new)) == 1


def test_a_closed_pool_turns_away_what_waits_and_what_comes_and_finishes_the_rest():
    story = Story(hot("a"), hot("b"))
    first, second = story.offer(), story.offer()
    story.offer()
    assert reasons(story.pool.close(story.now)) == [Reason.DRAINING]
    assert story.offer().reason is Reason.DRAINING
    assert reasons(story.finish(first, Outcome.LOST)) == [Reason.DRAINING]
    assert story.finish(second) == []
    assert story.pool.in_flight == 0


def backed_up(*registrations: Registration, policy: Policy | None = None) -> Story:
    """A story in which one chat runs for 12 s and a second would wait as long."""
    story = Story(*registrations, policy=policy)
    story.learn(CHAT, 12.0)
    story.pool.take_changes()
    return story


def test_a_chat_that_would_wait_too_long_is_answered_in_short_at_once():
    story = backed_up(hot("a", degraded=1))
    full, short = story.offer(), story.offer()
    assert (full.lane, short.lane, short.instance_id) == (CHAT, DEGRADED, "a")
    story.finish(short, Outcome.DEGRADED, after_s=0.1)
    tally = story.pool.tally(CHAT)
    assert (tally.offered, tally.full, tally.degraded) == (3, 1, 1)
    assert isinstance(story.offer(SENTIMENT), Send)
    (change,) = story.pool.take_changes()
    assert (change.instance_id, change.before, change.after) == ("fleet", "full", "degraded")


def test_a_short_answer_teaches_nothing_about_full_ones():
    story = backed_up(hot("a", degraded=1), policy=Policy(short_share=1.0))
    story.offer()
    for _ in range(64):
        story.finish(story.offer(), Outcome.DEGRADED, after_s=0.01)
    assert story.pool.backlog(CHAT, story.now).estimated_wait_s == 12.0


def test_the_degraded_lane_has_a_bound_of_its_own_beyond_which_chats_wait():
    story = backed_up(hot("a", degraded=1))
    story.offer()
    assert story.offer().lane is DEGRADED
    assert isinstance(story.offer(), Wait)


def test_short_answers_that_took_their_share_are_given_again_when_full_ones_took_more():
    story = backed_up(hot("a", degraded=1), policy=Policy(short_share=0.1))
    story.offer()
    short = story.offer()
    assert story.finish(short, Outcome.DEGRADED, after_s=1.0) == []
    assert isinstance(story.offer(), Wait)
    story.now += 10.0
    assert story.offer().lane is DEGRADED


def test_a_caller_who_declines_a_short_answer_is_shed_with_a_hint():
    story = backed_up(hot("a", degraded=1))
    assert isinstance(story.offer(accepts_degraded=False), Send)
    shed = story.offer(accepts_degraded=False)
    assert shed.reason is Reason.DEGRADED_ONLY
    assert 6.0 <= shed.retry_after_s <= 7.2


def test_full_answers_are_back_when_the_wait_is_short_again():
    story = backed_up(hot("a", degraded=1))
    full, short = story.offer(), story.offer()
    story.finish(full, after_s=5.0)
    story.finish(short, Outcome.DEGRADED)
    assert story.offer().lane is CHAT
    befores = [change.before for change in story.pool.take_changes()]
    assert befores == ["full", "degraded"]


def test_without_anybody_to_answer_in_short_chats_wait():
    story = backed_up(hot("a"))
    story.offer()
    assert isinstance(story.offer(accepts_degraded=False), Wait)


def test_a_short_answer_that_is_refused_is_given_elsewhere_or_waits_in_its_turn():
    story = backed_up(hot("a", degraded=1))
    story.offer()
    short = story.offer()
    story.pool.observe([hot("a", degraded=1), hot("b", chat=0, degraded=1)], "test", story.now)
    (again,) = story.finish(short, Outcome.REFUSED)
    assert (again.call, again.lane, again.instance_id) == (short.call, DEGRADED, "b")
    assert story.finish(again, Outcome.LOST) == []
    assert story.pool.backlog(CHAT, story.now).depth == 1


def test_a_conversation_goes_back_to_the_instance_that_knows_it_while_that_has_room():
    story = Story(hot("a", chat=2), hot("b", chat=2))
    first = story.offer(conversation="talk")
    home = first.instance_id
    story.finish(first)
    again = [story.offer(conversation="talk") for _ in range(3)]
    assert [send.instance_id for send in again[:2]] == [home, home]
    assert again[2].instance_id != home
    story.pool.observe([hot(again[2].instance_id, chat=2)], "test", story.now)
    assert story.offer(conversation="talk").instance_id == again[2].instance_id


def test_a_balancer_that_cannot_keep_up_takes_no_new_chats():
    story = Story(hot("a"))
    story.pool.take_changes()
    for _ in range(2):
        story.pool.note_lag(0.2, story.now)
        story.now += 1.0
    story.pool.note_lag(0.2, story.now)
    shed = story.offer(CHAT)
    assert (shed.reason, shed.retry_after_s >= 1.0) == (Reason.OVERLOADED, True)
    assert isinstance(story.offer(SENTIMENT), Send)
    story.pool.note_lag(0.0, story.now + 1.0)
    assert isinstance(story.offer(CHAT), Send)
    changes = [(change.after, change.reason) for change in story.pool.take_changes()]
    assert changes == [
        ("overloaded", "the event loop lags by 200 ms"),
        ("steady", "the event loop lags by 0 ms"),
    ]


def test_a_label_that_the_balancer_alone_would_make_too_late_is_refused_with_a_hint():
    story = Story(hot("a"))
    for _ in range(3):
        story.pool.note_delay(2.1, story.now)
        story.now += 1.0
    shed = story.offer(SENTIMENT)
    assert (shed.reason, shed.retry_after_s >= 1.0) == (Reason.OVERLOADED, True)
    story.pool.note_delay(0.01, story.now)
    assert isinstance(story.offer(SENTIMENT), Send)


def test_a_queue_before_the_balancer_sheds_chats_first_and_labels_by_and_by():
    story = Story(hot("a", sentiment=4))
    for _ in range(3):
        story.pool.note_delay(0.55, story.now)
        story.now += 1.0
    labels = [isinstance(story.offer(SENTIMENT), Shed) for _ in range(4)]
    assert labels == [False, True, False, True]
    assert story.offer(CHAT).reason is Reason.OVERLOADED
    story.pool.note_delay(0.0, story.now)
    assert isinstance(story.offer(CHAT), Send)


def test_an_instance_that_is_slower_than_its_lane_gets_fewer_calls():
    story = Story(hot("a", chat=4), hot("b", Role.SENTIMENT))
    for _ in range(64):
        story.learn(CHAT, 1.0)
    for _ in range(16):
        story.learn(CHAT, 5.0)
    changes = [change.after for change in story.pool.take_changes() if "limit" in change.after]
    assert changes == ["chat limit 3"]
    assert [type(story.offer()) for _ in range(4)] == [Send, Send, Send, Wait]


def test_one_callers_flood_does_not_keep_another_waiting():
    story = Story(hot("a"))
    story.learn(CHAT, 2.0)
    running = story.offer(caller="loud")
    while isinstance(story.offer(caller="loud"), Wait):
        pass
    quiet = story.offer(caller="quiet")
    assert isinstance(quiet, Wait)
    (loud,) = story.finish(running)
    (sent,) = story.finish(loud)
    assert (loud.call.caller, sent.call) == ("loud", quiet.call)


def test_a_newcomer_does_not_overtake_those_who_wait():
    story = Story(hot("a"))
    story.finish(story.offer(), Outcome.REFUSED)
    # The hold is over, and the tick that sends the refused call has yet to come.
    story.now += 0.05
    assert isinstance(story.offer(), Wait)
    (sent,) = story.pool.tick(story.now)
    assert sent.call.id == 1


def test_hints_spread_out_and_who_comes_back_as_told_finds_room():
    story = backed_up(hot("a", degraded=1))
    running = story.offer()
    story.offer()
    sheds = [story.offer(accepts_degraded=False) for _ in range(2)]
    assert [shed.reason for shed in sheds] == [Reason.DEGRADED_ONLY] * 2
    # The second one's turn comes after the first one's: 12 s for that, of four fifths of the slots.
    assert sheds[1].retry_after_s > sheds[0].retry_after_s + 12.0
    assert story.offer(accepts_degraded=False, is_retried=True).reason is Reason.DEGRADED_ONLY
    story.now += sheds[0].retry_after_s
    assert story.offer(accepts_degraded=False).reason is Reason.DEGRADED_ONLY
    back = story.offer(accepts_degraded=False, is_retried=True)
    assert isinstance(back, Wait)
    assert story.offer(accepts_degraded=False, is_retried=True).reason is Reason.DEGRADED_ONLY
    assert [verdict.call for verdict in story.finish(running)] == [back.call]


def test_a_call_whose_deadline_comes_before_its_hint_is_not_expected_back():
    story = Story(hot("a"))
    story.learn(CHAT, 12.0)
    story.offer()
    hints = [story.offer(left_s=1.0).retry_after_s for _ in range(5)]
    assert max(hints) <= 6.0 * 1.2


def test_a_slot_that_nobody_else_wants_is_tried_at_even_odds():
    story = Story(hot("a", chat=2))
    for duration_s in (1.0, 1.0, 9.0):
        story.learn(CHAT, duration_s)
    assert isinstance(story.offer(), Send)
    assert isinstance(story.offer(left_s=1.1), Send)
    assert story.offer(left_s=9.0).reason is Reason.DEADLINE_UNREACHABLE


def test_a_balancer_that_is_refused_everywhere_has_less_and_asks_again():
    story = Story(hot("a", chat=4), hot("b", chat=4))
    for _ in range(16):
        story.learn(CHAT, 4.0)
    sends = [story.offer() for _ in range(6)]
    (elsewhere,) = story.finish(sends.pop(), Outcome.REFUSED)
    assert story.finish(elsewhere, Outcome.REFUSED) == []
    # Five are under way; what ends is not replaced.
    assert story.finish(sends.pop()) == []
    assert story.pool.in_flight == 4
    verdicts: list[object] = []
    while not verdicts:
        verdicts = story.tick()
    assert [verdict.call for verdict in verdicts] == [elsewhere.call]
    # With nobody else there it soon has all again.
    story.now += 5.0
    assert len([send for send in (story.offer() for _ in range(4)) if isinstance(send, Send)]) == 3


def test_a_chat_that_cannot_be_answered_in_time_is_rather_answered_in_short():
    story = Story(hot("a", degraded=1))
    story.learn(CHAT, 8.0)
    story.offer()
    # 8 s are below the wait at which answers become short, and above the one at which they end.
    short = story.offer(left_s=9.0)
    assert (short.lane, short.call.lane) == (DEGRADED, CHAT)
    assert story.offer(left_s=9.0).reason is Reason.DEADLINE_UNREACHABLE
    story.finish(short, Outcome.DEGRADED)
    assert story.offer(left_s=9.0, accepts_degraded=False).reason is Reason.DEADLINE_UNREACHABLE
    hurried = Story(hot("a", degraded=1))
    hurried.learn(CHAT, 4.0)
    hurried.offer()
    assert hurried.offer(left_s=5.0).reason is Reason.DEADLINE_UNREACHABLE


def test_while_calls_are_turned_away_slots_are_for_those_who_surely_make_it():
    story = Story(hot("a", chat=2))
    for duration_s in (1.0, 1.0, 1.0, 5.0):
        story.learn(CHAT, duration_s)
    story.offer()
    story.offer()
    # A wait of 1 s, a mean of 2 and a deviation of 1.7: likely within 5.5 s, surely within 7.6.
    assert isinstance(story.offer(left_s=7.5), Wait)
    assert story.offer(left_s=3.0).reason is Reason.DEADLINE_UNREACHABLE
    assert story.offer(left_s=8.5).reason is Reason.DEADLINE_UNREACHABLE
    story.now += 2.1
    assert isinstance(story.offer(left_s=8.5), Wait)


def test_a_call_that_shares_an_answer_is_offered_and_ended_at_once():
    story = Story(hot("a"))
    story.pool.note_beside(SENTIMENT, Beside.SHARED)
    tally = story.pool.tally(SENTIMENT)
    assert (tally.offered, tally.ended, tally.shared) == (1, 1, 1)


def test_new_numbers_count_for_whoever_comes_and_not_for_whoever_waits():
    lanes = {lane: LanePolicy(10.0, 5) for lane in (SENTIMENT, CHAT)}
    story = Story(hot("a"), policy=Policy(lanes=lanes, slow_start_s=0.0))
    story.offer()
    assert isinstance(story.offer(), Wait)

    stricter = {SENTIMENT: LanePolicy(10.0, 5), CHAT: LanePolicy(2.0, 1)}
    story.pool.adopt(Policy(lanes=stricter, degrade_enter_s=1.0, degrade_leave_s=0.5))

    assert story.offer().reason is Reason.QUEUE_FULL
    assert reasons(story.tick()) == [Reason.QUEUE_TIMEOUT]
    assert story.now == 110.0, "it came when a chat might wait 10 s"
    story.now += 100.0
    fresh = hot("b", chat=8)
    for phase in (Phase.WARMING, Phase.HOT):
        story.pool.observe((hot("a"), replace(fresh, phase=phase)), "test", story.now)
    sends = [story.offer() for _ in range(2)]
    assert isinstance(sends[0], Send)
    assert isinstance(sends[1], Wait), "one that becomes hot grows slowly from now on"


def test_light_calls_go_on_beside_a_flood_of_heavy_ones():
    story = Story(hot("a", sentiment=8))
    heavy = {"size_bytes": 60_000}
    # Others are about, two at a time.
    for send in [story.offer(SENTIMENT), story.offer(SENTIMENT)]:
        story.finish(send, after_s=0.1)
    flood = [story.offer(SENTIMENT, **heavy) for _ in range(9)]
    assert [isinstance(each, Send) for each in flood] == [True] * 5 + [False] * 4

    light = [story.offer(SENTIMENT) for _ in range(4)]
    assert [isinstance(each, Send) for each in light] == [True, True, True, False]
    # What a light call leaves goes to the light one that waits, behind all the heavy ones.
    (sent,) = story.finish(light[0])
    assert sent.call == light[3].call
    # Light calls were three at a time by now: four slots are kept from heavy ones.
    assert story.finish(flood[0]) == []
    (sent,) = story.finish(flood[1])
    assert sent.call == flood[5].call


def test_a_stream_is_heavy_whatever_it_brings():
    story = Story(hot("a", sentiment=8))
    story.finish(story.offer(SENTIMENT), after_s=0.1)
    streams = [story.offer(SENTIMENT, is_stream=True) for _ in range(7)]
    assert [isinstance(each, Send) for each in streams] == [True] * 6 + [False]
    assert isinstance(story.offer(SENTIMENT), Send)


def test_whether_anybody_waits_for_a_lane_can_be_seen():
    story = Story(hot("a"))
    story.offer(SENTIMENT)
    assert not story.pool.is_awaited(SENTIMENT)
    story.offer(SENTIMENT)
    assert story.pool.is_awaited(SENTIMENT)
    assert not story.pool.is_awaited(CHAT)


def test_messages_that_wait_take_so_many_bytes_together_and_no_more():
    story = Story(hot("a"))
    large = {"size_bytes": 3 << 20}
    sent = story.offer(**large)
    waiting = [story.offer(**large) for _ in range(3)]
    assert [type(each) for each in waiting] == [Wait, Wait, Shed]
    assert waiting[2].reason is Reason.QUEUE_FULL
    assert isinstance(story.offer(), Wait)
    # One goes, and there is a place again.
    story.finish(sent, after_s=0.1)
    assert isinstance(story.offer(**large), Wait)


def test_so_it_is_while_nothing_is_hot():
    story = Story()
    story.pool.note_ready(Role.BOTH, story.now + 5.0, story.now)
    large = {"size_bytes": 3 << 20}
    waiting = [story.offer(**large) for _ in range(3)]
    assert [type(each) for each in waiting] == [Wait, Wait, Shed]
    assert waiting[2].reason is Reason.WARMING_UP
