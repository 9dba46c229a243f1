"""Makes bearer tokens, and finds out whose token one is by a file that holds none.

The file has a line for each: the caller's name, the SHA-256 of the token, and when it ends, if it does. Tokens are 256
random bits, so that a plain hash is enough. Knows nothing about what their holders may do.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from hashlib import sha256
from pathlib import Path

from tidegate.identity.problem import IdentityError
from tidegate.identity.watched import Watched

PREFIX = "tidegate_"
"""By which scanners of source code know one that was left behind."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_SHORT = 8


def new_token() -> str:
    """A token that nobody has."""
    return PREFIX + secrets.token_urlsafe(32)


def checked_name(name: str) -> str:
    """The same name; raises IdentityError for one that no caller may have."""
    if not NAME.fullmatch(name):
        raise IdentityError(
            f"name: {name!r} is accepted for no caller; letters, digits, '.', '_' and '-' are, 63 at most"
        )
    return name


@dataclass(frozen=True, slots=True)
class TokenLine:
    """A line of the file. `expires` is in UTC, None for a token that lasts until its line is taken out."""

    name: str
    digest: bytes = field(repr=False)
    expires: datetime | None = None

    @classmethod
    def of(cls, name: str, token: str, expires: datetime | None = None) -> "TokenLine":
        """The line of a token."""
        return cls(checked_name(name), _digest(token), expires)

    @property
    def id(self) -> str:
        """The first digits of the hash, by which people tell a caller's tokens apart."""
        return self.digest.hex()[:_SHORT]

    def __str__(self) -> str:
        line = f"{self.name} sha256:{self.digest.hex()}"
        return line if self.expires is None else f"{line} expires={self.expires:%Y-%m-%dT%H:%M:%SZ}"


class Unknown(Enum):
    """Why a token is nobody's."""

    WRONG = "wrong"
    """Of no line; a revoked one is the same."""
    EXPIRED = "expired"


class Tokens:
    """The lines of one file."""

    def __init__(self, lines: Sequence[TokenLine]) -> None:
        self.lines = tuple(lines)
        self._by_start: dict[bytes, list[TokenLine]] = {}
        for line in self.lines:
            self._by_start.setdefault(line.digest[:_SHORT], []).append(line)

    def __repr__(self) -> str:
        return f"<Tokens {len(self.lines)}>"

    def holder(self, token: str, wall: datetime) -> str | Unknown:
        """The name of whoever holds the token at this time.

        Looked up by the hash's beginning, then compared in constant time: what the time of an answer tells is about a hash
        that the asking one can't choose.
        """
        digest = _digest(token)
        for line in self._by_start.get(digest[:_SHORT], ()):
            if hmac.compare_digest(line.digest, digest):
                if line.expires is not None and line.expires <= wall:
                    return Unknown.EXPIRED
                return line.name
        return Unknown.WRONG


def watched_tokens(field: str, path: Path) -> Watched[Tokens]:
    """The tokens in a file, read anew when it changes. Raises IdentityError."""
    return Watched(field, [path], lambda: Tokens(read_lines(field, path.read_text("utf-8"))))


def read_lines(field: str, text: str) -> list[TokenLine]:
    """The lines of a file; blank ones and those that begin with `#` are for people.

    Raises IdentityError naming the line and what is accepted, never what is there: it may be a token.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            found.append(_read_line(f"{field}: line {number}", line.split()))
    return found


def _read_line(where: str, parts: list[str]) -> TokenLine:
    if not NAME.fullmatch(parts[0]):
        raise IdentityError(f"{where} begins with no caller's name; NAME sha256:HASH is accepted")
    if len(parts) < 2 or not _HASH.fullmatch(parts[1]):
        raise IdentityError(
            f"{where} holds no hash; NAME sha256:HASH is accepted, as `tidegate token new` writes it"
        )
    digest = bytes.fromhex(parts[1].partition(":")[2])
    if len(parts) == 2:
        return TokenLine(parts[0], digest)
    key, _, value = parts[2].partition("=")
    try:
        expires = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        expires = None
    if key != "expires" or expires is None or len(parts) > 3:
        raise IdentityError(
            f"{where} says something beside name and hash of {parts[0]}; expires=2027-01-31 or "
            "expires=2027-01-31T12:00:00Z is accepted"
        )
    if expires.tzinfo is None:
        expires = expires.replace(tzinfo=timezone.utc)
    return TokenLine(parts[0], digest, expires.astimezone(timezone.utc))


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
