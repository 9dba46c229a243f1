from __future__ import annotations

import json
from pathlib import Path

from support.scripted_service import Service
from support.shell import Shell


async def test_profiles_are_listed_with_the_defaults_marked(shell: Shell) -> None:
    done = await shell.run("profiles", "list")
    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["sentiment*", "classify", "0123", "正面", "负面", "good", "or", "bad"] in lines
    assert ["chat", "chat", "ba98"] in lines


async def test_a_listing_as_json_is_an_object_a_profile(shell: Shell) -> None:
    lines = (await shell.run("profiles", "list", "--json")).stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["classify", "chat"]


async def test_a_profile_is_tried_by_what_it_is_for(shell: Shell, service: Service) -> None:
    done = await shell.run("profiles", "try", "sentiment", "太差了")
    first, answer, facts = done.stdout.splitlines()
    assert (first, answer) == ("太差了", "  负面  0.98")
    assert "version 0123456789ab, 30 tokens read (20 from the cache)" in facts
    assert service.seen[-1].request.profile == "sentiment"  # type: ignore[attr-defined]
    chatted = await shell.run("profiles", "try", "chat", "--json")
    assert [json.loads(line)["text"] for line in chatted.stdout.splitlines()] == ["你好，世界"] * 3


async def test_a_profile_that_is_not_there_is_named_with_those_that_are(shell: Shell) -> None:
    done = await shell.run("profiles", "try", "nope")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "tidegate: there is no profile nope; there are sentiment, chat\n"


async def test_linting_calls_nobody(tmp_path: Path) -> None:
    file = tmp_path / "rude.toml"
    file.write_text('kind = "chat"\nsystem_prompt = "请回答。"\n', "utf-8")
    done = await Shell("127.0.0.1:1").run("profiles", "lint", str(tmp_path))
    assert done.exit_code == 2
    assert "profile 'rude': system_prompt: rule no-please" in done.stdout
    file.write_text('kind = "chat"\nsystem_prompt = "友好地回答。"\n', "utf-8")
    done = await Shell("127.0.0.1:1").run("profiles", "lint", "--json", str(file))
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"files": 1, "findings": []})
