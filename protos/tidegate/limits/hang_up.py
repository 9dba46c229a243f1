"""Ends a call from the server's side, which grpc.aio has no word for: it leaves a caller who says nothing in peace for ever.

A call is two tasks there. The outer one hears when the caller leaves; the inner one runs the method. The outer one holds the
call: when both are gone gRPC resets the stream and forgets it. Nothing leads from the inner task to the outer one, so that it is
noted when it is made. Knows nothing about why a call is ended.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tidegate.limits.forgotten import free_operation

_INNER = "_handle_exceptions"
"""The coroutine of the inner task, in grpc/_cython/_cygrpc/aio/server.pyx.pxi; the outer one makes it."""


class CallTask(asyncio.Task[Any]):
    """The inner task of a call."""

    made_by: asyncio.Task[Any] | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        """As any task; gRPC does so too, when a caller leaves."""
        free_operation(self)
        return super().cancel(msg)


def make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    """As a loop makes tasks: for `loop.set_task_factory`."""
    if getattr(coroutine, "__name__", "") != _INNER:
        return asyncio.Task(coroutine, loop=loop, **options)
    task = CallTask(coroutine, loop=loop, **options)
    task.made_by = asyncio.current_task(loop)
    return task


def hang_up(inner: asyncio.Task[Any]) -> None:
    """End the call whose inner task this is, whatever it is doing; its method sees a caller that has left.

    The caller sees its stream cancelled, at the latest when the next call comes in.
    """
    inner.cancel()
    if isinstance(inner, CallTask) and inner.made_by is not None:
        free_operation(inner.made_by)
        inner.made_by.cancel()
        inner.made_by = None
