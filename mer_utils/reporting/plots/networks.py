"""Figures of what networks read, attend to and predict: AM-GCN, dual branch, unified, planted."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from . import faces, style
from .style import ACCENT, CHANCE, EDGE, FORMS, PALE, bare, matrix, panels, reference, signed
from .style import bar_chart as bar_chart

DUAL, UNIFIED = style.colour("dual_branch_3dcnn"), style.colour("unified")
# Of the 51 inner landmarks, in order: where each part of the face begins.
PARTS = {"right brow": 0, "left brow": 5, "nose": 10, "right eye": 19, "left eye": 25}
PARTS |= {"outer lip": 31, "inner lip": 43}


# --- AM-GCN ---------------------------------------------------------------------------------------


def inputs(motion: np.ndarray, pool: np.ndarray, landmarks: np.ndarray, region: str) -> Figure:
    """Apex minus onset (size, size), and the cells that one region's node pools (cells, cells)."""
    fig, [(left, right)] = panels(("apex minus onset", f"pool of the {region}"), 3.7, 3.7)
    change = faces.over(left, motion, landmarks, "0.25", 1, **signed(motion))
    look = {"cmap": "Greys", "vmin": 0, "vmax": pool.max()}
    weight = faces.over(right, pool, landmarks, ACCENT, 1, **look)
    fig.colorbar(change, ax=left, shrink=0.8, label="standardised grey value")
    fig.colorbar(weight, ax=right, shrink=0.8, label="weight")
    return fig


def attention(maps: Sequence[np.ndarray], landmarks: np.ndarray) -> Figure:
    """The attention of each block, (cells, cells) each, over the face it belongs to."""
    titles = [f"block {i}, {len(values)}x{len(values)}" for i, values in enumerate(maps, start=1)]
    fig, [axes] = panels(titles, 2.4, 2.9, extra=(0.8, 0))
    for axis, values in zip(axes, maps, strict=True):
        image = faces.over(axis, values, landmarks, ACCENT, 1, cmap="Greys", vmin=0, vmax=1)
    fig.colorbar(image, ax=axes, shrink=0.8, label="share let through")
    return fig


def graph(weights: np.ndarray, units: Sequence[int]) -> Figure:
    """Unit j (row) reads unit i (column) with this weight; units without an edge are left out."""
    others = weights - np.diag(np.diag(weights))
    linked = np.flatnonzero(others.any(axis=0) | others.any(axis=1))
    if len(linked):
        weights, units = weights[np.ix_(linked, linked)], [units[i] for i in linked]
    fig, axis = plt.subplots(figsize=(5.6, 4.8))
    image = matrix(axis, weights, units, cmap="Greys", vmin=0, vmax=weights.max())
    axis.set(xlabel="from action unit", ylabel="to action unit")
    fig.colorbar(image, ax=axis, shrink=0.8, label="weight in the graph convolution")
    return fig


# --- dual-branch 3D-CNN ---------------------------------------------------------------------------


def pictures(branches: Mapping[str, np.ndarray], frames: Sequence[int], unit: str) -> Figure:
    """A row of pictures (T, size, size) per branch, on one scale; `frames`: their numbers."""
    titles = [f"frame {frame}" for frame in frames]
    fig, axes = panels(titles, 1.35, 1.5, rows=branches, extra=(1.4, 0.4))
    stack = np.array(list(branches.values()))
    bare(*axes.flat)
    for place, axis in np.ndenumerate(axes):
        image = axis.imshow(stack[place], **signed(stack, 0.995))
    fig.colorbar(image, ax=axes, shrink=0.8, label=unit)
    return fig


def reach(tables: Mapping[str, np.ndarray]) -> Figure:
    """Which frames a step has read: a panel per form, (steps, frames) of truth."""
    fig, [axes] = panels(tables, 3.9, 3.4)
    look = {"cmap": ListedColormap(["white", DUAL]), "vmin": 0, "vmax": 1, "linewidths": 0.5}
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


# --- the unified framework ------------------------------------------------------------------------


