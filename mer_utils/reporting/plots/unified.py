"""Figures of the unified framework: key frames, patterns, a clip's own graph, the two streams."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from . import style

INK = style.colour("unified")
ACCENT = style.CLASS_COLOURS["positive"]
DARK = style.CLASS_COLOURS["negative"]
PALE = style.CLASS_COLOURS["surprise"]
# Of the 51 inner landmarks, in order: where each part of the face begins.
PARTS = {
    "right brow": 0,
    "left brow": 5,
    "nose": 10,
    "right eye": 19,
    "left eye": 25,
    "outer lip": 31,
    "inner lip": 43,
}


def key_frames(
    numbers: Sequence[int], motion: np.ndarray, chosen: Sequence[int], even: Sequence[int]
) -> Figure:
    """Landmark motion of every frame (T,), and which frames either rule takes.

    numbers (T,) frame numbers; chosen and even: frame numbers, repeated ones allowed.
    """
    fig, axis = plt.subplots(figsize=(7.6, 3.2), layout="constrained")
    taken = np.isin(numbers, chosen)
    axis.bar(numbers, motion, width=0.75, color=np.where(taken, INK, PALE), zorder=2)
    below = -0.06 * motion.max()
    marks = ((chosen, "o", INK, "key frames"), (even, "^", ACCENT, "even steps to the apex"))
    for row, (frames, marker, colour, label) in enumerate(marks):
        place = np.full(len(frames), below * (1.2 + 1.6 * row))
        axis.scatter(frames, place, marker=marker, s=26, color=colour, label=label, zorder=3)
    axis.axhline(0, color=style.EDGE, linewidth=0.8)
    axis.set(xlabel="frame", ylabel="way of 51 landmarks\nsince the frame before, pixels")
    axis.legend(loc="upper right", fontsize=9, ncols=2)
    axis.set_ylim(below * 4, motion.max() * 1.25)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.spines[["top", "right"]].set_visible(False)
    return fig


def masks(values: np.ndarray) -> Figure:
    """The eight Kirsch masks (8, 3, 3)."""
    fig, axes = plt.subplots(1, len(values), figsize=(7.6, 1.3), layout="constrained")
    for number, (axis, mask) in enumerate(zip(axes, values, strict=True)):
        axis.imshow(mask, cmap=ListedColormap([PALE, "white", INK]), vmin=-3, vmax=5)
        for (row, column), weight in np.ndenumerate(mask):
            axis.text(
                column, row, f"{weight:.0f}", ha="center", va="center", fontsize=7,
                color="white" if weight > 0 else style.EDGE,
            )  # fmt: skip
        axis.set_title(str(number), fontsize=9, loc="center")
        axis.set(xticks=[], yticks=[])
    return fig


def strongest(shares: np.ndarray) -> Figure:
    """(51, T) mean place, 0 before to 2 after, of the frame with the strongest edge of a patch."""
    fig, axis = plt.subplots(figsize=(7.6, 4.2), layout="constrained")
    image = axis.imshow(shares, cmap="PuOr", vmin=0, vmax=2, aspect="auto")
    begins = list(PARTS.values())
    for begin in begins[1:]:
        axis.axhline(begin - 0.5, color="white", linewidth=1.5)
    middles = (np.array(begins) + np.array([*begins[1:], len(shares)]) - 1) / 2
    axis.set_yticks(middles, list(PARTS))
    axis.set_xticks(range(shares.shape[1]), [str(n + 1) for n in range(shares.shape[1])])
    axis.set(xlabel="pattern: three key frames in a row")
    axis.tick_params(length=0)
    bar = fig.colorbar(image, ax=axis, ticks=[0, 1, 2], shrink=0.8)
    bar.ax.set_yticklabels(["first", "second", "third"])
    bar.set_label("frame of the strongest edge")
    return fig


def graphs(points: np.ndarray, panels: Mapping[str, np.ndarray], share: float = 0.06) -> Figure:
    """Graphs (51, 51) over the landmarks (51, 2): the strongest `share` of all pairs of each."""
    fig, axes = plt.subplots(
        1, len(panels), figsize=(3.7 * len(panels), 3.8), layout="constrained", squeeze=False
    )
    upper = np.triu_indices(len(points), 1)
    count = max(1, int(share * len(upper[0])))
    for axis, (title, graph) in zip(axes[0], panels.items(), strict=True):
        weights = graph[upper]
        for pair in np.argsort(-weights, kind="stable")[:count]:
            if weights[pair] > 0:
                ends = [upper[0][pair], upper[1][pair]]
                axis.plot(*points[ends].T, color=INK, linewidth=1.0, alpha=0.7, zorder=1)
        axis.scatter(*points.T, s=12, color=ACCENT, zorder=2)
        low, high = points.min(axis=0) - 8, points.max(axis=0) + 8
        axis.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), xticks=[], yticks=[])
        axis.set_aspect("equal")
        axis.set_title(title, fontsize=10)
    return fig


def shares(graph_stream: np.ndarray, labels: Sequence[str]) -> Figure:
    """(N,) weight of the graph stream in each clip; the visual stream has the rest."""
    fig, axis = plt.subplots(figsize=(7.6, 2.2), layout="constrained")
    order = np.argsort(graph_stream)
    place = np.arange(len(order))
    axis.bar(place, graph_stream[order], width=0.9, color=INK, label="graph stream")
    rest = 1 - graph_stream[order]
    axis.bar(place, rest, bottom=graph_stream[order], width=0.9, color=PALE, label="visual stream")
    axis.axhline(0.5, color=style.CHANCE, linestyle="--", linewidth=1)
    axis.set(xlabel="clips, sorted", ylabel="weight", ylim=(0, 1), xlim=(-0.6, len(order) - 0.4))
    axis.set_xticks([])
    fig.legend(loc="outside upper right", ncols=2, fontsize=9)
    return fig


def planted(table: pd.DataFrame, chance: float) -> Figure:
    """Accuracy on unseen planted clips: a panel per case, a bar per form.

    `table`: columns form, case and accuracy; the first form of a case is the described one.
    """
    cases = list(dict.fromkeys(table["case"]))
    fig, axes = plt.subplots(
        len(cases), 1, figsize=(7.4, 1.5 * len(cases)), layout="constrained", sharex=True
    )
    for axis, case in zip(np.atleast_1d(axes), cases, strict=True):
        part = table[table["case"] == case]
        colours = [INK, *[PALE] * (len(part) - 1)]
        axis.barh(part["form"], part["accuracy"], color=colours, height=0.6)
        for place, value in enumerate(part["accuracy"]):
            axis.text(value + 0.01, place, f"{value:.0%}", va="center", fontsize=9)
        axis.axvline(chance, color=style.CHANCE, linestyle="--", linewidth=1)
        axis.invert_yaxis()
        axis.set_title(f"planted: {case}", fontsize=10)
        axis.set_xlim(0, 1.08)
        axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel("share of unseen clips named rightly (dashed: chance)")
    return fig
