"""The process stays on the CPUs that it was given, or says which there are."""

import os
import subprocess
import sys

import pytest
from support.programs import run

from tidegate.server.affinity import AffinityError, parse_cpus
from tidegate.server.config import SettingsError, read_settings

needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system can't pin a process to CPUs"
)


@pytest.mark.parametrize(
    ("said", "cpus"),
    [("0", {0}), ("0-3,6", {0, 1, 2, 3, 6}), ("2-2", {2}), (" 1, 4-5 ", {1, 4, 5}), ("3,3", {3})],
)
def test_a_list_of_cpus_is_numbers_and_ranges(said, cpus):
    assert parse_cpus(said) == cpus


@pytest.mark.parametrize("said", ["a", "1-", "-1", "3-1", "0,,1", "0-99999999", "0x1", ","])
def test_anything_else_is_refused_with_what_is_accepted(said):
    with pytest.raises(AffinityError, match="like 0-3,6"):
        parse_cpus(said)
    with pytest.raises(SettingsError, match="cpus: "):
        read_settings([f"--cpus={said}"])


@needs_affinity
def test_a_cpu_that_is_not_there_is_one_clear_line():
    ended = run("tidegate-server", "--cpus", "0,4095")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("tidegate-server: cpus: '0,4095': CPU 4095 is not among those")
    assert ", ".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0))) in line


@needs_affinity
def test_every_thread_is_pinned_and_torch_counts_the_cpus():
    """In a process of its own, with a thread that was there before."""
    last = max(os.sched_getaffinity(0))
    code = f"""
import os, threading
from tidegate.server.affinity import pin
hold = threading.Event()
threading.Thread(target=hold.wait).start()
pin(frozenset({{{last}}}))
threads = os.listdir("/proc/self/task")
print(len(threads), {{cpu for one in threads for cpu in os.sched_getaffinity(int(one))}})
import torch
print(torch.get_num_threads())
hold.set()
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert ended.stdout.splitlines() == [f"2 {{{last}}}", "1"], ended.stderr
