"""Figures of flow and strain on blank ground, of flow methods, and of where the apex is."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import style
from .faces import outline

style.apply()

CHANNELS = ("u, to the right", "v, down", "strain")
FEW = 1000  # pixels: a magnitude that fewer pixels have is not drawn


def methods(errors: pd.DataFrame) -> Figure:
    """End-point error and gain by true magnitude, per method; hollow markers with noise added.

    `errors`: columns method, noise, magnitude, error, gain, pixels (truth.flow_errors).
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.4), layout="constrained")
    errors = errors[errors["pixels"] >= FEW]
    quiet = errors["noise"].min()
    for (method, noise), part in errors.groupby(["method", "noise"], sort=False):
        look = {
            "color": style.METHOD_COLOURS.get(method, style.UNNAMED),
            "marker": style.METHOD_MARKERS.get(method, "o"),
            "linestyle": "-" if noise == quiet else ":",
            "markerfacecolor": None if noise == quiet else "white",
            "label": f"{method}" + (f", noise of {noise:g} grey levels" if noise != quiet else ""),
        }
        part = part.sort_values("magnitude")
        left.plot(part["magnitude"], part["error"], **look)
        right.plot(part["magnitude"], part["gain"], **look)
    ticks = sorted(errors["magnitude"].unique())
    right.axhline(1, color=style.CHANCE, linestyle="--", linewidth=1)
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.set_xlabel("true motion, pixels of the aligned face")
    left.set(ylabel="mean end-point error, pixels", ylim=(0, None), title="How wrong?")
    right.set(ylabel="estimate along the truth", title="How much is shrunk? 1 (dashed): nothing")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=7.5)
    return fig


def ways(errors: pd.DataFrame) -> Figure:
    """One dot per clip and way of treating the head, the mean as a bar (truth.head_errors)."""
    names = list(errors.groupby("way")["error"].mean().sort_values().index)
    fig, axis = plt.subplots(figsize=(7, 0.9 + 0.5 * len(names)), layout="constrained")
    for row, name in enumerate(names):
        values = np.sort(errors.loc[errors["way"] == name, "error"].to_numpy())
        spread = (np.arange(len(values)) * 0.618 % 1 - 0.5) * 0.5  # fixed, not random
        axis.scatter(values, row + spread, s=9, color="#8fa9c9", linewidths=0)
        axis.plot([values.mean()] * 2, [row - 0.32, row + 0.32], color="#a3223a", linewidth=2.5)
        axis.text(values.mean(), row - 0.36, f" {values.mean():.2f}", color="#a3223a", fontsize=9)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlabel="distance to the face's own motion, pixels of the aligned face", xlim=(0, None))
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
    fig, axes = plt.subplots(
        len(flow), 3, figsize=(7.6, 0.6 + 1.8 * len(flow)), squeeze=False, layout="constrained"
    )
    most = max(float(np.quantile(np.abs(flow[:, :2]), 0.998)), 1e-6)
    strained = max(float(np.quantile(flow[:, 2], 0.998)), 1e-6)
    for row, title in enumerate(titles):
        for channel in range(3):
            axis = axes[row, channel]
            signed = {"cmap": style.SIGNED, "vmin": -most, "vmax": most}
            strain = {"cmap": style.MAGNITUDE, "vmin": 0, "vmax": strained}
            look = signed if channel < 2 else strain
            image = axis.imshow(flow[row, channel], extent=(0, 28, 28, 0), **look)
            if points is not None:
                outline(axis, points[row], linewidth=0.8)
            axis.set(xlim=(0, 28), ylim=(28, 0), xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if row == 0:
                axis.set_title(labels[channel])
            if channel == 0:
                axis.set_ylabel(title, fontsize=9)
            if row == len(flow) - 1 and channel > 0:
                fig.colorbar(
                    image,
                    ax=axes[:, channel] if channel == 2 else axes[:, :2],
                    label=units[channel == 2],
                    shrink=0.9 if len(flow) < 3 else 0.5,
                    pad=0.02,
                )
    return fig


def grey_maps(flow: np.ndarray, titles: Sequence[str], whole: bool = True) -> Figure:
    """The published form, (n, 3, 28, 28) of 0..255, drawn from 0 to 255.

    whole=False: from the least to the largest value of a channel, for means, which are pale.
    """
    fig, axes = plt.subplots(
        len(flow), 3, figsize=(6, 0.5 + 1.9 * len(flow)), squeeze=False, layout="constrained"
    )
    for row, title in enumerate(titles):
        for channel, name in enumerate(CHANNELS):
            axis = axes[row, channel]
            part = flow[:, channel]
            low, high = (0, 255) if whole else (part.min(), part.max())
            axis.imshow(flow[row, channel], vmin=low, vmax=high)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if row == 0:
                axis.set_title(name.partition(",")[0])
            if channel == 0:
                axis.set_ylabel(title, fontsize=9)
    return fig


def apexes(errors: pd.DataFrame) -> Figure:
    """Share of clips whose apex is missed by at most so many frames, per rule (apex_errors)."""
    fig, axis = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    look = {"spotted": ("#a3223a", "-"), "midpoint": ("#5b7aa8", "--")}
    most = int(errors["error"].abs().max())
    for rule, part in errors.groupby("rule", sort=False):
        missed = part["error"].abs().to_numpy()
        share = [(missed <= frames).mean() for frames in range(most + 1)]
        color, dash = look.get(rule, (style.UNNAMED, ":"))
        axis.plot(range(most + 1), share, dash, color=color, marker="o", markersize=4, label=rule)
    axis.set(xlabel="frames from the true apex, at most", ylabel="share of clips", ylim=(0, 1.03))
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.legend(loc="lower right")
    return fig
