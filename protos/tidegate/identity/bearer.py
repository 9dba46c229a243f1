"""The bearer token beside a message: what a caller shows, and what a program shows of its own.

Knows nothing about whose it is.
"""

from collections.abc import Iterable
from pathlib import Path

from tidegate.identity.problem import IdentityError
from tidegate.identity.watched import Watched

KEY = "authorization"

_SCHEME = "bearer "


def bearer_in(value: str | bytes | None) -> str | None:
    """The token in an `authorization`; None where there is none, empty for another scheme than Bearer."""
    if not value:
        return None
    said = value if isinstance(value, str) else value.decode("ascii", "replace")
    return said[len(_SCHEME) :].strip() if said[: len(_SCHEME)].lower() == _SCHEME else ""


def shown_in(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """The token in a call's metadata; of several the last."""
    found = None
    for key, value in metadata:
        if key == KEY:
            found = value
    return bearer_in(found)


def watched_secret(field: str, path: Path) -> Watched[str]:
    """The secret that is all of a file, read anew when it changes. Raises IdentityError, which doesn't quote it."""

    def read() -> str:
        secret = path.read_text("utf-8").strip()
        if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
            raise IdentityError(
                f"{field}: {path} holds no token; one line of printable ASCII without spaces is accepted"
            )
        return secret

    return Watched(field, [path], read)
