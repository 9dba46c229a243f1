"""Writes the load report that rides on the trailers of an answer, as meshes read it.

The bytes are those of xds.data.orca.v3.OrcaLoadReport, of which three fields are used. They are written
by hand, because the package with the generated message brings hundreds of others and registers names
that clash with those of other packages. Knows nothing of how load comes about.
"""

import struct
from collections.abc import Mapping

from tidegate.server.recent import Lately

KEY = "endpoint-load-metrics-bin"
KEY_FOR_BALANCERS = "tidegate-load-bin"
"""The same once more: gRPC reads the other key itself and hides it from whoever forwards the call."""

# Field numbers and wire types of the message, as tags: number << 3 | type.
_RPS_FRACTIONAL = 6 << 3 | 1
_NAMED_METRICS = 8 << 3 | 2
_APPLICATION_UTILIZATION = 9 << 3 | 1
_ENTRY_KEY = 1 << 3 | 2
_ENTRY_VALUE = 2 << 3 | 1

_SHORT = 128
"""Lengths below this take one byte."""


def load_report(utilization: Mapping[str, float], lately: Lately) -> bytes:
    """Return the report of how full each lane is, 0 to 1, and of how the whole was lately.

    Meshes divide the calls a second by the utilization to weigh instances. Names are ASCII and shorter than
    100 characters.
    """
    entries = [_named_metric(name, value) for name, value in utilization.items()]
    return (
        _double(_RPS_FRACTIONAL, lately.calls_a_second)
        + b"".join(entries)
        + _double(_APPLICATION_UTILIZATION, lately.utilization)
    )


def _named_metric(name: str, value: float) -> bytes:
    key = name.encode("ascii")
    entry = bytes((_ENTRY_KEY, len(key))) + key + _double(_ENTRY_VALUE, value)
    if len(entry) >= _SHORT:
        raise ValueError(f"{name!r} has {len(key)} characters; fewer than 100 are accepted")
    return bytes((_NAMED_METRICS, len(entry))) + entry


def _double(tag: int, value: float) -> bytes:
    return bytes((tag,)) + struct.pack("<d", value)
