"""The settings of what one who calls may take: the table [limits] of both programs.

Knows nothing about what holds callers to them.
"""

from pydantic import BaseModel, ConfigDict, Field

_STALL = "Seconds that a call may wait for its own caller: to send its message, to take an answer, or to go on with a stream."
_METADATA = "Bytes that the metadata of one call may have."


class LimitSettings(BaseModel):
    """Bounds of a port, and of every connection and call at it. Frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connections: int = Field(
        512, ge=1, le=100_000, description="Connections that may be open; the next is closed."
    )
    streams: int = Field(
        2_000,
        ge=1,
        le=100_000,
        description="Calls that may be under way on one connection; a client holds back what is beyond.",
    )
    message_bytes: int = Field(
        256 * 1024,
        ge=1024,
        le=1 << 30,
        description="Bytes that one message may have: twice what the longest text takes that a server accepts by default.",
    )
    metadata_bytes: int = Field(16 * 1024, ge=4096, le=1 << 20, description=_METADATA)
    handshake_s: float = Field(
        10.0,
        gt=0,
        le=600,
        description="Seconds in which a connection has to have come about, TLS included.",
    )
    stall_s: float = Field(
        10.0,
        gt=0,
        le=3600,
        description=f"{_STALL} Where others wait for its slot it is a fifth of that.",
    )
    stalled_calls: int = Field(
        128,
        ge=1,
        le=100_000,
        description="Calls that may wait for their callers' messages, or to be rid of their answers; beyond, the one that "
        "has waited longest ends.",
    )
    side_calls: int = Field(
        512,
        ge=1,
        le=100_000,
        description="Calls of health, reflection and the fleet, watches included, that may be under way.",
    )
    keepalive_s: float = Field(
        60.0, ge=1, le=86_400, description="Seconds of silence after which a connection is pinged."
    )
    idle_s: float = Field(
        900.0,
        ge=1,
        le=86_400,
        description="Seconds without a call after which a connection is closed.",
    )
    age_s: float = Field(
        3600.0,
        ge=1,
        le=864_000,
        description="Seconds, a tenth more or less, after which a connection takes no new call and its client makes "
        "another one, by which load spreads over balancers that were added and certificates are looked at again.",
    )
    age_grace_s: float = Field(
        600.0, ge=0, le=86_400, description="Seconds that its calls have to end by then."
    )


class InstanceLimitSettings(LimitSettings):
    """The same behind a balancer, which adds to what callers say and should be the first to tire of them."""

    metadata_bytes: int = Field(32 * 1024, ge=4096, le=1 << 20, description=_METADATA)
    stall_s: float = Field(15.0, gt=0, le=3600, description=_STALL)
