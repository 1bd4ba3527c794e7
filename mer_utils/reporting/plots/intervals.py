"""Parts of every figure that has a row per item, a dot, and an interval."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import INK, scatter, title

ROW, DENSE, MANY = 0.42, 0.27, 12  # inches of a row, of a row among more than so many


def rows(
    labels: Sequence[str], xlabel: str, limits: tuple | None = None, extra: float = 1.0
) -> tuple[Figure, Axes]:
    """An empty figure with a row per label, the first on top; names of systems as their titles.

    limits: of the x axis, where the dots do not set them; extra: inches besides the rows, for the
    axis and a legend.
    """
    height = DENSE if len(labels) > MANY else ROW
    fig, axis = plt.subplots(figsize=(7.8, extra + height * len(labels)))
    axis.set_yticks(range(len(labels)), [title(label) for label in labels])
    axis.set(ylim=(len(labels) - 0.5, -0.7), xlabel=xlabel)
    if limits:
        axis.set_xlim(limits)
    return fig, axis


def dots(
    axis: Axes,
    values: Sequence[float],
    low: Sequence[float] | float = np.nan,
    high: Sequence[float] | float = np.nan,
    *,
    colours: Sequence[str] | str = INK,
    markers: Sequence[str] | str = "o",
    filled: Sequence[bool] | bool = True,
    shift: float = 0.0,
    digits: int = 0,
    size: float = 8,
    label: str | None = None,
) -> None:
    """A dot per row and a line from `low` to `high`; rows without a value stay empty.

    digits: of the number above each dot, 0 for none; shift: rows by which all are moved down.
    """
    parts = {"value": values, "low": low, "high": high}
    parts |= {"colour": colours, "marker": markers, "filled": filled}
    columns = {name: np.broadcast_to(part, len(values)) for name, part in parts.items()}
    table = pd.DataFrame(columns).dropna(subset="value")
    for place, row in table.iterrows():
        y = place + shift
        axis.plot([row["low"], row["high"]], [y, y], color=row["colour"], lw=2)
        axis.plot(
            row["value"], y, row["marker"], color=row["colour"], ms=size, label=label, zorder=3,
            mfc=row["colour"] if row["filled"] else "white", ls="",
        )  # fmt: skip
        label = None  # once in the legend
        if digits:
            axis.annotate(
                f"{row['value']:.{digits}f}", (row["value"], y), (0, 6), ha="center", fontsize=8,
                textcoords="offset points",
            )  # fmt: skip


def swarm(
    axis: Axes,
    values: np.ndarray,
    place: float,
    *,
    colour: str = INK,
    middle: Callable | None = None,
    middle_colour: str = "black",
    width: float = 0.6,
    **look,
) -> None:
    """Every value of one row as a dot of its own; `middle` (np.mean, np.median) as a bar."""
    values = np.sort(np.asarray(values))
    look = {"s": 14, "linewidths": 0, "zorder": 2} | look
    axis.scatter(values, place + width * scatter(len(values)), color=colour, **look)
    if middle and len(values):
        half = 0.6 * width
        axis.vlines(
            middle(values), place - half, place + half, color=middle_colour, lw=2.5, zorder=3
        )
