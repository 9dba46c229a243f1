"""Knows the callers by name: what each may do, and how much of its rate is left.

Knows nothing about tokens, certificates or the wire.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.balancer.core.permit import Permit
from tidegate.balancer.core.rate import Rate

MOST = 10_000
"""Callers that are remembered at once; beyond this the one is forgotten that came first, and its rate begins anew."""
ANONYMOUS = "anonymous"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls. `rate` is None for one who has no bound."""

    name: str
    permit: Permit
    rate: Rate | None


class Callers:
    """Those that are named in `permits`, and by `default` whoever else shows that it has a name.

    `by_certificate` says whose a certificate's name is. While it says nothing, each is a caller by its own name, with what
    anybody may do: a name that somebody has in a certificate is not the name of a table. As soon as it says anything, the
    others are nobody's.
    """

    def __init__(
        self, permits: Mapping[str, Permit], by_certificate: Mapping[str, str], default: Permit
    ) -> None:
        self._permits = permits
        self._by_certificate = by_certificate
        self._default = default
        self._met: OrderedDict[tuple[str, bool], Caller] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Callers {len(self._permits)} named, {len(self._met)} met>"

    def named(self, name: str, now: float) -> Caller:
        """The caller of that name."""
        met = self._met.get((name, True))
        return met or self._meet(name, self._permits.get(name, self._default), True, now)

    def certified(self, names: Sequence[str], now: float) -> Caller | None:
        """The caller whose certificate has these names; None when it is nobody's."""
        for name in names:
            if name in self._by_certificate:
                return self.named(self._by_certificate[name], now)
        if self._by_certificate or not names:
            return None
        return self._met.get((names[0], False)) or self._meet(names[0], self._default, False, now)

    def _meet(self, name: str, permit: Permit, is_listed: bool, now: float) -> Caller:
        rate = None if permit.per_s is None else Rate(permit.per_s, now)
        caller = self._met[name, is_listed] = Caller(name, permit, rate)
        if len(self._met) > MOST:
            self._met.popitem(last=False)
        return caller
