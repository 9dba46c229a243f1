"""Draws a soak: memory of each process beside its first stable figure, descriptors, calls by their end, and what was lost when.

Needs matplotlib, which nothing else does.
"""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.soak.journal import Line

_COLOURS = {
    "balancer": "#c8553d",
    "instance": "#7fb69a",
    "web": "#335c81",
    "consul": "#8d8d8d",
    "callers": "#e09f3e",
}
_ENDS = {
    "full": "#2a7f62",
    "short": "#7fb69a",
    "refused": "#e09f3e",
    "failed": "#c8553d",
    "cut": "#8f2d56",
    "cancelled": "#8d8d8d",
    "expired": "#335c81",
}
_BIN_S = 30.0


def draw(lines: Sequence[Line], path: Path) -> None:
    """Write the chart to `path`; its suffix (.svg, .png) says in which format."""
    import matplotlib as mpl

    mpl.use("agg")
    # The same figures give the same file, and its words stay words.
    mpl.rcParams["svg.hashsalt"] = "tidegate"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    figure, panes = plt.subplots(3, 1, figsize=(9, 8), layout="constrained", sharex=True)
    _processes(lines, panes[0], "rss", 1e6)
    _processes(lines, panes[1], "fds", 1.0)
    _ended(lines, panes[2])
    titles = ("resident memory, MB", "open descriptors", "calls a second, by how they ended")
    for pane, title in zip(panes, titles, strict=True):
        pane.set_title(title, fontsize=10, loc="left")
        pane.set_ylim(bottom=0)
        for side in ("top", "right"):
            pane.spines[side].set_visible(False)
        for line in lines:
            if line["what"] == "gap":
                begin_s = line["at_s"] - line["lasted_s"]
                pane.axvspan(begin_s / 60, line["at_s"] / 60, color="#eeeeee", zorder=0)
            elif line["what"] == "blow":
                pane.axvline(line["at_s"] / 60, color=_COLOURS[line["kind"]], lw=0.7, ls=":")
    panes[0].legend(fontsize=8, ncols=5, frameon=False, loc="upper left")
    panes[0].set_ylim(top=1.3 * panes[0].get_ylim()[1])
    panes[2].legend(fontsize=8, ncols=7, frameon=False, loc="upper left")
    panes[2].set_ylim(top=1.3 * panes[2].get_ylim()[1])
    panes[2].set_xlabel(
        "minutes; dotted: a part is killed or stopped, in its colour; grey: the whole machine stood still",
        fontsize=8,
    )
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _processes(lines: Sequence[Line], pane: Any, name: str, unit: float) -> None:
    curves: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    for line in lines:
        if line["what"] == "sample":
            curves[line["kind"], line["pid"]].append((line["at_s"] / 60, line[name] / unit))
    named: set[str] = set()
    for (kind, _), points in curves.items():
        label = None if kind in named else kind
        named.add(kind)
        # Every third is enough for the eye, and keeps the file small.
        pane.plot(*zip(*points[::3], strict=True), color=_COLOURS[kind], lw=1, label=label)


def _ended(lines: Sequence[Line], pane: Any) -> None:
    bins: dict[int, dict[str, int]] = {}
    for line in lines:
        if line["what"] == "count":
            sums: dict[str, int] = defaultdict(int)
            for ends in line["ends"].values():
                for end, count in ends.items():
                    sums[end] += count
            bins[int(line["at_s"] / _BIN_S)] = sums
    at = sorted(bins)
    if len(at) < 2:
        return
    rates = {
        end: [
            (bins[b].get(end, 0) - bins[a].get(end, 0)) / (b - a) / _BIN_S
            for a, b in itertools.pairwise(at)
        ]
        for end in _ENDS
    }
    minutes = [each * _BIN_S / 60 for each in at[1:]]
    pane.stackplot(minutes, *rates.values(), labels=rates, colors=_ENDS.values(), step="pre")
