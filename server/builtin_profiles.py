"""Reads the profiles that ship with the server.

There is one set for models that speak ChatML and one for base models, which only continue
text. Knows nothing of the user's profiles.
"""

import sys
from importlib.resources import files

from tidegate.server.engine.sequence import Tokenizer
from tidegate.server.profile import Format, Profile, make_profile

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def model_format(tokenizer: Tokenizer) -> Format:
    """Return "chatml" for a model whose tokenizer has ChatML's borders, else "base"."""
    borders = ("<|im_start|>", "<|im_end|>")
    return "base" if any(tokenizer.special(one) is None for one in borders) else "chatml"


def builtin_profiles(form: Format) -> dict[str, Profile]:
    """Return the built-in profiles for a model of format `form`, by name."""
    profiles = {}
    for file in (files("tidegate.server") / "builtin" / form).iterdir():
        if file.name.endswith(".toml"):
            name = file.name.removesuffix(".toml")
            profiles[name] = make_profile(file.name, name, tomllib.loads(file.read_text("utf-8")))
    return profiles
