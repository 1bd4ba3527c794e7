"""Figures of films in which movements were searched, and of what the models say of them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...preprocessing import spotting
from .face import EXTENT, grid, outline
from .motion import MAGNITUDE
from .style import EDGE, INK, LIGHT, class_colours, panels, reference


def course(film) -> Figure:
    """How far the face has moved at each moment of a film, and the movements that were found."""
    fig, axis = plt.subplots(figsize=(7.8, 2.6))
    timed = film.fps is not None
    axis.plot(
        film.course["seconds" if timed else "frame"], film.course["movement"], color=INK, lw=1
    )
    reference(axis, spotting.FACTOR * film.still, "seen from here on", level=True)
    for line in film.intervals[film.intervals["seen"]].to_dict("records"):
        start, end = ((line[n] - 1) / film.fps if timed else line[n] for n in ("onset", "offset"))
        axis.axvspan(start, end, color=LIGHT, alpha=0.5, lw=0)
    axis.set(xlabel="seconds" if timed else "frame", ylabel="movement, pixels", ylim=(0, None))
    axis.margins(x=0)
    return fig


def probabilities(table: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """A row per movement: each class's probability, and its spread over the models."""
    fig, axis = plt.subplots(figsize=(7.8, 0.9 + 0.5 * len(table)))
    colours = class_colours(classes)
    for number, name in enumerate(classes):
        rows = np.arange(len(table)) + 0.2 * (number - (len(classes) - 1) / 2)
        p, low, high = (table[f"{part}_{name}"] for part in ("p", "low", "high"))
        axis.hlines(rows, low, high, color=colours[name], lw=2)
        axis.plot(p, rows, "o", color=colours[name], label=name)
    axis.set_yticks(range(len(table)), table["name"])
    axis.set(xlim=(0, 1), ylim=(len(table) - 0.4, -0.6), xlabel="probability")
    reference(axis, 1 / len(classes))
    fig.legend(loc="outside upper right", ncols=len(classes))
    return fig


def evidence(
    flow: np.ndarray, maps: np.ndarray, points: np.ndarray, titles: Sequence[str]
) -> Figure:
    """Strain of clips (n, 3, 28, 28), and what the prediction loses without a place (n, 28, 28).

    points: (n, 68, 2) landmarks in cells, drawn as lines: no person is to be recognised.
    """
    columns = ("how the skin is stretched", "where the evidence lies")
    fig, axes = panels(columns, 2.7, 2.5, rows=titles, extra=(0, 0.3))
    grid(*axes.flat)
    for row, ((strain_axis, axis), evidence_map) in enumerate(zip(axes, maps, strict=True)):
        strain_axis.imshow(flow[row, 2], extent=EXTENT, cmap=MAGNITUDE)
        highest = max(np.abs(evidence_map).max(), 1e-6)
        look = {"extent": EXTENT, "cmap": "PuOr_r", "vmin": -highest, "vmax": highest}
        axis.imshow(evidence_map, interpolation="bilinear", **look)
        for one in (strain_axis, axis):
            outline(one, points[row], EDGE, 0.8)
    return fig
