"""What torch's idle threads do is said before it is imported, and users have the last word."""

import os
import subprocess
import sys

import pytest

from tidegate.server.engine.idle_threads import let_idle_threads_sleep


def test_idle_threads_soon_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    # So that what is set is taken back.
    monkeypatch.setenv("GOMP_SPINCOUNT", "")
    monkeypatch.delenv("GOMP_SPINCOUNT")

    let_idle_threads_sleep()

    assert int(os.environ["GOMP_SPINCOUNT"]) < 1_000_000


def test_what_a_user_chose_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")

    let_idle_threads_sleep()

    assert "GOMP_SPINCOUNT" not in os.environ


def test_the_server_can_say_it_in_time() -> None:
    """What runs before the engine's loading must not import torch."""
    code = "import sys, tidegate.server.serve_command; print('torch' in sys.modules)"

    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert said.stdout.strip() == "False"
