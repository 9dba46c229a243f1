"""Keeps out of the log what gRPC writes there of its own accord: callers decide when, how often, and partly what.

It quotes peers as they are, new lines and escapes included: the reason of a connection's goodbye, the name that is asked for in a
handshake. Other lines come once for each call that is made so, without end. What it has to say to us comes as statuses. Knows nothing
about our own lines.
"""

import os

VARIABLE = "GRPC_VERBOSITY"
"""Of gRPC's, read when that is imported."""
NOTHING = "NONE"


def quote_no_peers() -> None:
    """To be called before gRPC is imported; children inherit it. Who sets the variable has the last word."""
    os.environ.setdefault(VARIABLE, NOTHING)
