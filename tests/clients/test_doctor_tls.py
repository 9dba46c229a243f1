"""`tidegate doctor` where certificates and tokens are asked for: what is wrong with them, with a real balancer and Consul."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.consul import GuardedConsulAgent, find_consul
from support.identities import Authority, Pair, line_of
from support.instances import PlayedInstance
from support.programs import free_port
from support.shell import Shell
from support.sidecars import front_of

from tidegate.clients.doctor import certificate, credentials
from tidegate.clients.doctor.finding import Finding, Verdict
from tidegate.clients.doctor.reach import judge_token
from tidegate.identity.pems import PemFiles

NOW = datetime.now(timezone.utc)
OK, WARNING, PROBLEM = Verdict.OK, Verdict.WARNING, Verdict.PROBLEM
TOKEN = "tidegate_a-token-of-the-shop"
READS = 'service_prefix "" { policy = "read" }\nnode_prefix "" { policy = "read" }'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("others"))


def of(pair: Pair, prefix: str = "port") -> PemFiles:
    pair.key.chmod(0o600)
    return PemFiles(prefix, pair.cert, pair.key, pair.ca, "client_ca")


def seen_in(findings: list[Finding]) -> list[tuple[Verdict, str]]:
    return [(each.verdict, each.seen) for each in findings if each.verdict is not OK]


def test_a_pair_that_is_good_needs_nothing_whoever_shows_it(authority: Authority) -> None:
    pair = authority.issue("balancer.shop", "10.0.0.7", "::1", lasts=timedelta(days=90))
    for host in ("balancer.shop", "BALANCER.shop", "10.0.0.7", "[::1]", None):
        assert seen_in(credentials.judge_listening(of(pair), host, NOW)) == []
    assert seen_in(credentials.judge_calling(of(pair), NOW)) == []


@pytest.mark.parametrize(
    ("lasts", "verdict", "said"),
    [
        (timedelta(days=-1), PROBLEM, "expired on "),
        (timedelta(days=13), WARNING, "in 12 days"),
        (timedelta(days=15), OK, "until "),
    ],
)
def test_who_expires_is_told_from_two_weeks_before(
    authority: Authority, lasts: timedelta, verdict: Verdict, said: str
) -> None:
    pair = authority.issue("a.shop", lasts=lasts)
    for found in (
        credentials.judge_listening(of(pair), "a.shop", NOW)[0],
        credentials.judge_calling(of(pair), NOW)[0],
    ):
        assert found.verdict is verdict
        assert said in found.seen


def test_a_certificate_of_tomorrow_is_a_problem_today(authority: Authority) -> None:
    pair = authority.issue("a.shop")
    early = NOW - timedelta(days=3)
    found = credentials.judge_listening(of(pair), None, early)[0]
    assert (found.verdict, found.seen[:11]) == (PROBLEM, "counts from")
    assert "clock" in found.advice


@pytest.mark.parametrize(
    ("host", "names", "is_so"),
    [
        ("a.shop", ("a.shop",), True),
        ("A.Shop.", ("a.shop",), True),
        ("b.shop", ("a.shop",), False),
        ("a.shop", ("*.shop",), True),
        ("a.b.shop", ("*.shop",), False),
        ("shop", ("*.shop",), False),
        ("10.0.0.1", ("10.0.0.1",), True),
        ("10.0.0.1", ("a.shop", "10.0.0.2"), False),
        ("::1", ("0:0:0:0:0:0:0:1",), True),
        ("a.shop", (), False),
    ],
)
def test_a_name_is_in_a_certificate_as_tls_has_it(
    host: str, names: tuple[str, ...], is_so: bool
) -> None:
    assert certificate.fits(host, names) is is_so


def test_a_certificate_in_another_name_names_its_own(authority: Authority) -> None:
    found = credentials.judge_listening(of(authority.issue("a.shop", "b.shop")), "c.shop", NOW)[0]
    assert (found.verdict, found.seen) == (PROBLEM, "is for a.shop, b.shop, and not for c.shop")
    assert "subjectAltName" in found.advice


def test_files_that_are_of_no_use_are_named_with_what_to_do(
    authority: Authority, tmp_path: Path
) -> None:
    one, two = authority.issue("a.shop"), authority.issue("a.shop")
    for judge in (
        lambda files: credentials.judge_listening(files, None, NOW),
        lambda files: credentials.judge_calling(files, NOW),
    ):
        (mixed,) = judge(PemFiles("port", one.cert, two.key))
        assert mixed.verdict is PROBLEM
        assert "is not the key of the certificate" in mixed.seen
        assert mixed.advice == "give the pair that belongs together"
        (gone,) = judge(PemFiles("port", tmp_path / "gone", one.key))
        assert "can't be read" in gone.seen
        assert "check the path" in gone.advice
    signed = PemFiles("port", one.cert, one.key, one.cert, "client_ca")
    assert (PROBLEM, "holds no certificate that may sign others") in seen_in(
        credentials.judge_listening(signed, None, NOW)
    )


def test_secrets_that_everybody_can_read_are_warned_of(
    authority: Authority, tmp_path: Path
) -> None:
    pair = authority.issue("a.shop", lasts=timedelta(days=30))
    files = of(pair)
    pair.key.chmod(0o644)
    tokens, secret = tmp_path / "tokens", tmp_path / "secret"
    tokens.write_text(line_of("shop", TOKEN))
    secret.write_text(TOKEN)
    tokens.chmod(0o644)
    secret.chmod(0o644)
    told = [
        *credentials.judge_listening(files, None, NOW),
        *credentials.judge_tokens(tokens, NOW),
        *credentials.judge_secret("consul_token_file", secret)[1],
    ]
    open_to_all = [each for each in told if each.verdict is WARNING]
    assert [each.advice for each in open_to_all] == [
        f"chmod o-r {path}" for path in (pair.key, tokens, secret)
    ]
    for path in (pair.key, tokens, secret):
        path.chmod(0o600)
    assert seen_in(credentials.judge_listening(files, None, NOW)) == []
    assert seen_in(credentials.judge_tokens(tokens, NOW)) == []
    assert credentials.judge_secret("consul_token_file", secret) == (TOKEN, [])


@pytest.mark.parametrize(
    ("text", "verdict", "said"),
    [
        (line_of("shop", TOKEN), OK, "1 of 1 callers"),
        (line_of("shop", TOKEN, "expires=2020-01-01"), WARNING, "expired: shop"),
        ("# nothing yet\n", WARNING, "holds none"),
        (f"shop {TOKEN}\n", PROBLEM, "line 1 holds no hash"),
    ],
)
def test_a_file_of_tokens_is_judged_and_never_quoted(
    tmp_path: Path, text: str, verdict: Verdict, said: str
) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    file.chmod(0o600)
    (found,) = credentials.judge_tokens(file, NOW)
    assert found.verdict is verdict
    assert said in found.seen
    assert TOKEN not in str(found)
    assert bool(found.advice) is (verdict is not OK)


async def looked(*options: str, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """The findings by their names."""
    command = (*options, "doctor", "--model", "simulated", "--json", *more)
    done = await Shell("").run(*command)
    return {each["name"]: each for each in json.loads(done.stdout)["findings"]}


async def test_a_balancer_behind_tls_is_reached_and_judged_by_what_it_shows_and_asks_for(
    authority: Authority, other: Authority, tmp_path: Path
) -> None:
    mine = authority.issue("localhost", lasts=timedelta(days=5))
    tokens = tmp_path / "tokens"
    tokens.write_text(line_of("shop", TOKEN))
    tokens.chmod(0o600)
    secured = {"tls_cert": mine.cert, "tls_key": mine.key, "tls_client_ca": mine.ca}
    async with (
        PlayedInstance() as instance,
        front_of([instance], **secured, tokens=tokens) as it,
    ):
        address, nobody = f"localhost:{it.sidecar.port}", f"localhost:{free_port()}"
        at = ("--consul", "off", "--address", address, "--server", nobody)
        shows = ("--tls-cert", str(mine.cert), "--tls-key", str(mine.key))
        trusts = ("--tls-ca", str(mine.ca))
        port, token = f"balancer at {address}", f"token at balancer {address}"

        good = await looked(*trusts, *shows, "--token", TOKEN, more=at)
        assert good[port]["verdict"] == "ok"
        assert good["certificate of balancer"]["seen"].endswith("in 4 days")
        assert good[token]["seen"] == "is known; it may not look at the fleet"

        wrong = await looked(*trusts, *shows, "--token", "tidegate_wrong", more=at)
        assert wrong[token]["verdict"] == "problem"
        assert "tidegate token new" in wrong[token]["advice"]
        assert "tidegate_wrong" not in str(wrong)

        plain = await looked(more=at)
        assert plain[port]["seen"] == "speaks TLS, and is called in plaintext"
        assert "--tls-ca" in plain[port]["advice"]

        bare = await looked(*trusts, more=at)
        assert bare[port]["verdict"] == "problem"
        assert "--tls-cert" in bare[port]["advice"]

        distrusting = await looked("--tls-ca", str(other.ca), *shows, more=at)
        assert distrusting["certificate of balancer"]["seen"].startswith("is not trusted")

        misnamed = await looked(*trusts, *shows, "--tls-server-name", "b.shop", more=at)
        assert misnamed["certificate of balancer"]["seen"] == "is for localhost, and not for b.shop"


@pytest.fixture(scope="module")
def guarded(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GuardedConsulAgent]:
    agent = GuardedConsulAgent(
        find_consul(), authority.issue("127.0.0.1"), tmp_path_factory.mktemp("consul")
    )
    try:
        agent.start()
        yield agent
    finally:
        agent.stop()


@pytest.mark.consul
async def test_consul_is_asked_by_https_and_with_a_token_that_its_acl_knows(
    guarded: GuardedConsulAgent, authority: Authority, other: Authority, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(guarded.token_for(READS))
    secret.chmod(0o600)
    nobody = f"127.0.0.1:{free_port()}"
    at = ("--address", nobody, "--server", nobody, "--consul", guarded.url)
    trusts, shows = ("--consul-ca", str(authority.ca)), ("--consul-token-file", str(secret))

    good = await looked(more=(*at, *trusts, *shows))
    assert (good["consul"]["verdict"], good["clock"]["verdict"]) == ("ok", "ok")
    assert good["instances"]["verdict"] == "note"
    distrusting = await looked(more=(*at, "--consul-ca", str(other.ca), *shows))
    assert "--consul-ca" in distrusting["consul"]["advice"]
    refused = await looked(more=(*at, *trusts, "--consul-token", "no-such-token"))
    assert "--consul-token-file" in refused["consul"]["advice"]


async def test_options_that_do_not_fit_together_are_named() -> None:
    for options, said in (
        (("--port-key", "k"), "--port-key: k needs --port-cert"),
        (("--port-cert", "c"), "port_cert: c is of no use without its other half"),
        (("--consul-ca", "c"), "consul_ca: c is for https://"),
    ):
        done = await Shell("").run("doctor", "--model", "simulated", *options)
        assert (done.exit_code, done.stdout) == (2, "")
        assert said in done.stderr


def test_a_token_is_judged_by_what_became_of_its_call() -> None:
    for code, verdict in (
        (grpc.StatusCode.OK, OK),
        (grpc.StatusCode.PERMISSION_DENIED, OK),
        (grpc.StatusCode.UNAUTHENTICATED, PROBLEM),
        (grpc.StatusCode.UNAVAILABLE, Verdict.NOTE),
    ):
        assert judge_token("balancer", "a:1", code, "words").verdict is verdict
