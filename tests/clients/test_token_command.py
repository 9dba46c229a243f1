"""`tidegate token`, as a shell runs it, and the file that it keeps."""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.shell import Finished, Shell

from tidegate.clients.token_file import TokenFile
from tidegate.identity.tokens import TokenLine, Tokens

NOW = datetime.now(timezone.utc)


async def token(*arguments: str, file: Path) -> Finished:
    return await Shell("localhost:1").run("token", *arguments, "--file", str(file))


async def test_a_token_is_printed_once_and_its_hash_alone_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    made = await token("new", "tickets", "--days", "3", file=file)
    assert made.exit_code == 0, made.stderr
    secret = made.stdout.strip()
    assert secret not in file.read_text() + made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Tokens(TokenFile(file).lines()).holder(secret, NOW + timedelta(days=2)) == "tickets"

    listed = await token("list", file=file)
    assert re.fullmatch(r"tickets  [0-9a-f]{8}  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", listed.stdout)

    gone = await token("revoke", "tickets", file=file)
    assert gone.exit_code == 0
    assert TokenFile(file).lines() == []
    assert os.listdir(tmp_path) == ["tokens"]


async def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("s3cret\n")
    for arguments in (("new", "tickets"), ("list",), ("revoke", "tickets")):
        done = await token(*arguments, file=file)
        assert done.exit_code == 2
        assert done.stderr.startswith("tidegate: --file: line 1 holds no hash;")
        assert "s3cret" not in done.stderr
    assert file.read_text() == "s3cret\n"
    done = await token("new", "a b", file=tmp_path / "other")
    assert (done.exit_code, (tmp_path / "other").exists()) == (2, False)
    done = await token("revoke", "nobody", file=tmp_path / "other")
    assert "holds no such token of nobody" in done.stderr


def test_one_of_several_tokens_is_taken_out_and_what_people_wrote_stays(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens")
    file.path.write_text("# ours\n" + str(TokenLine.of("ops", "x")))
    old, new = file.add("tickets"), file.add("tickets", NOW)
    gone = file.take_out(lambda line: line.id == TokenLine.of("tickets", old).id)
    assert [line.name for line in gone] == ["tickets"]
    text = file.path.read_text()
    assert text.startswith("# ours\nops sha256:")
    assert [line.id for line in file.lines()] == [
        TokenLine.of("ops", "x").id,
        TokenLine.of("tickets", new).id,
    ]


def test_a_file_keeps_its_rights_and_is_whole_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TokenFile(tmp_path / "tokens")
    file.add("tickets")
    file.path.chmod(0o640)
    file.add("tickets")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640
    before = file.path.read_text()

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        file.add("ops")
    assert file.path.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["tokens"]
