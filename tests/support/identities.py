"""Certificates and tokens of a made-up mesh, each as files, as programs read them."""

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import grpc
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Options = list[tuple[str, str]]


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files, with the CA that signed it."""

    cert: Path
    key: Path
    ca: Path

    @property
    def fingerprint(self) -> str:
        found = x509.load_pem_x509_certificate(self.cert.read_bytes())
        return found.fingerprint(hashes.SHA256()).hex(":")

    def replace_by(self, other: "Pair") -> None:
        """Put another pair in these files, the certificate first, as an operator would."""
        self.cert.write_bytes(other.cert.read_bytes())
        self.key.write_bytes(other.key.read_bytes())


@dataclass
class Authority:
    """Somebody who signs certificates, and keeps them in a folder."""

    folder: Path
    _ca: trustme.CA = field(default_factory=trustme.CA)
    _made: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self.folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca)

    def issue(self, *names: str, common_name: str = "", lasts: timedelta | None = None) -> Pair:
        """A certificate in these names: URIs, addresses, DNS names. `lasts` below 0: it has expired."""
        lasts = timedelta(days=1) if lasts is None else lasts
        key = ec.generate_private_key(ec.SECP256R1())
        signer = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        issuer = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        now = datetime.now(timezone.utc)
        parts = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else []
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(parts))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + lasts)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                # Python's own TLS asks for it from release 3.13 on.
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),
                critical=False,
            )
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        signed = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
        self._made += 1
        pair = Pair(self.folder / f"{self._made}.pem", self.folder / f"{self._made}.key", self.ca)
        pair.cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair


def _general(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def channel_to(port: int, ca: Path | None, shows: Pair | None = None) -> grpc.aio.Channel:
    """A channel of its own connection, by TLS when there is a `ca`."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    if ca is None:
        return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)
    credentials = grpc.ssl_channel_credentials(
        ca.read_bytes(),
        None if shows is None else shows.key.read_bytes(),
        None if shows is None else shows.cert.read_bytes(),
    )
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options)


def line_of(name: str, token: str, more: str = "") -> str:
    """A line of a file of hashed tokens, written as docs/identity.md says it, not by our own code."""
    return f"{name} sha256:{sha256(token.encode()).hexdigest()} {more}".rstrip() + "\n"