def key_frames(
    numbers: Sequence[int], motion: np.ndarray, chosen: Sequence[int], even: Sequence[int]
) -> Figure:
    """Landmark motion (T,) of the frames `numbers` (T,), and which frames either rule takes."""
    fig, axis = plt.subplots(figsize=(7.6, 3.2))
    axis.bar(numbers, motion, 0.75, color=np.where(np.isin(numbers, chosen), UNIFIED, PALE))
    below = -0.06 * motion.max()
    marks = ((chosen, "o", UNIFIED, "key frames"), (even, "^", ACCENT, "even steps to the apex"))
    for row, (frames, marker, shade, label) in enumerate(marks):
        heights = np.full(len(frames), below * (1.2 + 1.6 * row))
        axis.scatter(frames, heights, 26, shade, marker, label=label, zorder=3)
    axis.axhline(0, color=EDGE, linewidth=0.8)
    axis.set(xlabel="frame", ylim=(below * 4, motion.max() * 1.25))
    axis.set_ylabel("way of 51 landmarks\nsince the frame before, pixels")
    axis.legend(loc="upper right", ncols=2)
    axis.xaxis.get_major_locator().set_params(integer=True)
    return fig


def masks(values: np.ndarray) -> Figure:
    """The eight Kirsch masks (8, 3, 3)."""
    fig, [axes] = panels(range(len(values)), 0.95, 1.3)
    shades = ListedColormap([PALE, "white", UNIFIED])
    for axis, mask in zip(axes, values, strict=True):
        matrix(axis, mask, (), texts="{:.0f}", cmap=shades, vmin=-3, vmax=5, fontsize=7)
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
    bare(*axes)
    for axis, graph in zip(axes, weights.values(), strict=True):
        strong = pairs[:, np.argsort(-graph[*pairs], kind="stable")[:count]]
        lines = points[strong[:, graph[*strong] > 0]]  # (2, count, 2)
        axis.plot(lines[..., 0], lines[..., 1], color=UNIFIED, linewidth=1.0, alpha=0.7, zorder=1)
        axis.scatter(*points.T, s=12, color=ACCENT, zorder=2)
        axis.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal")
    return fig


# --- planted cases: clips whose label follows a rule that is known --------------------------------


def planted(table: pd.DataFrame, chance: float) -> Figure:
    """Accuracy of forms on unseen clips; table: form, accuracy, and `seed`, `kind` or `case`."""
    if "case" in table:
        table = table.assign(form=table["case"] + ": " + table["form"])
    forms = list(dict.fromkeys(table["form"]))
    kinds = list(table.groupby("kind", sort=False)) if "kind" in table else [("", table)]
    xlabel, several = "share of unseen clips that are predicted right", len(kinds) > 1
    fig, axis = style.item_rows(forms, xlabel, (0, 1.03), 1.3 if several else 1.0)
    axis.hlines(range(len(forms)), 0, 1.03, color="0.92", lw=1, zorder=0)
    for number, ((kind, part), look) in enumerate(zip(kinds, FORMS, strict=False)):
        places = part["form"].map(forms.index) + 0.24 * (number - (len(kinds) - 1) / 2)
        axis.plot(part["accuracy"], places, label=kind, **look | {"ls": "", "ms": 7, "zorder": 3})
    place = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "fontsize": 8}
    for row, mean in enumerate(table.groupby("form", sort=False)["accuracy"].mean()):
        if not several:
            axis.annotate(f"{mean:.0%}", (mean, row), **place)
        if "seed" in table:
            axis.vlines(mean, row - 0.25, row + 0.25, color=ACCENT, lw=3, zorder=2)
    reference(axis, chance, "chance")
    if several:
        fig.legend(loc="outside upper left", ncols=len(kinds))
    return fig


def planted_curves(table: pd.DataFrame, bar: float = 0.5) -> Figure:
    """Accuracy by epoch: a line per form, a panel per case; `bar`: what guessing reaches."""
    cases = list(table.groupby("case", sort=False))
    titles = [case.replace("_", " ") if cases[1:] else "" for case, _ in cases]
    looks = dict(zip(dict.fromkeys(table["form"]), FORMS, strict=False))
    fig, [axes] = panels(titles, max(6.8 / len(cases), 4.8), 3.5, sharey=True)
    lines = {}
    for axis, (_, part) in zip(axes, cases, strict=True):
        for form, line in part.groupby("form", sort=False):
            drawn = axis.plot(line["epoch"], line["accuracy"], ms=4, **looks[form])
            [lines[form.replace("_", " ")]] = drawn
        reference(axis, bar, "guessing", level=True)
        axis.set(xlabel="epoch", ylim=(0.4, 1.03))
    axes[0].set_ylabel("share of unseen clips right")
    fig.legend(lines.values(), lines, loc="outside lower center", ncols=3)
    return fig
