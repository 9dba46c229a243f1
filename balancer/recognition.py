"""Finds out who calls: by token, else by certificate, else as nobody in particular.

Any thread may ask. Knows nothing about what a caller asks for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from typing_extensions import assert_never

from tidegate.balancer.core.callers import ANONYMOUS, Caller, Callers
from tidegate.identity.denial import Denial, DeniedError
from tidegate.identity.peer import Peer
from tidegate.identity.tokens import Tokens, Unknown
from tidegate.identity.watched import Watched
from tidegate.identity.why import Why


def utc_now() -> datetime:
    """The time by which tokens end."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class Credentials:
    """By what callers are known. None: not by that. `takes_nobody` lets in who shows nothing."""

    tokens: Watched[Tokens] | None
    revoked: Watched[frozenset[str]] | None
    takes_certificates: bool
    takes_nobody: bool


class Recognition:
    """Tells whose credentials are whose. `wall` is the clock by which tokens end."""

    def __init__(
        self,
        callers: Callers,
        credentials: Credentials,
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        self._callers = callers
        self._credentials = credentials
        self._wall = wall
        self.takes_tokens = credentials.tokens is not None
        self.takes_certificates = credentials.takes_certificates

    def __repr__(self) -> str:
        return f"<Recognition {self._callers!r}>"

    def caller(self, peer: Peer | None, token: str | None, now: float) -> Caller:
        """Who shows these. A certificate that is revoked is nobody's, whatever token comes with it."""
        credentials = self._credentials
        revoked = frozenset() if credentials.revoked is None else credentials.revoked.value
        if peer is not None and peer.fingerprint in revoked:
            raise _denied(
                Why.CERTIFICATE_REVOKED,
                f"the certificate of {peer.shown!r} is revoked (tls_revoked); show a new one",
            )
        if token is not None and credentials.tokens is not None:
            return self._holder(credentials.tokens.value, token, now)
        if peer is not None:
            caller = self._callers.certified(peer.names, now)
            if caller is None:
                raise _denied(
                    Why.CALLER_UNKNOWN,
                    f"the certificate's names {peer.shown} are none that may call; one of "
                    "them has to stand in callers.NAME.certificates",
                )
            return caller
        if not credentials.takes_nobody:
            way = "a token (authorization: Bearer)" if self.takes_tokens else "a certificate"
            raise _denied(Why.NO_CREDENTIALS, f"nothing shows who calls; {way} is needed")
        return self._callers.named(ANONYMOUS, now)

    def _holder(self, tokens: Tokens, token: str, now: float) -> Caller:
        holder = tokens.holder(token, self._wall())
        if isinstance(holder, str):
            return self._callers.named(holder, now)
        match holder:
            case Unknown.WRONG:
                why, what = Why.TOKEN_UNKNOWN, "is nobody's; `tidegate token new NAME` makes one"
            case Unknown.EXPIRED:
                why, what = (
                    Why.TOKEN_EXPIRED,
                    "has expired; `tidegate token new NAME` makes another",
                )
            case _:
                assert_never(holder)
        raise _denied(why, f"authorization: the token {what}")


def _denied(why: Why, message: str) -> DeniedError:
    return DeniedError(Denial(why, message))
