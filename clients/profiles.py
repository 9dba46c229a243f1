"""What a service says of its profiles, as frozen values.

Knows nothing about the wire, nor about how to ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ProfileKind(str, Enum):
    """What a profile is for."""

    UNSPECIFIED = "unspecified"
    CLASSIFY = "classify"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class ProfileInfo:
    """A profile that a call may name now; is_default: it answers calls that name none.

    labels are those of a profile that classifies; version changes when the profile does.
    """

    name: str
    version: str
    kind: ProfileKind
    description: str
    labels: tuple[str, ...]
    is_default: bool
