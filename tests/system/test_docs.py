"""What the documents show is what happens."""

import ast
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from support.service import Service

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
CHINESE_README = (ROOT / "README.zh-CN.md").read_text("utf-8")


def commands() -> list[tuple[str, str]]:
    """Return each `$ tidegate …` line of the README that ends by itself, with the line below it."""
    lines = README.splitlines()
    return [
        (line.removeprefix("$ tidegate "), below)
        for line, below in pairwise(lines)
        if line.startswith("$ tidegate ") and " up" not in line
    ]


@pytest.mark.parametrize(("command", "below"), commands(), ids=str)
def test_the_commands_of_the_readme_work_as_shown(
    command: str, below: str, service: Service
) -> None:
    name, _, text = command.partition(" ")

    answer = service.tidegate(name, *([text.strip('"')] if text else []))

    if not below.startswith(("$", "```")):
        label, confidence = below.split()
        assert answer.split()[0] == label
        # The last digit may differ from one kind of CPU to another.
        assert float(answer.split()[1]) == pytest.approx(float(confidence), abs=0.05)


def test_the_chinese_readme_shows_the_same_commands() -> None:
    blocks = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
    assert blocks.findall(CHINESE_README) == blocks.findall(README)


def test_the_chinese_readme_has_as_many_headings() -> None:
    headings = re.compile(r"^#+ ", re.MULTILINE)
    assert headings.findall(CHINESE_README) == headings.findall(README)


def test_the_python_of_the_readme_runs_as_written(service: Service) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    ended = subprocess.run(
        [sys.executable, "-c", code.replace("localhost:50051", service.address)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("正面")


def test_the_grpcurl_lines_name_methods_that_exist() -> None:
    from tidegate.v1 import sentiment_pb2

    (path,) = re.findall(r"tidegate\.v1\.(\w+/\w+)\n", README)
    service, method = path.split("/")

    assert method in sentiment_pb2.DESCRIPTOR.services_by_name[service].methods_by_name


@pytest.mark.parametrize("script", ["describe_metrics.py", "describe_settings.py"])
def test_generated_pages_are_up_to_date(script: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr


def test_links_lead_somewhere() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "README.zh-CN.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if not (page.parent / link).exists()
    ]

    assert broken == []


def test_every_module_says_what_it_does() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for folder in ("server", "balancer", "clients", "scripts")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]

    assert silent == []
