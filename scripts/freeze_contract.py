"""Keeps the contract of a release, as descriptors, in protos/released/VERSION.binpb: what later ones are compared with.

To be run once for each release: `python scripts/freeze_contract.py`.
"""

from importlib.metadata import version
from pathlib import Path

from google.protobuf import descriptor_pb2

from tidegate.v1 import (
    chat_pb2,
    fleet_pb2,
    instance_pb2,
    profile_pb2,
    sentiment_pb2,
    usage_pb2,
)

FOLDER = Path(__file__).resolve().parent.parent / "protos" / "released"
MODULES = (chat_pb2, fleet_pb2, instance_pb2, profile_pb2, sentiment_pb2, usage_pb2)


def contract() -> descriptor_pb2.FileDescriptorSet:
    """The files of the contract as they are installed."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in MODULES:
        module.DESCRIPTOR.CopyToProto(files.file.add())
    return files


def main() -> None:
    """Write the descriptors of the installed release."""
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{version('tidegate')}.binpb"
    if file.exists():
        raise SystemExit(f"{file} is there: what was released stays as it is")
    file.write_bytes(contract().SerializeToString(deterministic=True))
    print(file)


if __name__ == "__main__":
    main()
