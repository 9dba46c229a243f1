"""Tries the port that the balancer is to listen on, and keeps it for several processes to listen on together.

Knows nothing about gRPC, which says only that it failed, and logs lines of its own.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


class PortError(Exception):
    """Nobody can listen there. The message is one line for the person who asked for it."""


def bracketed(host: str) -> str:
    """The host as it stands before `:PORT`."""
    return f"[{host}]" if ":" in host else host


def try_port(host: str, port: int) -> None:
    """Bind and let go. Raises `PortError`, also when others share the port among themselves."""
    with _bound(host, port):
        pass


@contextmanager
def shared_port(host: str, port: int) -> Iterator[int]:
    """Keep the port for the length of a block, in which processes of this user may share it.

    Gives the port, picked by the system for 0. Nobody listens on it by this alone. Raises `PortError`.
    """
    # Systems without it have no several workers either.
    option = getattr(socket, "SO_REUSEPORT", None)
    if option is None:
        raise PortError(f"can't share {bracketed(host)}:{port}: this system has no SO_REUSEPORT")
    try_port(host, port)
    with _bound(host, port, option) as kept:
        yield kept.getsockname()[1]


@contextmanager
def _bound(host: str, port: int, *options: int) -> Iterator[socket.socket]:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _problem(host, port, error) from None
    with bound:
        for option in (socket.SO_REUSEADDR, *options):
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            bound.bind(where)
        except OSError as error:
            raise _problem(host, port, error) from None
        yield bound


def _problem(host: str, port: int, error: OSError) -> PortError:
    return PortError(f"can't listen on {bracketed(host)}:{port}: {error.strerror or error}")
