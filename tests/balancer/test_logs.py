import json

import pytest
import structlog

from tidegate.balancer.logs import set_up_logs


@pytest.fixture(autouse=True)
def _reset():
    yield
    structlog.reset_defaults()


def fail(log_format):
    set_up_logs(log_format)
    text = "".join(["a caller's ", "secret"])
    try:
        raise RuntimeError(f"failed on {len(text)} characters")
    except RuntimeError:
        structlog.get_logger().exception("call failed")


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_trace_never_shows_what_callers_said(capsys, log_format):
    fail(log_format)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "failed on 17 characters" in shown.err
    assert "test_logs.py" in shown.err
    assert "a caller's secret" not in shown.err


def test_a_json_log_is_one_line_even_with_a_trace(capsys):
    fail("json")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "call failed"
