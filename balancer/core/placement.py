"""Decides where a call would go now, and what a lane has to offer to one that can't go.

Weighs the instances, what is under way and who waits; sends nothing and sheds nothing. Knows nothing
about reasons or hints.
"""

from collections.abc import Mapping

from tidegate.balancer.core.admission import Outlook
from tidegate.balancer.core.affinity import Affinity
from tidegate.balancer.core.call import Lane, Outcome
from tidegate.balancer.core.change import Change
from tidegate.balancer.core.elbow_room import ElbowRoom
from tidegate.balancer.core.estimate import ServiceTime, estimated_wait_s
from tidegate.balancer.core.flights import Flight, Flights
from tidegate.balancer.core.floor import ChatFloor
from tidegate.balancer.core.instance import Instance, Role
from tidegate.balancer.core.lanes import Waiter, WaitingRoom
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.roster import Roster
from tidegate.balancer.core.route import Random, least_outstanding
from tidegate.balancer.core.share import Share
from tidegate.balancer.core.short import ShortBudget
from tidegate.balancer.core.verdict import Backlog
from tidegate.balancer.core.work import work_of

LOOKS = 2
"""Instances that one call may be refused by before its lane has less: a free slot may be at another."""


class Placement:
    """The view over roster, rooms and flights; of its own it has what it learnt of time."""

    def __init__(
        self,
        policy: Policy,
        roster: Roster,
        rooms: Mapping[Lane, WaitingRoom],
        flights: Flights,
        rng: Random,
    ) -> None:
        self._roster = roster
        self._rooms = rooms
        self._flights = flights
        self._rng = rng
        self._service = {lane: ServiceTime() for lane in Lane}
        # Their means, read at every call: kept ready.
        self._mean_s = dict.fromkeys(Lane, 0.0)
        # The same by unit of work, so that long messages don't make an instance look slow.
        self._pace = {lane: ServiceTime() for lane in Lane}
        self._shares = {lane: Share() for lane in Lane}
        self._elbow_room = {lane: ElbowRoom() for lane in Lane}
        self._pressed_until_s = dict.fromkeys(Lane, 0.0)
        self._ready_s: dict[Role, float] = {}
        self._affinity = Affinity()
        self._floor = ChatFloor(policy.chat_share, policy.chat_share_window_s)
        self._short = ShortBudget(policy.short_share)

    def adopt(self, policy: Policy) -> None:
        """Share slots by other numbers from now on."""
        self._floor.share = policy.chat_share
        self._short.share = policy.short_share

    # What becomes of a call

    def instance_for(self, waiter: Waiter, now: float) -> Instance | None:
        """The instance that the call would go to now; None if there is no room for it."""
        lane = waiter.lane
        if lane is Lane.DEGRADED and not self._short.allows:
            return None
        if self._flights.count(lane) + 1 > self._shares[lane].allows(now):
            return None
        if waiter.is_heavy and not self._admits_heavy(lane, now):
            return None
        candidates = [each for each in self._roster.eligible(lane, now) if each.has_room(lane, now)]
        if waiter.lost_by is not None:
            candidates = [each for each in candidates if each.id != waiter.lost_by]
        if lane is Lane.CHAT:
            if self._sentiment_goes_first:
                candidates = [each for each in candidates if not each.serves(Lane.SENTIMENT)]
            home = self._affinity.home_of(waiter.call.conversation)
            if home is not None:
                candidates = [each for each in candidates if each.id == home] or candidates
        return least_outstanding(candidates, lane, self._mean_s, self._rng)

    def outlook(
        self, waiter: Waiter, instance: Instance | None, delay_s: float, now: float
    ) -> Outlook:
        """What the lane offers a newcomer that may go to `instance`, or has to wait."""
        lane = waiter.call.lane
        room, has_room = self._rooms[lane], instance is not None
        depth, instances = len(room), len(self._roster.serving(lane))
        return Outlook(
            instances=instances,
            has_room=has_room,
            depth=depth,
            wait_s=0.0 if has_room else self._wait_s(lane, room.ahead_of(waiter), now),
            # Who has to wait is one of several, also when it is the only one so far.
            needs_s=self.needs_s(lane, 0 if has_room else depth + 1, now),
            in_flight=self._flights.count(lane),
            ready_s=None if instances else self.ready_s(lane, now),
            delay_s=delay_s,
            held_bytes=room.size_bytes + waiter.call.size_bytes,
        )

    def backlog(self, lane: Lane, now: float) -> Backlog:
        """How many wait in `lane`, how long one more would, and how many instances serve it."""
        depth = len(self._rooms[lane])
        return Backlog(depth, self.wait_s(lane, now), len(self._roster.serving(lane)))

    def wait_s(self, lane: Lane, now: float) -> float:
        """How long one more of `lane` would wait, as the last of those that wait."""
        return self._wait_s(lane, len(self._rooms[lane]), now)

    def needs_s(self, lane: Lane, others: int, now: float) -> float:
        """How much time a call of `lane` should have left while `others` wait; 0 when nothing is known.

        A slot that nobody else wants may be tried at even odds, and one that others wait for by a call
        that most likely makes it. While calls are turned away a slot is for those who surely do:
        who runs out of time has kept others out for nothing.
        """
        service = self._service[lane]
        if not others:
            return service.median_s
        return service.safe_s if now < self._pressed_until_s[lane] else service.likely_s

    def note_shed(self, lane: Lane, now: float) -> None:
        """Take in that a call of `lane` was turned away for want of room: for a while, others may be."""
        self._pressed_until_s[lane] = now + self._mean_s[lane]

    def note_ready(self, role: Role, ready_s: float | None) -> None:
        """Take in when the next instance of `role` is expected to be hot; None: none is coming."""
        if ready_s is None:
            self._ready_s.pop(role, None)
        else:
            self._ready_s[role] = ready_s

    def ready_s(self, lane: Lane, now: float) -> float | None:
        """When the next instance that serves `lane` is expected to be hot; None: none is coming.

        One that is late is expected at any moment.
        """
        due = [ready_s for role, ready_s in self._ready_s.items() if role.serves(lane)]
        return max(min(due), now) if due else None

    def drain_s(self, lane: Lane, now: float) -> float:
        """How long `lane` needs for each call that it takes up; 0 when nothing is known."""
        return estimated_wait_s(0, self._slots(lane, now), self._mean_s[lane])

    # Time

    def account(self, now: float) -> None:
        """Let time pass: for the floor, with what was in flight, and for the instances."""
        self._roster.settle(now)
        for lane, room in self._elbow_room.items():
            room.note(self._flights.count(lane) - self._flights.count_heavy(lane), now)
        chats = self._flights.count(Lane.CHAT)
        self._short.advance(now, chats, self._flights.count(Lane.DEGRADED))
        if self._rooms[Lane.CHAT]:
            self._floor.advance(now, chats, self._contending)
        else:
            self._floor.advance(now, 0, 0)

    def next_change_s(self, now: float) -> list[float]:
        """When time alone may let a waiting call go."""
        due = [
            end
            for instance in self._roster.unsettled
            for lane, room in self._rooms.items()
            if room
            for end in instance.ends_s(lane, now)
            if end > now
        ]
        for lane, room in self._rooms.items():
            grows_s = self._shares[lane].grows_s(self._flights.count(lane)) if room else now
            due += [grows_s] if grows_s > now else []
        if self._rooms[Lane.CHAT] and self._sentiment_goes_first:
            in_s = self._floor.due_in_s(self._flights.count(Lane.CHAT), self._contending)
            due += [] if in_s is None else [now + in_s]
        return due

    def learn(self, flight: Flight, outcome: Outcome, now: float) -> list[Change]:
        """Take in how long a send took and how it ended; the changes that follow."""
        lane, call, instance = flight.send.lane, flight.send.call, flight.instance
        took_s = now - flight.send.began_s
        pace, pace_s = self._pace[lane], took_s / work_of(call)
        ratio = pace_s / pace.median_s if pace.median_s else 1.0
        if lane is Lane.CHAT and outcome is Outcome.FULL:
            self._affinity.remember(call.conversation, instance.id)
        # A short answer says nothing about how long a full one takes, and the other way round.
        if outcome is (Outcome.DEGRADED if lane is Lane.DEGRADED else Outcome.FULL):
            self._service[lane].learn(took_s)
            pace.learn(pace_s)
        elif outcome is Outcome.EXPIRED:
            self._service[lane].learn_at_least(took_s)
        self._mean_s[lane] = self._service[lane].mean_s
        told = instance.adapt(lane, outcome, ratio), instance.learn(lane, outcome, now)
        changes = [change for change in told if change is not None]
        if changes or not instance.is_settled:
            self._roster.note(instance)
        if outcome is Outcome.REFUSED:
            self._yield(flight.waiter, now)
        return changes

    def _yield(self, waiter: Waiter, now: float) -> None:
        """Others have taken what seemed free: when there is nowhere else to look, have less."""
        lane = waiter.lane
        is_anywhere = any(each.has_room(lane, now) for each in self._roster.eligible(lane, now))
        if not is_anywhere or waiter.refusals + 1 >= LOOKS:
            self._shares[lane].refuse(self._roster.capacity(lane, now), self._mean_s[lane], now)

    def _admits_heavy(self, lane: Lane, now: float) -> bool:
        heavy = self._flights.count_heavy(lane)
        return self._elbow_room[lane].admits(heavy, self._roster.capacity(lane, now))

    @property
    def _contending(self) -> int:
        """Calls in flight of the two lanes that share an instance by the floor."""
        return self._flights.count(Lane.SENTIMENT) + self._flights.count(Lane.CHAT)

    @property
    def _sentiment_goes_first(self) -> bool:
        return bool(self._rooms[Lane.SENTIMENT]) and not self._floor.is_due

    def _wait_s(self, lane: Lane, ahead: int, now: float) -> float:
        if not self._roster.serving(lane):
            return (self.ready_s(lane, now) or now) - now
        if not ahead and any(each.has_room(lane, now) for each in self._roster.eligible(lane, now)):
            return 0.0
        return estimated_wait_s(ahead, self._slots(lane, now), self._mean_s[lane])

    def _slots(self, lane: Lane, now: float) -> float:
        """How many calls of `lane` come to be under way: all there is room for, or what we have if others take theirs."""
        capacity = self._roster.capacity(lane, now)
        if self._shares[lane].is_bounded(now):
            return min(capacity, max(self._flights.count(lane), 1))
        return capacity
