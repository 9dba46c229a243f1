"""Reads which certificates count no more, though they have not expired: a file of their SHA-256 fingerprints.

Knows nothing about who asks.
"""

import re
from pathlib import Path

from tidegate.identity.problem import IdentityError
from tidegate.identity.watched import Watched

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def watched_revoked(field: str, path: Path) -> Watched[frozenset[str]]:
    """The fingerprints in the file, read anew when it changes. Raises IdentityError."""
    return Watched(field, [path], lambda: read_revoked(field, path.read_text("utf-8")))


def read_revoked(field: str, text: str) -> frozenset[str]:
    """One fingerprint a line, in hex with or without colons; what follows `#` is for people.

    Raises IdentityError naming the line.
    """
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        # As `openssl x509 -fingerprint -sha256` prints it.
        fingerprint = said.rpartition("=")[2].replace(":", "").lower()
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise IdentityError(
                f"{field}: line {number} is no SHA-256 fingerprint; 64 hex digits are accepted, as "
                "`openssl x509 -in CERT -noout -fingerprint -sha256` prints them"
            )
        found.add(fingerprint)
    return frozenset(found)
