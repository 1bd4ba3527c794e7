"""Figures of landmarks on blank ground, and of aligned faces."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...preprocessing import registration
from .face import outline
from .motion import shares_below as shares_below
from .style import EDGE, INK, LIGHT, PALE, panels


def clouds(points: np.ndarray, corpus: Sequence[str], size: float, unit: str) -> Figure:
    """All clips' (N, 68, 2) points as clouds, their mean as a drawn face, a panel per corpus."""
    parts = pd.Series(range(len(points))).groupby(np.asarray(corpus), sort=False)
    titles = [f"{name}, {len(part)} clips" for name, part in parts]
    fig, [axes] = panels(titles, 3.2, 3.7, extra=(0.6, 0))
    for axis, (_, part) in zip(axes, parts, strict=True):
        axis.scatter(*points[part].reshape(-1, 2).T, s=3, color=LIGHT, alpha=0.25, lw=0, zorder=0)
        outline(axis, points[part].mean(axis=0), EDGE)
        axis.set(xlim=(0, size), ylim=(size, 0), xlabel=unit, aspect="equal")
        axis.set_yticks([tick for tick in axis.get_xticks() if tick <= size])
    return fig


def registered(
    flow: np.ndarray, given: np.ndarray, moved: np.ndarray, corpus: Sequence[str]
) -> Figure:
    """Mean strain of flow (N, 3, 28, 28) by corpus, with mean landmarks `given` and `moved`."""
    corpus = np.asarray(corpus)
    names = list(dict.fromkeys(corpus))
    look = {"rows": ("", ""), "extra": (0.6, 0), "sharex": True, "sharey": True}
    fig, axes = panels(names, 2.7, 2.8, **look)
    for column, name in zip(axes.T, names, strict=True):
        strain = registration.mean_strain(flow[corpus == name])
        for axis, points, word in zip(column, (given, moved), ("as given", "moved"), strict=True):
            axis.imshow(strain, cmap="Blues")
            axis.plot(*points[corpus == name].mean(0).T, "o", ms=2.5, color=EDGE)
            axis.set(title=f"{name}, {word}", xlim=(-0.5, 27.5), ylim=(27.5, -2.5))
            axis.set(xticks=(), yticks=())
    return fig


def steadiness(spread: pd.DataFrame) -> Figure:
    """Pixels by which each part of the face (index) scatters, by way of aligning it (columns)."""
    fig, axis = plt.subplots(figsize=(7, 0.8 + 0.42 * len(spread)))
    spread.plot.barh(ax=axis, width=0.8, color=(PALE, INK), edgecolor=EDGE, lw=0.5, legend=False)
    axis.invert_yaxis()
    axis.set(xlabel="scatter over the clips, pixels of the aligned face", ylabel="")
    fig.legend(loc="outside upper right", ncols=2)
    return fig


def pictures(frames: np.ndarray, points: np.ndarray, titles: Sequence[str]) -> Figure:
    """Frames (n, H, W) with points (n, k, 2) on them, in the same pixels."""
    across, down = [""] * min(len(frames), 6), [""] * -(-len(frames) // 6)
    fig, axes = panels(across, 1.75, 2.0, rows=down)
    for axis in axes.flat:
        axis.axis("off")
    for axis, frame, face, title in zip(axes.flat, frames, points, titles, strict=False):
        axis.imshow(frame, vmin=0, vmax=255)
        axis.scatter(*face.T, s=2.5, color="#ffb347", linewidths=0)
        axis.set(xlim=(0, frame.shape[1]), ylim=(frame.shape[0], 0))
        axis.set_title(title, fontsize=8)
    return fig
