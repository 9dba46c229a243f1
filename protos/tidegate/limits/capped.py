"""Lets so many calls of a gRPC server's methods be under way and refuses the others.

For methods that hold no slot and may last for ever. Knows nothing about what they do.
"""

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from tidegate.identity.around import Around, Handler
from tidegate.identity.denial import Denial
from tidegate.identity.door import deny
from tidegate.identity.why import Why

_AGAIN_S = 5.0


class Capped(Around):
    """The methods of `inner`. `cap` may be shared by several."""

    def __init__(self, inner: grpc.GenericRpcHandler, cap: "Cap") -> None:
        super().__init__(inner, self._counted)
        self._cap = cap

    def _counted(self, path: str, handler: Handler, method: Any) -> Any:
        cap = self._cap

        async def call(message: Any, context: Any) -> Any:
            if cap.refuses():
                await deny(context, cap.denial)
            with cap:
                return await method(message, context)

        async def iterate(message: Any, context: Any) -> AsyncIterator[Any]:
            if cap.refuses():
                await deny(context, cap.denial)
            with cap:
                async for answer in method(message, context):
                    yield answer

        return iterate if inspect.isasyncgenfunction(method) else call


class Cap:
    """How many calls are under way, and how many may be. `on_refused` is told of each that may not."""

    def __init__(self, most: int, on_refused: Callable[[], None] = lambda: None) -> None:
        self._most = most
        self._on_refused = on_refused
        self._under_way = 0
        self.denial = Denial(
            Why.TOO_MANY_WATCH,
            f"{most} calls of health, reflection and the fleet are under way, and more may not be (limits.side_calls)",
            _AGAIN_S,
        )

    def refuses(self) -> bool:
        """Whether one more would be one too many."""
        if self._under_way < self._most:
            return False
        self._on_refused()
        return True

    def __enter__(self) -> None:
        self._under_way += 1

    def __exit__(self, *_: object) -> None:
        self._under_way -= 1
