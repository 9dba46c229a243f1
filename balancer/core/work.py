"""Says how much work a call is, in units of a usual call of its lane.

What it brings costs a forward pass over it; what it will write isn't known, so that it counts as usual.
Knows nothing about seconds.
"""

from tidegate.balancer.core.call import Call

BYTES_PER_UNIT = 2048
"""About 700 Chinese characters: their forward pass costs about as much as a short reply."""
MOST_BYTES = 65_536
"""Beyond this the server has cut the text anyway."""
HEAVY = 3.0
"""Three times what a usual call is: from 4 KB on, about 1,400 Chinese characters."""


def work_of(call: Call) -> float:
    """The work of the call: 1 for an empty message, more the longer it is."""
    return 1.0 + min(max(call.size_bytes, 0), MOST_BYTES) / BYTES_PER_UNIT


def is_heavy(call: Call) -> bool:
    """Whether the call may hold its slot for much longer than a usual one. How much a stream will bring isn't known."""
    return call.is_stream or work_of(call) >= HEAVY
