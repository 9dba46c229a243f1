"""Any two parts may be one release apart: what the last one knew is still there, and what it doesn't know passes."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.unknown_fields import UnknownFieldSet
from support.contract import breaks
from support.instances import PlayedInstance
from support.served import serve
from support.sidecars import front_of

from tidegate.balancer.core.call import Lane
from tidegate.balancer.registration import read_registration
from tidegate.clients import AsyncClient
from tidegate.server.lane import Lane as ServerLane
from tidegate.server.lane import Phase, Role
from tidegate.server.registration import Instance
from tidegate.v1 import sentiment_pb2

pytestmark = pytest.mark.beside

ROOT = Path(__file__).resolve().parents[2]
RELEASES = sorted((ROOT / "protos" / "released").glob("*.binpb"))
FUTURE = b"\xc2\x3e\x06future"
"""Field 1000 of a message, with the text "future": what a younger release may send."""
TAGS = ["role=both", "phase=hot", "sentiment-slots=16", "chat-slots=8", "degraded-slots=2"]
"""Those that release 0.1.0 registers, and reads."""


def today() -> FileDescriptorSet:
    script = ROOT / "scripts" / "freeze_contract.py"
    spec = importlib.util.spec_from_file_location("freeze_contract", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return FileDescriptorSet.FromString(module.contract().SerializeToString())


@pytest.mark.parametrize("release", RELEASES, ids=lambda each: each.stem)
def test_nothing_that_a_release_knows_is_gone_today(release: Path):
    assert breaks(FileDescriptorSet.FromString(release.read_bytes()), today()) == []


def _drop_a_field(files: FileDescriptorSet) -> None:
    del message_of(files, "ClassifyRequest").field[0]


def _renumber_a_field(files: FileDescriptorSet) -> None:
    message_of(files, "ClassifyRequest").field[0].number = 77


def _retype_a_field(files: FileDescriptorSet) -> None:
    field = message_of(files, "ClassifyRequest").field[0]
    field.type = field.TYPE_BYTES


def _drop_a_message(files: FileDescriptorSet) -> None:
    message_of(files, "ClassifyRequest").name = "Other"


def _drop_a_method(files: FileDescriptorSet) -> None:
    del next(file.service[0] for file in files.file if file.service).method[0]


def _drop_a_value(files: FileDescriptorSet) -> None:
    del next(file.enum_type[0] for file in files.file if file.enum_type).value[1]


@pytest.mark.parametrize(
    "spoil",
    [
        _drop_a_field,
        _renumber_a_field,
        _retype_a_field,
        _drop_a_message,
        _drop_a_method,
        _drop_a_value,
    ],
)
def test_what_would_break_a_program_of_the_last_release_is_noticed(
    spoil: Callable[[FileDescriptorSet], None],
):
    later = today()
    spoil(later)
    assert breaks(today(), later)


def message_of(files: FileDescriptorSet, name: str):
    return next(each for file in files.file for each in file.message_type if each.name == name)


def test_there_is_a_release_to_compare_with():
    assert RELEASES


async def test_fields_of_a_younger_release_pass_through_the_balancer_both_ways():
    """Through a method that the balancer has never heard of, too."""
    async with PlayedInstance() as instance, front_of([instance]) as it:
        sent = sentiment_pb2.ClassifyRequest(text="good").SerializeToString() + FUTURE
        call = it.channel.stream_stream("/tidegate.v1.Chat/Translate")(iter([sent]))
        assert [each async for each in call] == [sent]


async def test_a_server_answers_a_caller_who_knows_more_than_it_does():
    async with serve() as served:
        sent = sentiment_pb2.ClassifyRequest(text="很好").SerializeToString() + FUTURE
        answer = await served.channel.unary_unary("/tidegate.v1.Sentiment/Classify")(sent)
        assert sentiment_pb2.ClassifyResponse.FromString(answer).label


async def test_a_client_understands_a_server_that_says_more_than_it_knows():
    async def classify(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        known = sentiment_pb2.ClassifyResponse(label="good", confidence=0.9)
        return known.SerializeToString() + FUTURE

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(classify)
    service = grpc.method_handlers_generic_handler("tidegate.v1.Sentiment", {"Classify": handler})
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with AsyncClient(f"127.0.0.1:{port}") as client:
            assert (await client.classify("text")).label == "good"
    finally:
        await server.stop(None)


def test_a_message_that_is_read_and_written_again_keeps_what_it_does_not_know():
    known = sentiment_pb2.ClassifyResponse(label="good").SerializeToString()
    read = sentiment_pb2.ClassifyResponse.FromString(known + FUTURE)
    assert len(UnknownFieldSet(read)) == 1
    assert read.SerializeToString() == known + FUTURE


def test_a_registration_of_the_last_release_is_read_today_and_todays_has_all_its_tags():
    def node(tags: list[str]) -> dict[str, object]:
        service = {"ID": "i", "Address": "h", "Port": 1, "Tags": tags}
        return {"Service": service, "Checks": [{"Status": "passing"}]}

    old = read_registration(node([*TAGS, "model=m", "version=0.1.0"]))
    assert old.slots == {Lane.SENTIMENT: 16, Lane.CHAT: 8, Lane.DEGRADED: 2}
    slots = {ServerLane.SENTIMENT: 16, ServerLane.CHAT: 8, ServerLane.DEGRADED: 2}
    now = Instance("tidegate", "h", 1, Role.BOTH, slots, "m", "9.9").tags(Phase.HOT)
    assert set(TAGS) <= set(now)
    # A tag that nobody knows yet is no reason to leave an instance out.
    assert read_registration(node([*now, "colour=blue"])).slots == old.slots


def test_the_retry_policy_of_clients_is_what_it_was():
    from tidegate.clients.service_config import SERVICE_CONFIG

    (method,) = json.loads(SERVICE_CONFIG)["methodConfig"]
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
