"""Keeps out of the log what gRPC writes there of its own accord: it quotes peers as they are, new lines and escapes included.

A connection that says goodbye may give a reason of any bytes, and could so write lines as if they were ours. What gRPC takes for
errors stays: that is in its own words. Knows nothing about our own lines.
"""

import os

VARIABLE = "GRPC_VERBOSITY"
"""Of gRPC's, read when that is imported."""
ERRORS_ALONE = "ERROR"


def quote_no_peers() -> None:
    """To be called before gRPC is imported; children inherit it. Who sets the variable has the last word."""
    os.environ.setdefault(VARIABLE, ERRORS_ALONE)
