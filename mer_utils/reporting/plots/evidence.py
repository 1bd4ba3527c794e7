"""Figures of evidence: mean maps on the outline of a face, and how well they point."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import intervals
from .face import over
from .style import MAGNITUDE, legend, looks, matrix, panels, reference, title

WIDE = 4  # panels in a row


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


def doses(table: pd.DataFrame, units: Mapping[str, str], mean: str) -> Figure:
    """What is lost of UF1 by dose, a panel per change: a line per system and, in black, their mean.

    units: what a dose of each change is; mean: the name of the mean among the systems.  Upright
    lines are 95 % intervals, side by side; at the left nothing is changed.
    """
    rows = -(-len(units) // WIDE)
    size = (2.5 * WIDE, 2.3 * rows + 0.5)
    fig, axes = plt.subplots(rows, WIDE, figsize=size, sharey=True, squeeze=False)
    for axis in axes.flat[len(units) :]:
        axis.remove()
    for axis, (change, unit) in zip(axes.flat, units.items(), strict=False):
        part = table[table["change"].isin(("nothing", change))]
        systems = list(part.groupby("system", sort=False))
        for aside, (system, own) in zip(np.linspace(0, 0.4, len(systems)), systems, strict=True):
            look = {"color": "black", "lw": 2, "zorder": 4}
            if system != mean:
                [shade], [marker] = looks([system]).values()
                look = {"color": shade, "marker": marker, "lw": 0.8, "ms": 3}
            error = own["lost"] - own["low"], own["high"] - own["lost"]
            places = np.arange(len(own)) + aside * (own["dose"] > 0)
            axis.errorbar(places, own["lost"], error, elinewidth=0.6, label=title(system), **look)
        places = range(len(own))
        axis.set_xticks(places, ["none", *(f"{dose:g}" for dose in own["dose"][1:])])
        axis.set(title=change)
        axis.set_xlabel(unit, fontsize=8)
        reference(axis, 0, level=True)
    axes[0, 0].invert_yaxis()
    for axis in axes[:, 0]:
        axis.set_ylabel("UF1 lost")
    legend(fig, *axes[0, 0].get_legend_handles_labels())
    return fig
