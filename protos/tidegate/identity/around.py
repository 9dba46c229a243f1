"""Puts something around every method of a gRPC server, whatever its shape.

Knows nothing about what that does.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import grpc

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_MOST_KEPT = 256


class Around(grpc.GenericRpcHandler):
    """The methods of `inner`, each with `wrap` of path, handler and method in place of the method."""

    def __init__(
        self, inner: grpc.GenericRpcHandler, wrap: Callable[[str, Handler, Any], Any]
    ) -> None:
        self._inner = inner
        self._wrap = wrap
        self._kept: dict[str, tuple[Handler, Handler]] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The handler of a method that `inner` has."""
        path = handler_call_details.method
        handler = self._inner.service(handler_call_details)
        if handler is None:
            return None
        kept = self._kept.get(path)
        if kept is not None and kept[0] is handler:
            return kept[1]
        wrapped = reshaped(handler, lambda method: self._wrap(path, handler, method))
        # Callers can make up names of methods without end.
        if kept is not None or len(self._kept) < _MOST_KEPT:
            self._kept[path] = handler, wrapped
        return wrapped


def reshaped(
    handler: Handler, wrap: Callable[[Any], Any], read: Callable[[bytes], Any] | None = None
) -> Handler:
    """The same handler with `wrap` of its method, and with `read` in place of what reads its messages."""
    codec = read or handler.request_deserializer, handler.response_serializer
    match handler.request_streaming, handler.response_streaming:
        case False, False:
            return grpc.unary_unary_rpc_method_handler(wrap(handler.unary_unary), *codec)
        case False, True:
            return grpc.unary_stream_rpc_method_handler(wrap(handler.unary_stream), *codec)
        case True, False:
            return grpc.stream_unary_rpc_method_handler(wrap(handler.stream_unary), *codec)
        case _:
            return grpc.stream_stream_rpc_method_handler(wrap(handler.stream_stream), *codec)
