"""Tells callers which profiles they may name.

Knows nothing of where profiles come from or what they make of a text.
"""

from tidegate.server.profile import Kind
from tidegate.server.profiles import ProfileStore
from tidegate.server.validation import Defaults
from tidegate.v1.profile_pb2 import ListProfilesResponse, ProfileSummary


class Catalogue:
    """The profiles of a store as callers see them; each look counts what has changed."""

    def __init__(self, profiles: ProfileStore, defaults: Defaults) -> None:
        self._profiles = profiles
        self.adopt(defaults)

    def adopt(self, defaults: Defaults) -> None:
        """Mark these as those that answer who names none."""
        self._defaults = {
            "classify": {defaults.sentiment},
            "chat": {defaults.chat, defaults.review},
        }

    def list(self, kind: Kind) -> ListProfilesResponse:
        """Return the profiles of one kind, sorted by name."""
        self._profiles.refresh()
        return ListProfilesResponse(
            profiles=[
                ProfileSummary(
                    name=profile.name,
                    version=profile.version,
                    kind=kind,
                    description=profile.description,
                    labels=[label.name for label in profile.labels],
                    is_default=profile.name in self._defaults[kind],
                )
                for profile in self._profiles.all()
                if profile.kind == kind
            ]
        )
