"""TLS to callers and to instances: files that change, and names that don't match."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from support.consul import free_ports
from support.identities import Authority, Pair, channel_to
from support.instances import PlayedInstance
from support.sidecars import Front, front, front_of
from support.waiting import eventually

from tidegate.identity.listening import ListeningTls
from tidegate.v1 import chat_pb2, chat_pb2_grpc, sentiment_pb2, sentiment_pb2_grpc

GOOD = sentiment_pb2.ClassifyRequest(text="good")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


def listens(pair: Pair) -> dict[str, object]:
    return {"tls_cert": pair.cert, "tls_key": pair.key}


async def code_of(port: int, ca: Path, shows: Pair | None = None) -> grpc.StatusCode:
    """What a call comes to, over a connection of its own."""
    async with channel_to(port, ca, shows) as channel:
        try:
            await sentiment_pb2_grpc.SentimentStub(channel).Classify(GOOD, timeout=20)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def comes_to(code: grpc.StatusCode, port: int, ca: Path, shows: Pair | None = None) -> None:
    for _ in range(1000):
        if await code_of(port, ca, shows) is code:
            return
    raise AssertionError(f"never {code}")


async def test_a_new_certificate_is_shown_and_no_call_is_dropped(authority, tmp_path):
    pair, other = authority.issue("127.0.0.1"), Authority(tmp_path / "other")
    async with PlayedInstance() as instance, front_of([instance], **listens(pair)) as it:
        port = it.sidecar.port
        async with channel_to(port, authority.ca) as old:
            stream = chat_pb2_grpc.ChatStub(old).StreamReply(
                chat_pb2.StreamReplyRequest(text="one two")
            )
            instance.hold()
            assert (await stream.read()).delta == "one"
            pair.replace_by(other.issue("127.0.0.1"))
            await comes_to(grpc.StatusCode.UNAVAILABLE, port, authority.ca)
            instance.release()
            await comes_to(grpc.StatusCode.OK, port, other.ca)
            assert (await stream.read()).delta == "two"
            # The connection of before goes on with what it was made with.
            await sentiment_pb2_grpc.SentimentStub(old).Classify(GOOD)


async def test_half_of_a_new_pair_changes_nothing(authority, capsys):
    pair, new = authority.issue("127.0.0.1"), authority.issue("127.0.0.1")
    async with PlayedInstance() as instance, front_of([instance], **listens(pair)) as it:
        pair.cert.write_bytes(new.cert.read_bytes())
        said = ""
        while "changed file not taken" not in said:
            assert await code_of(it.sidecar.port, authority.ca) is grpc.StatusCode.OK
            said += capsys.readouterr().out
        assert "is not the key of the certificate" in said
        pair.key.write_bytes(new.key.read_bytes())
        while "changed file taken" not in said:
            assert await code_of(it.sidecar.port, authority.ca) is grpc.StatusCode.OK
            said += capsys.readouterr().out


async def test_callers_of_a_new_ca_come_in_and_those_of_the_old_no_more(authority, tmp_path):
    pair, other = authority.issue("127.0.0.1"), Authority(tmp_path / "other")
    accepted = tmp_path / "accepted.pem"
    accepted.write_bytes(authority.ca.read_bytes())
    ours, theirs = authority.issue("spiffe://a"), other.issue("spiffe://a")
    settings = {**listens(pair), "tls_client_ca": accepted}
    async with PlayedInstance() as instance, front_of([instance], **settings) as it:
        port = it.sidecar.port
        assert await code_of(port, authority.ca, ours) is grpc.StatusCode.OK
        assert await code_of(port, authority.ca, theirs) is grpc.StatusCode.UNAVAILABLE
        accepted.write_bytes(other.ca.read_bytes())
        await comes_to(grpc.StatusCode.OK, port, authority.ca, theirs)
        assert await code_of(port, authority.ca, ours) is grpc.StatusCode.UNAVAILABLE


# Instances


@asynccontextmanager
async def secure_instance(
    authority: Authority, *names: str, asks: bool = True
) -> AsyncIterator[PlayedInstance]:
    pair = authority.issue(*names)
    tls = ListeningTls(pair.cert, pair.key, authority.ca if asks else None)
    async with PlayedInstance(credentials=tls.credentials()) as it:
        yield it


def calls(authority: Authority, shows: Pair | None = None, name: str = "") -> dict[str, object]:
    said: dict[str, object] = {"instance_tls_ca": authority.ca, "instance_tls_name": name}
    if shows is not None:
        said |= {"instance_tls_cert": shows.cert, "instance_tls_key": shows.key}
    return said


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("127.0.0.1",), ""),
        (("spiffe://fleet/instance", "instance.fleet.internal"), "instance.fleet.internal"),
        (("*.fleet.internal",), "one.fleet.internal"),
    ],
)
async def test_an_instance_whose_certificate_has_the_name_is_called(authority, names, expected):
    shows = authority.issue("spiffe://fleet/balancer")
    said = calls(authority, shows, expected)
    async with secure_instance(authority, *names) as instance, front_of([instance], **said) as it:
        await it.sentiment.Classify(GOOD)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("name", "in another name; instance_tls_name must be a name in it"),
        ("signer", "signed by nobody whom instance_tls_ca names; add who signed it"),
        ("plaintext", "speaks no TLS; give it a certificate, or take instance_tls_ca away"),
    ],
)
async def test_an_instance_that_is_not_trusted_gets_no_call_and_the_log_says_what_to_do(
    authority, tmp_path, capsys, case, said
):
    stranger = Authority(tmp_path / "theirs")
    made = {
        "name": lambda: secure_instance(authority, "10.9.8.7", asks=False),
        "signer": lambda: secure_instance(stranger, "127.0.0.1", asks=False),
        "plaintext": PlayedInstance,
    }[case]
    async with made() as instance:
        heard = ""

        def is_said() -> bool:
            nonlocal heard
            heard += capsys.readouterr().out
            return said in heard

        async with front(instances=instance.address, **calls(authority)) as it:
            await eventually(is_said)
            assert f"{instance.address} is not trusted: " in heard
            assert not it.sidecar.pool.instances
            assert instance.seen == []


async def test_a_new_certificate_is_shown_to_instances_and_no_call_is_dropped(authority):
    shows = authority.issue("spiffe://fleet/old")
    async with secure_instance(authority, "127.0.0.1") as instance:
        peers: list[str] = []

        def note(context) -> None:
            peers.append(context.auth_context()["peer_uri"][0].decode())

        instance.on_call = note
        async with front_of([instance], **calls(authority, shows)) as it:
            await it.sentiment.Classify(GOOD)
            instance.hold()
            running = it.chat.Reply(chat_pb2.ReplyRequest(text="hello"))
            await eventually(lambda: instance.in_flight == 1)
            shows.replace_by(authority.issue("spiffe://fleet/new"))
            instance.hold()
            asked = await asks_until(it, instance, peers, "spiffe://fleet/new")
            instance.release()
            assert (await running).text == "hello"
            assert asked
            assert peers[:2] == ["spiffe://fleet/old", "spiffe://fleet/old"]
            await it.at_rest()


async def asks_until(it: Front, instance: PlayedInstance, peers: list[str], name: str) -> bool:
    """Call until an instance sees another name in the balancer's certificate; none of the calls fails."""
    for number in range(400):
        request = sentiment_pb2.ClassifyRequest(text=f"good {number}")
        call = it.sentiment.Classify(request)
        seen = len(peers)
        await eventually(lambda seen=seen: len(peers) > seen)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await eventually(lambda: instance.in_flight == 1)
        if peers[-1] == name:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_token_over_plaintext_is_warned_of(tmp_path, capsys):
    tokens = tmp_path / "tokens"
    tokens.write_text("")
    (port,) = free_ports(1)
    async with front(instances=f"127.0.0.1:{port}", tokens=tokens):
        pass
    assert "tokens travel unencrypted" in capsys.readouterr().out
