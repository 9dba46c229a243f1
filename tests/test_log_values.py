"""Lines of both programs' logs, whatever is in them."""

import importlib
import json
from collections.abc import Iterator

import pytest
import structlog

FORGED = "hi\n2026-11-25T00:00:00Z [info] hot\r\x1b[2J\x9b31m\u202egnp\x00\x7f"


@pytest.fixture(autouse=True)
def _reset() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("program", ["balancer", "server"])
def test_a_value_never_leaves_its_line_nor_moves_a_cursor(program: str, capsys):
    importlib.import_module(f"tidegate.{program}.logs").set_up_logs("console")
    structlog.get_logger().info("text", text=FORGED, count=3)
    shown = capsys.readouterr().err
    (line,) = shown.splitlines()
    assert line.isprintable()
    assert "\\x1b[2J" in line
    assert "\\u202e" in line


@pytest.mark.parametrize("program", ["balancer", "server"])
def test_chinese_stays_as_it_is_and_a_stack_has_its_lines(program: str, capsys):
    importlib.import_module(f"tidegate.{program}.logs").set_up_logs("console")
    structlog.get_logger().critical("engine hangs", stack="one:\n  two", text="今天👍")
    shown = capsys.readouterr().err
    assert "今天👍" in shown
    assert "one:\n  two" in shown


@pytest.mark.parametrize("program", ["balancer", "server"])
def test_a_line_of_json_gives_a_value_back_as_it_was(program: str, capsys):
    importlib.import_module(f"tidegate.{program}.logs").set_up_logs("json")
    structlog.get_logger().info("text", text=FORGED)
    (line,) = capsys.readouterr().err.split("\n")[:-1]
    assert json.loads(line)["text"] == FORGED
