from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import pytest
from support.gateway import Web, asking
from support.scripted_service import Service
from support.shell import Shell
from support.waiting import eventually


async def test_it_says_where_it_is_and_ends_with_0_while_a_page_watches(
    shell: Shell, service: Service
) -> None:
    process = await shell.start("web", "--port", "0")
    assert process.stderr is not None
    line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
    assert line.endswith(f"shows the balancer at {service.address}\n")
    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)/", line)
    web = Web(int(port), [])
    async with web.judge(asking("hang")) as answer, web.call("GET", "/api/fleet") as watching:
        await anext(watching.events())
        await asyncio.wait_for(service.hanging.wait(), 10)
        process.send_signal(signal.SIGTERM)
        # Nothing new is taken, and what is under way may end.
        await eventually(lambda: _is_closed(int(port)))
        assert process.returncode is None
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        await asyncio.wait_for(service.cancelled.wait(), 5)
        await answer.hang_up()
    assert (await process.stderr.read()).decode() == ""


def _is_closed(port: int) -> bool:
    from tidegate.clients.local.ports import is_free

    return is_free(port)


async def test_a_port_in_use_is_one_line(shell: Shell) -> None:
    port = shell.address.split(":")[1]
    done = await shell.run("web", "--port", port)
    assert done.exit_code == 1
    assert done.stderr == (
        f"tidegate web: can't listen at 127.0.0.1:{port}: Address already in use; --port takes another\n"
    )


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
async def test_without_the_extra_the_line_says_what_to_install(
    shell: Shell, tmp_path: Path, missing: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{missing!r}] = None\n")
    shell.environment["PYTHONPATH"] = str(tmp_path)
    done = await shell.run("web")
    assert done.exit_code == 1
    assert done.stderr == (
        'tidegate web: the web page is not installed: python -m pip install "tidegate[web]"\n'
    )
    assert (await shell.run("--version")).exit_code == 0
