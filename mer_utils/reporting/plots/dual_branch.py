"""Figures of the dual-branch 3D-CNN: inputs, the frames a step has read, the heads' weights."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from .planted import planted as planted
from .style import CHANCE, FORMS, PALE, bare, bars, colour, matrix, panels, reference, signed

INK = colour("dual_branch_3dcnn")


def pictures(branches: Mapping[str, np.ndarray], frames: Sequence[int], unit: str) -> Figure:
    """A row of pictures (T, size, size) per branch, on one scale; `frames`: their numbers."""
    titles = [f"frame {frame}" for frame in frames]
    fig, axes = panels(titles, 1.35, 1.5, rows=branches, extra=(1.4, 0.4))
    stack = np.array(list(branches.values()))
    bare(*axes.flat)
    for axis, picture in zip(axes.flat, stack.reshape(-1, *stack.shape[2:]), strict=True):
        image = axis.imshow(picture, **signed(stack, 0.995))
    fig.colorbar(image, ax=axes, shrink=0.8, label=unit)
    return fig


def channels(shares: Mapping[str, np.ndarray]) -> Figure:
    """What channel attention lets through, a group of bars per channel, a bar per form."""
    fig, axis = plt.subplots(figsize=(7, 2.7))
    table = pd.DataFrame(dict(shares)).rename(index=lambda channel: channel + 1)
    bars(axis, table, (INK, PALE))
    reference(axis, 0.5, level=True)
    axis.set(xlabel="channel", ylabel="share let through", ylim=(0, 1))
    fig.legend(loc="outside upper center", ncols=len(shares))
    return fig


def reach(tables: Mapping[str, np.ndarray]) -> Figure:
    """Which frames a step has read: a panel per form, (steps, frames) of truth."""
    fig, [axes] = panels(tables, 3.9, 3.4)
    look = {"cmap": ListedColormap(["white", INK]), "vmin": 0, "vmax": 1, "linewidths": 0.5}
    for axis, table in zip(axes, tables.values(), strict=True):
        steps, frames = (range(1, size + 1) for size in table.shape)
        matrix(axis, table, steps, frames, square=False, linecolor=CHANCE, **look)
        axis.set(xlabel="frame", ylabel="step")
    return fig


def heads(weights: np.ndarray, winners: np.ndarray, widths: Sequence[int]) -> Figure:
    """(heads, T) weight of each step, and in it the step whose query won it, counted from 1."""
    count, steps = weights.shape
    fig, axis = plt.subplots(figsize=(1.5 + 0.75 * steps, 1.2 + 0.5 * count))
    texts = np.vectorize("{:.2f}\nstep {}".format)(weights, winners + 1)
    look = {"square": False, "cmap": "Greys", "vmin": 0, "vmax": max(2 / steps, weights.max())}
    image = matrix(axis, weights, widths, range(1, steps + 1), texts, **look)
    axis.set(xlabel="step that is read", ylabel="width of the head")
    fig.colorbar(image, ax=axis, shrink=0.9, label="weight; even would be 1 / steps")
    return fig


def courses(table: pd.DataFrame) -> Figure:
    """What moves when: a column per kind, a row per class; columns place, frame, change too."""
    kinds, classes = table["kind"].unique(), table["class"].unique()
    rows = [f"class {label}" for label in classes]
    fig, axes = panels(kinds, 3.9, 1.6, rows=rows, extra=(0, 0.7), sharex=True, sharey=True)
    for (row, column), axis in np.ndenumerate(axes):
        part = table[(table["kind"] == kinds[column]) & (table["class"] == classes[row])]
        for (place, line), look in zip(part.groupby("place", sort=False), FORMS, strict=False):
            axis.plot(line["frame"], line["change"], ms=4, label=place, **look)
        axis.set(ylim=(0, None), xticks=range(1, 11))
    for axis in axes[-1]:
        axis.set_xlabel("frame")
    fig.legend(*axes[0, -1].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    fig.supylabel("mean change from frame 1, grey values", fontsize=9)
    return fig
