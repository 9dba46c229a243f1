"""The bill of materials names what Tidegate needs, as installed, and nothing else."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

pytest.importorskip("cyclonedx_py", reason="cyclonedx-bom is not installed")

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "make_sbom.py"


def test_the_bill_of_materials_is_valid_and_complete(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    subprocess.run([sys.executable, str(SCRIPT), str(file)], check=True, capture_output=True)

    text = file.read_text("utf-8")
    bom = json.loads(text)
    versions = {each["name"].lower(): each["version"] for each in bom["components"]}
    sample = json.loads(text)
    for each in sample["components"][1:]:
        # Parsing every address by its grammar takes most of a minute.
        del each["externalReferences"]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(sample)) is None
    for name in ("grpcio", "protobuf", "pydantic_core", "torch", "sympy"):
        assert versions[name] == version(name)
    for name in ("pytest", "ruff", "cyclonedx-bom", "coverage", "tidegate"):
        assert name not in versions
    assert bom["metadata"]["component"]["name"] == "tidegate"
    assert "file://" not in text
    assert all(each.get("licenses") for each in bom["components"] if each["name"] == "grpcio")
