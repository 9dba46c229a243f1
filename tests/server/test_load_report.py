import ast
import subprocess
import sys
from importlib.util import find_spec

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tidegate.server.load_report import load_report
from tidegate.server.recent import Lately


def read(data: bytes):
    """Parse by the published field numbers, in a descriptor pool of the test's own."""
    file = descriptor_pb2.FileDescriptorProto(name="orca.proto", package="orca", syntax="proto3")
    report = file.message_type.add(name="OrcaLoadReport")
    entry = report.nested_type.add(name="NamedMetricsEntry")
    entry.options.map_entry = True
    for name, number, kind in (("key", 1, 9), ("value", 2, 1)):
        entry.field.add(name=name, number=number, type=kind, label=1)
    report.field.add(
        name="named_metrics",
        number=8,
        type=11,
        label=3,
        type_name=".orca.OrcaLoadReport.NamedMetricsEntry",
    )
    report.field.add(name="rps_fractional", number=6, type=1, label=1)
    report.field.add(name="application_utilization", number=9, type=1, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    kind = pool.FindMessageTypeByName("orca.OrcaLoadReport")
    return message_factory.GetMessageClass(kind).FromString(data)


def test_the_report_reads_back_as_the_message_that_meshes_know():
    report = read(load_report({"sentiment": 0.25, "chat": 1.0}, Lately(12.5, 0.75)))
    assert dict(report.named_metrics) == {"sentiment": 0.25, "chat": 1.0}
    assert (report.rps_fractional, report.application_utilization) == (12.5, 0.75)
    assert read(load_report({}, Lately())).application_utilization == 0.0


def test_a_name_that_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="fewer than 100"):
        load_report({"x" * 120: 1.0}, Lately())


READ_BY_XDS = """
import sys
from google.protobuf.unknown_fields import UnknownFieldSet
from xds.data.orca.v3.orca_load_report_pb2 import OrcaLoadReport
report = OrcaLoadReport.FromString(bytes.fromhex(sys.argv[1]))
unknown = len(UnknownFieldSet(report))
print((dict(report.named_metrics), report.rps_fractional, report.application_utilization, unknown))
"""


@pytest.mark.skipif(
    find_spec("xds") is None,
    reason="xds-protos is not there; it writes over the google/ folder of other packages",
)
def test_the_published_message_reads_every_byte_of_the_report():
    written = load_report({"sentiment": 0.25, "chat": 1.0}, Lately(12.5, 0.75))
    # In a process of its own: the package registers names that clash with those of others.
    said = subprocess.run(
        [sys.executable, "-c", READ_BY_XDS, written.hex()],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert ast.literal_eval(said) == ({"sentiment": 0.25, "chat": 1.0}, 12.5, 0.75, 0)
