"""Figures of AM-GCN: what goes in, where it looks, which units it reads, who hears whom."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import style
from .outline import GRID, outline, square

INK = style.colour("am_gcn")
ACCENT = style.CLASS_COLOURS["positive"]
PALE = style.CLASS_COLOURS["surprise"]


def inputs(motion: np.ndarray, pool: np.ndarray, landmarks: np.ndarray, region: str) -> Figure:
    """Apex minus onset (size, size), and where one region's node looks (cells, cells)."""
    fig, axes = plt.subplots(1, 2, figsize=(7.4, 3.7), layout="constrained")
    bound = np.abs(motion).max()
    panels = (
        (
            motion,
            style.SIGNED,
            (-bound, bound),
            "apex minus onset",
            "standardised grey value",
            "0.25",
        ),
        (pool, "Greys", (0, pool.max()), f"pool of the {region}", "weight", ACCENT),
    )
    for axis, (values, colours, limits, title, unit, ink) in zip(axes, panels, strict=True):
        image = axis.imshow(
            values, cmap=colours, vmin=limits[0], vmax=limits[1], extent=(0, GRID, GRID, 0)
        )
        outline(axis, landmarks, ink)
        square(axis, title)
        fig.colorbar(image, ax=axis, shrink=0.8, label=unit)
    return fig


def attention(maps: Sequence[np.ndarray], landmarks: np.ndarray) -> Figure:
    """The attention of each block, (cells, cells) each, over the face it belongs to."""
    fig, axes = plt.subplots(
        1, len(maps), figsize=(2.4 * len(maps) + 0.8, 2.9), layout="constrained"
    )
    for block, (axis, values) in enumerate(zip(axes, maps, strict=True), start=1):
        image = axis.imshow(values, cmap="Greys", vmin=0, vmax=1, extent=(0, GRID, GRID, 0))
        outline(axis, landmarks, ACCENT)
        square(axis, f"block {block}, {len(values)}x{len(values)}")
    fig.colorbar(image, ax=axes, shrink=0.8, label="share let through")
    return fig


def scores(table: pd.DataFrame) -> Figure:
    """A bar per action unit: the score read from its node, orange where the sheet has it.

    `table`: columns unit, score (0..1) and coded (1, 0, or -1 where nobody coded).
    """
    fig, axis = plt.subplots(figsize=(8, 2.9), layout="constrained")
    bars = axis.bar(table["unit"].astype(str), table["score"], color=PALE, edgecolor=style.EDGE)
    for bar, coded in zip(bars, table["coded"], strict=True):
        if coded == 1:
            bar.set(facecolor=ACCENT, hatch="///")
    axis.axhline(0.5, color=style.CHANCE, linestyle="--", linewidth=1)
    handles = [
        plt.Rectangle((0, 0), 1, 1, facecolor=ACCENT, edgecolor=style.EDGE, hatch="///"),
        plt.Rectangle((0, 0), 1, 1, facecolor=PALE, edgecolor=style.EDGE),
    ]
    axis.legend(handles, ["in the sheet", "not in the sheet"], frameon=False, ncols=2)
    axis.set(xlabel="action unit", ylabel="score, squeezed to 0..1", ylim=(0, 1.18))
    axis.set_yticks(np.linspace(0, 1, 5))
    axis.spines[["top", "right"]].set_visible(False)
    return fig


def graph(weights: np.ndarray, units: Sequence[int]) -> Figure:
    """Who hears whom: row j hears column i with this weight.

    Units that neither hear nor are heard by another are left out, unless that is all of them.
    """
    others = weights - np.diag(np.diag(weights))
    linked = np.flatnonzero(others.any(axis=0) | others.any(axis=1))
    if len(linked):
        weights, units = weights[np.ix_(linked, linked)], [units[i] for i in linked]
    fig, axis = plt.subplots(figsize=(5.6, 4.8), layout="constrained")
    image = axis.imshow(weights, cmap="Greys", vmin=0, vmax=weights.max())
    names = [str(unit) for unit in units]
    axis.set_xticks(range(len(names)), names, fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set(xlabel="is heard: action unit", ylabel="hears: action unit")
    fig.colorbar(image, ax=axis, shrink=0.8, label="weight in the graph convolution")
    return fig


def planted(table: pd.DataFrame, chance: float) -> Figure:
    """Accuracy on unseen planted clips: a row per form, a dot per seed, the mean as a bar.

    `table`: columns form, seed and accuracy.
    """
    forms = list(dict.fromkeys(table["form"]))
    fig, axis = plt.subplots(figsize=(7, 0.9 + 0.5 * len(forms)), layout="constrained")
    for row, form in enumerate(forms):
        values = table.loc[table["form"] == form, "accuracy"]
        axis.scatter(values, [row] * len(values), s=42, color=INK, zorder=3)
        axis.vlines(values.mean(), row - 0.25, row + 0.25, color=ACCENT, linewidth=3, zorder=2)
    axis.axvline(chance, color=style.CHANCE, linestyle="--", linewidth=1)
    axis.annotate(
        "chance",
        (chance, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color=style.CHANCE,
    )
    axis.set_yticks(range(len(forms)), forms)
    axis.set_ylim(len(forms) - 0.5, -0.7)
    axis.set(xlabel="share of unseen clips named rightly", xlim=(0, 1.03))
    axis.spines[["top", "right"]].set_visible(False)
    return fig
