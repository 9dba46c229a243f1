"""Files that are read anew when they change."""

from pathlib import Path

import pytest

from tidegate.identity.problem import IdentityError
from tidegate.identity.watched import LOOK_S, Watched


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self) -> None:
        self.now += LOOK_S


def watched(path: Path, time: Time) -> Watched[str]:
    def read() -> str:
        text = path.read_text()
        if text == "bad":
            raise IdentityError("tokens: line 1 is bad")
        return text

    return Watched("tokens", [path], read, time)


def test_a_change_counts_within_the_time_that_is_promised(tmp_path: Path) -> None:
    file, time = tmp_path / "file", Time()
    file.write_text("old")
    it = watched(file, time)
    file.write_text("new")
    assert (it.value, it.version) == ("old", 0)
    time.passes()
    assert (it.value, it.version) == ("new", 1)
    time.passes()
    assert (it.value, it.version) == ("new", 1)


def test_a_link_that_is_moved_is_a_change(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    link, time = tmp_path / "link", Time()
    link.symlink_to("one")
    it = watched(link, time)
    other = tmp_path / "other"
    other.symlink_to("two")
    other.replace(link)
    time.passes()
    assert it.value == "two"


def test_what_cannot_be_read_is_told_once_and_changes_nothing(tmp_path: Path, capsys) -> None:
    file, time = tmp_path / "file", Time()
    file.write_text("good")
    it = watched(file, time)
    for change in (lambda: file.write_text("bad"), file.unlink):
        change()
        for _ in range(3):
            time.passes()
            assert it.value == "good"
    told = capsys.readouterr()
    assert (told.out + told.err).count("changed file not taken") == 2
    file.write_text("good again")
    time.passes()
    assert it.value == "good again"


def test_a_file_that_is_not_there_at_the_start_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match=r"^tokens: .*/file can't be read: No such file"):
        watched(tmp_path / "file", Time())
    (tmp_path / "file").write_bytes(b"\xff")
    with pytest.raises(IdentityError, match="is not text"):
        watched(tmp_path / "file", Time())


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    file, time = tmp_path / "file", Time()
    file.write_text("one")
    halves = iter(["half", "whole"])

    def read() -> str:
        text = file.read_text()
        if text == "half":
            file.write_text(next(halves, "whole") + "!")
        return text

    it = Watched("tokens", [file], read, time)
    file.write_text("half")
    time.passes()
    assert it.value == "one"
    time.passes()
    assert it.value.endswith("!")
