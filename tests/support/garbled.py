"""Messages as nobody should send them, made from what the contract itself says of its messages, so that none is forgotten.

Every one follows from a number. Knows nothing about who reads them.
"""

import importlib
import pkgutil
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import tidegate.v1

WORDS = ("", "好", "user", "assistant", "sentiment", "chat", "评论", "x" * 300, "\0", "a\nb", " ")
NUMBERS = (0, 1, 2, 3, 64, 2**31 - 1, 2**32 - 1)
FLOATS = (0.0, 1.0, 0.5, -1.0, 2.5, float("nan"), float("inf"), 1e300)
DEPTH = 3
NESTED = 300


@dataclass(frozen=True)
class Method:
    """A method of the contract."""

    path: str
    said: Descriptor
    answered: Descriptor
    takes_many: bool
    gives_many: bool


def methods() -> list[Method]:
    """All methods of all services of the contract."""
    found = []
    for module in pkgutil.iter_modules(tidegate.v1.__path__):
        if module.name.endswith("_pb2"):
            services = importlib.import_module(f"tidegate.v1.{module.name}").DESCRIPTOR
            for service in services.services_by_name.values():
                found += [_method(service.full_name, each) for each in service.methods]
    return sorted(found, key=lambda method: method.path)


def _method(service: str, it: MethodDescriptor) -> Method:
    many = it.client_streaming, it.server_streaming
    return Method(f"/{service}/{it.name}", it.input_type, it.output_type, *many)


def valid(kind: Descriptor, chance: random.Random, depth: int = DEPTH) -> Message:
    """A message with anything in it that its type allows."""
    message = GetMessageClass(kind)()
    for each in kind.fields:
        if chance.random() < 0.3:
            continue
        if each.is_repeated:
            _fill(message, each, chance, depth)
        elif each.type == FieldDescriptor.TYPE_MESSAGE:
            if depth:
                getattr(message, each.name).CopyFrom(valid(each.message_type, chance, depth - 1))
        else:
            setattr(message, each.name, _value(each, chance))
    return message


def _fill(message: Message, it: FieldDescriptor, chance: random.Random, depth: int) -> None:
    values: Any = getattr(message, it.name)
    for _ in range(chance.randrange(4)):
        if it.type != FieldDescriptor.TYPE_MESSAGE:
            values.append(_value(it, chance))
        elif it.message_type.GetOptions().map_entry:
            values[chance.choice(WORDS)] = chance.choice(NUMBERS)
        elif depth:
            values.add().CopyFrom(valid(it.message_type, chance, depth - 1))


def _value(it: FieldDescriptor, chance: random.Random) -> Any:
    match it.type:
        case FieldDescriptor.TYPE_STRING:
            return chance.choice(WORDS)
        case FieldDescriptor.TYPE_BYTES:
            return chance.randbytes(chance.randrange(20))
        case FieldDescriptor.TYPE_BOOL:
            return chance.random() < 0.5
        case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
            return chance.choice(FLOATS)
        case FieldDescriptor.TYPE_INT32 | FieldDescriptor.TYPE_ENUM:
            return chance.choice((-1, 0, 1, 2, 77))
        case _:
            return chance.choice(NUMBERS)


def garbled(kind: Descriptor, seed: str) -> bytes:
    """The bytes of a message of that type after something went wrong with them, or not."""
    chance = random.Random(seed)
    whole = valid(kind, chance).SerializeToString()
    match chance.randrange(10):
        case 0:
            return whole
        case 1:
            return chance.randbytes(chance.randrange(1, 200))
        case 2:
            return whole[: chance.randrange(len(whole) + 1)]
        case 3:
            return _altered(whole, chance)
        case 4:
            return _altered(_altered(_altered(whole, chance), chance), chance)
        case 5:
            return whole + _other_types(kind, chance)
        case 6:
            return _nested(kind, chance)
        case 7:
            length = chance.choice((2**31 - 1, 2**32, 2**63 - 1, 2**64 - 1, 10_000))
            return whole + _tag(_any_field(kind, chance), 2) + _varint(length) + b"x" * 30
        case 8:
            wrong = chance.choice(
                (b"\xff", b"\xed\xa0\x80", b"a\xc3", b"\xc0\x80", b"\xf4\x90\x80\x80")
            )
            return whole + _tag(_any_field(kind, chance), 2) + _varint(len(wrong)) + wrong
        case _:
            return whole * chance.randrange(2, 30) + _tag(chance.randrange(1, 2**29), 0) + b"\x01"


def _altered(whole: bytes, chance: random.Random) -> bytes:
    if not whole:
        return chance.randbytes(3)
    at, new = chance.randrange(len(whole)), chance.randbytes(chance.randrange(1, 4))
    return whole[:at] + new + whole[at + chance.randrange(3) :]


def _any_field(kind: Descriptor, chance: random.Random) -> int:
    numbers = [each.number for each in kind.fields] or [1]
    return chance.choice(numbers)


def _other_types(kind: Descriptor, chance: random.Random) -> bytes:
    """Each field with a type on the wire that may be another's."""
    written = b""
    for each in kind.fields:
        wire = chance.randrange(8)
        content = {0: _varint(chance.getrandbits(64)), 1: b"8" * 8, 2: b"\x02\xff\xfe", 5: b"4" * 4}
        written += _tag(each.number, wire) + content.get(wire, b"")
    return written


def _nested(kind: Descriptor, chance: random.Random) -> bytes:
    number = _any_field(kind, chance)
    if chance.random() < 0.3:
        return _tag(number, 3) * NESTED + _tag(number, 4) * chance.choice((0, NESTED))
    content = b""
    for _ in range(NESTED):
        content = _tag(number, 2) + _varint(len(content)) + content
    return content


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint(value: int) -> bytes:
    written = bytearray()
    while value >= 128:
        written.append(value % 128 + 128)
        value //= 128
    return bytes((*written, value))


def messages_below(kind: Descriptor) -> Iterator[Descriptor]:
    """The type itself and those within it."""
    seen, left = set[str](), [kind]
    while left:
        each = left.pop()
        if each.full_name not in seen:
            seen.add(each.full_name)
            yield each
            left += [field.message_type for field in each.fields if field.message_type]
