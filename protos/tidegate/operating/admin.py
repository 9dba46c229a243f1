"""Serves what gRPC knows of its own channels, servers and sockets: channelz, on a port of loopback that is off by default.

It tells who is connected and how many calls each connection had, and takes no orders. Knows nothing about calls.
"""

import grpc

from tidegate.identity.door import Collected
from tidegate.limits.legible import Legible

OPTIONS = (("grpc.so_reuseport", 0),)


class Admin:
    """The gRPC server of channelz."""

    def __init__(self) -> None:
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port. Raises ImportError without the package, RuntimeError where the port is taken."""
        # A package that nobody needs who doesn't ask.
        from grpc_channelz.v1 import channelz, channelz_pb2_grpc
        from grpc_reflection.v1alpha import reflection

        collected = Collected()
        channelz_pb2_grpc.add_ChannelzServicer_to_server(channelz.aio.ChannelzServicer(), collected)
        handlers = [Legible(each) for each in collected.handlers]
        self._server = grpc.aio.server(handlers=handlers, options=OPTIONS)
        names = ["grpc.channelz.v1.Channelz", reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        bound = self._server.add_insecure_port(f"{host}:{port}")
        await self._server.start()
        return bound

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            await self._server.stop(None)
