"""What is in the folders is what is installed."""

import subprocess
import sys
import sysconfig
from importlib.metadata import distributions
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PORTIONS = {
    "protos/tidegate/v1": "tidegate.v1",
    "protos/tidegate/identity": "tidegate.identity",
    "protos/tidegate/limits": "tidegate.limits",
    "protos/tidegate/operating": "tidegate.operating",
    "server": "tidegate.server",
    "balancer": "tidegate.balancer",
    "clients": "tidegate.clients",
}

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_every_folder_with_code_is_a_package_of_the_wheel() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    found = {
        ".".join([name, *path.parent.relative_to(ROOT / folder).parts])
        for folder, name in PORTIONS.items()
        for path in (ROOT / folder).rglob("*.py")
    }

    assert found == set(declared["packages"])


def test_nothing_is_installed_outside_of_the_name_space() -> None:
    installed = distributions(name="tidegate", path=[sysconfig.get_paths()["purelib"]])
    listed = next((one.files for one in installed), None)
    if not listed:
        pytest.skip("runs against an installed wheel; this is a checkout on the path")

    tops = {path.parts[0] for path in listed if path.suffix == ".py"}

    assert {"tidegate"} == tops


def test_the_files_of_the_web_page_are_installed() -> None:
    installed = {path.name for path in (files("tidegate.clients.web") / "page").iterdir()}

    assert installed == {path.name for path in (ROOT / "clients" / "web" / "page").iterdir()}


@pytest.mark.parametrize("module", ["tidegate.clients", "tidegate.balancer.__main__"])
def test_the_light_parts_never_load_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
