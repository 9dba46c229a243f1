from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from pathlib import Path

import pytest
from support.processes import children_of, is_running
from support.programs import run
from support.scripted_model import ByteTokenizer
from support.shell import Shell
from support.tiny_models import make_model
from support.waiting import eventually

from tidegate.clients.bench.comparison import Spread, compared
from tidegate.clients.bench.measured import Measure, Name, Run
from tidegate.clients.bench.session import BenchError, started
from tidegate.clients.bench.theirs import OtherSession
from tidegate.clients.bench.words import chat_prompt, label_prompt, texts, write_profiles
from tidegate.clients.local.child import Command, Output
from tidegate.server.profile import Profile, make_profile
from tidegate.server.prompts import PromptWriter, Speaker, Turn

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_a_quick_run_measures_every_contestant(tmp_path: Path) -> None:
    make_model("qwen2", tmp_path)
    done = run("tidegate", "bench", str(tmp_path), "--quick", "--json", "--threads", "1")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    figures = {(row["contestant"], row["measure"]): row for row in said["rows"]}
    assert set(figures) == {(name.value, one.name.lower()) for name in Name for one in Measure}
    assert all(row["spread"]["least"] > 0 for row in figures.values())
    assert all(
        (row["ours_by_theirs"] is None) == (name == Name.OURS.value)
        for (name, _), row in figures.items()
    )
    assert said["good_labels"]["tidegate-server"] == said["course"]["labels"] == 3
    # A classifier of BERT-base's size has 0.4 GB of weights.
    memory = {
        name: row["spread"]["median"] for (name, one), row in figures.items() if one == "memory"
    }
    assert memory["split"] - memory["pipeline"] > 0.3
    assert "tidegate: round 1 of 1, split: starting\n" in done.stderr


def test_all_contestants_read_the_same_prompt(tmp_path: Path) -> None:
    write_profiles(tmp_path)
    writer = PromptWriter(ByteTokenizer(), "chatml")
    text = next(texts())

    def written(name: str) -> str:
        said = tomllib.loads((tmp_path / f"{name}.toml").read_text("utf-8"))
        profile: Profile = make_profile(f"{name}.toml", name, said)
        prompt = writer.write(profile, (Turn(Speaker.USER, text),))
        return bytes(one for one in prompt.tokens if one < 256).decode()

    assert written("sentiment") == label_prompt(text)
    assert written("chat") == chat_prompt(text)


async def test_an_interrupt_leaves_nothing_behind(shell: Shell, tmp_path: Path) -> None:
    model, temporary = tmp_path / "model", tmp_path / "temporary"
    temporary.mkdir()
    make_model("qwen2", model)
    shell.environment["TMPDIR"] = str(temporary)
    process = await shell.start("bench", str(model), "--quick")
    assert process.stderr is not None
    assert await asyncio.wait_for(process.stderr.readline(), 20) == (
        b"tidegate: round 1 of 1, tidegate-server: starting\n"
    )
    await eventually(lambda: children_of(process.pid) != [])
    children = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert not any(is_running(child) for child in children)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["./nowhere"], 1, r"tidegate-server ended with exit code 1: .*'\./nowhere': there is no"),
        (["simulated"], 2, r"'simulated': a simulated model has no weights to compare"),
        (["--rounds", "0"], 2, r"--rounds"),
    ],
)
async def test_what_cannot_be_compared_is_said(
    shell: Shell, arguments: list[str], exit_code: int, said: str
) -> None:
    done = await shell.run("bench", *arguments)
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert re.search(said, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


async def test_missing_transformers_is_one_line_with_the_command_to_run(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['transformers'] = None\n")
    shell.environment["PYTHONPATH"] = str(tmp_path)
    done = await shell.run("bench", "some/model")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        'tidegate: what is compared is not installed: python -m pip install "tidegate[server]"\n'
    )


async def test_a_contestant_that_fails_is_reported_with_the_last_line_of_its_log() -> None:
    code = "import sys; sys.stderr.write('loading\\n'); sys.exit('the weights are torn')"
    command = Command("pipeline", (sys.executable, "-c", code), Output.PIPED)
    async with started(command) as child:
        with pytest.raises(
            BenchError, match=r"^pipeline ended with exit code 1: the weights are torn$"
        ):
            await OtherSession(Name.PIPELINE, child).label("好")


def test_a_ratio_is_taken_round_by_round() -> None:
    """A machine that is twice as slow in the second round changes no ratio."""
    runs = [
        _run(Name.OURS, 0.1),
        _run(Name.PIPELINE, 0.4),
        _run(Name.SPLIT, 0.2),
        _run(Name.PIPELINE, 0.8),
        _run(Name.SPLIT, 0.2),
        _run(Name.OURS, 0.2),
    ]
    cells = {(cell.name, cell.measure): cell for cell in compared(runs)}
    assert cells[Name.PIPELINE, Measure.LABEL].ratio == Spread(0.25, 0.25, 0.25, 2)
    assert cells[Name.SPLIT, Measure.LABEL].ratio == Spread(0.75, 0.5, 1.0, 2)
    assert cells[Name.SPLIT, Measure.LABEL].spread == Spread(200, 200, 200, 2)
    assert cells[Name.OURS, Measure.LABEL].ratio is None


def test_what_the_system_does_not_tell_is_left_out() -> None:
    cells = compared([_run(name, 1.0) for name in Name])
    memory = [cell for cell in cells if cell.measure is Measure.MEMORY]
    assert [(cell.spread, cell.ratio) for cell in memory] == [(None, None)] * 3


def _run(name: Name, label_s: float) -> Run:
    return Run(name, 1.0, (label_s,), (1.0,), (10.0,), 1, None)
