"""Figures of flow and strain on blank ground, of flow methods, and of where the apex is."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import intervals
from .face import over
from .style import FORMS, MAGNITUDE, METHODS, WARNING, bare, panels, reference, signed

CHANNELS = ("u, to the right", "v, down", "strain")
SUBSET = 1000  # pixels: a magnitude that fewer pixels have is not drawn


def methods(errors: pd.DataFrame) -> Figure:
    """End-point error and gain by true magnitude (truth.flow_errors); hollow: noise was added."""
    fig, [(left, right)] = panels(("Error", "Gain; 1 (dashed): nothing is shrunk"), 4.8, 4.4)
    errors = errors[errors["pixels"] >= SUBSET].sort_values("magnitude", kind="stable")
    for (method, noise), part in errors.groupby(["method", "noise"], sort=False):
        look = dict(zip(("color", "marker"), METHODS[method], strict=True)) | {"label": method}
        if noise != errors["noise"].min():
            label = f"{method}, noise of {noise:g} grey levels"
            look |= {"ls": ":", "mfc": "white", "label": label}
        left.plot(part["magnitude"], part["error"], **look)
        right.plot(part["magnitude"], part["gain"], **look)
    reference(right, 1, level=True)
    ticks = sorted(errors["magnitude"].unique())
    for axis in (left, right):
        axis.set(xscale="log", xlabel="true motion, pixels of the aligned face")
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    left.set(ylabel="mean end-point error, pixels", ylim=(0, None))
    right.set(ylabel="estimate along the truth")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def ways(errors: pd.DataFrame) -> Figure:
    """One dot per clip and way of treating the head, the mean as a bar (truth.head_errors)."""
    means = errors.groupby("way")["error"].mean().sort_values()
    xlabel = "distance to the face's own motion, pixels of the aligned face"
    fig, axis = intervals.rows(list(means.index), xlabel)
    look = {"color": "#8fa9c9", "middle": np.mean, "bar": WARNING, "width": 0.5, "s": 9}
    for row, (name, mean) in enumerate(means.items()):
        intervals.swarm(axis, errors.loc[errors["way"] == name, "error"], row, **look)
        axis.text(mean, row - 0.36, f" {mean:.2f}", color=WARNING, fontsize=9)
    axis.set_xlim(left=0)
    return fig


def looks(arrays: Mapping[str, np.ndarray], places, titles: Sequence[str], points=None) -> Figure:
    """Flow of some clips, in pixels under their landmarks (n, 68, 2) where the corpus has it."""
    if "flow" in arrays:
        return maps(arrays["flow"][places], points, titles)
    return grey_maps(arrays["flow_legacy"][places], titles)


def maps(flow: np.ndarray, points: np.ndarray | None, titles: Sequence[str]) -> Figure:
    """u, v and strain of clips (n, 3, 28, 28), a row each on shared scales, under its face."""
    fig, axes = panels(CHANNELS, 2.53, 1.85, rows=titles, extra=(0, 0.6))
    around_zero = signed(flow[:, :2], 0.998)
    strain = {"cmap": MAGNITUDE, "vmin": 0, "vmax": max(np.quantile(flow[:, 2], 0.998), 1e-6)}
    for (row, channel), axis in np.ndenumerate(axes):
        face = None if points is None else points[row]
        over(axis, flow[row, channel], face, **(strain if channel == 2 else around_zero))
    look = {"shrink": 0.9 if len(flow) < 3 else 0.5, "pad": 0.02}
    fig.colorbar(axes[0, 1].images[0], ax=axes[:, :2], label="pixels", **look)
    fig.colorbar(axes[0, 2].images[0], ax=axes[:, 2], label="pixels per pixel", **look)
    return fig


def grey_maps(flow: np.ndarray, titles: Sequence[str], whole: bool = True) -> Figure:
    """The published form (n, 3, 28, 28), from 0 to 255, or not `whole`: over what a channel has."""
    fig, axes = panels(("u", "v", "strain"), 2, 1.85, rows=titles, extra=(0, 0.6))
    bare(*axes.flat)
    for (row, channel), axis in np.ndenumerate(axes):
        part = flow[:, channel]
        low, high = (0, 255) if whole else (part.min(), part.max())
        axis.imshow(flow[row, channel], vmin=low, vmax=high)
    return fig


def shares_below(table: pd.DataFrame, column: str, label: str, by: str = "corpus") -> Figure:
    """The share of clips whose value of `column` is at most so large, a line per group of `by`."""
    fig, axis = plt.subplots(figsize=(6.4, 3.2))
    groups = table.groupby(by, sort=False)[column]
    for (name, values), look in zip(groups, FORMS, strict=False):
        axis.ecdf(values, color=look["color"], linestyle=look["ls"], label=name)
    axis.set(xlabel=label, ylabel="share of clips", ylim=(0, 1.02), xlim=(0, None))
    axis.yaxis.set_major_formatter("{x:.0%}")
    axis.legend()
    return fig
