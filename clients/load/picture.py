"""Draws a load over its seconds: what was offered to each lane, and what became of it.

The only part that needs matplotlib. Knows nothing about how a load is put.
"""

from __future__ import annotations

from pathlib import Path

from tidegate.clients.load.drive import Outcome
from tidegate.clients.load.tally import End

# Told apart without colour too: they are stacked in the order of the legend.
_COLOURS = {
    End.FULL: "#2a7f62",
    End.DEGRADED: "#e0a526",
    End.SHED: "#9aa5b1",
    End.EXPIRED: "#b5651d",
    End.FAILED: "#b3261e",
}


def draw(outcome: Outcome, title: str, path: Path) -> None:
    """Write the picture; its kind follows from the file's ending. Raises OSError or ValueError."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    lanes = [lane for lane, tally in outcome.lanes.items() if tally.offered] or ["sentiment"]
    figure, rows = pyplot.subplots(
        len(lanes),
        1,
        sharex=True,
        squeeze=False,
        figsize=(9, 1 + 2.6 * len(lanes)),
        layout="constrained",
    )
    for (axes,), lane in zip(rows, lanes, strict=True):
        seconds = list(range(max(outcome.seconds[lane], default=0) + 1))
        ends = [[outcome.in_second(lane, s)[end.value] for s in seconds] for end in End]
        axes.stackplot(
            seconds,
            ends,
            labels=[end.value for end in End],
            colors=[_COLOURS[end] for end in End],
            step="mid",
        )
        offered = [outcome.in_second(lane, s)["offered"] for s in seconds]
        axes.step(seconds, offered, where="mid", color="black", linewidth=1, label="offered")
        axes.set_ylabel(f"{lane}, calls/s")
        axes.set_ylim(bottom=0)
        axes.margins(x=0)
    rows[0][0].set_title(title)
    rows[0][0].legend(loc="upper right", ncols=3, fontsize="small")
    rows[-1][0].set_xlabel("seconds")
    figure.savefig(path)
    pyplot.close(figure)
