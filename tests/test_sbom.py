"""The bill of materials names what Tidegate needs, as installed, and nothing else."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT7

schema = pytest.importorskip("cyclonedx.schema", reason="cyclonedx-bom is not installed")


SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "make_sbom.py"


def validator() -> jsonschema.Draft7Validator:
    """Of the published schema. The tool's own also parses each address by its grammar, which takes most of a minute."""
    folder = Path(schema.__file__).parent / "_res"
    files = {each.name: json.loads(each.read_text("utf-8")) for each in folder.glob("*.json")}
    # They name one another by their file names.
    known = Registry().with_resources(
        (f"http://cyclonedx.org/schema/{name}", DRAFT7.create_resource(each))
        for name, each in files.items()
    )
    bill = files["bom-1.6.SNAPSHOT.schema.json"]
    return jsonschema.Draft7Validator(bill, registry=known)


def test_the_bill_of_materials_is_valid_and_complete(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    subprocess.run([sys.executable, str(SCRIPT), str(file)], check=True, capture_output=True)

    text = file.read_text("utf-8")
    bom = json.loads(text)
    versions = {each["name"].lower(): each["version"] for each in bom["components"]}
    validator().validate(bom)
    assert not validator().is_valid({**bom, "components": [{"version": "1"}]})
    for name in ("grpcio", "protobuf", "pydantic_core", "torch", "sympy"):
        assert versions[name] == version(name)
    for name in ("pytest", "ruff", "cyclonedx-bom", "coverage", "tidegate"):
        assert name not in versions
    assert bom["metadata"]["component"]["name"] == "tidegate"
    assert "file://" not in text
    assert all(each.get("licenses") for each in bom["components"] if each["name"] == "grpcio")
