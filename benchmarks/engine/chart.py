"""Draws the rows as bars: how far each ratio lies beyond its gate.

Needs matplotlib, which nothing else does.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.row import Row, Verdict

_COLOURS = {Verdict.MET: "#2a7f62", Verdict.MISSED: "#c8553d"}


def draw(rows: Sequence[Row], machine: str, path: Path) -> None:
    """Write the chart to `path`; its suffix (.svg, .png) says in which format."""
    import matplotlib as mpl

    mpl.use("agg")
    # The same figures give the same file, and its words stay words.
    mpl.rcParams["svg.hashsalt"] = "tidegate"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    shown = [row for row in rows if row.verdict in _COLOURS and row.ratio][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(shown) + 1.4), layout="constrained")
    for at, row in enumerate(shown):
        ratio = row.ratio or 1.0
        axes.barh(at, ratio - 1, left=1, color=_COLOURS[row.verdict], height=0.6)
        axes.plot([row.least or ratio, row.most or ratio], [at, at], color="black", linewidth=1)
        bound = _bound(row)
        axes.plot([bound, bound], [at - 0.42, at + 0.42], color="black", linewidth=2)
        axes.annotate(
            f" {ratio:.2f}x", (max(1, ratio, row.most or 0, bound), at), va="center", fontsize=8
        )
    axes.set_xscale("log")
    axes.set_xlim(right=axes.get_xlim()[1] * 1.3)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [f"{row.name}, {row.against}" for row in shown], fontsize=8)
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.minorticks_off()
    axes.set_title(
        "Ours / theirs; the thick mark is the gate, the thin line the range", fontsize=10
    )
    axes.set_xlabel(machine, fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _bound(row: Row) -> float:
    """Return the gate as a ratio; a promise is held against itself."""
    return float(row.gate[1:-1]) if row.gate.endswith("x") else 1.0
