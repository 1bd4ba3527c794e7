"""Figures of MHSSA-GCN: patches, who attends to whom, how much the graph moves between clips."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...preprocessing.regions import PATCH, POINTS
from .face import EXTENT, blank, grid
from .planted import planted_curves as planted_curves
from .regions import PAIRS, REGION_COLOURS, SHORT
from .style import ACCENT, EDGE, INK, MAGNITUDE, panels


def patches(strain: np.ndarray, landmarks: np.ndarray, centres: np.ndarray) -> Figure:
    """The strain (28, 28) with the 7x7 patch of one landmark per region; centres (43, 2)."""
    fig, axis = plt.subplots(figsize=(4.8, 4.6))
    image = axis.imshow(strain, cmap=MAGNITUDE, extent=EXTENT, alpha=0.6)
    blank(axis, landmarks)
    axis.scatter(*(centres + 0.5).T, s=8, color=EDGE, zorder=3)
    first = 0
    for region, colour in zip(POINTS, REGION_COLOURS, strict=True):
        corner = centres[first + len(region) // 2] - PATCH // 2
        axis.add_patch(Rectangle(corner, PATCH, PATCH, fill=False, ec=colour, lw=2, zorder=4))
        first += len(region)
    grid(axis)
    axis.set_title("43 landmarks; the patch of one in each region")
    fig.colorbar(image, ax=axis, shrink=0.8, label="strain")
    return fig


def attention(landmarks: np.ndarray, forms: Mapping[str, tuple]) -> Figure:
    """Who attends to whom on the face: (positions (43, 2), weights (43, 43)) per form.

    A line is as dark as the weight between two landmarks, a dot as large as a landmark's weight on
    itself.
    """
    itself = {form: np.diag(weights) for form, (_, weights) in forms.items()}
    titles = [f"{form}: {own.mean():.2f} of the weight on itself" for form, own in itself.items()]
    fig, [axes] = panels(titles, 4.6, 4.9)
    for axis, (form, (positions, weights)) in zip(axes, forms.items(), strict=True):
        blank(axis, landmarks)
        first, second = np.triu_indices(len(positions), 1)
        both = ((weights + weights.T) / 2)[first, second]
        lines = np.stack([positions[first], positions[second]], axis=1)  # (pairs, 2, 2)
        alpha = np.where(both > 0.01, 2.5 * both, 0).clip(max=1)
        axis.add_collection(LineCollection(lines, colors=INK, lw=1.5, alpha=alpha, zorder=2))
        size = 6 + 90 * itself[form]
        axis.scatter(*positions.T, s=size, color=ACCENT, ec=EDGE, lw=0.4, zorder=3)
    return fig


def spread(values: Mapping[str, np.ndarray]) -> Figure:
    """Manifold graphs (N, 6, 6) of N clips: the 15 pairs of regions, every clip a point."""
    size = {"figsize": (8.5, 2.5 * len(values))}
    fig, axes = plt.subplots(len(values), 1, sharex=True, squeeze=False, **size)
    random = np.random.default_rng(0)
    for axis, (title, stack) in zip(axes[:, 0], values.items(), strict=True):
        pairs = ((stack + stack.swapaxes(1, 2)) / 2)[:, *PAIRS]  # (N, 15)
        x = np.arange(pairs.shape[1]) + random.uniform(-0.25, 0.25, pairs.shape)
        axis.plot(x.ravel(), pairs.ravel(), ".", color=INK, alpha=0.25, ms=3)
        axis.plot(pairs.mean(axis=0), "_", color=ACCENT, ms=14, mew=2)
        axis.set(ylabel="weight", ylim=(0, None), title=title)
    names = [f"{SHORT[i]} – {SHORT[j]}" for i, j in zip(*PAIRS, strict=True)]
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    return fig
