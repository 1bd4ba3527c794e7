"""Parts of every figure that has a row per item, a dot, and an interval."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import INK, title

ROW, DENSE, MANY = 0.42, 0.27, 12  # inches of a row, of a row among more than so many


def rows(
    labels: Sequence[str], xlabel: str, limits: tuple | None = None, extra: float = 1.0
) -> tuple[Figure, Axes]:
    """An empty figure with a row per label, the first on top; extra: inches besides the rows."""
    height = DENSE if len(labels) > MANY else ROW
    fig, axis = plt.subplots(figsize=(7.8, extra + height * len(labels)))
    axis.set_yticks(range(len(labels)), [title(label) for label in labels])
    axis.set(ylim=(len(labels) - 0.5, -0.7), xlabel=xlabel)
    if limits:
        axis.set_xlim(limits)
    return fig, axis


def dots(
    axis, values, low=np.nan, high=np.nan, colours=INK, markers="o", filled=True, digits=0, **look
) -> None:
    """A dot per row and a line from `low` to `high`; rows without a value stay empty.

    Each is one value, or one for every row; digits: of the number above each dot, 0 for none;
    look: of the dots, as `Axes.plot` takes it.
    """
    look = {"ms": 8, "ls": "", "zorder": 3} | look
    columns = np.broadcast_arrays(values, low, high, colours, markers, filled)
    for y, (value, start, end, colour, marker, full) in enumerate(zip(*columns, strict=True)):
        if np.isnan(value):
            continue
        axis.plot([start, end], [y, y], color=colour, lw=2)
        axis.plot(value, y, marker=marker, color=colour, mfc=colour if full else "white", **look)
        look["label"] = None  # once in the legend
        if digits:
            place = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
            axis.annotate(f"{value:.{digits}f}", (value, y), fontsize=8, **place)


def swarm(
    axis, values, place: float, middle: Callable | None = None, bar="black", width=0.6, **look
) -> None:
    """Every value of one row as a dot of its own; `middle` (np.mean, np.median) as a bar."""
    values = np.sort(np.asarray(values))
    look = {"s": 14, "linewidths": 0, "zorder": 2, "color": INK} | look
    apart = np.arange(len(values)) * 0.618 % 1 - 0.5  # so that dots do not hide each other
    axis.scatter(values, place + width * apart, **look)
    if middle and len(values):
        half = 0.6 * width
        axis.vlines(middle(values), place - half, place + half, color=bar, lw=2.5, zorder=3)
