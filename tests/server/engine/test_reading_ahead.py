"""Weights come from the disk while other things go on, and nothing depends on it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.server.engine.reading_ahead import read_ahead

# Asks the system which pages of a file it holds in memory.
RESIDENT = """
import ctypes, mmap, os, sys
from pathlib import Path
path = Path(sys.argv[1])
with path.open("rb") as opened:
    view = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_PRIVATE)
pages = -(-len(view) // mmap.PAGESIZE)
vector = (ctypes.c_ubyte * pages)()
address = ctypes.addressof(ctypes.c_char.from_buffer(view))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(len(view)), vector) == 0
print(sum(one & 1 for one in vector) / pages)
"""


@pytest.mark.parametrize("model", ["/nowhere", "a b", "nowhere.gguf", "bundled", "nobody/nothing"])
def test_a_model_that_is_not_there_is_nobodys_problem_yet(model: str, tmp_path: Path) -> None:
    thread = read_ahead(model, tmp_path)
    thread.join(30)
    assert not thread.is_alive()


def test_it_needs_no_torch() -> None:
    code = "import sys, tidegate.server.engine.reading_ahead; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what it holds in memory")
def test_weights_are_brought_into_memory(tmp_path: Path) -> None:
    import os

    weights = tmp_path / "model.safetensors"
    with weights.open("wb") as opened:
        opened.write(os.urandom(8_000_000))
        opened.flush()
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def resident() -> float:
        ended = subprocess.run(
            [sys.executable, "-c", RESIDENT, str(weights)], capture_output=True, check=True
        )
        return float(ended.stdout)

    if resident() > 0.5:
        pytest.skip("this file system keeps its files in memory")
    read_ahead(str(tmp_path), None).join(30)
    for _ in range(50):
        if resident() == 1.0:
            break
    assert resident() == 1.0
