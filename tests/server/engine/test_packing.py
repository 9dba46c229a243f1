"""Stories of the choice between packed and plain products."""

import json
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs

from tidegate.server.engine import packing
from tidegate.server.engine.linear import can_pack, packed, plain, table


def choose(cache: Path, dtype: torch.dtype = torch.float32) -> object:
    return packing.choose(64, 32, dtype, "cpu", cache)


def test_the_choice_is_measured_once_and_said_at_every_start(tmp_path: Path) -> None:
    with capture_logs() as logs:
        first, second = choose(tmp_path), choose(tmp_path)

    (gain,) = json.loads((tmp_path / "packing.json").read_text("utf-8")).values()
    assert first is second is (packed if gain > 1 else plain)
    assert [line["gain"] for line in logs] == [gain, gain]


@pytest.mark.parametrize(("gain", "kind"), [(1.5, packed), (0.8, plain)])
def test_what_was_measured_before_decides(tmp_path: Path, gain: float, kind: object) -> None:
    choose(tmp_path)
    file = tmp_path / "packing.json"
    (key,) = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({key: gain}), "utf-8")

    assert choose(tmp_path) is kind


def test_a_broken_file_is_measured_anew(tmp_path: Path) -> None:
    (tmp_path / "packing.json").write_text("{", "utf-8")
    choose(tmp_path)

    assert json.loads((tmp_path / "packing.json").read_text("utf-8"))


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", "utf-8")

    assert choose(tmp_path / "taken") in (packed, plain)


def test_nothing_is_measured_where_nothing_can_be_packed(tmp_path: Path) -> None:
    assert choose(tmp_path, torch.float64) is plain
    assert not can_pack(torch.float32, "mps")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [plain, packed])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_both_kinds_are_the_product_with_its_bias(kind, rows: int) -> None:
    weight, bias, x = torch.randn(48, 32), torch.randn(48), torch.randn(rows, 32)

    assert torch.allclose(kind(weight, bias)(x), x @ weight.T + bias, atol=1e-5)


@pytest.mark.parametrize("kind", [plain, packed])
@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float32])
def test_a_table_reads_and_multiplies_the_same_numbers(kind, stored: torch.dtype) -> None:
    weight, x = torch.randn(96, 32).to(stored), torch.randn(4, 32)

    rows, product = table(weight, torch.float32, kind)

    assert torch.equal(rows.float(), weight.float())
    assert torch.allclose(product(x), x @ weight.float().T, atol=1e-5)
    assert rows.dtype == (stored if kind is packed else torch.float32)
