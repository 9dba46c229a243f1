"""Memory is locked, or one line says what to raise. Each in a process of its own."""

import subprocess
import sys

import pytest

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is locked on Linux only")


def say(code: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@needs_linux
def test_a_limit_that_forbids_it_says_what_to_raise():
    said = say("""
import os, resource
from tidegate.server.memory_lock import MemoryLockError, lock_memory
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
if os.geteuid() == 0:
    os.setuid(65534)  # root may lock whatever the limit
try:
    lock_memory()
except MemoryLockError as error:
    print(error)
""")
    assert "lock_memory: RLIMIT_MEMLOCK allows 0.00 GB and the process has 0." in said
    assert "ulimit -l unlimited" in said
    assert len(said.splitlines()) == 1


@needs_linux
def test_what_is_resident_is_locked_and_what_is_only_reserved_is_not_filled():
    said = say("""
import mmap
from tidegate.server.memory_lock import MemoryLockError, lock_memory
used = bytearray(b"x") * 50_000_000
reserved = mmap.mmap(-1, 2_000_000_000)
try:
    print(len(used), lock_memory(), len(reserved))
except MemoryLockError as error:
    print(error)
""")
    if said.startswith("lock_memory: "):
        pytest.skip(said.strip())
    used, locked, reserved = (int(number) for number in said.split())
    assert used < locked < reserved / 2
