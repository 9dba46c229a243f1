"""Reads a registration in Consul as docs/contract.md describes it.

Knows nothing about how the answer was got, nor what becomes of the instance.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.instance import Phase, Registration, Role

MAX_SLOTS = 4096
"""More than any CPU serves: a larger number is a typing error in a tag."""


def read_registration(node: Mapping[str, Any]) -> Registration:
    """One element of the answer of /v1/health/service, as a registration.

    Raises `ValueError`, naming the tag, its value and what is accepted.
    """
    service = node["Service"]
    tags = dict(tag.partition("=")[::2] for tag in service.get("Tags") or ())
    host = service.get("Address") or node["Node"]["Address"]
    if not service.get("Port"):
        raise ValueError(f"{service['ID']}: the registration has no port")
    return Registration(
        id=service["ID"],
        address=f"[{host}]:{service['Port']}" if ":" in host else f"{host}:{service['Port']}",
        phase=_phase(tags, passes=_passes(node.get("Checks") or ())),
        role=_role(tags),
        slots={lane: _slots(tags, lane) for lane in Lane},
        model=tags.get("model", ""),
        version=tags.get("version", ""),
        launched_by=tags.get("launched-by", ""),
    )


def _passes(checks: Sequence[Mapping[str, Any]]) -> bool:
    return all(check.get("Status") == "passing" for check in checks)


def _phase(tags: Mapping[str, str], *, passes: bool) -> Phase:
    value = tags.get("phase", "")
    if value not in ("warming", "hot", "draining"):
        raise ValueError(f"tag phase={value!r} is not one of warming, hot, draining")
    phase = Phase(value)
    # Registered as ready, but its check doesn't agree (yet, or any more).
    return Phase.WARMING if phase is Phase.HOT and not passes else phase


def _role(tags: Mapping[str, str]) -> Role:
    value = tags.get("role", Role.BOTH.value)
    try:
        return Role(value)
    except ValueError:
        roles = ", ".join(role.value for role in Role)
        raise ValueError(f"tag role={value!r} is not one of {roles}") from None


def _slots(tags: Mapping[str, str], lane: Lane) -> int:
    name = f"{lane.value}-slots"
    value = tags.get(name, "0")
    if not value.isdecimal() or int(value) > MAX_SLOTS:
        raise ValueError(f"tag {name}={value!r} is not a whole number from 0 to {MAX_SLOTS}")
    return int(value)
