"""Every way in which a model can't be loaded is one clear line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.loaded import loaded
from transformers import PreTrainedModel

from tidegate.server.engine.loading import ModelError

Tiny = Callable[[str], tuple[Path, PreTrainedModel]]


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny("qwen2")[0], tmp_path / "model"))


def test_a_local_folder_is_loaded(folder: Path) -> None:
    assert f"<Engine {folder} <Scheduler 0 running, 0 waiting>>" == repr(loaded(folder))


def test_the_context_is_never_larger_than_the_models(folder: Path) -> None:
    assert loaded(folder, context_tokens=100_000).context_tokens == 4096


def test_weights_cut_short_are_said_by_file(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])

    with pytest.raises(ModelError, match=r"model\.safetensors is cut short"):
        loaded(folder)


def test_missing_weights_are_said_by_name(folder: Path) -> None:
    (folder / "model.safetensors").unlink()

    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        loaded(folder)


def test_a_missing_shard_is_said_by_name(folder: Path) -> None:
    index = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(ModelError, match=r"has no model-1-of-2\.safetensors"):
        loaded(folder)


def test_a_broken_configuration_is_said_by_file(folder: Path) -> None:
    (folder / "config.json").write_text("{")

    with pytest.raises(ModelError, match=r"config\.json can't be read"):
        loaded(folder)


def test_another_family_is_refused_by_name(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))

    with pytest.raises(ModelError, match="model_type 'bert'"):
        loaded(folder)


def test_a_configuration_that_asks_for_more_than_there_is(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"num_hidden_layers": 9, "layer_types": None})
    )

    with pytest.raises(ModelError, match=r"has no weight or setting 'model\.layers\.3"):
        loaded(folder)


def test_too_little_memory_is_said_with_the_numbers(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"needs .* GB for its weights .* GB are free"):
        loaded(folder, slots=1_000_000_000)


@pytest.mark.parametrize("model", ["./nowhere", "/nowhere/at/all", "a b", "nowhere.gguf"])
def test_a_path_to_nothing_is_said(model: str) -> None:
    with pytest.raises(ModelError, match="there is no such"):
        loaded(model)


def test_a_hub_id_that_is_not_in_the_cache_and_not_reachable_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nobody/nothing.*not in the cache, and the hub did not"):
        loaded("nobody/nothing", cache_dir=tmp_path)
