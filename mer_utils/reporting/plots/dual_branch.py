"""Figures of the dual-branch 3D-CNN: inputs, the frames a step has read, the heads' weights."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from .planted import planted as planted
from .style import CHANCE, EDGE, FORMS, PALE, SIGNED, bare, colour, matrix, reference

INK = colour("dual_branch_3dcnn")


def pictures(branches: Mapping[str, np.ndarray], frames: Sequence[int], unit: str) -> Figure:
    """A row of pictures (T, size, size) per branch, all on one scale around zero.

    `frames`: numbers of the frames, printed above the columns.
    """
    size = (1.35 * len(frames) + 1.4, 1.5 * len(branches) + 0.4)
    fig, axes = plt.subplots(len(branches), len(frames), figsize=size, squeeze=False)
    bound = max(np.percentile(np.abs(stack), 99.5) for stack in branches.values())
    bare(*axes.flat)
    for row, (name, stack) in zip(axes, branches.items(), strict=True):
        for axis, picture in zip(row, stack, strict=True):
            image = axis.imshow(picture, cmap=SIGNED, vmin=-bound, vmax=bound)
        row[0].set_ylabel(name)
    for axis, frame in zip(axes[0], frames, strict=True):
        axis.set_title(f"frame {frame}", fontsize=9, loc="center")
    fig.colorbar(image, ax=axes, shrink=0.8, label=unit)
    return fig


def channels(shares: Mapping[str, np.ndarray]) -> Figure:
    """What channel attention lets through, a group of bars per channel, a bar per form."""
    fig, axis = plt.subplots(figsize=(7, 2.7))
    width = 0.8 / len(shares)
    looks = ((INK, ""), (PALE, "///"))
    for place, ((form, values), (shade, hatch)) in enumerate(
        zip(shares.items(), looks, strict=False)
    ):
        left = np.arange(1, len(values) + 1) + (place - (len(shares) - 1) / 2) * width
        axis.bar(left, values, width, color=shade, hatch=hatch, edgecolor=EDGE, label=form)
    reference(axis, 0.5, level=True)
    ticks = range(1, len(values) + 1)
    axis.set(xlabel="channel", ylabel="share let through", ylim=(0, 1), xticks=ticks)
    fig.legend(loc="outside upper center", ncols=len(shares))
    return fig


def reach(tables: Mapping[str, np.ndarray]) -> Figure:
    """Which frames a step has read: a panel per form, (steps, frames) of truth."""
    fig, axes = plt.subplots(1, len(tables), figsize=(3.9 * len(tables), 3.4), squeeze=False)
    for axis, (form, table) in zip(axes[0], tables.items(), strict=True):
        steps, frames = (np.arange(1, size + 1) for size in table.shape)
        axis.pcolormesh(
            frames, steps, table, cmap=ListedColormap(["white", INK]), vmin=0, vmax=1,
            edgecolors=CHANCE, linewidth=0.5, shading="nearest",
        )  # fmt: skip
        bare(axis, title=form)
        axis.set(xlabel="frame", ylabel="step", xticks=frames, yticks=steps)
        axis.invert_yaxis()
        axis.tick_params(length=0)
    return fig


def heads(weights: np.ndarray, winners: np.ndarray, widths: Sequence[int]) -> Figure:
    """Heads by steps: the weight of each step, and in it the step whose query won it.

    `weights` and `winners` (heads, T); steps counted from 1.
    """
    count, steps = weights.shape
    fig, axis = plt.subplots(figsize=(1.5 + 0.75 * steps, 1.2 + 0.5 * count))
    pairs = zip(weights.flat, winners.flat, strict=True)
    texts = np.array([f"{weight:.2f}\nstep {winner + 1}" for weight, winner in pairs])
    image = matrix(
        axis, weights, widths, range(1, steps + 1), texts.reshape(weights.shape), square=False,
        cmap="Greys", vmin=0, vmax=max(2 / steps, weights.max()),
    )  # fmt: skip
    axis.set(xlabel="step that is read", ylabel="width of the head")
    fig.colorbar(image, ax=axis, shrink=0.9, label="weight; even would be 1 / steps")
    return fig


def courses(table: pd.DataFrame) -> Figure:
    """What moves when, in one clip of each class and kind: a column per kind, a row per class.

    `table`: columns kind, class, place, frame and change.
    """
    kinds, classes = (list(dict.fromkeys(table[column])) for column in ("kind", "class"))
    size = (3.9 * len(kinds), 1.6 * len(classes) + 0.7)
    fig, axes = plt.subplots(
        len(classes), len(kinds), figsize=size, sharex=True, sharey=True, squeeze=False
    )
    for (row, column), axis in np.ndenumerate(axes):
        part = table[(table["kind"] == kinds[column]) & (table["class"] == classes[row])]
        places = part.groupby("place", sort=False)
        for (place, line), (shade, dash, marker) in zip(places, FORMS, strict=False):
            axis.plot(
                line["frame"], line["change"], color=shade, ls=dash, marker=marker, ms=4,
                label=place,
            )  # fmt: skip
        axis.set_title(f"{kinds[column]}, class {classes[row]}", fontsize=9)
        axis.set_ylim(bottom=0)
    for axis in axes[-1]:
        axis.set(xlabel="frame", xticks=range(1, 11))
    fig.legend(*axes[0, -1].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    fig.supylabel("mean change from frame 1, grey values", fontsize=9)
    return fig
