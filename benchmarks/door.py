"""What a balancer's door adds to a call: `python -m benchmarks.door` prints microseconds, the best of several rounds.

The porter alone, without gRPC: a call that shows a token or a certificate, and is let in.
"""

import ssl
import tempfile
import timeit
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from tidegate.balancer.core.callers import Callers
from tidegate.balancer.core.permit import Permit
from tidegate.balancer.porter import Porter
from tidegate.balancer.recognition import Credentials, Recognition
from tidegate.identity.tokens import new_token, watched_tokens

CALLS, ROUNDS = 20_000, 7
PATH = "/tidegate.v1.Sentiment/Classify"
MESSAGE = b"x" * 100


class Context:
    """A call as gRPC shows it: its metadata, and the certificate of its connection."""

    def __init__(self, token: str, certificate: bytes) -> None:
        self._metadata = (("user-agent", "grpc"), ("authorization", f"Bearer {token}"))
        self._auth = {"x509_pem_cert": [certificate], "peer_uri": [b"spiffe://shop/tickets"]}

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        return self._metadata

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        return self._auth


def cost_us(credentials: Credentials, permit: Permit, context: Context) -> float:
    """The microseconds of one call."""
    porter = Porter(Recognition(Callers({}, {}, permit), credentials), None, print)
    rounds = timeit.repeat(
        lambda: porter.admit(PATH, context, MESSAGE), number=CALLS, repeat=ROUNDS
    )
    return min(rounds) / CALLS * 1e6


def main() -> None:
    """Print the table."""
    token = new_token()
    # Of the size of a certificate; what is in it was read by gRPC.
    certificate = ssl.DER_cert_to_PEM_cert(bytes(700)).encode()
    context = Context(token, certificate)
    bounded = Permit(per_s=1e6, largest_bytes=1000, may_prompt=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokens"
        names = [(f"c{number}", new_token()) for number in range(999)] + [("tickets", token)]
        file.write_text(
            "".join(f"{name} sha256:{sha256(each.encode()).hexdigest()}\n" for name, each in names)
        )
        by_token = Credentials(watched_tokens("tokens", file), None, False, False)
        by_certificate = Credentials(None, None, True, False)
        rows = (
            ("a token, of 1,000", by_token, Permit()),
            ("a token, with rate and largest input", by_token, bounded),
            ("a certificate", by_certificate, Permit()),
        )
        for name, credentials, permit in rows:
            print(f"{name:40} {cost_us(credentials, permit, context):6.1f} us")


if __name__ == "__main__":
    main()
