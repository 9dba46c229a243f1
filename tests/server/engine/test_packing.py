"""Stories of the choice between packed and plain products."""

import json
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs

from tidegate.server.engine import linear, packing
from tidegate.server.engine.linear import (
    as_stored,
    can_halve,
    can_pack,
    halved,
    packed,
    plain,
    table,
)

KINDS = {"plain": plain, "packed": packed, "halved": halved}


def choose(
    cache: Path, stored: torch.dtype = torch.bfloat16, dtype: torch.dtype = torch.float32
) -> object:
    return packing.choose(64, 32, stored, dtype, "cpu", cache)


def test_the_choice_is_measured_once_and_said_at_every_start(tmp_path: Path) -> None:
    with capture_logs() as logs:
        first, second = choose(tmp_path), choose(tmp_path)

    (gains,) = json.loads((tmp_path / "packing.json").read_text("utf-8")).values()
    assert gains["plain"] == 1
    assert first is second is KINDS[max(gains, key=gains.get)]
    assert [line["times_as_fast_as_plain"] for line in logs] == [gains, gains]


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_was_measured_before_decides(tmp_path: Path, kind: str) -> None:
    choose(tmp_path)
    file = tmp_path / "packing.json"
    (key,) = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({key: {name: 1 + (name == kind) for name in KINDS}}), "utf-8")

    assert choose(tmp_path) is KINDS[kind]


def test_sixteen_bits_are_chosen_only_for_what_was_stored_in_as_many(tmp_path: Path) -> None:
    choose(tmp_path, torch.float32)

    (gains,) = json.loads((tmp_path / "packing.json").read_text("utf-8")).values()
    assert set(gains) == {"plain", "packed"}
    assert not can_halve(torch.bfloat16, torch.bfloat16, "cpu")


@pytest.mark.parametrize("broken", ["{", '{"a machine": 2.0}'])
def test_a_file_that_is_not_understood_is_measured_anew(tmp_path: Path, broken: str) -> None:
    (tmp_path / "packing.json").write_text(broken, "utf-8")
    choose(tmp_path)

    (gains,) = json.loads((tmp_path / "packing.json").read_text("utf-8")).values()
    assert gains["plain"] == 1


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", "utf-8")

    assert choose(tmp_path / "taken") in KINDS.values()


def test_nothing_is_measured_where_nothing_can_be_packed(tmp_path: Path) -> None:
    assert choose(tmp_path, dtype=torch.float64) is plain
    assert not can_pack(torch.float32, "mps")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [plain, as_stored, packed, halved])
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_every_kind_is_the_product_with_its_bias(kind, stored: torch.dtype, rows: int) -> None:
    weight, bias = torch.randn(48, 32).to(stored), torch.randn(48).to(stored)
    x = torch.randn(rows, 32)

    expected = x.double() @ weight.double().T + bias.double()
    assert torch.allclose(kind([weight], bias, torch.float32)(x).double(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", [as_stored, halved])
def test_a_weight_of_several_pieces_is_one_product(kind, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in ("_CONVERTED", "_PACKED"):
        monkeypatch.setattr(linear, size, 512 * 700)
    weight, x = torch.randn(3000, 512).bfloat16(), torch.randn(2, 512)

    product = kind([weight], torch.ones(3000), torch.float32)

    assert torch.allclose(product(x), x @ weight.float().T + 1, atol=1e-4)


@pytest.mark.parametrize("largest", [3e-30, 0.02, 60_000.0, 3e30])
def test_sixteen_bits_hold_what_bfloat16_says_whatever_its_range(largest: float) -> None:
    """One weight a row, one input: the product is the weight itself, to the last bit."""
    below = 2.0 ** -torch.arange(32)
    weight = (largest * below * (1 + torch.rand(32) / 3)).bfloat16().reshape(32, 1)

    product = halved([weight], None, torch.float32)(torch.ones(1, 1))

    assert torch.equal(product[0], weight.float()[:, 0])


def test_a_weight_of_nothing_but_zeros_gives_zeros() -> None:
    weight = torch.zeros(8, 16, dtype=torch.bfloat16)

    assert torch.equal(halved([weight], None, torch.float32)(torch.ones(2, 16)), torch.zeros(2, 8))


@pytest.mark.parametrize("kind", [plain, as_stored, packed, halved])
@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float32])
def test_a_table_reads_and_multiplies_the_same_numbers(kind, stored: torch.dtype) -> None:
    weight, x = torch.randn(96, 32).to(stored), torch.randn(4, 32)

    rows, product = table(weight, torch.float32, kind)

    assert torch.equal(rows.float(), weight.float())
    assert torch.allclose(product(x), x @ weight.float().T, atol=1e-5)
    assert rows.dtype == (torch.float32 if kind is plain else stored)
