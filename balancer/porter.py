"""Lets in what a caller may do.

What goes on carries the caller's own name, whatever it said, and none of its secrets; the balancer's own token towards
instances takes their place. Knows nothing about load.
"""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from typing_extensions import assert_never

from tidegate.balancer.admitted import Admitted
from tidegate.balancer.arrival import CALLER_KEY
from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.callers import ANONYMOUS, Caller
from tidegate.balancer.core.permit import FleetRight, Objection, objection
from tidegate.balancer.inflow import Inflow
from tidegate.balancer.metadata import Metadata
from tidegate.balancer.methods import lane_of
from tidegate.balancer.recognition import Recognition
from tidegate.identity import bearer
from tidegate.identity.denial import Denial, DeniedError
from tidegate.identity.peer import Peer, peer_of
from tidegate.identity.watched import Watched
from tidegate.identity.why import Why

SYSTEM_PROMPT_KEY = "tidegate-system-prompt-bin"
FORBIDS = ("tidegate-forbids", "system-prompt")
"""Tells an instance that the message may bring no system prompt: the balancer doesn't read messages."""
LOOKS = frozenset({"GetStatus", "WatchStatus"})
"""Methods of the Fleet service that change nothing."""


class Porter:
    """Who stands at the balancer's door. `own_token` is shown to instances."""

    def __init__(
        self,
        recognition: Recognition,
        own_token: Watched[str] | None,
        on_denied: Callable[[Why], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recognition = recognition
        self._own_token = own_token
        self._on_denied = on_denied
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Porter {self._recognition!r}>"

    def admit(self, path: str, context: Any, message: Any) -> Any:
        """The context of a call in a lane, as the proxy is to see it. Raises DeniedError."""
        now = self._clock()
        said = context.invocation_metadata() or ()
        lane = lane_of(path)
        size_bytes = 0 if message is None else len(message)
        caller = self._who(context, said, now)
        if lane is not None:
            self._check(caller, lane, size_bytes, said)
        wait_s = 0.0 if caller.rate is None else caller.rate.take(now)
        if wait_s:
            raise self._denied(
                Why.RATE_EXCEEDED,
                f"{caller.name!r} may make {caller.permit.per_s:g} calls a second (callers.{caller.name}.rate)",
                wait_s,
            )
        told = self._told(caller, said)
        if message is None and (caller.rate or caller.permit.largest_bytes):
            rate, clock = caller.rate, self._clock
            return Inflow(
                context,
                told,
                lambda size: self._check_size(caller, size),
                lambda: 0.0 if rate is None else rate.take(clock()),
            )
        return Admitted(context, told)

    def admit_operator(self, path: str, context: Any, message: Any) -> Any:
        """The context of a call of the Fleet service. Raises DeniedError."""
        said = context.invocation_metadata() or ()
        caller = self._who(context, said, self._clock())
        method = path.rpartition("/")[2]
        wanted = FleetRight.LOOK if method in LOOKS else FleetRight.OPERATE
        right = caller.permit.fleet
        if not right.allows(wanted):
            raise self._denied(
                Why.NOT_ALLOWED,
                f"{caller.name!r} may not call Fleet.{method}: callers.{caller.name}.fleet is {right.value!r}, "
                f"and {wanted.value!r} is needed",
            )
        return context

    def lets_scrape(self, peer: Peer | None, token: str | None) -> bool:
        """Whether who shows these may read the metrics: one who may look at the fleet. Any thread may ask."""
        try:
            caller = self._recognition.caller(peer, token, self._clock())
        except DeniedError:
            return False
        return caller.permit.fleet.allows(FleetRight.LOOK)

    def _who(self, context: Any, said: Any, now: float) -> Caller:
        """Whose call it is. Raises DeniedError."""
        recognition = self._recognition
        peer = peer_of(context.auth_context()) if recognition.takes_certificates else None
        token = bearer.shown_in(said) if recognition.takes_tokens else None
        try:
            return recognition.caller(peer, token, now)
        except DeniedError as error:
            self._on_denied(error.denial.why)
            raise

    def _check(self, caller: Caller, lane: Lane, size_bytes: int, said: Any) -> None:
        prompts = not caller.permit.may_prompt and any(key == SYSTEM_PROMPT_KEY for key, _ in said)
        against = objection(caller.permit, lane, size_bytes, prompts=prompts)
        match against:
            case None:
                return
            case Objection.LANE:
                raise self._denied(
                    Why.NOT_ALLOWED,
                    f"{caller.name!r} may not call in the {lane.value} lane: callers.{caller.name}.lanes has to "
                    "name it",
                )
            case Objection.PROMPT:
                raise self._denied(
                    Why.NOT_ALLOWED,
                    f"{SYSTEM_PROMPT_KEY}: {caller.name!r} may bring no system prompt; leave it out, or have "
                    f"callers.{caller.name}.system_prompt set",
                )
            case Objection.SIZE:
                self._check_size(caller, size_bytes)
            case _:
                assert_never(against)

    def _told(self, caller: Caller, said: Any) -> Metadata:
        """What the caller said, in the words of one who knows who it is."""
        replaced = {CALLER_KEY, FORBIDS[0]}
        if self._recognition.takes_tokens or self._own_token is not None:
            replaced.add(bearer.KEY)
        told = [each for each in said if each[0] not in replaced]
        if caller.name != ANONYMOUS:
            # A certificate's name may hold what metadata can't.
            told.append((CALLER_KEY, quote(caller.name, safe=" /:@")))
        elif name := dict(said).get(CALLER_KEY):
            # Not to be taken for somebody who has shown that it has that name.
            shown = name if isinstance(name, str) else name.decode("utf-8", "replace")
            told.append((CALLER_KEY, f"{ANONYMOUS}/{quote(shown, safe=' /:@%')}"))
        if not caller.permit.may_prompt:
            told.append(FORBIDS)
        if self._own_token is not None:
            told.append((bearer.KEY, f"Bearer {self._own_token.value}"))
        return tuple(told)

    def _check_size(self, caller: Caller, size_bytes: int) -> None:
        most = caller.permit.largest_bytes
        if most is not None and size_bytes > most:
            raise self._denied(
                Why.INPUT_TOO_LARGE,
                f"the message has {size_bytes} bytes; {caller.name!r} may send {most} at most "
                f"(callers.{caller.name}.largest_input_bytes)",
            )

    def _denied(self, why: Why, message: str, retry_after_s: float | None = None) -> DeniedError:
        self._on_denied(why)
        return DeniedError(Denial(why, message, retry_after_s))
