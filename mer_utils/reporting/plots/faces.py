"""Figures of landmarks on blank ground, and of aligned faces where nobody real is in them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...corpora import Corpus
from ...errors import StudyError
from . import style

style.apply()

# dlib's points in the order in which a pen would draw them; the last three are closed.
LINES = (
    range(17),
    range(17, 22),
    range(22, 27),
    range(27, 31),
    range(31, 36),
    (*range(36, 42), 36),
    (*range(42, 48), 42),
    (*range(48, 60), 48),
    (*range(60, 68), 60),
)


def outline(axis, points: np.ndarray, color: str = style.EDGE, linewidth: float = 1.0) -> None:
    """Draw the (68, 2) points as a face; the axis grows downwards like an image."""
    for line in LINES:
        axis.plot(*points[list(line)].T, color=color, linewidth=linewidth, zorder=3)


def _square(axis, size: float, unit: str) -> None:
    axis.set(xlim=(0, size), ylim=(size, 0), xlabel=unit, aspect="equal")
    axis.set_yticks(axis.get_xticks(), axis.get_xticklabels())
    axis.set(xlim=(0, size), ylim=(size, 0))


def clouds(points: np.ndarray, corpus: Sequence[str], size: float, unit: str) -> Figure:
    """All clips' (N, 68, 2) points as clouds, their mean as a drawn face, a panel per corpus."""
    corpus = np.asarray(corpus)
    names = list(dict.fromkeys(corpus))
    fig, axes = plt.subplots(
        1, len(names), figsize=(0.6 + 3.2 * len(names), 3.7), squeeze=False, layout="constrained"
    )
    for axis, name in zip(axes[0], names, strict=True):
        part = points[corpus == name]
        axis.scatter(*part.reshape(-1, 2).T, s=3, color="#5b7aa8", alpha=0.25, linewidths=0)
        outline(axis, part.mean(axis=0))
        _square(axis, size, unit)
        axis.set_title(f"{name}, {len(part)} clips")
    return fig


def steadiness(spread: pd.DataFrame) -> Figure:
    """Bars: how far a part of the face scatters over the clips.

    `spread`: index the part, columns ways of laying the face, values pixels of the aligned face.
    """
    fig, axis = plt.subplots(figsize=(7, 0.8 + 0.42 * len(spread)), layout="constrained")
    rows = np.arange(len(spread))
    height = 0.8 / len(spread.columns)
    colours = ("#c3d3df", "#1f3b63")
    for k, column in enumerate(spread.columns):
        axis.barh(
            rows + (k - (len(spread.columns) - 1) / 2) * height,
            spread[column],
            height=height,
            color=colours[k % len(colours)],
            edgecolor=style.EDGE,
            linewidth=0.5,
            label=column,
        )
    axis.set_yticks(rows, spread.index)
    axis.invert_yaxis()
    axis.set_xlabel("scatter over the clips, pixels of the aligned face")
    axis.legend()
    return fig


def errors(table: pd.DataFrame, column: str, label: str) -> Figure:
    """Sorted errors, a line per corpus: how many clips are below a value."""
    fig, axis = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    dashes = ("-", "--", ":")
    for k, (name, part) in enumerate(table.groupby("corpus", sort=False)):
        values = np.sort(part[column].to_numpy())
        share = np.arange(1, len(values) + 1) / len(values)
        axis.step(
            np.r_[0, values],
            np.r_[0, share],
            where="post",
            color=("#1f3b63", "#d9822b", "#5d8a4e")[k % 3],
            linestyle=dashes[k % 3],
            label=name,
        )
    axis.set(xlabel=label, ylabel="share of clips", ylim=(0, 1.02))
    axis.set_xlim(left=0)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.legend(loc="upper left")
    return fig


def aligned(
    corpus: Corpus, frames: np.ndarray, points: np.ndarray, titles: Sequence[str]
) -> Figure:
    """Aligned onsets (n, H, W) with their landmarks (n, 68, 2) in the same pixels.

    Raises StudyError for a corpus of people: their faces may not be shown.
    """
    if not corpus.synthetic:
        raise StudyError(
            f"faces of {corpus.name} may not be shown in a report: draw its landmarks with `clouds`"
        )
    return pictures(frames, points, titles)


def pictures(frames: np.ndarray, points: np.ndarray, titles: Sequence[str]) -> Figure:
    """Frames (n, H, W) with points (n, k, 2) on them. Ask `aligned`, which looks who is in them."""
    count = len(frames)
    columns = min(count, 6)
    rows = -(-count // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(1.75 * columns, 2.0 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, frame, face, title in zip(axes.flat, frames, points, titles, strict=False):
        axis.imshow(frame, vmin=0, vmax=255)
        axis.scatter(*face.T, s=2.5, color="#ffb347", linewidths=0)
        axis.set(xlim=(0, frame.shape[1]), ylim=(frame.shape[0], 0))
        axis.set_title(title, fontsize=8)
    return fig
