"""Frees what grpc.aio forgets of an operation that its task doesn't wait for any more.

An operation is handed to gRPC's core as an array of C, which core copies at once and grpc.aio frees when the operation is over; if
the task that waits for it is cancelled before, the array stays for ever (https://github.com/grpc/grpc/issues/43360): 80 bytes, of which a
flood of calls that are ended makes a gigabyte in an hour or two. Looks at gRPC's own object only where it is laid out as it is known to
be, and at nothing otherwise. Knows nothing about why a task is cancelled.
"""

import asyncio
import ctypes
import gc
import sys
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

_FORGETFUL = range(80, 86)
"""Minor versions of gRPC 1 that forget it; what comes later is taken to be mended."""
_BATCH = "execute_batch"
"""The coroutine that waits for an operation, in grpc/_cython/_cygrpc/aio/callback_common.pyx.pxi."""
_TAG_BYTES, _ARRAY_AT, _COUNT_AT, _OPERATION_BYTES = 64, 48, 56, 80
"""How a `_BatchOperationTag` and an operation are laid out, on machines of 64 bits."""

_tag_type: Any = getattr(cygrpc, "_BatchOperationTag", None)
_major, _minor = (int(part) for part in grpc.__version__.split(".")[:2])
_is_known = (
    sys.platform == "linux"
    and (_major, _minor in _FORGETFUL) == (1, True)
    and getattr(_tag_type, "__basicsize__", 0) == _TAG_BYTES
    and ctypes.sizeof(ctypes.c_void_p) == 8
)
_free: Any = ctypes.CDLL(None).free if _is_known else None


def free_operation(task: "asyncio.Task[Any]") -> bool:
    """Free the array of the operation that `task` waits for, which is about to be cancelled. Returns whether there was one."""
    tag = _tag_of(task) if _is_known else None
    if tag is None:
        return False
    operations = tag._operations
    array = ctypes.c_void_p.from_address(id(tag) + _ARRAY_AT)
    count = ctypes.c_size_t.from_address(id(tag) + _COUNT_AT).value
    if not array.value or not operations or count != len(operations):
        return False
    kinds = [
        ctypes.c_int.from_address(array.value + number * _OPERATION_BYTES).value
        for number in range(count)
    ]
    if kinds != [operation.type() for operation in operations]:
        return False
    address, array.value = array.value, None
    _free(ctypes.c_void_p(address))
    return True


def _tag_of(task: "asyncio.Task[Any]") -> Any:
    """The tag of the operation that a task waits for; None when it waits for something else."""
    waiting: Any = task.get_coro()
    while (deeper := getattr(waiting, "cr_await", None)) is not None:
        if getattr(waiting, "__name__", "") == _BATCH:
            break
        waiting = deeper
    if getattr(waiting, "__name__", "") != _BATCH:
        return None
    for scope in gc.get_referents(waiting):
        for each in gc.get_referents(scope) if "scope" in type(scope).__name__ else ():
            if type(each) is _tag_type:
                return each
    return None
