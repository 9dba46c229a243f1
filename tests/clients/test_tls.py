"""TLS and tokens, against a real TLS server that asks for the client's certificate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from support.scripted_service import Service, running_service
from support.shell import Shell

from tidegate.balancer.config import BalancerSettings
from tidegate.clients import AsyncClient, Client, Tls, Unavailable
from tidegate.clients.commands.connection import Security
from tidegate.clients.connection import Connection

NAME = "tidegate.test"
TOKEN = "a secret"


@dataclass(frozen=True)
class Pems:
    """PEM files of whoever may sign, and of a client that they signed."""

    ca: Path
    cert: Path
    key: Path

    @property
    def options(self) -> tuple[str, ...]:
        files = ("--tls-ca", str(self.ca), "--tls-cert", str(self.cert), "--tls-key", str(self.key))
        return (*files, "--tls-server-name", NAME)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pems(authority: trustme.CA, tmp_path: Path) -> Pems:
    found = Pems(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")
    client = authority.issue_cert("client@tidegate.test")
    authority.cert_pem.write_to_path(found.ca)
    client.cert_chain_pems[0].write_to_path(found.cert)
    client.private_key_pem.write_to_path(found.key)
    return found


@pytest_asyncio.fixture
async def secure(authority: trustme.CA) -> AsyncIterator[Service]:
    ours = authority.issue_cert(NAME)
    credentials = grpc.ssl_server_credentials(
        [(ours.private_key_pem.bytes(), ours.cert_chain_pems[0].bytes())],
        root_certificates=authority.cert_pem.bytes(),
        require_client_auth=True,
    )
    async with running_service(credentials) as service:
        yield service


async def test_both_clients_speak_tls_and_carry_their_token(secure: Service, pems: Pems) -> None:
    tls = Tls(pems.ca, str(pems.cert), pems.key.read_bytes(), server_name=NAME)
    async with AsyncClient(secure.address, tls=tls, token=TOKEN) as client:
        assert (await client.classify("好")).label == "正面"
        async for _ in client.stream_reply("好"):
            pass
    with Client(secure.address, tls=tls, token=TOKEN) as blocking:
        assert (await asyncio.to_thread(blocking.classify, "好")).label == "正面"
    assert [seen.metadata["authorization"] for seen in secure.seen] == [f"Bearer {TOKEN}"] * 3


@pytest.mark.parametrize("lacking", ["certificate", "name", "tls"])
async def test_who_is_not_trusted_is_not_called(secure: Service, pems: Pems, lacking: str) -> None:
    tls = {
        "certificate": Tls(pems.ca, server_name=NAME),
        "name": Tls(pems.ca, pems.cert, pems.key, server_name="elsewhere.test"),
        "tls": None,
    }[lacking]
    async with AsyncClient(secure.address, tls=tls, attempts=1, timeout_s=5) as client:
        with pytest.raises(Unavailable):
            await client.classify("好")
    assert secure.seen == []


async def test_commands_take_it_from_options_or_the_environment(
    secure: Service, pems: Pems
) -> None:
    shell = Shell(secure.address, {"TIDEGATE_TOKEN": TOKEN})
    done = await shell.run(*pems.options, "classify", "好")
    assert (done.exit_code, done.stdout) == (0, "正面  0.98\n"), done.stderr
    assert secure.seen[0].metadata["authorization"] == f"Bearer {TOKEN}"
    loaded = await shell.run(*pems.options, "load", "--rate", "20", "--duration", "1", "--json")
    assert loaded.exit_code == 0, loaded.stderr
    assert '"failed": 0' in loaded.stdout
    assert secure.seen[-1].metadata["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "token: it would travel unencrypted to tidegate.test:1"),
        (("--tls-cert", "x"), "cert and key belong together, and key is missing"),
        (("--tls-ca", "/none.pem"), "No such file or directory: '/none.pem'"),
    ],
)
async def test_what_does_not_fit_together_is_one_line(options: tuple[str, ...], said: str) -> None:
    shell = Shell(f"{NAME}:1", {"TIDEGATE_TOKEN": TOKEN, "COLUMNS": "200"})
    done = await shell.run(*options, "status")
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("token", ["", " x", "a\nb", "客"])
def test_a_token_that_cannot_be_sent_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="token: only printable ASCII"):
        Client("localhost:1", token=token)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tls-server-name", "elsewhere.test"), "--tls-server-name must be a name in it"),
        (("--tls-ca", "theirs.pem"), "signed by nobody whom --tls-ca names"),
    ],
)
async def test_a_balancer_that_is_not_trusted_is_told_with_what_to_do(
    secure: Service, pems: Pems, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "theirs.pem")
    given = [str(tmp_path / each) if each.endswith(".pem") else each for each in options]
    shell = Shell(secure.address)
    done = await shell.run(*pems.options, *given, "classify", "好", "--timeout", "5")
    assert done.exit_code == 4
    assert f"{secure.address} is not trusted" in done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("kind", [Client, AsyncClient])
async def test_a_client_shows_a_new_certificate_without_dropping_a_call(
    secure: Service, authority: trustme.CA, pems: Pems, kind: type[Client] | type[AsyncClient]
) -> None:
    tls = Tls(pems.ca, pems.cert, pems.key, server_name=NAME)
    client = kind(secure.address, tls=tls)
    opened: set[int] = set()

    async def classified() -> int:
        answer = client.classify("好") if kind is AsyncClient else None
        label = await answer if answer else await asyncio.to_thread(client.classify, "好")
        assert label.label == "正面"
        opened.add(id(client._opened))
        return len(opened)

    try:
        for number in range(1, 3):
            assert await until(classified, number)
            new = authority.issue_cert(f"client-{number}@tidegate.test")
            # Half of the pair, for a while.
            new.cert_chain_pems[0].write_to_path(pems.cert)
            for _ in range(3):
                assert await classified() == number
            new.private_key_pem.write_to_path(pems.key)
        await until(classified, 3)
    finally:
        closed = client.close()
        if closed is not None:
            await closed


async def until(count: Callable[[], Awaitable[int]], number: int) -> bool:
    for _ in range(2000):
        if await count() == number:
            return True
    raise AssertionError(f"never {number}")


def test_a_secret_is_no_part_of_what_a_repr_shows(pems: Pems) -> None:
    tls = Tls(pems.ca, pems.cert.read_bytes(), pems.key.read_bytes())
    connection = Connection("localhost:1", 1.0, 1, tls, TOKEN, None)
    said = [
        connection,
        connection.terms(None),
        connection.endless_terms(None),
        Security(tls, TOKEN),
    ]
    said += [Client("localhost:1", token=TOKEN), AsyncClient("localhost:1", token=TOKEN)]
    shown = repr([*said, BalancerSettings(consul_token=TOKEN)])
    assert TOKEN not in shown
    assert "PRIVATE" not in shown


async def test_health_is_asked_for_over_tls(authority: trustme.CA, pems: Pems) -> None:
    ours = authority.issue_cert(NAME)
    server = grpc.aio.server()
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    pair = (ours.private_key_pem.bytes(), ours.cert_chain_pems[0].bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    try:
        shell = Shell("unused:1")
        address = f"127.0.0.1:{port}"
        assert (await shell.run(*pems.options, "health", address)).stdout == "SERVING\n"
        assert (await shell.run("health", address)).exit_code == 1
        missing = await shell.run("--tls-ca", "/none.pem", "health", address)
        assert (missing.exit_code, "No such file" in missing.stderr) == (2, True)
    finally:
        await server.stop(None)
