"""Figures of the unified framework: key frames, patterns, a clip's own graph, the two streams."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .planted import planted as planted
from .style import ACCENT, EDGE, PALE, bare, bars, colour, matrix, panels, reference

INK = colour("unified")
# Of the 51 inner landmarks, in order: where each part of the face begins.
PARTS = {"right brow": 0, "left brow": 5, "nose": 10, "right eye": 19, "left eye": 25}
PARTS |= {"outer lip": 31, "inner lip": 43}


def key_frames(
    numbers: Sequence[int], motion: np.ndarray, chosen: Sequence[int], even: Sequence[int]
) -> Figure:
    """Landmark motion (T,) of the frames `numbers` (T,), and which frames either rule takes."""
    fig, axis = plt.subplots(figsize=(7.6, 3.2))
    axis.bar(numbers, motion, 0.75, color=np.where(np.isin(numbers, chosen), INK, PALE), zorder=2)
    below = -0.06 * motion.max()
    marks = ((chosen, "o", INK, "key frames"), (even, "^", ACCENT, "even steps to the apex"))
    for row, (frames, marker, shade, label) in enumerate(marks):
        look = {"marker": marker, "color": shade, "label": label, "zorder": 3, "s": 26}
        axis.scatter(frames, np.full(len(frames), below * (1.2 + 1.6 * row)), **look)
    axis.axhline(0, color=EDGE, linewidth=0.8)
    axis.set(xlabel="frame", ylim=(below * 4, motion.max() * 1.25))
    axis.set_ylabel("way of 51 landmarks\nsince the frame before, pixels")
    axis.legend(loc="upper right", ncols=2)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    return fig


def masks(values: np.ndarray) -> Figure:
    """The eight Kirsch masks (8, 3, 3)."""
    fig, [axes] = panels(range(len(values)), 0.95, 1.3)
    look = {"cmap": ListedColormap([PALE, "white", INK]), "vmin": -3, "vmax": 5, "fontsize": 7}
    for axis, mask in zip(axes, values, strict=True):
        matrix(axis, mask, (), texts="{:.0f}", **look)
    return fig


def strongest(shares: np.ndarray) -> Figure:
    """(51, T) mean place, 0 before to 2 after, of the frame with the strongest edge of a patch."""
    fig, axis = plt.subplots(figsize=(7.6, 4.2))
    image = axis.imshow(shares, cmap="PuOr", vmin=0, vmax=2, aspect="auto")
    bare(axis)
    edges = np.array([*PARTS.values(), len(shares)]) - 0.5
    axis.hlines(edges[1:-1], *axis.get_xlim(), color="white", linewidth=1.5)
    axis.set_yticks((edges[1:] + edges[:-1]) / 2, list(PARTS))
    axis.set_xticks(range(shares.shape[1]), range(1, shares.shape[1] + 1))
    axis.set(xlabel="pattern: three key frames in a row")
    bar = fig.colorbar(image, ax=axis, shrink=0.8, label="frame of the strongest edge")
    bar.set_ticks([0, 1, 2], labels=["first", "second", "third"])
    return fig


def graphs(points: np.ndarray, weights: Mapping[str, np.ndarray]) -> Figure:
    """Graphs (51, 51) over the landmarks (51, 2): the strongest 6 % of all pairs of each."""
    fig, [axes] = panels(weights, 3.7, 3.8)
    pairs = np.stack(np.triu_indices(len(points), 1))  # (2, P)
    count = int(0.06 * pairs.shape[1])
    low, high = points.min(axis=0) - 8, points.max(axis=0) + 8
    for axis, graph in zip(axes, weights.values(), strict=True):
        strong = pairs[:, np.argsort(-graph[*pairs], kind="stable")[:count]]
        lines = points[strong[:, graph[*strong] > 0]]  # (2, count, 2)
        axis.plot(lines[..., 0], lines[..., 1], color=INK, linewidth=1.0, alpha=0.7, zorder=1)
        axis.scatter(*points.T, s=12, color=ACCENT, zorder=2)
        bare(axis)
        axis.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal")
    return fig


def shares(graph_stream: np.ndarray) -> Figure:
    """(N,) weight of the graph stream in each clip; the visual stream has the rest."""
    fig, axis = plt.subplots(figsize=(7.6, 2.2))
    graph = np.sort(graph_stream)
    table = pd.DataFrame({"graph stream": graph, "visual stream": 1 - graph})
    bars(axis, table, (INK, PALE), (), stacked=True, width=0.9, lw=0)
    reference(axis, 0.5, level=True)
    axis.set(xlabel="clips, sorted", ylabel="weight", ylim=(0, 1), xticks=[])
    fig.legend(loc="outside upper right", ncols=2)
    return fig
