from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.clients.sheets.records import (
    Fault,
    Record,
    Shape,
    Sheet,
    SheetError,
    checked_encoding,
)


def read(
    path: Path, content: bytes, shape: Shape, encoding: str = "utf-8"
) -> list[tuple[int, str]]:
    """Each record's line, and its text or what is wrong with it; their ends must cover the file."""
    path.write_bytes(content)
    sheet = Sheet(path, shape, "text", encoding)
    sheet.head()
    records = list(sheet.records())
    assert [each.end for each in records] == sorted(each.end for each in records)
    assert records[-1].end == len(content)
    return [
        (each.line, each.text if isinstance(each, Record) else f"! {each.problem}")
        for each in records
    ]


GBK = "text\n好吃\n".encode("gbk")


@pytest.mark.parametrize(
    ("content", "encoding", "read_as"),
    [
        (b"text\na\nb\n", "utf-8", [(2, "a"), (3, "b")]),
        (b"text\r\na\r\n\r\nb", "utf-8", [(2, "a"), (4, "b")]),
        (b"\xef\xbb\xbftext,id\na,1\n", "utf-8", [(2, "a")]),
        (b'id,text\n1,"a\nb, ""c"""\n2,d\n', "utf-8", [(2, 'a\nb, "c"'), (4, "d")]),
        (b'id,text\n1,5" pipe\n2,d\n', "utf-8", [(2, '5" pipe'), (3, "d")]),
        (GBK, "gbk", [(2, "好吃")]),
        (
            GBK + b"a\n",
            "utf-8",
            [
                (
                    2,
                    "! not utf-8 at its byte 1 (0xba); --encoding names another, such as gb18030",
                ),
                (3, "a"),
            ],
        ),
        (
            b'id,text\n1,a,b\n2,"c\n3,d\n',
            "utf-8",
            [
                (2, "! 3 fields, where the head names 2"),
                (3, "! a quote is opened and never closed"),
                (4, "d"),
            ],
        ),
        (
            b'id,text\n1,"a"b\n2,c\n',
            "utf-8",
            [(2, "! ',' expected after '\"'"), (3, "c")],
        ),
    ],
)
def test_a_broken_record_of_a_table_spoils_itself_only(
    tmp_path: Path, content: bytes, encoding: str, read_as: list[tuple[int, str]]
) -> None:
    assert read(tmp_path / "a.csv", content, Shape.CSV, encoding) == read_as


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(tmp_path: Path) -> None:
    content = b'text\n"open\n' + b"a\n" * 500
    records = read(tmp_path / "a.csv", content, Shape.CSV)
    assert records[0] == (2, "! a quote is opened and never closed")
    assert records[1:] == [(line, "a") for line in range(3, 503)]


def test_a_line_of_json_is_a_record(tmp_path: Path) -> None:
    content = b'{"text": "a", "n": 1}\n\n{"body": "b"}\n{"text": 3}\nnope\n[1]\n' + b"[" * 100_000
    assert [said for _, said in read(tmp_path / "a.jsonl", content, Shape.JSONL)] == [
        "a",
        "! there is no 'text' in it, only 'body'",
        "! 'text' is not a text",
        "! not JSON: Expecting value, at character 1",
        "! not a JSON object",
        "! not JSON that can be read: nested too deeply",
    ]


def test_a_table_without_the_column_names_those_it_has(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,body\n1,a\n")
    with pytest.raises(
        SheetError, match="line 1: there is no column 'text', only 'id', 'body'; --column names one"
    ):
        Sheet(tmp_path / "a.csv", Shape.CSV, "text").head()


@pytest.mark.parametrize(
    ("name", "said"), [("klingon", "no encoding that is known"), ("utf-16", "iconv -f utf-16")]
)
def test_an_encoding_that_cannot_be_used_says_what_can(name: str, said: str) -> None:
    with pytest.raises(SheetError, match=said):
        checked_encoding(name)


def test_lines_and_tabs_are_read_too(tmp_path: Path) -> None:
    assert read(tmp_path / "a.txt", "好,\n \n差".encode(), Shape.LINES) == [(1, "好,"), (3, "差")]
    assert read(tmp_path / "a.tsv", b"id\ttext\n1\ta,b\n", Shape.TSV) == [(2, "a,b")]


def test_an_empty_table_has_no_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(SheetError, match="line 1: the file is empty"):
        Sheet(tmp_path / "a.csv", Shape.CSV, "text").head()
    assert not [
        each
        for each in Sheet(tmp_path / "a.csv", Shape.CSV, "text").records()
        if isinstance(each, Fault)
    ]
