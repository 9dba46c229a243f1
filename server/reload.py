"""Says which settings count at once when they are read anew, and which wait for a restart.

Knows nothing about where settings come from, nor how those that count are put into force.
"""

from dataclasses import dataclass
from typing import Any

from tidegate.server.config import ServerSettings

AT_ONCE = frozenset(
    {
        "default_sentiment_profile",
        "default_chat_profile",
        "default_review_profile",
        "max_text_characters",
        "drain_s",
    }
)
"""What calls are checked by. All others are made into memory, threads and sockets at the start."""


@dataclass(frozen=True, slots=True)
class Reload:
    """What becomes of settings that were read anew."""

    settings: ServerSettings
    """As they are in force from now on."""
    changed: dict[str, tuple[Any, Any]]
    """Those that count, with the values before and after."""
    waiting: tuple[str, ...]
    """Those that differ and need a restart; by name only, for some are secret."""


def compare(before: ServerSettings, after: ServerSettings) -> Reload:
    """What changes when `after` is read where `before` is in force."""
    names = [
        name for name in type(before).model_fields if getattr(before, name) != getattr(after, name)
    ]
    changed = {
        name: (getattr(before, name), getattr(after, name)) for name in names if name in AT_ONCE
    }
    settings = before.model_copy(update={name: value for name, (_, value) in changed.items()})
    return Reload(settings, changed, tuple(name for name in names if name not in AT_ONCE))
