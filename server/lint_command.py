"""The command `tidegate-server lint`: checks profile files without a server or a model.

Finds what the loading of a folder would refuse, in every file and not only in the first. What only a model's
tokens can tell (labels that it can't keep apart) is found when a server loads the profile.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tidegate.server.linter import lint
from tidegate.server.profile import ProfileError
from tidegate.server.profile_folder import read_profile_unlinted

_USAGE = "usage: tidegate-server lint [--json] FILE_OR_FOLDER..."


def run(arguments: Sequence[str]) -> int:
    """Write a line for each finding; return 0 when there is none, 2 when there is or a path is wrong."""
    as_json = "--json" in arguments
    paths = [Path(each) for each in arguments if each != "--json"]
    if not paths or any(str(each).startswith("-") for each in paths):
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    findings, files = [], 0
    for path in paths:
        for file in _files(path):
            files += 1
            findings += [{"file": str(file), **finding} for finding in _findings(file)]
    if as_json:
        sys.stdout.write(
            json.dumps({"files": files, "findings": findings}, ensure_ascii=False) + "\n"
        )
    else:
        for each in findings:
            sys.stdout.write(f"{each['message']}\n")
        sys.stdout.write(f"{files} profiles, {len(findings)} findings\n")
    return 2 if findings or not files else 0


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(each for each in path.iterdir() if each.suffix == ".toml")
    else:
        yield path


def _findings(file: Path) -> Iterator[dict[str, str]]:
    """What is wrong with a file: a broken form hides the rules, which are about what it says."""
    try:
        profile = read_profile_unlinted(file, file.read_bytes())
    except OSError as error:
        yield {"rule": "readable", "message": f"{file}: {error.strerror}"}
        return
    except ProfileError as error:
        yield {"rule": "well-formed", "message": str(error)}
        return
    for finding in lint(profile):
        broken = ProfileError(str(file), profile.name, finding.key, str(finding))
        yield {"rule": finding.rule.value, "message": str(broken)}
