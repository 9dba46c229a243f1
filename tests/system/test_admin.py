"""What gRPC knows of itself, on a port of loopback, of both programs."""

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from support.instances import PlayedInstance
from support.programs import free_port, running
from support.sidecars import front_of

from tidegate.balancer.config import BalancerSettings
from tidegate.server.config import ServerSettings
from tidegate.v1 import sentiment_pb2

pytestmark = pytest.mark.beside


async def test_channelz_knows_the_calls_of_a_balancer_and_the_channels_to_its_instances():
    async with (
        PlayedInstance() as instance,
        front_of([instance], admin_listen="127.0.0.1:0") as it,
    ):
        await it.sentiment.Classify(sentiment_pb2.ClassifyRequest(text="good"))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{it.sidecar.admin_port}") as channel:
            stub = channelz_pb2_grpc.ChannelzStub(channel)
            servers = await stub.GetServers(channelz_pb2.GetServersRequest())
            channels = await stub.GetTopChannels(channelz_pb2.GetTopChannelsRequest())

    listening = {each.name for server in servers.server for each in server.listen_socket}
    assert any(str(it.sidecar.port) in name for name in listening) or listening
    assert max(server.data.calls_succeeded for server in servers.server) >= 1
    assert instance.address in {each.data.target.rpartition("/")[2] for each in channels.channel}


def test_a_server_has_it_too(tmp_path):
    port = free_port()
    command = ["tidegate-server", "--model", "simulated", "--consul", "off", "--port", "0"]
    with running([*command, "--admin-listen", f"127.0.0.1:{port}"], tmp_path / "log") as program:
        program.wait_for("channelz served")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = channelz_pb2_grpc.ChannelzStub(channel)
            found = stub.GetServers(channelz_pb2.GetServersRequest(), timeout=10)
        assert len(found.server) == 2


@pytest.mark.parametrize("settings", [BalancerSettings, ServerSettings])
@pytest.mark.parametrize("value", ["0.0.0.0:1", "10.0.0.1:1", "example.org:1", "127.0.0.1", "9466"])
def test_it_is_never_open_to_others(settings, value: str):
    with pytest.raises(ValueError, match="loopback"):
        settings(admin_listen=value)
