"""What a server remembers of profiles from one start to the next."""

import os
from pathlib import Path

from structlog.testing import capture_logs

from tidegate.server.priors import Priors


class Model:
    """Says how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self) -> tuple[float, ...]:
        self.asked += 1
        return (0.1 + 0.2, -1 / 3)


async def test_a_later_start_remembers_to_the_last_bit(tmp_path: Path) -> None:
    model = Model()
    first = await Priors(tmp_path).get(("model", [1, 2]), model)
    assert await Priors(tmp_path).get(("model", [1, 2]), model) == first == (0.1 + 0.2, -1 / 3)
    assert model.asked == 1


async def test_another_model_or_other_tokens_are_computed_anew(tmp_path: Path) -> None:
    model, priors = Model(), Priors(tmp_path)
    for depends_on in (("model", [1, 2]), ("model", [1, 3]), ("other", [1, 2])):
        await priors.get(depends_on, model)
    assert model.asked == 3


async def test_without_a_folder_nothing_is_remembered() -> None:
    model, priors = Model(), Priors(None)
    assert await priors.get("a", model) == await priors.get("a", model)
    assert model.asked == 2


async def test_a_broken_file_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "priors.json").write_text("{", "utf-8")
    model, priors = Model(), Priors(tmp_path)
    await priors.get("a", model)
    await priors.get("a", model)
    assert model.asked == 1
    assert os.listdir(tmp_path) == ["priors.json"]


async def test_a_folder_that_cannot_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", "utf-8")
    with capture_logs() as logs:
        await Priors(tmp_path / "taken").get("a", Model())
    assert [line["log_level"] for line in logs] == ["warning"]


async def test_the_oldest_are_forgotten_first(tmp_path: Path) -> None:
    model, priors = Model(), Priors(tmp_path)
    for number in range(257):
        await priors.get(number, model)
    await priors.get(256, model)
    assert model.asked == 257
    await priors.get(0, model)
    assert model.asked == 258
