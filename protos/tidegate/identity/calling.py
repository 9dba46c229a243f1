"""Secures the calls of a program to others: whose signature it trusts, which name it expects, what it shows of itself.

The files are read anew when they change; gRPC's credentials can't be, so that whoever keeps channels asks for `version`
and opens new ones when it has changed. Knows nothing about what is called.
"""

from pathlib import Path

import grpc

from tidegate.identity.pems import PemFiles, Pems
from tidegate.identity.problem import IdentityError
from tidegate.identity.watched import Watched

Options = tuple[tuple[str, str], ...]


class CallingTls:
    """TLS towards others. `name` is expected in their certificate in place of the address that is called.

    Without `ca` those may sign whom gRPC trusts. Raises IdentityError for what can't be used.
    """

    def __init__(
        self,
        ca: Path | None,
        cert: Path | None,
        key: Path | None,
        name: str = "",
        prefix: str = "tls",
    ) -> None:
        if "://" in name:
            raise IdentityError(
                f"{prefix}_name: {name!r} is a URI, and gRPC compares a DNS name or an address with the "
                "certificate that it is shown; give a DNS name that stands beside it there"
            )
        self._pems: Watched[Pems] = PemFiles(prefix, cert, key, ca).watched()
        self._name = name

    def __repr__(self) -> str:
        return f"<CallingTls {self._name or 'by address'} {self._pems!r}>"

    @property
    def version(self) -> int:
        """Changes when the files do; channels that were opened before go on with what they have."""
        _ = self._pems.value
        return self._pems.version

    @property
    def options(self) -> Options:
        """What a channel needs beside its credentials."""
        return (("grpc.ssl_target_name_override", self._name),) if self._name else ()

    def credentials(self) -> grpc.ChannelCredentials:
        """For a channel that is opened now."""
        pems = self._pems.value
        return grpc.ssl_channel_credentials(pems.ca, pems.key, pems.chain)
