"""Processes that are kept, adopted, stopped and never mistaken for others."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.processes import is_running
from support.waiting import eventually

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launchers.ledger import Ledger, Record
from tidegate.balancer.launchers.process import ProcessLauncher

SLEEPER = (sys.executable, "-S", "-c", "import time; time.sleep(300)")
DEAF = (
    *(sys.executable, "-S", "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)",
)


def records(state: Path) -> list[Record]:
    return [each for each in Ledger(state).records() if not each.is_ending]


def pids(state: Path) -> list[int]:
    return [each.pid for each in records(state)]


@asynccontextmanager
async def launcher(
    state: Path, command: tuple[str, ...] = SLEEPER, *, outlive: bool = False, drain_s: float = 40.0
) -> AsyncIterator[ProcessLauncher]:
    opened = ProcessLauncher(dict.fromkeys(Role, command), state, outlive=outlive, drain_s=drain_s)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


async def ending(keeper: ProcessLauncher, role: Role) -> str:
    """What is told of the end of one that nobody stopped."""
    for _ in range(1000):
        try:
            await keeper.count(role)
        except LaunchError as error:
            return str(error)
        await asyncio.sleep(0.01)
    raise AssertionError("nothing is told")


async def test_it_starts_and_stops_as_many_as_it_is_told_by_role(tmp_path):
    async with launcher(tmp_path) as keeper:
        assert await keeper.count(Role.BOTH) == 0
        await keeper.keep(Role.BOTH, 2)
        await keeper.keep(Role.CHAT, 1)
        assert (await keeper.count(Role.BOTH), await keeper.count(Role.CHAT)) == (2, 1)
        first, second = (each.pid for each in records(tmp_path) if each.role is Role.BOTH)
        assert os.getsid(first) == first
        await keeper.keep(Role.BOTH, 1)
        assert await keeper.count(Role.BOTH) == 1
        await eventually(lambda: not is_running(second))
        assert is_running(first)
    assert not is_running(first)
    assert list(tmp_path.glob("*-*")) == []


async def test_what_may_outlive_a_balancer_is_adopted_by_the_next(tmp_path):
    async with launcher(tmp_path, outlive=True) as keeper:
        await keeper.keep(Role.BOTH, 2)
    before = pids(tmp_path)
    assert all(map(is_running, before))
    async with launcher(tmp_path) as keeper:
        assert await keeper.count(Role.BOTH) == 2
        await keeper.keep(Role.BOTH, 2)
        assert pids(tmp_path) == before
    assert not any(map(is_running, before))


async def test_two_that_are_told_the_same_at_once_start_nothing_twice(tmp_path):
    async with launcher(tmp_path) as one, launcher(tmp_path) as other:
        await asyncio.gather(one.keep(Role.BOTH, 2), other.keep(Role.BOTH, 2))
        assert await one.count(Role.BOTH) == await other.count(Role.BOTH) == 2
        assert len(pids(tmp_path)) == 2


async def test_an_end_that_nobody_wanted_is_told_once_with_the_last_words(tmp_path):
    # Flushed, for else it comes last, where Python is not told to write at once.
    told = "import sys; print('ok', flush=True); sys.exit('no such model')"
    command = (sys.executable, "-S", "-c", told)
    async with launcher(tmp_path, command) as keeper:
        await keeper.keep(Role.BOTH, 1)
        assert "ended with exit code 1: no such model (log: " in await ending(keeper, Role.BOTH)
        assert await keeper.count(Role.BOTH) == 0


async def test_one_that_is_killed_is_told_as_killed(tmp_path):
    async with launcher(tmp_path) as keeper:
        await keeper.keep(Role.CHAT, 1)
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        assert "role chat was killed by SIGKILL" in await ending(keeper, Role.CHAT)


@pytest.mark.skipif(sys.platform != "linux", reason="a thread is ended as Linux ends it")
async def test_one_that_has_not_quite_ended_is_told_when_it_has(tmp_path):
    # Its first thread ends alone, by the system's own call (60 on x86-64, 93 on ARM): what a killed one looks like for a moment.
    number = 60 if os.uname().machine == "x86_64" else 93
    told = f"threading.Thread(target=time.sleep, args=(300,)).start(); ctypes.CDLL(None).syscall({number}, 0)"
    command = (sys.executable, "-S", "-c", f"import ctypes, threading, time; {told}")
    async with launcher(tmp_path, command) as keeper:
        await keeper.keep(Role.CHAT, 1)
        (record,) = records(tmp_path)
        await eventually(lambda: not record.is_alive)
        assert await keeper.count(Role.CHAT) == 1
        os.kill(record.pid, signal.SIGKILL)
        assert "role chat was killed by SIGKILL" in await ending(keeper, Role.CHAT)


async def test_a_program_that_is_not_there_is_said(tmp_path):
    async with launcher(tmp_path, ("/nowhere/server",)) as keeper:
        await keeper.keep(Role.BOTH, 1)
        assert "/nowhere/server: No such file" in await ending(keeper, Role.BOTH)


async def test_one_that_does_not_drain_is_killed(tmp_path):
    async with launcher(tmp_path, DEAF, drain_s=0.2) as keeper:
        await keeper.keep(Role.BOTH, 1)
        (record,) = records(tmp_path)
        await eventually(lambda: record.last_words() == "deaf")
        await keeper.keep(Role.BOTH, 0)
        assert await keeper.count(Role.BOTH) == 0
        await eventually(lambda: not is_running(record.pid))


async def test_a_stop_that_a_balancer_left_unfinished_is_finished_by_the_next(tmp_path):
    async with launcher(tmp_path, DEAF, outlive=True) as keeper:
        await keeper.keep(Role.BOTH, 1)
        (record,) = records(tmp_path)
        await eventually(lambda: record.last_words() == "deaf")
        await keeper.keep(Role.BOTH, 0)
    assert is_running(record.pid)
    async with launcher(tmp_path, DEAF, drain_s=0.2) as keeper:
        assert await keeper.count(Role.BOTH) == 0
        await eventually(lambda: not is_running(record.pid))


async def test_another_process_with_the_same_id_is_not_taken_for_ours(tmp_path):
    stranger = await asyncio.create_subprocess_exec(*SLEEPER)
    facts = {"pid": stranger.pid, "birth": "another boot 1", "bound_to": 0}
    (tmp_path / "both-00000000.json").write_text(json.dumps(facts))
    (tmp_path / "both-00000001.ending").write_text(json.dumps(facts))
    async with launcher(tmp_path) as keeper:
        assert await keeper.count(Role.BOTH) == 0
        await eventually(lambda: not list(tmp_path.glob("both-*")))
    assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()


BALANCER = """
import asyncio, sys
from pathlib import Path
from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.process import ProcessLauncher
async def live(state, outlive):
    keeper = ProcessLauncher({Role.BOTH: [sys.executable, "-S", "-c", "import time; time.sleep(300)"]},
                             Path(state), outlive=outlive == "True")
    await keeper.open()
    await keeper.keep(Role.BOTH, 1)
    print("kept", flush=True)
    await asyncio.sleep(300)
