import math
import os
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs

from tidegate.server.engine.prefix_files import Kept, PrefixFiles

TOKENS = (3, 1, 4)
# One layer of two heads, three positions and four numbers.
SIZE_BYTES = 2 * 2 * 3 * 4 * 4


def some(value: float = 1.0) -> Kept:
    return [(torch.full((2, 3, 4), value), torch.full((2, 3, 4), -value))]


def files(folder: Path, model: str = "model", most_bytes: int = 10**6) -> PrefixFiles:
    return PrefixFiles(folder / "prefixes", model, most_bytes)


def test_what_was_written_is_read_by_a_later_run(tmp_path: Path) -> None:
    files(tmp_path).write(TOKENS, some(0.1))

    found = files(tmp_path).read(TOKENS)

    assert found is not None
    assert [torch.equal(a, b) for a, b in zip(found[0], some(0.1)[0], strict=True)] == [True, True]


@pytest.mark.parametrize(("model", "tokens"), [("model", (3, 1)), ("another", TOKENS)])
def test_nothing_is_found_for_other_tokens_or_another_model(
    tmp_path: Path, model: str, tokens: tuple[int, ...]
) -> None:
    files(tmp_path).write(TOKENS, some())

    assert files(tmp_path, model).read(tokens) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_file_that_is_cut_short_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    it = files(tmp_path)
    it.write(TOKENS, some())
    (file,) = (tmp_path / "prefixes").glob("*.safetensors")
    file.write_bytes(content)

    assert it.read(TOKENS) is None
    it.write(TOKENS, some())
    assert it.read(TOKENS)


def test_numbers_that_are_not_finite_are_not_remembered(tmp_path: Path) -> None:
    it = files(tmp_path)
    it.write(TOKENS, some(math.nan))

    assert it.read(TOKENS) is None


def test_what_was_not_read_for_longest_makes_room(tmp_path: Path) -> None:
    it = files(tmp_path, most_bytes=3 * (SIZE_BYTES + 200))
    for index in range(3):
        before = set(tmp_path.glob("prefixes/*"))
        it.write((index,), some())
        (new,) = set(tmp_path.glob("prefixes/*")) - before
        os.utime(new, (index, index))
    it.read((0,))

    it.write((3,), some())

    assert [it.read((index,)) is not None for index in range(4)] == [True, False, True, True]


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_time(tmp_path: Path) -> None:
    (tmp_path / "prefixes").write_text("not a folder")
    with capture_logs() as logs:
        files(tmp_path).write(TOKENS, some())

    assert [line["event"] for line in logs] == ["a prefix can't be kept"]
    assert files(tmp_path).read(TOKENS) is None
