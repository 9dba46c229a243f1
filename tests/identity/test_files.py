"""What is wrong with the files of TLS is one line that names the setting, the file and what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from support.identities import Authority

from tidegate.identity.bearer import bearer_in, watched_secret
from tidegate.identity.calling import CallingTls
from tidegate.identity.distrust import distrust
from tidegate.identity.entrance import PORT_NEEDS, Entrance, consul_problems, lacking
from tidegate.identity.exposure import is_loopback
from tidegate.identity.listening import ListeningTls
from tidegate.identity.peer import peer_of
from tidegate.identity.problem import IdentityError
from tidegate.identity.revoked import read_revoked


def _locked(authority: Authority) -> object:
    pair = authority.issue("a.test")
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    return ListeningTls(pair.cert, pair.key, None)


def _nonsense(authority: Authority) -> object:
    pair = authority.issue("a.test")
    pair.cert.write_text("nonsense")
    return ListeningTls(pair.cert, pair.key, None)


WRONG: dict[str, Callable[[Authority], object]] = {
    "tls_cert: .* is of no use without its other half; give tls_key as well": lambda by: (
        ListeningTls(by.issue("a.test").cert, None, None)
    ),
    "tls_key: .* is not the key of the certificate .*; give the pair": lambda by: ListeningTls(
        by.issue("a.test").cert, by.issue("a.test").key, None
    ),
    "tls_key: .* asks for a password; give a key without one": _locked,
    "tls_cert: .* can't be used .*; a PEM certificate, the chain": _nonsense,
    "tls_cert: /none/x can't be read: No such file": lambda by: ListeningTls(
        Path("/none/x"), by.issue("a.test").key, None
    ),
    "tls_client_ca: /none/ca can't be read: No such file": lambda by: ListeningTls(
        (pair := by.issue("a.test")).cert, pair.key, Path("/none/ca")
    ),
    "tls_client_ca: .* holds no certificate; a PEM file": lambda by: ListeningTls(
        (pair := by.issue("a.test")).cert, pair.key, pair.key
    ),
    "instance_tls_ca: .* holds no certificate": lambda by: CallingTls(
        by.issue("a.test").key, None, None, "", "instance_tls"
    ),
    "instance_tls_key: .* is of no use .*; give instance_tls_cert": lambda by: CallingTls(
        by.ca, None, by.issue("a.test").key, "", "instance_tls"
    ),
    "instance_tls_name: 'spiffe://x' is a URI, .*; give a DNS name": lambda by: CallingTls(
        by.ca, None, None, "spiffe://x", "instance_tls"
    ),
}


@pytest.mark.parametrize("said", WRONG)
def test_files_that_cannot_be_used_are_one_line(tmp_path: Path, said: str) -> None:
    with pytest.raises(IdentityError, match=f"^{said}") as caught:
        WRONG[said](Authority(tmp_path))
    assert "\n" not in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


def test_secrets_are_not_part_of_what_is_shown(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("a.test")
    tls = ListeningTls(pair.cert, pair.key, pair.ca)
    calling = CallingTls(pair.ca, pair.cert, pair.key)
    shown = repr(tls) + repr(calling) + repr(tls._pems.value) + repr(calling._pems.value)
    assert "PRIVATE" not in shown
    assert "CERTIFICATE" not in shown


def test_a_secret_is_all_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" s3cret \n")
    assert watched_secret("own", file).value == "s3cret"
    for text in ("", "two s3crets", "s3cret\ns3cret", "s3crét"):
        file.write_text(text)
        with pytest.raises(IdentityError, match=r"^own: .* holds no token; one line") as caught:
            watched_secret("own", file)
        assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (None, None),
        ("", None),
        ("Bearer x", "x"),
        ("bearer  x ", "x"),
        (b"Bearer x", "x"),
        ("Basic x", ""),
        ("x", ""),
    ],
)
def test_a_bearer_token_is_read_and_another_scheme_is_a_wrong_one(value, token) -> None:
    assert bearer_in(value) == token


def test_a_list_of_revoked_certificates_is_read_as_openssl_prints_it(tmp_path: Path) -> None:
    hexes, colons = "ab" * 32, ":".join(["CD"] * 32)
    text = f"# lost in March\n\n{hexes} # the laptop\nsha256 Fingerprint={colons}\n"
    assert read_revoked("tls_revoked", text) == {hexes, "cd" * 32}
    with pytest.raises(IdentityError, match=r"^tls_revoked: line 2 is no SHA-256 fingerprint"):
        read_revoked("tls_revoked", "#\nabc")


def test_a_peer_is_its_uri_then_its_dns_names_and_its_common_name_only_without_them(
    tmp_path: Path,
) -> None:
    pair = Authority(tmp_path).issue("a.test")
    pem = {"x509_pem_cert": [pair.cert.read_bytes()], "x509_common_name": [b"cn"]}
    alike = {"x509_subject_alternative_name": [b"a.test", b"spiffe://a"]}
    found = peer_of({**pem, **alike, "peer_dns": [b"a.test"], "peer_uri": [b"spiffe://a"]})
    assert found is not None
    assert (found.names, found.name) == (("spiffe://a", "a.test"), "spiffe://a")
    assert found.fingerprint == pair.fingerprint.replace(":", "")
    bare = peer_of(pem)
    assert bare is not None
    assert bare.names == ("cn",)
    other = peer_of({**pem, "x509_subject_alternative_name": [b"10.0.0.1"]})
    assert other is not None
    assert (other.names, other.name) == ((), found.fingerprint)
    many = peer_of({**pem, "peer_dns": [b"x" * 150, b"y" * 150]})
    assert many is not None
    assert (len(many.shown), many.shown[-1]) == (201, "…")
    assert peer_of({"transport_security_type": [b"ssl"]}) is None


@pytest.mark.parametrize(
    ("host", "is_so"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_only_what_is_surely_loopback_lets_everybody_in_unasked(host: str, is_so: bool) -> None:
    assert is_loopback(host) is is_so
    somewhere = Path("somewhere")
    assert Entrance(host, None, None, anonymous=True).lets_anonymous_in
    assert Entrance(host, somewhere, somewhere, anonymous=True).lets_anonymous_in
    assert not Entrance(host, somewhere, None, anonymous=False).lets_anonymous_in
    assert not Entrance(host, None, somewhere, anonymous=False).lets_anonymous_in
    nothing_said = Entrance(host, None, None, anonymous=False)
    if is_so:
        assert nothing_said.lets_anonymous_in
        assert not list(nothing_said.problems())
    else:
        with pytest.raises(IdentityError, match=r"^host: .* give tokens or tls_client_ca, or"):
            nothing_said.lets_anonymous_in  # noqa: B018


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, []),
        ({"tls_cert": "c"}, []),
        ({"tls_cert": "c", "tls_key": "k", "tls_client_ca": "a", "tls_revoked": "r"}, []),
        ({"tls_key": "k"}, ["tls_key: k needs tls_cert"]),
        ({"tls_cert": "c", "tls_revoked": "r"}, ["tls_revoked: r needs tls_client_ca"]),
        (
            {"tls_key": "k", "tls_client_ca": "a"},
            ["tls_key: k needs tls_cert", "tls_client_ca: a needs tls_cert"],
        ),
    ],
)
def test_each_setting_that_is_of_no_use_alone_is_named_with_what_it_needs(given, said) -> None:
    all_of_them = dict.fromkeys(("tls_cert", "tls_key", "tls_client_ca", "tls_revoked"))
    assert list(lacking({**all_of_them, **given}, PORT_NEEDS)) == said


def test_who_signs_consuls_certificate_is_asked_for_with_https_alone() -> None:
    ca = Path("ca")
    assert list(consul_problems("http://c:1", None)) == []
    assert list(consul_problems("https://c:1", ca)) == []
    assert list(consul_problems("http://c:1", ca)) == [
        "consul_ca: ca is for https://, and consul is http://c:1"
    ]


def test_what_is_no_want_of_trust_is_not_taken_for_one() -> None:
    assert distrust("Connection refused", "a:1", "ca", "name") is None
