"""A download from the hub ends complete or with one clear line, and never begins twice.

The hub's client reads its settings when it is imported, so each start is a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.hub import Hub, running_hub
from support.tiny_models import make_model

NAME = "owner/tiny"
WEIGHTS = "model.safetensors"
# The client writes in pieces of 10 MiB: a cut loses at most one of them.
PIECE_BYTES = 10 << 20

REPORT = """
import json, sys
from pathlib import Path
told = []
try:
    bring(sys.argv[1], Path(sys.argv[2]), lambda *one: told.append(one))
    line = ""
except Exception as error:
    line = str(error)
print(json.dumps({"line": line, "told": told}))
"""
FETCH = f"""
from tidegate.server.engine.hub import download as bring
{REPORT}"""
START = f"""
from tidegate.server.engine.loading import load_engine
def bring(model, cache_dir, progress):
    load_engine(model, cache_dir=cache_dir, slots=2, reserved=1, context_tokens=64, threads=1,
                progress=progress)
{REPORT}"""


class Started:
    """What came of one start."""

    def __init__(self, said: str, stderr: str) -> None:
        content = json.loads(said.splitlines()[-1])
        self.line: str = content["line"]
        self.told: list[list[object]] = content["told"]
        self.stderr = stderr

    @property
    def bytes_told(self) -> list[tuple[object, object]]:
        return [(done, total) for stage, done, total in self.told if stage == f"downloading {NAME}"]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that comes in 25 MB, as its files also hold a tensor that nobody reads."""
    folder = tmp_path_factory.mktemp("published")
    make_model("qwen2", folder)
    weights = load_file(folder / WEIGHTS)
    padding = torch.randint(0, 255, (25_000_000,), dtype=torch.uint8)
    save_file({**weights, "padding": padding}, folder / WEIGHTS)
    (folder / "consolidated.safetensors").write_bytes(b"another format")
    return folder


@pytest.fixture
def hub(published: Path) -> Iterator[Hub]:
    with running_hub(NAME, published) as hub:
        yield hub


Start = Callable[..., Started]


@pytest.fixture
def start(hub: Hub, tmp_path: Path) -> Start:
    """Load the model in a process that knows no other hub, with a cache of the test's own."""

    def start(model: str = NAME, *, code: str = START, endpoint: str = hub.address) -> Started:
        ended = subprocess.run(
            [sys.executable, "-c", code, model, str(tmp_path / "cache")],
            env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return Started(ended.stdout, ended.stderr)

    return start


@pytest.fixture
def fetch(start: Start) -> Start:
    """Only the download, without the seconds in which torch is imported."""
    return partial(start, code=FETCH)


def parts(cache: Path) -> list[Path]:
    return [*cache.rglob("*.part")]


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(
    hub: Hub, start: Start, published: Path, tmp_path: Path
) -> None:
    size = (published / WEIGHTS).stat().st_size
    hub.cut_after_bytes = size // 2
    cut = start()
    assert cut.line.startswith(f"model '{NAME}': no such folder, not in the cache, and ")
    assert "503" in cut.line
    assert "the next start goes on" in cut.line
    assert "\n" not in cut.line
    assert cut.stderr == ""
    (part,) = parts(tmp_path)
    arrived = part.stat().st_size
    assert PIECE_BYTES <= arrived <= size // 2

    hub.cut_after_bytes = hub.error = None
    hub.asked.clear()
    resumed = start()
    assert resumed.line == ""
    assert hub.ranges(WEIGHTS) == [f"bytes={arrived}-"]
    assert resumed.bytes_told[1] == (arrived, size)
    assert resumed.bytes_told[-1] == (size, size)
    assert not parts(tmp_path)
    assert not hub.ranges("consolidated.safetensors")

    hub.asked.clear()
    assert start().line == ""
    assert hub.asked == []


def test_a_start_that_is_killed_leaves_what_arrived(hub: Hub, fetch: Start, tmp_path: Path) -> None:
    """The part is an ordinary file in the cache; whoever wrote it need not have ended well."""
    hub.cut_after_bytes = 12_000_000
    fetch()
    (part,) = parts(tmp_path)
    with part.open("r+b") as opened:
        opened.truncate(5_000)

    hub.cut_after_bytes = hub.error = None
    hub.asked.clear()
    assert fetch().line == ""
    assert hub.ranges(WEIGHTS) == ["bytes=5000-"]


def test_parts_that_do_not_make_the_whole_are_fetched_anew(
    hub: Hub, fetch: Start, tmp_path: Path
) -> None:
    hub.damage = True
    damaged = fetch()
    assert "model.safetensors arrived damaged" in damaged.line
    assert not parts(tmp_path)

    hub.damage = False
    assert fetch().line == ""


def test_an_id_that_the_hub_does_not_know_is_said(fetch: Start) -> None:
    assert "the hub knows no such id, or it is private: check the spelling" in fetch("a/b").line


def test_a_gated_model_says_where_to_accept_its_terms(hub: Hub, fetch: Start) -> None:
    hub.error = (403, "GatedRepo")
    assert f"accepted the terms at https://huggingface.co/{NAME}" in fetch().line


def test_a_hub_that_is_away_is_said(fetch: Start) -> None:
    line = fetch(endpoint="http://127.0.0.1:9").line
    assert "the hub did not give it" in line
    assert "\n" not in line


def test_a_full_disk_is_said(hub: Hub, fetch: Start, tmp_path: Path) -> None:
    (weights,) = [one for one in hub.siblings() if one["rfilename"] == WEIGHTS]
    blobs = tmp_path / "cache" / "models--owner--tiny" / "blobs"
    blobs.mkdir(parents=True)
    # A real disk without room for a single byte.
    (blobs / f"{weights['lfs']['sha256']}.part").symlink_to("/dev/full")

    line = fetch().line

    assert "it can't be written into the cache ([Errno 28] No space left on device)" in line
    assert "--cache-dir" in line


def test_a_model_without_safetensors_is_said(hub: Hub, fetch: Start, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    hub.folder = tmp_path / "empty"
    assert "without weights as safetensors files" in fetch().line


def test_weights_larger_than_the_disk_are_not_begun(
    hub: Hub, fetch: Start, monkeypatch: pytest.MonkeyPatch, published: Path
) -> None:
    huge = [{**one, "size": 10**18} for one in hub.siblings()]
    monkeypatch.setattr(hub, "siblings", lambda: huge)
    line = fetch().line
    assert "its weights take 1000000000.0 GB more and" in line
    assert not hub.ranges(WEIGHTS)