asyncio.run(live(*sys.argv[1:]))
"""


@pytest.mark.parametrize("outlive", [True, False])
async def test_a_balancer_that_is_killed_takes_with_it_what_may_not_outlive_it(tmp_path, outlive):
    balancer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BALANCER, str(tmp_path), str(outlive)), stdout=subprocess.PIPE
    )
    assert balancer.stdout is not None
    await balancer.stdout.readline()
    (pid,) = pids(tmp_path)
    balancer.kill()
    await balancer.wait()
    if not outlive:
        await eventually(lambda: not is_running(pid))
    async with launcher(tmp_path) as keeper:
        assert await keeper.count(Role.BOTH) == int(outlive)
    assert not is_running(pid)


async def test_a_folder_that_cannot_be_used_is_said_with_its_setting(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        LaunchError, match=r"^process\.state: .*file: File exists; a folder is needed"
    ):
        await ProcessLauncher({}, tmp_path / "file", outlive=False).open()
    with pytest.raises(LaunchError, match=r"^process\.state: .*No such file"):
        await ProcessLauncher({}, tmp_path / "nowhere", outlive=False).count(Role.BOTH)


async def test_a_record_that_is_none_is_said(tmp_path):
    (tmp_path / "both-0.json").write_text("{}")
    with pytest.raises(
        LaunchError, match=r"both-0\.json is no record of an instance; take it away"
    ):
        await ProcessLauncher({}, tmp_path, outlive=False).open()
