"""The table of gates is printed by one command, on a tiny model here."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tokenizers import Tokenizer

from benchmarks.engine.vocabulary import write_tokenizer

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.engine", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


# Three processes import transformers, each for seconds; the whole table is for a person to run.
@pytest.mark.timeout(600)
def test_rows_are_measured_or_say_what_is_not_installed(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    chosen = ("label", "one-chat", "two-calls", "start")
    only = [word for name in chosen for word in ("--only", name)]

    ended = bench("--quick", *only, "--work", str(tmp_path), "--json", str(file))

    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = json.loads(file.read_text("utf-8"))["rows"]
    assert {row["name"] for row in rows} == set(chosen)
    for row in rows:
        assert row["name"] in ended.stdout
        assert row["ratio"] or row["note"].startswith("not installed: pip install"), row
    assert not [one for one in psutil.process_iter(["cmdline"]) if _names(one, tmp_path)]
    assert "processor: " in ended.stdout
    assert "torch " in ended.stdout


def _names(process: psutil.Process, folder: Path) -> bool:
    """Return whether a process was started with something in `folder`."""
    return any(str(folder) in word for word in process.info["cmdline"] or [])


@pytest.mark.timeout(300)
def test_one_row_can_be_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra tidegate[benchmarks]")
    chart = tmp_path / "chart.svg"

    ended = bench("--quick", "--only", "bus", "--work", str(tmp_path), "--chart", str(chart))

    assert ended.returncode == 0, ended.stderr
    assert "bus" in ended.stdout
    assert "label" not in ended.stdout
    assert "the weights read once" in chart.read_text("utf-8")


def test_an_unknown_row_is_refused_with_the_known_ones() -> None:
    ended = bench("--only", "speed")

    assert ended.returncode == 2
    assert "speed" in ended.stderr
    assert "eight-chats" in ended.stderr


def test_the_tokenizer_has_a_token_for_a_character_and_a_text_for_every_id(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, 24_000)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    text = "今天的实验终于成功了，太棒了！"

    ids = tokenizer.encode(text).ids

    assert tokenizer.get_vocab_size() == 24_000
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode([23_000])
    assert tokenizer.token_to_id("<|im_end|>") == 23_999
