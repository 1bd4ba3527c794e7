"""Figures of what the baselines read and compute."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from .motion import looks as looks
from .style import MAGNITUDE, SIGNED, bare, panels

CENTRED = ("standard deviations", "standard deviations", "root over its mean")


def flow(image: np.ndarray, view: str) -> Figure:
    """u, v and strain of one clip, (3, 28, 28), in pixels or in the unit of another view."""
    fig, axes = plt.subplots(1, 3, figsize=(9, 3.1))
    limit = max(float(np.abs(image[:2]).max()), 1e-6)
    signed = {"cmap": SIGNED, "vmin": -limit, "vmax": limit}, "pixels"
    looks = (signed, signed, ({"cmap": MAGNITUDE, "vmin": 0}, "pixels per pixel"))
    if view == "flow_centred":
        looks = tuple((look, unit) for (look, _), unit in zip(looks, CENTRED, strict=True))
    if view == "flow_legacy":
        looks = 3 * (({"vmin": 0, "vmax": 255}, "grey level"),)
    titles = ("u, to the right", "v, down", "strain")
    for axis, channel, (look, unit), title in zip(axes, image, looks, titles, strict=True):
        fig.colorbar(axis.imshow(channel, **look), ax=axis, shrink=0.75, label=unit)
        bare(axis)
        axis.set_title(title)
    return fig


def maps(streams: Sequence[np.ndarray]) -> Figure:
    """One row per stream, (width, h, w) each, all on one scale."""
    widest = max(len(stream) for stream in streams)
    top = max(float(stream.max()) for stream in streams)
    fig, axes = plt.subplots(len(streams), widest, figsize=(9, 1.25 * len(streams)))
    for axis in axes.flat:
        axis.set_axis_off()
    for row, stream in zip(axes, streams, strict=True):
        for axis, image in zip(row, stream, strict=False):
            axis.imshow(image, cmap=MAGNITUDE, vmin=0, vmax=top)
        row[0].set_title(f"stream of {len(stream)} maps", fontsize=9)
    return fig


def blocks(histograms: Mapping[str, np.ndarray]) -> Figure:
    """Which way each block moves, and its share: title -> (blocks, blocks, orientations).

    The arrow is the sum of the block's orientations.
    """
    top = max(float(shares.sum(-1).max()) for shares in histograms.values())
    fig, [axes] = panels(histograms, 4, 3.9)
    look = {"angles": "xy", "scale_units": "xy", "color": "0.1", "width": 0.008, "pivot": "mid"}
    for axis, shares in zip(axes, histograms.values(), strict=True):
        angles = 2 * np.pi * np.arange(shares.shape[-1]) / shares.shape[-1]
        right, down = shares @ np.cos(angles), shares @ np.sin(angles)
        image = axis.imshow(shares.sum(-1), cmap=MAGNITUDE, vmin=0, vmax=1.4 * top)
        longest = float(np.hypot(right, down).max()) or 1.0  # fills its block
        axis.quiver(right, down, scale=longest / 0.9, **look)
        bare(axis)
    fig.colorbar(image, ax=axes, shrink=0.75, label="share of the clip")
    return fig


def planes(cuts: Mapping[str, np.ndarray], patterns: Mapping[str, np.ndarray]) -> Figure:
    """Cuts through a clip, and below the pattern number of every point: XY, and X or Y over time"""
    fig, axes = panels(cuts, 9 / len(cuts), 3, rows=("grey values", "patterns"))
    bare(*axes.flat)
    for (above, below), title in zip(axes.T, cuts, strict=True):
        above.imshow(cuts[title], aspect="auto")
        below.imshow(patterns[title], cmap="viridis", aspect="auto")
    return fig
