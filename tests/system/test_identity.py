"""Who may call: the tables of docs/identity.md, asked of a real balancer and a real server over real sockets.

Each cell is a call that shows what its row and column say; the status must be the one in the cell, and nothing may have
reached the engine that wasn't let in.
"""

import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from support.identities import Authority, Pair, channel_to, line_of
from support.instances import PlayedInstance
from support.served import serve
from support.sidecars import front_of
from support.waiting import eventually

from tidegate.balancer.config import BalancerSettings
from tidegate.v1 import sentiment_pb2, sentiment_pb2_grpc

pytestmark = pytest.mark.beside

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = Path(__file__).parents[2] / "docs" / "identity.md"
ASKING = sentiment_pb2.ClassifyRequest(text="好")
COLUMNS = ("right", "wrong", "expired", "revoked")
TOKENS = {
    "right": "right-token",
    "wrong": "wrong-token",
    "expired": "old-token",
    "revoked": "revoked-token",
}

REFUSED = ("UNAUTHENTICATED", "UNAVAILABLE")

Table = dict[tuple[str, str, str], str]


def table_of_page() -> Table:
    """The cells of the page's table, by port, what is shown, and its state."""
    page = PAGE.read_text("utf-8")
    rows = page.partition("<!-- who-may-call -->")[2].partition("<!-- /who-may-call -->")[0]
    found: Table = {}
    for row in rows.strip().splitlines()[2:]:
        port, shows, *cells = (each.strip() for each in row.strip("| ").split("|"))
        assert len(cells) == len(COLUMNS), row
        for column, cell in zip(COLUMNS, cells, strict=True):
            found[port, shows, column] = re.sub(r"`", "", cell)
    return found


def test_the_settings_of_the_page_are_accepted() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    first, second = (tomllib.loads(block) for block in blocks)
    settings = BalancerSettings(**first, **second)
    assert set(settings.callers) == {"tickets", "campaign", "ops"}
    assert not settings.entrance.lets_anonymous_in


@dataclass
class Mesh:
    """Everybody's certificates and tokens."""

    folder: Path

    def __post_init__(self) -> None:
        self.authority = Authority(self.folder / "ours")
        self.stranger = Authority(self.folder / "theirs")
        self.listener = self.authority.issue("127.0.0.1", "tidegate.internal")
        self.certificates: dict[str, Pair] = {
            "right": self.authority.issue("spiffe://shop/tickets", "tickets.shop.internal"),
            "wrong": self.stranger.issue("spiffe://shop/tickets"),
            "expired": self.authority.issue("spiffe://shop/tickets", lasts=timedelta(hours=-1)),
            "revoked": self.authority.issue("spiffe://shop/tickets"),
        }
        self.unlisted = self.authority.issue("spiffe://shop/somebody-else")
        self.tokens = self.folder / "tokens"
        self.revoked = self.folder / "revoked"
        self.revoked.write_text(f"# nobody yet\n{'00' * 32}\n")
        past = "expires=2020-01-31"
        self.kept = line_of("tickets", TOKENS["right"]) + line_of(
            "tickets", TOKENS["expired"], past
        )
        self.tokens.write_text(self.kept + line_of("tickets", TOKENS["revoked"]))

    def revoke(self) -> None:
        self.tokens.write_text(self.kept)
        self.revoked.write_text(
            f"sha256 Fingerprint={self.certificates['revoked'].fingerprint.upper()}\n"
        )

    def settings(self, port: str) -> dict[str, object]:
        """What is said to a program that listens so."""
        listener = {"tls_cert": self.listener.cert, "tls_key": self.listener.key}
        asks = {"tls_client_ca": self.authority.ca, "tls_revoked": self.revoked}
        return {
            "tokens": self.tokens,
            **({} if port == "plaintext" else listener),
            **(asks if port == "mTLS" else {}),
        }


@dataclass
class Party:
    """A program that is called: its port, and how many calls have reached an engine."""

    port: int
    reached: Callable[[], int]


@asynccontextmanager
async def balancer(mesh: Mesh, port: str) -> AsyncIterator[Party]:
    callers = {"tickets": {"certificates": ["spiffe://shop/tickets"]}} if port == "mTLS" else {}
    async with (
        PlayedInstance() as instance,
        front_of([instance], share_equal_calls=False, callers=callers, **mesh.settings(port)) as it,
    ):
        yield Party(it.sidecar.port, lambda: instance.answered)


@asynccontextmanager
async def server(mesh: Mesh, port: str) -> AsyncIterator[Party]:
    names = {"trusted_names": "spiffe://shop/tickets"} if port == "mTLS" else {}
    async with serve(**names, **mesh.settings(port)) as it:
        before = it.engine.load().finished
        yield Party(it.port, lambda: it.engine.load().finished - before)


@dataclass
class Caller:
    """Calls one party, and counts how often it was let in."""

    mesh: Mesh
    party: Party
    port: str
    let_in: int = 0

    async def told(self, row: str, column: str, token: str | None = None) -> str:
        """What a call comes to that shows what a cell says: its status, and the reason where there is one."""
        pair, secret = shown(self.mesh, row, column)
        secret = token or secret
        metadata = () if secret is None else (("authorization", f"Bearer {secret}"),)
        # Who shows a certificate speaks TLS, whatever the port.
        is_plain = self.port == "plaintext" and "certificate" not in row
        ca = None if is_plain else self.mesh.authority.ca
        async with channel_to(self.party.port, ca, pair) as channel:
            try:
                await sentiment_pb2_grpc.SentimentStub(channel).Classify(
                    ASKING, timeout=20, metadata=metadata
                )
            except grpc.aio.AioRpcError as error:
                return " ".join([error.code().name, *reason_of(error)])
        self.let_in += 1
        return "OK"


def reason_of(error: grpc.aio.AioRpcError) -> list[str]:
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is None:
        return []
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(info)
    return [info.reason]


def shown(mesh: Mesh, row: str, column: str) -> tuple[Pair | None, str | None]:
    """The certificate and the token of a cell."""
    match row:
        case "token":
            return None, TOKENS[column]
        case "certificate":
            return mesh.certificates[column], None
        case "token, and a right certificate":
            return mesh.certificates["right"], TOKENS[column]
        case "certificate in another name":
            return mesh.unlisted, None
        case "nothing":
            return None, None
    raise AssertionError(f"a row that no test knows: {row!r}")


@pytest.mark.parametrize("port", ["plaintext", "TLS", "mTLS"])
@pytest.mark.parametrize("party", [balancer, server])
async def test_each_cell_of_the_table_is_what_is_told(tmp_path, party, port):
    mesh = Mesh(tmp_path)
    cells = {key: cell for key, cell in table_of_page().items() if key[0] == port and cell != "-"}
    assert cells
    async with party(mesh, port) as it:
        caller = Caller(mesh, it, port)
        takes = [row for row in ("token", "certificate") if cells[port, row, "right"] == "OK"]
        # What is revoked was good a moment before, in the same program.
        for row in takes:
            assert await caller.told(row, "revoked") == "OK"
        mesh.revoke()
        for row in takes:
            await until_refused(caller, row)

        found = {key: await caller.told(*key[1:]) for key in cells}

        assert found == cells
        assert (await caller.told("token", "right", "guessed")).split()[0] in REFUSED
        assert (await caller.told("nothing", "right")).split()[0] in REFUSED
        await eventually(lambda: it.reached() == caller.let_in)


async def until_refused(caller: Caller, row: str) -> None:
    for _ in range(1000):
        if await caller.told(row, "revoked") != "OK":
            return
    raise AssertionError("what was revoked goes on to be good")
