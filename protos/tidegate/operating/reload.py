"""Says which settings count at once when they are read anew, and which wait for a restart.

Knows nothing about where settings come from, nor how those that count are put into force.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Reload(Generic[Settings]):
    """What becomes of settings that were read anew."""

    settings: Settings
    """As they are in force from now on."""
    changed: dict[str, tuple[Any, Any]]
    """Those that count, with the values before and after."""
    waiting: tuple[str, ...]
    """Those that differ and need a restart; by name only, for some are secret."""


def compare(before: Settings, after: Settings, at_once: frozenset[str]) -> Reload[Settings]:
    """What changes when `after` is read where `before` is in force; fields of `at_once` need no restart."""
    names = [
        name for name in type(before).model_fields if getattr(before, name) != getattr(after, name)
    ]
    changed = {
        name: (getattr(before, name), getattr(after, name)) for name in names if name in at_once
    }
    settings = before.model_copy(update={name: value for name, (_, value) in changed.items()})
    return Reload(settings, changed, tuple(name for name in names if name not in at_once))
