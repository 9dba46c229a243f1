"""Writes a software bill of materials (CycloneDX, JSON) of what is installed here of Tidegate and of what it needs.

`python scripts/make_sbom.py sbom.json`, in an environment with the extras that you ship and with cyclonedx-bom. What else is
installed there (test tools, this tool itself) is left out: a package is in it if Tidegate needs it, directly or through another.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = "tidegate"


def of_environment() -> dict[str, Any]:
    """Everything that is installed, as cyclonedx-bom sees it."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    done = subprocess.run([*command, sys.executable], capture_output=True, text=True, check=True)
    bom: dict[str, Any] = json.loads(done.stdout)
    return bom


def needed(bom: dict[str, Any], roots: set[str]) -> set[str]:
    """Who is reached from the roots by what each needs."""
    needs = {each["ref"]: each.get("dependsOn", []) for each in bom["dependencies"]}
    reached: set[str] = set()
    pending = list(roots)
    while pending:
        ref = pending.pop()
        if ref not in reached:
            reached.add(ref)
            pending += needs.get(ref, [])
    return reached


def pruned(bom: dict[str, Any]) -> dict[str, Any]:
    """The same with Tidegate as its subject, and only with what that needs."""
    (root, *_) = [each for each in bom["components"] if each["name"] == ROOT]
    reached = needed(bom, {root["bom-ref"]})
    components = [
        _without_paths(each)
        for each in bom["components"]
        if each["bom-ref"] in reached and each["name"] != ROOT
    ]
    dependencies = [
        {"ref": each["ref"], "dependsOn": sorted(set(each.get("dependsOn", [])) & reached)}
        for each in bom["dependencies"]
        if each["ref"] in reached
    ]
    metadata = {**bom["metadata"], "component": {**_without_paths(root), "type": "application"}}
    return {**bom, "metadata": metadata, "components": components, "dependencies": dependencies}


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
