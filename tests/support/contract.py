"""Compares a contract with a later one: what in the later one would a program of the earlier one trip over?"""

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

Parts = tuple[
    dict[str, DescriptorProto], dict[str, EnumDescriptorProto], dict[str, ServiceDescriptorProto]
]


def breaks(before: FileDescriptorSet, after: FileDescriptorSet) -> list[str]:
    """Everything of `before` that is gone or means something else in `after`, a line each."""
    return [*_breaks(_parts(before), _parts(after))]


def _breaks(before: Parts, after: Parts) -> Iterator[str]:
    for name, message in before[0].items():
        if name not in after[0]:
            yield f"{name} is gone"
            continue
        yield from _changed_fields(name, message, after[0][name])
    for name, enum in before[1].items():
        numbers = (
            {each.name: each.number for each in after[1][name].value} if name in after[1] else {}
        )
        for value in enum.value:
            if numbers.get(value.name) != value.number:
                yield f"{name}.{value.name} = {value.number} is gone"
    for name, service in before[2].items():
        methods = {each.name: each for each in after[2][name].method} if name in after[2] else {}
        for method in service.method:
            if methods.get(method.name) != method:
                yield f"{name}/{method.name} is gone or has other messages"


def _changed_fields(name: str, before: DescriptorProto, after: DescriptorProto) -> Iterator[str]:
    fields = {field.number: field for field in after.field}
    for field in before.field:
        now = fields.get(field.number)
        if now is None:
            yield f"{name}.{field.name} = {field.number} is gone"
        elif _meaning(field) != _meaning(now):
            yield f"{name}.{field.name} = {field.number} is another field now: {now.name}"


def _meaning(field: FieldDescriptorProto) -> tuple[object, ...]:
    return field.name, field.type, field.label, field.type_name, field.HasField("oneof_index")


def _parts(files: FileDescriptorSet) -> Parts:
    messages: dict[str, DescriptorProto] = {}
    enums: dict[str, EnumDescriptorProto] = {}
    services: dict[str, ServiceDescriptorProto] = {}

    def collect(prefix: str, message: DescriptorProto) -> None:
        messages[f"{prefix}.{message.name}"] = message
        for inner in message.nested_type:
            collect(f"{prefix}.{message.name}", inner)
        enums.update({f"{prefix}.{message.name}.{each.name}": each for each in message.enum_type})

    for file in files.file:
        for message in file.message_type:
            collect(file.package, message)
        enums.update({f"{file.package}.{each.name}": each for each in file.enum_type})
        services.update({f"{file.package}.{each.name}": each for each in file.service})
    return messages, enums, services
