"""Has gRPC wait for its sockets on the thread that hands events to the loop.

Its event engine puts a pool of threads between the two: 17 switches from thread to thread for a call where 10 do,
and a seventh more of a core for it. Knows nothing about calls.
"""

import os

VARIABLE = "GRPC_EXPERIMENTS"
"""Of gRPC's, read when that is imported; a name that a release doesn't know is a line in its log."""
WITHOUT_EVENT_ENGINE = "-event_engine_client,-event_engine_listener"


def poll_directly() -> None:
    """To be called before gRPC is imported; children inherit it. Who sets the variable has the last word."""
    os.environ.setdefault(VARIABLE, WITHOUT_EVENT_ENGINE)
