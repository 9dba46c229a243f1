"""The client library of Tidegate: two clients, the values they give, the errors they raise.

async with AsyncClient("localhost:50051") as client:
    print((await client.classify("今天的实验终于成功了，太棒了！")).label)
"""

from tidegate.clients.answers import (
    Classification,
    ClassifiedItem,
    Delta,
    End,
    FinishReason,
    LabelScore,
    Reply,
    Usage,
)
from tidegate.clients.async_client import AsyncClient
from tidegate.clients.client import Client
from tidegate.clients.errors import (
    DeadlineExceeded,
    FieldViolation,
    InvalidInput,
    Overloaded,
    ServerFailure,
    TidegateError,
    Unavailable,
)
from tidegate.clients.fleet import (
    FleetStatus,
    InstanceStatus,
    LaneCounts,
    LaneLoad,
    LaneStatus,
    Phase,
    Role,
    ScaleDecision,
    ScaleStatus,
)
from tidegate.clients.inputs import Item, Sampling, Speaker, Turn

__all__ = [
    "AsyncClient",
    "Classification",
    "ClassifiedItem",
    "Client",
    "DeadlineExceeded",
    "Delta",
    "End",
    "FieldViolation",
    "FinishReason",
    "FleetStatus",
    "InstanceStatus",
    "InvalidInput",
    "Item",
    "LabelScore",
    "LaneCounts",
    "LaneLoad",
    "LaneStatus",
    "Overloaded",
    "Phase",
    "Reply",
    "Role",
    "Sampling",
    "ScaleDecision",
    "ScaleStatus",
    "ServerFailure",
    "Speaker",
    "TidegateError",
    "Turn",
    "Unavailable",
    "Usage",
]
