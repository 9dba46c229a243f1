"""Decides from whom calls are taken: from balancers that show a token or a certificate of theirs, or from everybody.

Knows nothing about what is called.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from tidegate.identity import bearer
from tidegate.identity.denial import Denial, DeniedError
from tidegate.identity.peer import Peer, peer_of
from tidegate.identity.tokens import Tokens, Unknown
from tidegate.identity.watched import Watched
from tidegate.identity.why import Why


def utc_now() -> datetime:
    """The time by which tokens end."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may call a server. `names` is empty for any certificate that was signed by those who may."""

    tokens: Watched[Tokens] | None
    revoked: Watched[frozenset[str]] | None
    names: frozenset[str]
    takes_certificates: bool
    takes_nobody: bool
    wall: Callable[[], datetime] = utc_now

    def admit(self, path: str, context: Any, message: Any) -> Any:
        """The same context, of a call that is taken. Raises DeniedError."""
        peer = peer_of(context.auth_context()) if self.takes_certificates else None
        token = None if self.tokens is None else bearer.shown_in(context.invocation_metadata())
        if (denial := self._against(peer, token)) is not None:
            raise DeniedError(denial)
        return context

    def lets_scrape(self, peer: Peer | None, token: str | None) -> bool:
        """Whether who shows these may read the metrics."""
        return self._against(peer, token) is None

    def _against(self, peer: Peer | None, token: str | None) -> Denial | None:
        """What is against who shows these; None: nothing. A certificate that is revoked is nobody's."""
        if peer is not None and self.revoked is not None and peer.fingerprint in self.revoked.value:
            return Denial(
                Why.CERTIFICATE_REVOKED,
                f"the certificate of {peer.shown!r} is revoked (tls_revoked); show a new one",
            )
        if token is not None and self.tokens is not None:
            return self._against_token(self.tokens.value, token)
        if peer is not None:
            if not self.names or not self.names.isdisjoint(peer.names):
                return None
            return Denial(
                Why.CALLER_UNKNOWN,
                f"the certificate's names {peer.shown} are none of trusted_names",
            )
        if self.takes_nobody:
            return None
        way = "a certificate" if self.tokens is None else "a token (authorization: Bearer)"
        return Denial(
            Why.NO_CREDENTIALS, f"calls are taken from trusted balancers alone; {way} is needed"
        )

    def _against_token(self, tokens: Tokens, token: str) -> Denial | None:
        match tokens.holder(token, self.wall()):
            case Unknown.WRONG:
                return Denial(Why.TOKEN_UNKNOWN, "authorization: the token is nobody's here")
            case Unknown.EXPIRED:
                return Denial(Why.TOKEN_EXPIRED, "authorization: the token has expired")
            case _:
                return None
