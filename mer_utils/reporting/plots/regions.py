"""Figures of the six regions: where they are, and which of them move together."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ...preprocessing.regions import POINTS, REGIONS
from .face import grid, outline
from .style import ACCENT, EDGE, GREEN, INK, PALE, SIGNED, WARNING, matrix

# Distinct by marker as well: right and left share a colour.
REGION_COLOURS = (ACCENT, ACCENT, INK, INK, GREEN, WARNING)
REGION_MARKERS = ("^", "v", "<", ">", "s", "o")
SHORT = ("r. brow", "l. brow", "r. eye", "l. eye", "nose", "mouth")


def regions(landmarks: np.ndarray, lists: Mapping[str, tuple]) -> Figure:
    """The landmarks of the six regions over the outline, a panel per list of points."""
    fig, axes = plt.subplots(1, len(lists), figsize=(4.2 * len(lists), 4.6), squeeze=False)
    for axis, (title, points) in zip(axes[0], lists.items(), strict=True):
        blank_face(axis, landmarks, title)
        for name, region, colour, marker in zip(
            REGIONS, points, REGION_COLOURS, REGION_MARKERS, strict=True
        ):
            axis.scatter(
                *landmarks[list(region)].T, s=34, color=colour, marker=marker, label=name, zorder=2
            )
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return fig


def matrices(values: Mapping[str, np.ndarray], label: str, highest: float = 1.0) -> Figure:
    """(6, 6) matrices next to each other with their numbers; rows are the region that is given."""
    fig, axes = plt.subplots(1, len(values), figsize=(4.3 * len(values) + 0.4, 4.1), squeeze=False)
    for axis, (title, weights) in zip(axes[0], values.items(), strict=True):
        look = {"cmap": "Greys", "vmin": 0, "vmax": highest}
        image = _pairs(axis, weights, title, "{:.2f}", **look)
    fig.colorbar(image, ax=axes, shrink=0.8, label=label)
    return fig


def graphs(landmarks: np.ndarray, weights: Mapping[str, np.ndarray], heaviest=None) -> Figure:
    """(6, 6) weights as lines on the outline, as thick as the mean of both ways.

    All panels share the scale: the heaviest edge of all, or `heaviest`, is 8 points thick.
    """
    fig, axes = plt.subplots(1, len(weights), figsize=(4.0 * len(weights), 4.3), squeeze=False)
    heaviest = heaviest or max(_both_ways(graph).max() for graph in weights.values())
    for axis, (title, graph) in zip(axes[0], weights.items(), strict=True):
        _graph(axis, landmarks, graph, heaviest, title)
    return fig


def departure(landmarks: np.ndarray, stack: np.ndarray, fold: int) -> Figure:
    """The graph of one training fold, and each of its entries less the mean of all folds.

    stack (F, 6, 6): one co-occurrence per fold.  Both scales are those of all folds, so that a
    fold that changes little looks like it.
    """
    away = stack - stack.mean(axis=0)
    widest = max(np.abs(away).max(), 0.01)
    fig, (face, axis) = plt.subplots(1, 2, figsize=(9.2, 4.3), width_ratios=(1, 1.15))
    heaviest = max(_both_ways(graph).max() for graph in stack)
    _graph(face, landmarks, stack[fold], heaviest, "P of this fold, mean of both ways")
    texts = np.vectorize("{:+.2f}".format)(away[fold])
    texts = np.where(np.abs(away[fold]) >= 0.005, texts, "")
    look = {"cmap": SIGNED, "vmin": -widest, "vmax": widest}
    image = _pairs(axis, away[fold], "P(column | row), less the mean fold's", texts, **look)
    fig.colorbar(image, ax=axis, shrink=0.8)
    return fig


def ranges(stack: np.ndarray) -> Figure:
    """(F, 6, 6) one co-occurrence per fold: how far each of the 30 entries moves between folds."""
    pairs = [(i, j) for i, j in np.ndindex(stack.shape[1:]) if i != j]
    pairs.sort(key=lambda pair: -stack[:, *pair].mean())
    fig, axis = plt.subplots(figsize=(9, 3.6))
    values = np.array([stack[:, i, j] for i, j in pairs])  # (30, F)
    axis.vlines(range(len(pairs)), values.min(1), values.max(1), color=PALE, lw=6)
    axis.plot(np.median(values, axis=1), "_", color=INK, ms=9, mew=2)
    labels = [f"{SHORT[j]} | {SHORT[i]}" for i, j in pairs]
    axis.set_xticks(range(len(pairs)), labels, rotation=90, fontsize=8)
    axis.set(ylabel="P(moves | the other moves)", ylim=(-0.02, 1.04))
    axis.set_title("bar: lowest to highest training fold; line: median fold")
    return fig


def movement(levels: Mapping[str, np.ndarray], label: str) -> Figure:
    """Per region, what the clips show where its units are coded and where not, as two boxes.

    levels: "coded" and "not coded" -> a list of six arrays.
    """
    fig, axis = plt.subplots(figsize=(7.5, 3.4))
    looks = (("coded", -0.19, ACCENT), ("not coded", 0.19, PALE))
    for (name, shift, colour), values in zip(looks, levels.values(), strict=True):
        filled = {place + shift: part for place, part in enumerate(values) if len(part)}
        axis.boxplot(
            list(filled.values()), positions=list(filled), widths=0.32, showfliers=False,
            patch_artist=True, boxprops={"facecolor": colour, "edgecolor": EDGE},
            medianprops={"color": EDGE}, label=name,
        )  # fmt: skip
    axis.set_xticks(range(len(REGIONS)), REGIONS)
    axis.set_ylabel(label)
    axis.legend()
    return fig


def blank_face(axis, landmarks: np.ndarray, title: str = "") -> None:
    """A face as grey lines on blank ground; landmarks (68, 2) in cells of the flow grid."""
    outline(axis, landmarks, "0.75")
    grid(axis, title, margin=2.0)


def _pairs(axis, weights: np.ndarray, title: str, texts, **look):
    image = matrix(axis, weights, SHORT, texts=texts, title=title, **look)
    axis.set_xticks(axis.get_xticks(), SHORT, rotation=45, ha="right")
    return image


def _both_ways(matrix: np.ndarray) -> np.ndarray:
    """(6, 6) mean of both ways, nothing on the diagonal."""
    return (matrix + matrix.T) / 2 * ~np.eye(len(REGIONS), dtype=bool)


def _graph(axis, landmarks: np.ndarray, weights: np.ndarray, heaviest: float, title: str) -> None:
    """One face with the edges of (6, 6) weights; `heaviest` is 8 points thick."""
    centres = np.array([landmarks[list(region)].mean(axis=0) for region in POINTS])
    edges = _both_ways(weights)
    blank_face(axis, landmarks, title)
    for first, second in zip(*np.triu_indices(len(REGIONS), 1), strict=True):
        share = edges[first, second] / heaviest if heaviest else 0.0
        if share < 0.02:
            continue
        line = centres[[first, second]]
        axis.plot(*line.T, color=INK, lw=8 * share, alpha=0.55, zorder=2)
        axis.text(
            *(0.64 * line[0] + 0.36 * line[1]), f"{edges[first, second]:.2f}", fontsize=7,
            ha="center", va="center", zorder=4,
            bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75},
        )  # fmt: skip
    for centre, colour, marker in zip(centres, REGION_COLOURS, REGION_MARKERS, strict=True):
        axis.scatter(*centre, s=90, color=colour, marker=marker, edgecolor=EDGE, zorder=3)
