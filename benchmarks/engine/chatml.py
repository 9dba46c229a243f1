"""The prompts that the built-in profiles make of a text, written again without the server's code.

For those who need the very same prompt without our prompt writer: the split deployment and the
oracle. Knows ChatML and the profiles' files only.
"""

import importlib.resources
import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def profile(name: str) -> dict[str, Any]:
    """Return what the built-in ChatML profile `name` says."""
    folder = importlib.resources.files("tidegate.server") / "builtin" / "chatml"
    return tomllib.loads((folder / f"{name}.toml").read_text("utf-8"))


def chat_prompt(text: str) -> str:
    """Return the prompt of a chat with one turn."""
    return _prompt(profile("chat"), text)


def sentiment_prompt(text: str) -> str:
    """Return the prompt after which the label of `text` is written."""
    return _prompt(profile("sentiment"), text)


def _prompt(said: dict[str, Any], text: str) -> str:
    blocks = _block("system", said["system_prompt"])
    for example in said.get("examples", ()):
        blocks += _block("user", example["text"]) + _block("assistant", example["answer"])
    return blocks + _block("user", text) + "<|im_start|>assistant\n"


def _block(speaker: str, content: str) -> str:
    return f"<|im_start|>{speaker}\n{content}<|im_end|>\n"
