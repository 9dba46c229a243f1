"""Decides where a call would go now, and what a lane has to offer to one that can't go.

Weighs the instances, what is under way and who waits; sends nothing and sheds nothing. Knows nothing
about reasons or hints.
"""

from collections.abc import Mapping

from tidegate.balancer.core.admission import Outlook
from tidegate.balancer.core.affinity import Affinity
from tidegate.balancer.core.call import Lane, Outcome
from tidegate.balancer.core.change import Change
from tidegate.balancer.core.estimate import ServiceTime, estimated_wait_s
from tidegate.balancer.core.flights import Flight, Flights
from tidegate.balancer.core.floor import ChatFloor
from tidegate.balancer.core.instance import Instance
from tidegate.balancer.core.lanes import Waiter, WaitingRoom
from tidegate.balancer.core.policy import Policy
from tidegate.balancer.core.roster import Roster
from tidegate.balancer.core.route import Random, least_outstanding
from tidegate.balancer.core.verdict import Backlog
from tidegate.balancer.core.work import work_of


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
        # The same by unit of work, so that long messages don't make an instance look slow.
        self._pace = {lane: ServiceTime() for lane in Lane}
        self._affinity = Affinity()
        self._floor = ChatFloor(policy.chat_share, policy.chat_share_window_s)

    # What becomes of a call

    def instance_for(self, waiter: Waiter, now: float) -> Instance | None:
        """The instance that the call would go to now; None if there is no room for it."""
        lane = waiter.lane
        held_back = lane is Lane.CHAT and self._sentiment_goes_first
        candidates = [
            each
            for each in self._roster.eligible(lane, now)
            if each.has_room(lane, now)
            and each.id != waiter.lost_by
            and not (held_back and each.serves(Lane.SENTIMENT))
        ]
        home = self._affinity.home_of(waiter.call.conversation)
        if lane is Lane.CHAT and any(each.id == home for each in candidates):
            candidates = [each for each in candidates if each.id == home]
        service_s = {each: estimate.mean_s for each, estimate in self._service.items()}
        return least_outstanding(candidates, service_s, self._rng)

    def outlook(self, waiter: Waiter, instance: Instance | None, now: float) -> Outlook:
        """What the lane offers a newcomer that may go to `instance`, or has to wait."""
        lane = waiter.call.lane
        room = self._rooms[lane]
        return Outlook(
            instances=len(self._roster.serving(lane)),
            has_room=instance is not None,
            depth=len(room),
            wait_s=self._estimated_wait_s(lane, room.ahead_of(waiter), now),
            safe_s=self._service[lane].safe_s,
            in_flight=self._flights.count(lane),
        )

    def backlog(self, lane: Lane, now: float) -> Backlog:
        """How many wait in `lane`, how long one more would, and how many instances serve it."""
        depth = len(self._rooms[lane])
        wait_s = self._estimated_wait_s(lane, depth, now)
        return Backlog(depth, wait_s, len(self._roster.serving(lane)))

    def safe_s(self, lane: Lane) -> float:
        """How long hardly any call of `lane` takes longer than; 0 when nothing is known."""
        return self._service[lane].safe_s

    # Time

    def account(self, now: float) -> None:
        """Give the floor the time since the last event, with what was in flight during it."""
        if self._rooms[Lane.CHAT]:
            self._floor.advance(now, self._flights.count(Lane.CHAT), self._contending)
        else:
            self._floor.advance(now, 0, 0)

    def next_change_s(self, now: float) -> list[float]:
        """When time alone may let a waiting call go."""
        due = [
            end
            for lane, room in self._rooms.items()
            if room
            for instance in self._roster
            for end in instance.ends_s(lane, now)
            if end > now
        ]
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
        changes = instance.adapt(lane, outcome, ratio, now), instance.learn(lane, outcome, now)
        return [change for change in changes if change is not None]

    @property
    def _contending(self) -> int:
        """Calls in flight of the two lanes that share an instance by the floor."""
        return self._flights.count(Lane.SENTIMENT) + self._flights.count(Lane.CHAT)

    @property
    def _sentiment_goes_first(self) -> bool:
        return bool(self._rooms[Lane.SENTIMENT]) and not self._floor.is_due

    def _estimated_wait_s(self, lane: Lane, ahead: int, now: float) -> float:
        eligible = self._roster.eligible(lane, now)
        if not ahead and any(each.has_room(lane, now) for each in eligible):
            return 0.0
        slots = sum(each.limit(lane, now) for each in eligible)
        return estimated_wait_s(ahead, slots, self._service[lane].mean_s)
