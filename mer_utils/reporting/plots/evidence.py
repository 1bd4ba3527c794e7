"""Figures of evidence: mean maps on the outline of a face, and how well they point."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import intervals
from .face import over
from .style import MAGNITUDE, looks, matrix, panels, reference, title


def maps(means: Mapping[str, np.ndarray], classes: Sequence[str], landmarks: np.ndarray) -> Figure:
    """Mean maps (C, 28, 28) of every system by class, under the mean face; a row has one scale."""
    fig, axes = panels(classes, 1.7, 1.45, [title(name) for name in means], extra=(0.9, 0.3))
    for row, values in zip(axes, means.values(), strict=True):
        for axis, values_of_class in zip(row, values, strict=True):
            look = {"cmap": MAGNITUDE, "vmin": 0, "vmax": max(values.max(), 1e-12)}
            over(axis, values_of_class, landmarks, "0.35", 0.7, **look)
        row[0].yaxis.label.set(rotation=0, ha="right", va="center", fontsize=9)
    return fig


def shares(table: pd.DataFrame) -> Figure:
    """A row per system, a column per region, with the numbers."""
    fig, [[axis]] = panels([""], 7.4, 0.32 * len(table) + 0.6)
    rows = [title(name) for name in table.index]
    look = {"cmap": "Blues", "vmin": 0, "square": False}
    matrix(axis, table.to_numpy(), rows, table.columns, "{:.2f}", **look)
    return fig


def pointing(table: pd.DataFrame, chance: float, flow: float) -> Figure:
    """Pointing with its interval, a row per system; hollow where a network is untrained."""
    names = table["system"]
    xlabel = "clips whose most evident cell is in an active region"
    fig, axis = intervals.rows(names, xlabel, (0, 1))
    look = looks(names.str.partition(" ")[0]) | {"filled": ~names.str.contains(" ")}
    values = (table[name] for name in ("pointing", "pointing low", "pointing high"))
    intervals.dots(axis, *values, **look)
    reference(axis, chance, "random place")
    reference(axis, flow, "the flow alone")
    return fig
