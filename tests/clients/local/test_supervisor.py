from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.processes import is_running
from support.sleeping_plan import SLEEP, STUBBORN, python
from support.waiting import eventually

from tidegate.clients.local.child import Command
from tidegate.clients.local.supervisor import Supervisor


def diary(name: str, path: Path) -> Command:
    """Writes its name down when it is told to end; waits a little before, so order shows."""
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    time.sleep(0.1); open({str(path)!r}, 'a').write({name!r}); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"open({str(path)!r} + {name!r}, 'w').close()\n"
        "time.sleep(300)\n"
    )
    return python(name, code)


async def test_the_latest_stage_ends_first(tmp_path: Path) -> None:
    path = tmp_path / "diary"
    async with Supervisor() as supervisor:
        await supervisor.start(diary("c", path))
        await supervisor.start(diary("s1", path), diary("s2", path))
        await supervisor.start(diary("b", path))
        started = [tmp_path / f"diary{name}" for name in ("c", "s1", "s2", "b")]
        await eventually(lambda: all(path.exists() for path in started))
    assert path.read_text() in {"bs1s2c", "bs2s1c"}


async def test_the_first_death_is_told_and_takes_the_rest_along() -> None:
    async with Supervisor() as supervisor:
        (lasting,) = await supervisor.start(python("lasting", SLEEP))
        await supervisor.start(python("short", "raise SystemExit(7)"))
        dead = await asyncio.wait_for(supervisor.first_death(), 20)
        assert (dead.command.name, dead.exit_code) == ("short", 7)
        assert is_running(lasting.pid)
    assert not is_running(lasting.pid)


async def test_an_error_in_the_block_leaves_no_child() -> None:
    pids: list[int] = []

    async def fail() -> None:
        async with Supervisor() as supervisor:
            (child,) = await supervisor.start(python("it", SLEEP))
            pids.append(child.pid)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert not is_running(pids[0])


async def test_kill_waits_for_nobody() -> None:
    async with Supervisor(grace_s=300) as supervisor:
        (child,) = await supervisor.start(python("it", STUBBORN))
        supervisor.kill()
    assert child.how_it_ended() == "was killed by SIGKILL"
