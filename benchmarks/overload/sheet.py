"""Prints what every system came to in every scenario, a line each, above the gates.

Knows nothing of gates.
"""

import math
from collections.abc import Sequence

from benchmarks.overload.contest import Played
from benchmarks.overload.systems import SYSTEMS

_HEADS = (
    "load",
    "system",
    "goodput",
    "chats full",
    "in short",
    "shed",
    "expired",
    "failed",
    "shed p99",
    "chat p50",
    "chat p95",
    "labels",
    "label p99",
    "core",
)


def render(played: Sequence[Played]) -> str:
    """Return the table as Markdown, which reads well as text too."""
    titles = {system.name: system.title for system in SYSTEMS}
    lines = ["| " + " | ".join(_HEADS) + " |", "|---|---|" + "---:|" * (len(_HEADS) - 2)]
    for each in played:
        cells = (
            each.scenario,
            titles[each.system] + (" (!)" if each.complaint else ""),
            *(_share(each[name]) for name in ("goodput_share", "chat_full", "chat_degraded")),
            *(_share(each[name]) for name in ("chat_shed", "chat_expired", "chat_failed")),
            *(_time(each[name]) for name in ("chat_shed_p99_s", "chat_full_p50_s")),
            _time(each["chat_full_p95_s"]),
            _share(each["sentiment_answered"]),
            _time(each["sentiment_p99_s"]),
            f"{each.cpu:.0%}" if each.cpu else "–",
        )
        lines.append("| " + " | ".join(cells) + " |")
    doubts = [each for each in played if each.complaint]
    if doubts:
        said = (f"{each.scenario}, {titles[each.system]}: {each.complaint}" for each in doubts)
        lines += ["", f"(!) {'; '.join(said)}."]
    return "\n".join(lines)


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def _time(value_s: float) -> str:
    if math.isnan(value_s):
        return "–"
    return f"{value_s * 1000:.0f} ms" if value_s < 1 else f"{value_s:.2f} s"
