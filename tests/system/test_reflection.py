"""A client that knows nothing but the address: what grpcurl does, on plain grpc."""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from support.service import Service


def ask(channel: grpc.Channel, request: ServerReflectionRequest) -> Any:
    return next(ServerReflectionStub(channel).ServerReflectionInfo(iter([request])))


def method(channel: grpc.Channel, service: str, name: str) -> Callable[[dict[str, Any]], Any]:
    """Build a unary call from what reflection says of it."""
    found = ask(channel, ServerReflectionRequest(file_containing_symbol=service))
    pool = DescriptorPool()
    for serialized in reversed(found.file_descriptor_response.file_descriptor_proto):
        pool.Add(FileDescriptorProto.FromString(serialized))
    described = pool.FindServiceByName(service).FindMethodByName(name)
    call = channel.unary_unary(
        f"/{service}/{name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(described.output_type).FromString,
    )
    message_class = GetMessageClass(described.input_type)
    return lambda fields: json_format.MessageToDict(
        call(json_format.ParseDict(fields, message_class()), timeout=60)
    )


def test_services_are_listed_and_called_with_no_generated_code(service: Service) -> None:
    with grpc.insecure_channel(service.address) as channel:
        listed = ask(channel, ServerReflectionRequest(list_services="*"))
        classify = method(channel, "tidegate.v1.Sentiment", "Classify")
        status = method(channel, "tidegate.v1.Fleet", "GetStatus")

        names = {one.name for one in listed.list_services_response.service}
        assert {
            "grpc.health.v1.Health",
            "tidegate.v1.Chat",
            "tidegate.v1.Fleet",
            "tidegate.v1.Sentiment",
        } <= names
        assert classify({"text": "今天的实验终于成功了，太棒了！"})["label"] == "正面"
        assert status({})["instances"][0]["phase"] == "PHASE_HOT"
