"""`tidegate-server lint`: what a folder would be refused for, before a server sees it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.server import lint_command

GOOD = 'kind = "chat"\nsystem_prompt = "友好地回答。"\n'
RUDE = 'kind = "chat"\nsystem_prompt = "请友好地回答。"\nmax_tokens = 8\n'

# What only the extras bring; the base install has none of it.
WITHOUT_EXTRAS = """
import sys
for name in ("torch", "transformers", "tokenizers", "psutil", "filelock", "huggingface_hub", "platformdirs",
             "rjieba", "safetensors", "tqdm", "numpy"):
    sys.modules[name] = None
from tidegate.server.__main__ import main
main()
"""


def test_every_finding_of_every_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "good.toml").write_text(GOOD, "utf-8")
    (tmp_path / "rude.toml").write_text(RUDE, "utf-8")
    (tmp_path / "torn.toml").write_text("kind = ", "utf-8")
    (tmp_path / "notes.txt").write_text("no profile", "utf-8")

    code = lint_command.run([str(tmp_path)])

    said = capsys.readouterr().out.splitlines()
    assert code == 2
    assert "rude.toml: profile 'rude': system_prompt: rule no-please" in said[0]
    assert "max_tokens: rule room-to-answer: 8" in said[1]
    assert "torn.toml: profile 'torn': file: not TOML" in said[2]
    assert said[3:] == ["3 profiles, 3 findings"]


def test_json_tells_the_same(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "rude.toml").write_text(RUDE, "utf-8")
    assert lint_command.run(["--json", str(tmp_path / "rude.toml")]) == 2
    said = json.loads(capsys.readouterr().out)
    assert [each["rule"] for each in said["findings"]] == ["no-please", "room-to-answer"]


@pytest.mark.parametrize("arguments", [[], ["--strict", "a.toml"], ["none.toml"]])
def test_nothing_to_check_is_no_success(arguments: list[str]) -> None:
    assert lint_command.run(arguments) == 2


def test_it_needs_nothing_of_what_a_model_needs(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(GOOD, "utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, "lint", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "1 profiles, 0 findings\n"), ended.stderr
