from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from support.processes import is_running
from support.sleeping_plan import SLEEP, STUBBORN, python
from support.waiting import eventually

from tidegate.clients.local.child import Child, Output


async def test_a_child_that_is_asked_to_end_ends() -> None:
    child = await Child.start(python("it", SLEEP))
    assert child.how_it_ended() == "is running"
    await child.end(grace_s=20)
    assert child.how_it_ended() == "was killed by SIGTERM"
    assert not is_running(child.pid)


async def test_a_child_that_will_not_end_is_killed() -> None:
    child = await Child.start(replace(python("it", STUBBORN), output=Output.KEPT))
    await eventually(lambda: child.last_words() == "ready")
    await child.end(grace_s=0.1)
    assert child.how_it_ended() == "was killed by SIGKILL"


async def test_killing_a_child_kills_what_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, time;"
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]);"
        f"open({str(pid_file)!r}, 'w').write(f'{{p.pid}}\\n');"
        "time.sleep(300)"
    )
    child = await Child.start(python("it", code))
    await eventually(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
    grandchild = int(pid_file.read_text())
    assert is_running(grandchild)
    child.kill()
    await child.ended()
    await eventually(lambda: not is_running(grandchild))


async def test_a_child_is_out_of_the_terminals_reach() -> None:
    child = await Child.start(python("it", SLEEP))
    try:
        assert os.getsid(child.pid) == child.pid != os.getsid(0)
    finally:
        await child.end(grace_s=20)


async def test_a_dead_child_leaves_its_last_words() -> None:
    code = "import sys; sys.stderr.write('x' * 9000 + '\\nthe port is taken\\n'); sys.exit(3)"
    child = await Child.start(replace(python("it", code), output=Output.KEPT))
    await asyncio.wait_for(child.ended(), 20)
    assert child.how_it_ended() == "ended with exit code 3"
    assert child.last_words().endswith("\nthe port is taken")
    assert len(child.last_words()) <= 2000
    await child.end(grace_s=1)
    assert child.last_words() == ""


async def test_a_program_that_is_not_there_is_a_child_that_died() -> None:
    child = await Child.start(
        replace(python("it", ""), argv=("/nowhere/consul",), output=Output.KEPT)
    )
    await asyncio.wait_for(child.ended(), 20)
    assert child.exit_code == 1
    assert child.last_words() == "/nowhere/consul: No such file or directory"
    await child.end(grace_s=1)


async def test_a_child_whose_starter_is_gone_does_not_begin() -> None:
    leash = Path(sys.modules[Child.__module__].__file__ or "").with_name("leash.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(leash), "1", sys.executable, "-c", SLEEP
    )
    assert await asyncio.wait_for(process.wait(), 20) == 1


async def test_a_piped_child_is_asked_and_answers() -> None:
    code = "import sys; print(input()[::-1], flush=True); sys.stderr.write('done\\n')"
    child = await Child.start(replace(python("it", code), output=Output.PIPED))
    await child.tell("abc")
    assert await child.hear() == "cba\n"
    assert await child.hear() == ""
    await asyncio.wait_for(child.ended(), 20)
    await child.tell("nobody hears it")
    assert child.last_words() == "done"
    await child.end(grace_s=1)


async def test_reading_what_a_child_says_does_not_disturb_it() -> None:
    code = "import sys; sys.stderr.write('first\\n'); sys.stderr.flush(); input(); print('last')"
    piped = replace(python("it", code), output=Output.PIPED)
    child = await Child.start(piped)
    await eventually(lambda: child.last_words() == "first")
    assert child.last_words(at_most_bytes=3) == "st"
    await child.tell("")
    assert await child.hear() == "last\n"
    await asyncio.wait_for(child.ended(), 20)
    await child.end(grace_s=1)
    assert child.exit_code == 0
