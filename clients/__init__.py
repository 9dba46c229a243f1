"""The client library of Tidegate: two clients, the values they give, the errors they raise.

async with AsyncClient("localhost:50051") as client:
    print((await client.classify("今天的实验终于成功了，太棒了！")).label)
"""

from tidegate.clients.answers import (
    Classification,
    ClassifiedItem,
    DegradedEnd,
    DegradedReply,
    Delta,
    End,
    FinishReason,
    LabelScore,
    Reply,
    Usage,
    Warming,
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
from tidegate.clients.options import ChatOptions, ClassifyOptions, JudgeOptions, StreamOptions
from tidegate.clients.profiles import ProfileInfo, ProfileKind
from tidegate.clients.service_config import SERVICE_CONFIG
from tidegate.clients.tls import Tls

__all__ = [
    "SERVICE_CONFIG",
    "AsyncClient",
    "ChatOptions",
    "Classification",
    "ClassifiedItem",
    "ClassifyOptions",
    "Client",
    "DeadlineExceeded",
    "DegradedEnd",
    "DegradedReply",
    "Delta",
    "End",
    "FieldViolation",
    "FinishReason",
    "FleetStatus",
    "InstanceStatus",
    "InvalidInput",
    "Item",
    "JudgeOptions",
    "LabelScore",
    "LaneCounts",
    "LaneLoad",
    "LaneStatus",
    "Overloaded",
    "Phase",
    "ProfileInfo",
    "ProfileKind",
    "Reply",
    "Role",
    "Sampling",
    "ScaleDecision",
    "ScaleStatus",
    "ServerFailure",
    "Speaker",
    "StreamOptions",
    "TidegateError",
    "Tls",
    "Turn",
    "Unavailable",
    "Usage",
    "Warming",
]
