"""Draws what every system did with every load: chats answered in full, in short, and a label's p99.

Needs matplotlib, which nothing else does.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.overload.contest import Played
from benchmarks.overload.scenario import SCENARIOS
from benchmarks.overload.systems import OURS, SYSTEMS

_COLOURS = ("#2a7f62", "#7fb69a", "#c8553d", "#e09f3e", "#335c81", "#8d8d8d")
_SHORT = "#d5ecdf"


def draw(played: Sequence[Played], machine: str, path: Path) -> None:
    """Write the chart to `path`; its suffix (.svg, .png) says in which format."""
    import matplotlib as mpl

    mpl.use("agg")
    # The same figures give the same file, and its words stay words.
    mpl.rcParams["svg.hashsalt"] = "tidegate"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    found = {(each.scenario, each.system): each for each in played}
    names = [each.name for each in SCENARIOS if any(key[0] == each.name for key in found)]
    figure, panes = plt.subplots(3, 1, figsize=(9, 8), layout="constrained", sharex=True)
    width = 0.8 / len(SYSTEMS)
    for number, (system, colour) in enumerate(zip(SYSTEMS, _COLOURS, strict=True)):
        for at, name in enumerate(names):
            one = found.get((name, system.name))
            if one is None:
                continue
            place = at + (number - (len(SYSTEMS) - 1) / 2) * width
            label = system.title if at == 0 else None
            panes[0].bar(place, 100 * one["goodput_share"], width * 0.9, color=colour, label=label)
            panes[1].bar(place, 100 * one["chat_full"], width * 0.9, color=colour)
            panes[1].bar(
                place,
                100 * one["chat_degraded"],
                width * 0.9,
                bottom=100 * one["chat_full"],
                color=_SHORT,
                label="in short" if system.name == OURS and at == 0 else None,
            )
            panes[2].bar(place, 1000 * one["sentiment_p99_s"], width * 0.9, color=colour)
    titles = (
        "full answers in time, by slot-seconds, % of what the fleet gives at most",
        "chats that got an answer, %",
        "a label's p99, ms",
    )
    for pane, title in zip(panes, titles, strict=True):
        pane.set_title(title, fontsize=10, loc="left")
        for side in ("top", "right"):
            pane.spines[side].set_visible(False)
    panes[0].legend(fontsize=8, ncols=3, frameon=False, loc="upper left")
    panes[0].set_ylim(top=140)
    panes[1].legend(fontsize=8, frameon=False, loc="upper right")
    panes[2].set_xticks(range(len(names)), names)
    panes[2].set_xlabel(f"chats, in multiples of the fleet's capacity ({machine})", fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
