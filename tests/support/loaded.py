"""An engine of a tiny model, as small as tests want it unless they say more."""

from pathlib import Path
from typing import Any

from tidegate.server.engine.engine import Engine
from tidegate.server.engine.loading import load_engine


def loaded(model: Path | str, **more: Any) -> Engine:
    """The engine of a model, neither started nor packed; `more` is what differs from two short slots and one thread."""
    small: dict[str, Any] = {
        "cache_dir": None,
        "slots": 2,
        "reserved": 1,
        "context_tokens": 64,
        "threads": 1,
        "progress": lambda stage, done, total: None,
    }
    return load_engine(str(model), **{**small, **more})
