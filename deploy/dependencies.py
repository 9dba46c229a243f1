"""Prints what the project depends on with these extras, as pip reads it: dependencies.py [EXTRA,EXTRA]

For the Dockerfile, which installs these before it has seen a line of the sources.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import tomllib

project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]


def dependencies_of(extras: str) -> Iterator[str]:
    for extra in filter(None, extras.split(",")):
        if extra not in project["optional-dependencies"]:
            known = ", ".join(project["optional-dependencies"])
            sys.exit(f"no such extra: {extra}; there are {known}")
        for line in project["optional-dependencies"][extra]:
            others = re.fullmatch(r"tidegate\[(.+)\]", line)
            yield from dependencies_of(others[1]) if others else (line,)


print("\n".join([*project["dependencies"], *dependencies_of(",".join(sys.argv[1:]))]))
