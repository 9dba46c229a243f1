from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from support.shell import Shell

from tidegate.clients.local.ports import free_ports


async def test_a_port_in_use_is_said_before_anything_starts(shell: Shell) -> None:
    port = shell.address.split(":")[1]
    done = await shell.run("up", "--port", port)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"tidegate: port {port} is in use; --port takes another\n"


async def test_a_page_port_in_use_is_said_before_anything_starts(shell: Shell) -> None:
    port = shell.address.split(":")[1]
    done = await shell.run("up", "--port", "50997", "--web-port", port)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"tidegate: port {port} is in use; --web-port takes another\n"


async def test_a_service_without_the_web_extra_comes_up_and_says_so(
    shell: Shell, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['uvicorn'] = None\n")
    shell.environment["PYTHONPATH"] = str(tmp_path)
    port = str(free_ports(1)[0])
    process = await shell.start("up", "--model", "simulated", "--consul", "off", "--port", port)
    assert process.stdout is not None
    lines = [(await asyncio.wait_for(process.stdout.readline(), 60)).decode() for _ in range(6)]
    process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 0
    assert lines[0].startswith("Ready")
    assert not any("web page" in line for line in lines)
    assert 'without the web page: python -m pip install "tidegate[web]" adds it' in err.decode()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["--consul", "http://127.0.0.1:1", "--port", "50997"], 4, "no Consul answers at"),
        (["--consul", "maybe"], 2, "'maybe' is not auto, off or a URL"),
        (["--servers", "0"], 2, "--servers"),
        (["--cold", "1", "--consul", "off"], 1, "are found through Consul, and this is a static"),
        (["--profiles", "/nowhere"], 2, "/nowhere"),
    ],
)
async def test_a_wish_that_cannot_be_met_is_said_before_anything_starts(
    shell: Shell, arguments: list[str], exit_code: int, said: str
) -> None:
    pytest.importorskip("torch")
    done = await shell.run("up", "--model", "some/model", *arguments)
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_missing_extra_is_one_line_with_the_command_to_run(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None\n")
    shell.environment["PYTHONPATH"] = str(tmp_path)
    done = await shell.run("up", "--model", "some/model", "--port", "50997")
    assert done.exit_code == 1
    assert done.stderr == (
        'tidegate: the model server is not installed: python -m pip install "tidegate[server]"\n'
    )
