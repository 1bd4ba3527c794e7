"""Figures of flow and strain on blank ground, of flow methods, and of where the apex is."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import intervals, style
from .face import GRID, outline
from .style import LIGHT, MAGNITUDE, SIGNED, UNNAMED, WARNING, bare, reference

CHANNELS = ("u, to the right", "v, down", "strain")
SUBSET = 1000  # pixels: a magnitude that fewer pixels have is not drawn


def methods(errors: pd.DataFrame) -> Figure:
    """End-point error and gain by true magnitude, per method; hollow markers with noise added.

    `errors`: columns method, noise, magnitude, error, gain, pixels (truth.flow_errors).
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.4))
    errors = errors[errors["pixels"] >= SUBSET].sort_values("magnitude", kind="stable")
    quiet = errors["noise"].min()
    for (method, noise), part in errors.groupby(["method", "noise"], sort=False):
        noisy = noise != quiet
        look = {
            "color": style.METHOD_COLOURS.get(method, UNNAMED),
            "marker": style.METHOD_MARKERS.get(method, "o"),
            "linestyle": ":" if noisy else "-",
            "markerfacecolor": "white" if noisy else None,
            "label": f"{method}, noise of {noise:g} grey levels" if noisy else method,
        }
        left.plot(part["magnitude"], part["error"], **look)
        right.plot(part["magnitude"], part["gain"], **look)
    reference(right, 1, level=True)
    ticks = sorted(errors["magnitude"].unique())
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.set_xlabel("true motion, pixels of the aligned face")
    left.set(ylabel="mean end-point error, pixels", ylim=(0, None), title="Error")
    right.set(ylabel="estimate along the truth", title="Gain; 1 (dashed): nothing is shrunk")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def ways(errors: pd.DataFrame) -> Figure:
    """One dot per clip and way of treating the head, the mean as a bar (truth.head_errors)."""
    means = errors.groupby("way")["error"].mean().sort_values()
    xlabel = "distance to the face's own motion, pixels of the aligned face"
    fig, axis = intervals.rows(list(means.index), xlabel)
    for row, (name, mean) in enumerate(means.items()):
        values = errors.loc[errors["way"] == name, "error"]
        intervals.swarm(
            axis, values, row, colour="#8fa9c9", middle=np.mean, middle_colour=WARNING,
            width=0.5, s=9,
        )  # fmt: skip
        axis.text(mean, row - 0.36, f" {mean:.2f}", color=WARNING, fontsize=9)
    axis.set_xlim(left=0)
    return fig


def maps(
    flow: np.ndarray,
    points: np.ndarray | None,
    titles: Sequence[str],
    labels: Sequence[str] = CHANNELS,
    units: tuple[str, str] = ("pixels", "pixels per pixel"),
) -> Figure:
    """u, v and strain of some clips, (n, 3, 28, 28), each under its drawn face; a row per clip.

    Colours are shared down the rows, so that rows can be compared.
    """
    fig, axes = _panels(len(flow), titles, labels, 7.6)
    most = max(float(np.quantile(np.abs(flow[:, :2]), 0.998)), 1e-6)
    strained = max(float(np.quantile(flow[:, 2], 0.998)), 1e-6)
    signed = {"cmap": SIGNED, "vmin": -most, "vmax": most}
    looks = (signed, signed, {"cmap": MAGNITUDE, "vmin": 0, "vmax": strained})
    images = {}
    for (row, channel), axis in np.ndenumerate(axes):
        images[channel] = axis.imshow(
            flow[row, channel], extent=(0, GRID, GRID, 0), **looks[channel]
        )
        if points is not None:
            outline(axis, points[row], style.EDGE, 0.8)
        axis.set(xlim=(0, GRID), ylim=(GRID, 0))
    look = {"shrink": 0.9 if len(flow) < 3 else 0.5, "pad": 0.02}
    fig.colorbar(images[1], ax=axes[:, :2], label=units[0], **look)
    fig.colorbar(images[2], ax=axes[:, 2], label=units[1], **look)
    return fig


def grey_maps(flow: np.ndarray, titles: Sequence[str], whole: bool = True) -> Figure:
    """The published form, (n, 3, 28, 28) of 0..255, drawn from 0 to 255.

    whole=False: from the least to the largest value of a channel, for means, which are pale.
    """
    labels = [name.partition(",")[0] for name in CHANNELS]
    fig, axes = _panels(len(flow), titles, labels, 6)
    for (row, channel), axis in np.ndenumerate(axes):
        part = flow[:, channel]
        low, high = (0, 255) if whole else (part.min(), part.max())
        axis.imshow(flow[row, channel], vmin=low, vmax=high)
    return fig


def _panels(rows: int, titles: Sequence[str], labels: Sequence[str], width: float):
    """A figure of (rows, 3) bare panels: labels above, a title at the left of each row."""
    fig, axes = plt.subplots(rows, 3, figsize=(width, 0.6 + 1.85 * rows), squeeze=False)
    bare(*axes.flat)
    for axis, label in zip(axes[0], labels, strict=True):
        axis.set_title(label)
    for axis, title in zip(axes[:, 0], titles, strict=True):
        axis.set_ylabel(title, fontsize=9)
    return fig, axes


def apexes(errors: pd.DataFrame) -> Figure:
    """Share of clips whose apex is missed by at most so many frames, per rule (apex_errors)."""
    fig, axis = plt.subplots(figsize=(6.4, 3.2))
    looks = {"spotted": (WARNING, "-"), "midpoint": (LIGHT, "--")}
    most = int(errors["error"].abs().max())
    for rule, part in errors.groupby("rule", sort=False):
        missed = part["error"].abs().to_numpy()
        share = [(missed <= frames).mean() for frames in range(most + 1)]
        colour, dash = looks.get(rule, (UNNAMED, ":"))
        axis.plot(range(most + 1), share, dash, color=colour, marker="o", markersize=4, label=rule)
    axis.set(xlabel="frames from the true apex, at most", ylabel="share of clips", ylim=(0, 1.03))
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.legend(loc="lower right")
    return fig
