"""Writes a software bill of materials (CycloneDX, JSON) of what is installed here of Tidegate and of what it needs.

`python scripts/make_sbom.py sbom.json`, in an environment with the extras that you ship and with cyclonedx-bom. What else is
installed there (test tools, this tool itself) is left out: a package is in it if Tidegate needs it, directly or through another.
"""

import argparse
import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "tidegate"


def of_environment() -> dict[str, Any]:
    """Everything that is installed, as cyclonedx-bom sees it."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    # Validating parses hundreds of addresses by their grammar, for most of a minute; a test does it by sample.
    command += ["--no-validate", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    bom: dict[str, Any] = json.loads(done.stdout)
    return bom


def needed(root: str) -> set[str]:
    """The names of who is needed by `root` with all of its extras, directly or through another."""
    reached: set[str] = set()
    pending = [(root, frozenset(metadata(root).get_all("Provides-Extra") or ()))]
    seen = set()
    while pending:
        name, extras = pending.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            asked = requires(name) or []
        except PackageNotFoundError:
            # Of an extra that isn't installed here.
            continue
        reached.add(canonicalize_name(name))
        for each in map(Requirement, asked):
            markers = [{"extra": extra} for extra in ("", *extras)]
            if each.marker is None or any(map(each.marker.evaluate, markers)):
                pending.append((each.name, frozenset(each.extras)))
    return reached


def pruned(bom: dict[str, Any]) -> dict[str, Any]:
    """The same with Tidegate as its subject, and only with what that needs."""
    (root, *_) = [each for each in bom["components"] if each["name"] == ROOT]
    names = needed(ROOT)
    kept = [
        each
        for each in bom["components"]
        if canonicalize_name(each["name"]) in names and each["name"] != ROOT
    ]
    reached = {root["bom-ref"], *(each["bom-ref"] for each in kept)}
    components = [_without_paths(each) for each in kept]
    dependencies = [
        {"ref": each["ref"], "dependsOn": sorted(set(each.get("dependsOn", [])) & reached)}
        for each in bom["dependencies"]
        if each["ref"] in reached
    ]
    subject = {**bom["metadata"], "component": {**_without_paths(root), "type": "application"}}
    return {**bom, "metadata": subject, "components": components, "dependencies": dependencies}


def _without_paths(component: dict[str, Any]) -> dict[str, Any]:
    """Where a package was installed from is nobody's business but its maker's."""
    references = [
        each for each in component.get("externalReferences", []) if each["type"] != "distribution"
    ]
    return {**component, "externalReferences": references}


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    bom = pruned(of_environment())
    file.write_text(json.dumps(bom, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(f"{len(bom['components'])} packages in {file}")


if __name__ == "__main__":
    main()
