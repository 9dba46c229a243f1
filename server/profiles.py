"""Keeps the profiles that calls can name: the built-in ones, overlaid by the user's folder.

A change of a file shows in the next look-up; a broken file is refused and the old profile
stays. Knows nothing of calls, nor of how a prompt is made.
"""

from collections.abc import Callable, Mapping

import structlog

from tidegate.server.profile import Kind, Profile, ProfileError
from tidegate.server.profile_folder import Changed, Gone, ProfileFolder

log = structlog.get_logger()


class ProfileStore:
    """The profiles by name. Not safe for threads: one event loop owns it.

    `check` raises ProfileError for a profile that doesn't fit the model (it is given the
    file's name for the message); built-in profiles are checked by the tests, not here.
    """

    def __init__(
        self,
        builtin: Mapping[str, Profile],
        folder: ProfileFolder | None,
        check: Callable[[str, Profile], None],
    ) -> None:
        self._builtin = builtin
        self._folder = folder
        self._check = check
        self._own: dict[str, Profile] = {}
        self._folder_problem: str | None = None

    def load(self) -> None:
        """Read the folder for the first time. Raises ProfileError at the first broken file."""
        if self._folder is None:
            return
        for change in self._folder.look():
            if isinstance(change, Changed):
                self._own[change.name] = self._accepted(change)

    def refresh(self) -> None:
        """Take over what has changed in the folder since; never raises, logs each change once."""
        if self._folder is None:
            return
        try:
            changes = self._folder.look()
        except OSError as error:
            self._log_folder_problem(str(error))
            return
        self._log_folder_problem(None)
        for change in changes:
            if isinstance(change, Gone):
                self._forget(change.name)
                continue
            try:
                profile = self._accepted(change)
            except ProfileError as error:
                log.warning("profile refused, the old one stays", error=str(error))
                continue
            self._own[profile.name] = profile
            log.info("profile changed", profile=profile.name, version=profile.version)

    def find(self, name: str) -> Profile | None:
        """Return the profile called `name`, or None."""
        return self._own.get(name) or self._builtin.get(name)

    def names(self, kind: Kind) -> list[str]:
        """Return the names of the profiles of one kind, sorted."""
        everything = {**self._builtin, **self._own}
        return sorted(name for name, profile in everything.items() if profile.kind == kind)

    def all(self) -> list[Profile]:
        """Return every profile that a call can name now, sorted by name."""
        everything = {**self._builtin, **self._own}
        return [everything[name] for name in sorted(everything)]

    def _accepted(self, change: Changed) -> Profile:
        if isinstance(change.profile, ProfileError):
            raise change.profile
        self._check(f"{change.name}.toml", change.profile)
        return change.profile

    def _forget(self, name: str) -> None:
        if self._own.pop(name, None) is not None:
            left = "the built-in one shows again" if name in self._builtin else "gone"
            log.info("profile deleted", profile=name, left=left)

    def _log_folder_problem(self, problem: str | None) -> None:
        if problem != self._folder_problem:
            self._folder_problem = problem
            if problem is None:
                log.info("profiles folder can be read again")
            else:
                log.warning("profiles folder can't be read, the old profiles stay", error=problem)
