"""Figures of the dual-branch 3D-CNN: what goes in, what a step has seen, where the heads look."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from . import style

INK = style.colour("dual_branch_3dcnn")
DARK = style.CLASS_COLOURS["negative"]
ACCENT = style.CLASS_COLOURS["positive"]


def pictures(branches: Mapping[str, np.ndarray], frames: Sequence[int], unit: str) -> Figure:
    """A row of pictures (T, size, size) per branch, all on one scale around zero.

    `frames`: what stands above the columns.
    """
    fig, axes = plt.subplots(
        len(branches),
        len(frames),
        figsize=(1.35 * len(frames) + 1.4, 1.5 * len(branches) + 0.4),
        squeeze=False,
        layout="constrained",
    )
    bound = max(np.percentile(np.abs(shown), 99.5) for shown in branches.values())
    for row, (name, shown) in zip(axes, branches.items(), strict=True):
        for axis, frame, picture in zip(row, frames, shown, strict=True):
            image = axis.imshow(picture, cmap=style.SIGNED, vmin=-bound, vmax=bound)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if axis in axes[0]:
                axis.set_title(f"frame {frame}", fontsize=9, loc="center")
        row[0].set_ylabel(name)
    fig.colorbar(image, ax=axes, shrink=0.8, label=unit)
    return fig


def channels(shares: Mapping[str, np.ndarray]) -> Figure:
    """What channel attention lets through, a group of bars per channel, a bar per form."""
    count = len(next(iter(shares.values())))
    fig, axis = plt.subplots(figsize=(7, 2.7), layout="constrained")
    width = 0.8 / len(shares)
    looks = ((INK, ""), (style.CLASS_COLOURS["surprise"], "///"))
    for place, (form, look) in enumerate(zip(shares, looks, strict=False)):
        left = np.arange(1, count + 1) + (place - (len(shares) - 1) / 2) * width
        axis.bar(
            left,
            shares[form],
            width,
            color=look[0],
            hatch=look[1],
            edgecolor=style.EDGE,
            label=form,
        )
    axis.axhline(0.5, color=style.CHANCE, linestyle="--", linewidth=1)
    axis.set(xlabel="channel", ylabel="share let through", ylim=(0, 1), xticks=range(1, count + 1))
    axis.legend(frameon=False, ncols=len(shares), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axis.spines[["top", "right"]].set_visible(False)
    return fig


def reach(seen: Mapping[str, np.ndarray]) -> Figure:
    """Which frames a step has seen: a panel per form, (steps, frames) of truth."""
    fig, axes = plt.subplots(
        1,
        len(seen),
        figsize=(3.9 * len(seen), 3.4),
        squeeze=False,
        layout="constrained",
    )
    for axis, (form, table) in zip(axes[0], seen.items(), strict=True):
        steps, frames = table.shape
        axis.pcolormesh(
            np.arange(frames + 1) + 0.5,
            np.arange(steps + 1) + 0.5,
            table,
            cmap=ListedColormap(["white", INK]),
            vmin=0,
            vmax=1,
            edgecolors=style.CHANCE,
            linewidth=0.5,
        )
        axis.set(xlabel="frame", ylabel="step", title=form)
        axis.set_xticks(range(1, frames + 1))
        axis.set_yticks(range(1, steps + 1))
        axis.invert_yaxis()
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    return fig


def heads(weights: np.ndarray, winners: np.ndarray, widths: Sequence[int]) -> Figure:
    """Heads by steps: the weight of each step, and written in it whose query won it.

    `weights` and `winners` (heads, T); steps counted from 1.
    """
    count, steps = weights.shape
    fig, axis = plt.subplots(figsize=(1.5 + 0.75 * steps, 1.2 + 0.5 * count), layout="constrained")
    image = axis.imshow(weights, cmap="Greys", vmin=0, vmax=max(2 / steps, weights.max()))
    for head in range(count):
        for step in range(steps):
            dark = weights[head, step] > 0.65 * image.get_clim()[1]
            axis.text(
                step,
                head,
                f"{weights[head, step]:.2f}\nstep {winners[head, step] + 1}",
                ha="center",
                va="center",
                fontsize=7.5,
                color="white" if dark else style.EDGE,
            )
    axis.set_aspect("auto")
    axis.set_xticks(range(steps), range(1, steps + 1))
    axis.set_yticks(range(count), widths)
    axis.set(xlabel="step looked at", ylabel="width of the head")
    axis.tick_params(length=0)
    fig.colorbar(image, ax=axis, shrink=0.9, label="weight; even would be 1 / steps")
    return fig


def courses(table: pd.DataFrame) -> Figure:
    """What moves when, in one clip of each class and kind: a column per kind, a row per class.

    `table`: columns kind, class, place, frame and change.
    """
    kinds, classes = (list(dict.fromkeys(table[column])) for column in ("kind", "class"))
    fig, axes = plt.subplots(
        len(classes),
        len(kinds),
        figsize=(3.9 * len(kinds), 1.6 * len(classes) + 0.7),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for row, name in zip(axes, classes, strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            part = table[(table["kind"] == kind) & (table["class"] == name)]
            looks = ((DARK, "o", "-"), (ACCENT, "s", "--"))
            for (place, line), (shade, marker, dash) in zip(
                part.groupby("place", sort=False), looks, strict=True
            ):
                axis.plot(
                    line["frame"],
                    line["change"],
                    color=shade,
                    marker=marker,
                    linestyle=dash,
                    markersize=4,
                    label=place,
                )
            axis.set_title(f"{kind}, class {name}", fontsize=9)
            axis.spines[["top", "right"]].set_visible(False)
            axis.set_ylim(bottom=0)
    axes[0, -1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    for axis in axes[-1]:
        axis.set(xlabel="frame", xticks=range(1, 11))
    fig.supylabel("mean change from frame 1, grey values", fontsize=9)
    return fig


def planted(table: pd.DataFrame, chance: float) -> Figure:
    """Accuracy on unseen planted clips: a row per form, a mark per kind of clip.

    `table`: columns form, kind and accuracy.
    """
    forms = list(dict.fromkeys(table["form"]))
    fig, axis = plt.subplots(figsize=(7.4, 1.2 + 0.45 * len(forms)), layout="constrained")
    looks = ((DARK, "o", -0.12), (ACCENT, "s", 0.12))
    for (kind, part), (shade, marker, shift) in zip(
        table.groupby("kind", sort=False), looks, strict=False
    ):
        rows = np.array([forms.index(form) for form in part["form"]]) + shift
        axis.scatter(part["accuracy"], rows, s=46, color=shade, marker=marker, zorder=3, label=kind)
    for row in range(len(forms)):
        axis.axhline(row, color="0.92", linewidth=1, zorder=0)
    axis.axvline(chance, color=style.CHANCE, linestyle="--", linewidth=1)
    axis.annotate(
        "chance",
        (chance, 0),
        xycoords=("data", "axes fraction"),
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=8,
        color=style.CHANCE,
    )
    axis.set_yticks(range(len(forms)), forms)
    axis.set_ylim(len(forms) - 0.4, -0.5)
    axis.set(xlabel="share of unseen clips named rightly", xlim=(0, 1.03))
    axis.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    axis.spines[["top", "right"]].set_visible(False)
    return fig
