"""Figures of films in which movements were searched, and of what the models say of them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...preprocessing import spotting
from .face import over
from .style import INK, LIGHT, MAGNITUDE, class_colours, panels, reference, signed


def course(film) -> Figure:
    """How far the face has moved at each moment of a film, and the movements that were found."""
    fig, axis = plt.subplots(figsize=(7.8, 2.6))
    unit = "frame" if film.fps is None else "seconds"
    axis.plot(film.course[unit], film.course["movement"], color=INK, lw=1)
    reference(axis, spotting.FACTOR * film.still, "seen from here on", level=True)
    for ends in film.intervals.loc[film.intervals["seen"], ["onset", "offset"]].to_numpy():
        ends = ends if film.fps is None else (ends - 1) / film.fps
        axis.axvspan(*ends, color=LIGHT, alpha=0.5, lw=0)
    axis.set(xlabel=unit, ylabel="movement, pixels", ylim=(0, None))
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
    """Strain of clips (n, 3, 28, 28), and what is lost without a place, under a drawn face."""
    columns = ("how the skin is stretched", "where the evidence lies")
    fig, axes = panels(columns, 2.7, 2.5, rows=titles, extra=(0, 0.3))
    for (left, right), image, values, face in zip(axes, flow, maps, points, strict=True):
        over(left, image[2], face, cmap=MAGNITUDE)
        look = signed(values) | {"cmap": "PuOr_r", "interpolation": "bilinear"}
        over(right, values, face, **look)
    return fig
