"""Write docs/configuration.md from the settings themselves.

`python scripts/describe_settings.py` rewrites the page; with `--check` nothing is written and a
difference is an error. Runs against the installed package.
"""

import argparse
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from tidegate.balancer import config as balancer
from tidegate.balancer.config import BalancerSettings
from tidegate.server import config as server
from tidegate.server.config import ServerSettings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
INTRODUCTION = """# Settings

Every setting has three names for one thing: a flag (`--chat-slots 8`), an environment variable
(`TIDEGATE_SERVER_CHAT_SLOTS=8`) and a key of the TOML file that `--config` names (`chat_slots = 8`).
A flag wins over a variable, a variable over the file. An unknown key is an error in each of them,
and a wrong value stops the start with one line that names the setting, the value and what is accepted.

Settings with ↻ count at once when the file has changed and the process gets SIGHUP; all others need
[a restart](operations.md#changing-settings-while-it-runs).

This page is generated from the settings: `python scripts/describe_settings.py`.
"""


def default(field: FieldInfo) -> str:
    """Return the default as a user would write it."""
    value: Any = field.get_default(call_default_factory=True)
    return "" if value in (None, "", ()) else f"`{value}`"


def accepted(field: FieldInfo) -> str:
    """Return the bounds or the choices of a setting."""
    choices = [str(choice) for choice in get_args(field.annotation) if isinstance(choice, str)]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return ", ".join(
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in signs.items()
        if hasattr(rule, name)
    )


def nested(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model behind a setting that is a table: one, one for each role, or a list of them."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return next(
        (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None
    )


def table(title: str, model: type[BaseModel]) -> list[str]:
    """Return the keys of one TOML table, and of the tables within."""
    lines = [
        f"\n### `{title}`\n",
        "| Key | Default | Accepted | What it does |",
        "|---|---|---|---|",
    ]
    within: list[str] = []
    for name, field in model.model_fields.items():
        shown = "" if field.is_required() else default(field)
        lines.append(f"| `{name}` | {shown} | {accepted(field)} | {field.description} |")
        if (kind := nested(field)) is not None:
            within += table(f"{title.strip('[]')}.{name}", kind)
    return lines + within


def section(program: str, settings: type[BaseSettings], at_once: frozenset[str]) -> str:
    """Return the table of one program; settings in `at_once` are marked."""
    prefix = settings.model_config["env_prefix"]
    lines = [
        f"\n## {program}\n",
        f"Variables begin with `{prefix}`.\n",
        "| Setting | Default | Accepted | What it does |",
        "|---|---|---|---|",
    ]
    tables: list[str] = []
    for name, field in settings.model_fields.items():
        kind = nested(field)
        if kind is None:
            flag = f"`--{name.replace('_', '-')}`"
            mark = " ↻" if name in at_once else ""
            lines.append(
                f"| {flag}{mark} | {default(field)} | {accepted(field)} | {field.description} |"
            )
        elif get_origin(field.annotation) is dict:
            roles = ", ".join(get_args(get_args(field.annotation)[0]))
            # A table for each of a few roles, or by any name.
            key = "ROLE" if roles else "NAME"
            lines.append(f"| `[{name}.{key}]` | | {roles} | {field.description} |")
            tables += table(f"[{name}.{key}]", kind)
        else:
            lines.append(f"| `[{name}]`, `--{name}.KEY` | | | {field.description} |")
            tables += table(f"[{name}]", kind)
    lines += tables
    return "\n".join(lines) + "\n"


def main() -> None:
    """Rewrite or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    page = INTRODUCTION
    page += section("tidegate-server", ServerSettings, server.AT_ONCE)
    page += section("tidegate-balancer", BalancerSettings, balancer.AT_ONCE)
    if not parser.parse_args().check:
        PAGE.write_text(page, "utf-8")
    elif PAGE.read_text("utf-8") != page:
        raise SystemExit("docs/configuration.md differs: run scripts/describe_settings.py")


if __name__ == "__main__":
    main()
