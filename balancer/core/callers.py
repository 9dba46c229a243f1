"""Knows the callers by name: what each may do, and how much of its rate is left.

Knows nothing about tokens, certificates or the wire.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.balancer.core.permit import Permit
from tidegate.balancer.core.rate import Rate

MOST = 10_000
"""Callers that are remembered at once; beyond this the one is forgotten that called least lately."""
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

    `by_certificate` says whose a certificate's name is. While it says nothing, each is a caller by its own name; as soon as it
    says anything, the others are nobody's.
    """

    def __init__(
        self, permits: Mapping[str, Permit], by_certificate: Mapping[str, str], default: Permit
    ) -> None:
        self._permits = permits
        self._by_certificate = by_certificate
        self._default = default
        self._met: OrderedDict[str, Caller] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Callers {len(self._permits)} named, {len(self._met)} met>"

    def named(self, name: str, now: float) -> Caller:
        """The caller of that name."""
        caller = self._met.get(name)
        if caller is None:
            permit = self._permits.get(name, self._default)
            rate = None if permit.per_s is None else Rate(permit.per_s, now)
            caller = self._met[name] = Caller(name, permit, rate)
            if len(self._met) > MOST:
                self._met.popitem(last=False)
        else:
            self._met.move_to_end(name)
        return caller

    def certified(self, names: Sequence[str], now: float) -> Caller | None:
        """The caller whose certificate has these names; None when it is nobody's."""
        for name in names:
            if name in self._by_certificate:
                return self.named(self._by_certificate[name], now)
        return None if self._by_certificate or not names else self.named(names[0], now)
