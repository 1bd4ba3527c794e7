"""Figures of MHSSA-GCN: patches, who attends to whom, how much the graph moves between clips."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...preprocessing.regions import GRID, PATCH, POINTS
from .regions import REGION_COLOURS, SHORT, outline
from .style import CHANCE, EDGE, MAGNITUDE

INK, ACCENT = "#1f3b63", "#d9822b"
LINES = ((INK, "-", "o"), (ACCENT, "--", "s"), ("#5d8a4e", ":", "^"), ("#a3223a", "-.", "D"))


def patches(strain: np.ndarray, landmarks: np.ndarray, centres: np.ndarray) -> Figure:
    """The strain (28, 28) with the 7x7 patch of one landmark per region; centres (43, 2)."""
    fig, axis = plt.subplots(figsize=(4.8, 4.6), layout="constrained")
    drawn = axis.imshow(strain, cmap=MAGNITUDE, extent=(0, GRID, GRID, 0), alpha=0.6)
    outline(axis, landmarks)
    axis.scatter(*(centres + 0.5).T, s=8, color=EDGE, zorder=3)
    first = 0
    for region, colour in zip(POINTS, REGION_COLOURS, strict=True):
        middle = centres[first + len(region) // 2] - PATCH // 2
        square = Rectangle(middle, PATCH, PATCH, fill=False, edgecolor=colour, lw=2, zorder=4)
        axis.add_patch(square)
        first += len(region)
    axis.set(xlim=(0, GRID), ylim=(GRID, 0))
    axis.set_title("43 landmarks; the patch of one in each region")
    fig.colorbar(drawn, ax=axis, shrink=0.8, label="strain")
    return fig


def attention(landmarks: np.ndarray, forms: Mapping[str, tuple]) -> Figure:
    """Who attends to whom on the face: (positions (43, 2), weights (43, 43)) per form.

    A line is as dark as the weight between two landmarks, a dot as large as a landmark's weight on
    itself.
    """
    fig, axes = plt.subplots(1, len(forms), figsize=(4.6 * len(forms), 4.9), layout="constrained")
    for axis, (title, (positions, weights)) in zip(np.atleast_1d(axes), forms.items(), strict=True):
        outline(axis, landmarks)
        both = (weights + weights.T) / 2
        for first, second in zip(*np.triu_indices(len(positions), 1), strict=True):
            if both[first, second] > 0.01:
                line = positions[[first, second]]
                alpha = min(1.0, 2.5 * both[first, second])
                axis.plot(*line.T, color=INK, lw=1.5, alpha=alpha, zorder=2)
        axis.scatter(
            *positions.T,
            s=6 + 90 * np.diag(weights),
            color=ACCENT,
            edgecolor=EDGE,
            lw=0.4,
            zorder=3,
        )
        axis.set_title(f"{title}: {np.diag(weights).mean():.2f} of the weight on itself")
    return fig


def spread(values: Mapping[str, np.ndarray]) -> Figure:
    """Manifold graphs (N, 6, 6) of N clips: the 15 pairs of regions, every clip a point."""
    fig, axes = plt.subplots(
        len(values), 1, figsize=(8.5, 2.5 * len(values)), sharex=True, layout="constrained"
    )
    rows, columns = np.triu_indices(len(SHORT), 1)
    scatter = np.random.default_rng(0)
    for axis, (title, stack) in zip(np.atleast_1d(axes), values.items(), strict=True):
        pairs = ((stack + stack.swapaxes(1, 2)) / 2)[:, rows, columns]  # (N, 15)
        x = np.arange(len(rows)) + scatter.uniform(-0.25, 0.25, pairs.shape)
        axis.plot(x.ravel(), pairs.ravel(), ".", color=INK, alpha=0.25, ms=3)
        axis.plot(pairs.mean(axis=0), "_", color=ACCENT, ms=14, mew=2)
        axis.set(ylabel="weight", ylim=(0, None))
        axis.set_title(title)
        axis.spines[["top", "right"]].set_visible(False)
    names = [f"{SHORT[i]} – {SHORT[j]}" for i, j in zip(rows, columns, strict=True)]
    np.atleast_1d(axes)[-1].set_xticks(range(len(rows)), names, rotation=90, fontsize=8)
    return fig


def planted_curves(curves: pd.DataFrame) -> Figure:
    """Accuracy on unseen planted clips by epoch; columns case, form, epoch, accuracy."""
    cases = curves["case"].unique()
    fig, axes = plt.subplots(
        1, len(cases), figsize=(4.8 * len(cases), 3.6), sharey=True, layout="constrained"
    )
    for axis, case in zip(np.atleast_1d(axes), cases, strict=True):
        part = curves[curves["case"] == case]
        for (form, line), (colour, style, marker) in zip(
            part.groupby("form", sort=False), LINES, strict=False
        ):
            axis.plot(
                line["epoch"],
                line["accuracy"],
                color=colour,
                ls=style,
                marker=marker,
                ms=4,
                label=form,
            )
        axis.axhline(0.5, color=CHANCE, ls="--", lw=1)
        axis.set(xlabel="epoch", ylim=(0.4, 1.03))
        axis.set_title(case)
        axis.legend(frameon=False, fontsize=8, loc="center right", bbox_to_anchor=(1, 0.64))
        axis.spines[["top", "right"]].set_visible(False)
    np.atleast_1d(axes)[0].set_ylabel("right, of unseen clips")
    return fig
