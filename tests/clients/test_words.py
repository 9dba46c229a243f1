"""What is said to people is said in their language, and nothing of it is forgotten."""

from __future__ import annotations

import ast
import json
import string
from pathlib import Path

import pytest
from support.shell import Shell

import tidegate.clients
from tidegate.clients.words import CHINESE, is_chinese

CODE = Path(tidegate.clients.__file__ or "").parent


def sentences() -> set[str]:
    """Every text that stands in a call of `told`."""
    return {
        node.args[0].value
        for path in CODE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "told"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def facts(sentence: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(sentence) if name)


def test_every_sentence_has_its_chinese_with_the_same_facts() -> None:
    assert sentences() - CHINESE.keys() == set()
    assert {key for key, value in CHINESE.items() if facts(key) != facts(value)} == set()


def test_no_sentence_is_kept_that_nobody_says() -> None:
    code = "\n".join(
        path.read_text("utf-8") for path in CODE.rglob("*.py") if path.name != "words.py"
    )
    assert [key for key in CHINESE.keys() - sentences() if f'"{key}"' not in code] == []


@pytest.mark.parametrize(
    ("environment", "chinese"),
    [
        ({}, False),
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, False),
        ({"LC_ALL": "zh_TW", "TIDEGATE_LANG": "en"}, False),
        ({"TIDEGATE_LANG": "zh"}, True),
        ({"TIDEGATE_LANG": "", "LANG": "zh_CN"}, True),
    ],
)
def test_the_language_is_the_readers(environment: dict[str, str], chinese: bool) -> None:
    assert is_chinese(environment) == chinese


async def test_a_chinese_terminal_reads_chinese_and_a_program_reads_the_same_keys(
    shell: Shell,
) -> None:
    shell.environment["TIDEGATE_LANG"] = "zh"
    refused = await shell.run("classify", "bad")
    assert (refused.exit_code, refused.stderr) == (2, "tidegate: 被拒绝：text: is bad\n")
    assert "预计等待" in (await shell.run("status")).stdout
    fleet = json.loads((await shell.run("status", "--json")).stdout)
    assert fleet["lanes"][0]["estimated_wait_s"] == 1.5
