import asyncio
import contextlib

import grpc
import pytest
from support.waiting import eventually

from tidegate.balancer.channels import Channels, open_channel

PATH = "/tidegate.v1.Chat/Reply"


async def test_a_method_of_an_instance_is_made_once_and_goes_with_the_instance():
    channels = Channels()
    stays, goes = channels.unary("127.0.0.1:1", PATH), channels.unary("127.0.0.1:2", PATH)
    assert (channels.unary("127.0.0.1:1", PATH), channels.unary("127.0.0.1:2", PATH)) == (
        stays,
        goes,
    )
    channels.retain({"127.0.0.1:1"})
    assert channels.unary("127.0.0.1:1", PATH) is stays
    # Over a new channel: the old one is closing.
    assert channels.unary("127.0.0.1:2", PATH) is not goes
    await channels.close()


class Instance(grpc.GenericRpcHandler):
    """Answers with as much as it was sent, compressed; never, when that is nothing."""

    def __init__(self) -> None:
        self.left_s: float | None = None
        self.has_ended = asyncio.Event()

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request, context):
        if not request:
            self.left_s = context.time_remaining()
            with contextlib.closing(self):
                await asyncio.Event().wait()
        context.set_compression(grpc.Compression.Gzip)
        return bytes(len(request))

    def close(self) -> None:
        self.has_ended.set()


async def test_an_instance_hears_of_deadlines_and_may_answer_at_length_and_compressed():
    instance = Instance()
    server = grpc.aio.server(handlers=[instance], options=[("grpc.max_receive_message_length", -1)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        answer = channel.unary_unary(PATH)
        assert await answer(b"x" * 5_000_000) == bytes(5_000_000)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await answer(b"", timeout=0.2)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert instance.left_s == pytest.approx(0.2, abs=0.1)
        # Its end comes to the instance too.
        await asyncio.wait_for(instance.has_ended.wait(), 5)
    await server.stop(None)


async def test_a_call_under_way_ends_well_although_its_instance_has_left_the_list():
    instance, channels = Instance(), Channels()
    server = grpc.aio.server(handlers=[instance])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    calling = asyncio.ensure_future(channels.unary(address, PATH)(b"", (), 0.5))
    await eventually(lambda: instance.left_s is not None)
    channels.retain(())
    # Its own deadline ends it, and not the channel that closes.
    assert (await calling).code is grpc.StatusCode.DEADLINE_EXCEEDED
    await channels.close()
    await server.stop(None)
