"""Tells which profile files of a folder have changed, and reads those.

Decides nothing about what a changed or broken file means for the calls. Knows nothing of
models.
"""

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidegate.server.linter import lint
from tidegate.server.profile import Profile, ProfileError, make_profile

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

# Two writes within one tick of a file system's clock leave the same times. A file read this
# soon after its last write is read again on the next look. 2 s is the coarsest tick in use (FAT).
_SAME_TICK_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Stamp:
    mtime_ns: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A file that is new or says something else than before, and what it says now."""

    name: str
    profile: Profile | ProfileError


@dataclass(frozen=True, slots=True)
class Gone:
    """A file that is there no more."""

    name: str


@dataclass(slots=True)
class _Seen:
    stamp: _Stamp
    content: bytes
    is_settled: bool


def read_profile(path: Path, content: bytes) -> Profile:
    """Return the profile that the bytes of the file `path` describe; it keeps the prompt rules.

    Raises ProfileError.
    """
    profile = read_profile_unlinted(path, content)
    for finding in lint(profile):
        raise ProfileError(str(path), profile.name, finding.key, str(finding))
    return profile


def read_profile_unlinted(path: Path, content: bytes) -> Profile:
    """Return the profile that the bytes of the file `path` describe, whatever the prompt rules say.

    Raises ProfileError.
    """
    name = path.name.removesuffix(".toml")
    if not _NAME.fullmatch(name):
        raise ProfileError(
            str(path), name, "name", "1 to 64 of A-Z a-z 0-9 . _ - are accepted, no leading sign"
        )
    try:
        said = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ProfileError(str(path), name, "file", f"not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(str(path), name, "file", f"not TOML: {error}") from None
    return make_profile(str(path), name, said)


class ProfileFolder:
    """One folder of `NAME.toml` files. `look` reports each change once."""

    def __init__(self, folder: Path, wall_clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._folder = folder
        self._wall_clock_ns = wall_clock_ns
        self._seen: dict[str, _Seen] = {}

    def look(self) -> list[Changed | Gone]:
        """Return what has changed since the last look, in the order of names.

        Costs one stat a file when nothing has. A file that vanishes or can't be read in
        between counts as gone. Raises OSError when the folder itself can't be listed.
        """
        present = sorted(path for path in self._folder.iterdir() if path.suffix == ".toml")
        changes: list[Changed | Gone] = []
        for name in sorted(self._seen.keys() - {path.stem for path in present}):
            del self._seen[name]
            changes.append(Gone(name))
        for path in present:
            change = self._look_at(path)
            if change is not None:
                changes.append(change)
        return changes

    def _look_at(self, path: Path) -> Changed | Gone | None:
        name = path.stem
        seen = self._seen.get(name)
        now_ns = self._wall_clock_ns()
        try:
            stat = path.stat()
            stamp = _Stamp(stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen is not None and seen.is_settled and seen.stamp == stamp:
                return None
            content = path.read_bytes()
        except OSError:
            return Gone(name) if self._seen.pop(name, None) is not None else None
        is_settled = now_ns - stamp.mtime_ns > _SAME_TICK_NS
        self._seen[name] = _Seen(stamp, content, is_settled)
        if seen is not None and seen.content == content:
            return None
        try:
            return Changed(name, read_profile(path, content))
        except ProfileError as error:
            return Changed(name, error)
