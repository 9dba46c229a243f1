"""What the proxy sees of a call that was let in: the caller's own name in place of what it said, and no secret of its.

Knows nothing about how the caller was told.
"""

from typing import Any

from tidegate.balancer.metadata import Metadata


class Admitted:
    """The context of a call, with `metadata` as what its caller has said. All else is gRPC's own."""

    __slots__ = ("_context", "_metadata")

    def __init__(self, context: Any, metadata: Metadata) -> None:
        self._context = context
        self._metadata = metadata

    def invocation_metadata(self) -> Metadata:
        """What the caller said, as it is to be taken."""
        return self._metadata

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)
