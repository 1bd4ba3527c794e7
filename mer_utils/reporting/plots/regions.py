"""Figures of the six regions, which move together, and of MHSSA-GCN, which reads them."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...preprocessing.regions import PATCH, POINTS, REGIONS
from .faces import blank, over
from .networks import planted_curves as planted_curves
from .style import ACCENT, EDGE, GREEN, INK, MAGNITUDE, PALE, WARNING, matrix, panels, signed

# Distinct by marker as well: right and left share a colour.
REGION_COLOURS = (ACCENT, ACCENT, INK, INK, GREEN, WARNING)
REGION_MARKERS = ("^", "v", "<", ">", "s", "o")
SHORT = ("r. brow", "l. brow", "r. eye", "l. eye", "nose", "mouth")
PAIRS = np.triu_indices(len(REGIONS), 1)


def regions(landmarks: np.ndarray, lists: Mapping[str, tuple]) -> Figure:
    """The landmarks of the six regions over the outline, a panel per list of points."""
    fig, [axes] = panels(lists, 4.2, 4.6)
    for axis, points in zip(axes, lists.values(), strict=True):
        blank(axis, landmarks)
        looks = zip(REGIONS, points, REGION_COLOURS, REGION_MARKERS, strict=True)
        for name, region, colour, marker in looks:
            look = {"color": colour, "marker": marker, "label": name, "s": 34, "zorder": 2}
            axis.scatter(*landmarks[list(region)].T, **look)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return fig


def matrices(values: Mapping[str, np.ndarray], label: str, highest: float = 1.0) -> Figure:
    """(6, 6) matrices next to each other with their numbers; rows are the region that is given."""
    fig, [axes] = panels(values, 4.3, 4.1, extra=(0.5, 0))
    for axis, weights in zip(axes, values.values(), strict=True):
        image = _pairs(axis, weights, "{:.2f}", cmap="Greys", vmin=0, vmax=highest)
    fig.colorbar(image, ax=axes, shrink=0.8, label=label)
    return fig


def graphs(landmarks: np.ndarray, weights: Mapping[str, np.ndarray]) -> Figure:
    """(6, 6) weights as lines, as thick as the mean of both ways, the heaviest of all 8 points."""
    fig, [axes] = panels(weights, 4.0, 4.3)
    heaviest = max(_both_ways(graph).max() for graph in weights.values())
    for axis, graph in zip(axes, weights.values(), strict=True):
        _graph(axis, landmarks, graph, heaviest)
    return fig


def departure(landmarks: np.ndarray, stack: np.ndarray, fold: int) -> Figure:
    """The graph of one of F folds (F, 6, 6), and its entries less the mean; scales are of all."""
    titles = ("P of this fold, mean of both ways", "P(column | row), less the mean fold's")
    fig, [(face, axis)] = panels(titles, 4.6, 4.3, width_ratios=(1, 1.15))
    _graph(face, landmarks, stack[fold], max(_both_ways(graph).max() for graph in stack))
    away = stack - stack.mean(axis=0)
    texts = np.vectorize("{:+.2f}".format)(away[fold])
    texts = np.where(np.abs(away[fold]) >= 0.005, texts, "")
    image = _pairs(axis, away[fold], texts, **signed([*away.flat, 0.01]))
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
    """Per region, boxes of what clips show; `levels`: coded, not coded -> a list of six arrays."""
    fig, axis = plt.subplots(figsize=(7.5, 3.4))
    look = {"widths": 0.32, "showfliers": False, "patch_artist": True}
    for (name, values), shift, colour in zip(
        levels.items(), (-0.19, 0.19), (ACCENT, PALE), strict=True
    ):
        filled = {place + shift: part for place, part in enumerate(values) if len(part)}
        look |= {"boxprops": {"facecolor": colour, "edgecolor": EDGE}, "label": name}
        look |= {"medianprops": {"color": EDGE}, "positions": list(filled)}
        axis.boxplot(list(filled.values()), **look)
    axis.set_xticks(range(len(REGIONS)), REGIONS)
    axis.set_ylabel(label)
    axis.legend()
    return fig


def patches(strain: np.ndarray, landmarks: np.ndarray, centres: np.ndarray) -> Figure:
    """The strain (28, 28) with the 7x7 patch of one landmark per region; centres (43, 2)."""
    fig, axis = plt.subplots(figsize=(4.8, 4.6))
    image = over(axis, strain, landmarks, "0.75", 1, cmap=MAGNITUDE, alpha=0.6)
    axis.scatter(*(centres + 0.5).T, s=8, color=EDGE, zorder=3)
    first = 0
    for region, colour in zip(POINTS, REGION_COLOURS, strict=True):
        corner = centres[first + len(region) // 2] - PATCH // 2
        axis.add_patch(Rectangle(corner, PATCH, PATCH, fill=False, ec=colour, lw=2, zorder=4))
        first += len(region)
    axis.set_title("43 landmarks; the patch of one in each region")
    fig.colorbar(image, ax=axis, shrink=0.8, label="strain")
    return fig


def attention(landmarks: np.ndarray, forms: Mapping[str, tuple]) -> Figure:
    """Who attends to whom: (positions (43, 2), weights (43, 43)) per form; dots: to itself."""
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


def _pairs(axis, weights: np.ndarray, texts, **look):
    image = matrix(axis, weights, SHORT, texts=texts, **look)
    axis.set_xticks(axis.get_xticks(), SHORT, rotation=45, ha="right")
    return image


def _both_ways(weights: np.ndarray) -> np.ndarray:
    """(15,) mean of both ways of every pair of regions."""
    return ((weights + weights.T) / 2)[PAIRS]


def _graph(axis, landmarks: np.ndarray, weights: np.ndarray, heaviest: float) -> None:
    """One face with the edges of (6, 6) weights; `heaviest` is 8 points thick."""
    centres = np.array([landmarks[list(region)].mean(axis=0) for region in POINTS])
    blank(axis, landmarks)
    box = {"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75}
    middle = {"fontsize": 7, "ha": "center", "va": "center", "zorder": 4, "bbox": box}
    for first, second, weight in zip(*PAIRS, _both_ways(weights), strict=True):
        if weight > 0.02 * heaviest:
            line = centres[[first, second]]
            axis.plot(*line.T, color=INK, lw=8 * weight / heaviest, alpha=0.55, zorder=2)
            axis.text(*(0.64 * line[0] + 0.36 * line[1]), f"{weight:.2f}", **middle)
    for centre, colour, marker in zip(centres, REGION_COLOURS, REGION_MARKERS, strict=True):
        axis.scatter(*centre, s=90, color=colour, marker=marker, edgecolor=EDGE, zorder=3)
