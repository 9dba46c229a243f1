from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tidegate.clients import Classification, Usage
from tidegate.clients.sheets.answered import AnswerFile, Form, Kept, kept
from tidegate.clients.sheets.records import Fault, Record, Shape, SheetError

ANSWER = Classification("正面", 0.9, (), "sentiment", "0123", "tiny", False, False, Usage(1, 0, 0))
RECORDS: list[Record | Fault] = [
    Record(2, "a\nb", {"label": "gold", "text": "a\nb"}, 10),
    Fault(4, "3 fields", 20),
    Record(5, "好", {"label": "", "text": "好"}, 30),
]
FORMS = [
    Form(Shape.CSV, ("label", "text")),
    Form(Shape.CSV, ("label", "text"), "gbk"),
    Form(Shape.CSV, ("label", "text"), has_mark=True),
    Form(Shape.TSV, ("label", "text")),
    Form(Shape.JSONL, ("text",)),
]


def write(path: Path, form: Form, count: int = 3) -> bytes:
    had = kept(path, form, iter(RECORDS))
    with AnswerFile(path, form, had) as answers:
        for record in RECORDS[had.records : count]:
            answers.add(record, "it is\nbroken" if isinstance(record, Fault) else ANSWER)
    return path.read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_wherever_a_writer_is_killed_the_next_one_goes_on(tmp_path: Path, form: Form) -> None:
    whole = write(tmp_path / "whole", form)
    for end in range(len(whole) + 1):
        path = tmp_path / f"cut at {end}"
        path.write_bytes(whole[:end])
        assert write(path, form) == whole
    assert kept(tmp_path / "whole", form, iter(RECORDS)) == Kept(3, 1, len(whole))


def test_every_column_is_kept_and_ours_stand_beside(tmp_path: Path) -> None:
    rows = list(csv.DictReader(write(tmp_path / "a.csv", FORMS[0]).decode().splitlines(True)))
    assert [row["line"] for row in rows] == ["2", "4", "5"]
    assert [row["label"] for row in rows] == ["gold", "", ""]
    assert [row["tidegate_label"] for row in rows] == ["正面", "", "正面"]
    assert [row["error"] for row in rows] == ["", "it is broken", ""]
    lines = [json.loads(line) for line in write(tmp_path / "a.jsonl", FORMS[4]).splitlines()]
    assert lines[0] == {
        "label": "gold",
        "text": "a\nb",
        "line": 2,
        "tidegate_label": "正面",
        "confidence": 0.9,
        "truncated": False,
        "profile": "sentiment",
        "profile_version": "0123",
        "model": "tiny",
    }
    assert lines[1] == {"line": 4, "error": "it is broken"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"my notes\n", "it has other columns"),
        (b"my", "it has other columns"),
        (b"{head}9,x,y,,,,,,,\n", "its record 1 is not that of line 2"),
        (b"{whole}6,,x,,,,,,,\n", "it holds more records than the input"),
    ],
)
def test_a_file_that_does_not_belong_to_the_input_is_left_alone(
    tmp_path: Path, content: bytes, said: str
) -> None:
    form, path = FORMS[0], tmp_path / "a.csv"
    whole = write(tmp_path / "whole", form)
    path.write_bytes(content.replace(b"{head}", form.head()).replace(b"{whole}", whole))
    before = path.read_bytes()
    with pytest.raises(SheetError, match=said):
        kept(path, form, iter(RECORDS))
    assert path.read_bytes() == before


def test_two_writers_never_share_a_file(tmp_path: Path) -> None:
    first, second = (AnswerFile(tmp_path / "a.csv", FORMS[0], Kept()) for _ in range(2))
    with first, pytest.raises(SheetError, match="another process is writing it"), second:
        pass
