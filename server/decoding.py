"""Reads a message from its bytes, and tells which field is wrong when that fails.

gRPC would turn a string that is not UTF-8 into INTERNAL; here it is the caller's mistake and
names the field. Knows nothing of what the fields mean.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from tidegate.server.refusal import RefusedError, Violation, refuse_fields

_Read = TypeVar("_Read", bound=Message)

_LENGTH_DELIMITED = 2


def decode(kind: type[_Read], data: bytes) -> _Read:
    """Return the message of type `kind` in `data`.

    Raises RefusedError (INVALID_ARGUMENT) naming the first field that is not UTF-8, or saying
    that the bytes are no such message.
    """
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        name = kind.DESCRIPTOR.name
        wrong = next(_not_utf8(kind.DESCRIPTOR, data, ""), None)
        if wrong is None:
            wrong = Violation(name, f"{len(data)} bytes that are not a {kind.DESCRIPTOR.full_name}")
        raise RefusedError(refuse_fields([wrong])) from None
    return message


def find_string(kind: type[Message], field: str, data: bytes) -> str:
    """Return the string field `field` of bytes that could not be read, or "" if it is lost too."""
    number = kind.DESCRIPTOR.fields_by_name[field].number
    found = ""
    for one in _raw_fields(data):
        if one.field_number == number and isinstance(one.data, bytes):
            found = one.data.decode("utf-8", errors="replace")
    return found


def _not_utf8(descriptor: Any, data: bytes, path: str) -> Iterator[Violation]:
    counts: dict[int, int] = {}
    for one in _raw_fields(data):
        field = descriptor.fields_by_number.get(one.field_number)
        if field is None or one.wire_type != _LENGTH_DELIMITED:
            continue
        index = counts[field.number] = counts.get(field.number, -1) + 1
        name = f"{path}{field.name}" + (f"[{index}]" if field.is_repeated else "")
        if field.type == FieldDescriptor.TYPE_STRING:
            yield from _check_utf8(name, one.data)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from _not_utf8(field.message_type, one.data, f"{name}.")


def _check_utf8(name: str, content: bytes) -> Iterator[Violation]:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} (0x{content[error.start]:02x}) is not UTF-8"
        yield Violation(name, f"{problem}; UTF-8 text is accepted")


def _raw_fields(data: bytes) -> Iterable[Any]:
    raw = Empty()
    try:
        raw.ParseFromString(data)
    except DecodeError:
        raw.Clear()
    # Iterable over its fields, which its type stub leaves out.
    fields: Any = UnknownFieldSet(raw)
    return fields  # type: ignore[no-any-return]
