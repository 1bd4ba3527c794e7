"""Figures of what the baselines read and compute."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from .motion import CHANNELS
from .motion import looks as looks
from .style import MAGNITUDE, bare, panels, signed

UNITS = {"flow": ("pixels", "pixels", "pixels per pixel"), "flow_legacy": ("grey level",) * 3}
UNITS |= {"flow_centred": ("standard deviations", "standard deviations", "root over its mean")}


def flow(image: np.ndarray, view: str) -> Figure:
    """u, v and strain of one clip, (3, 28, 28), in pixels or in the unit of another view."""
    fig, [axes] = panels(CHANNELS, 3, 3.1)
    grey, flow = {"vmin": 0, "vmax": 255}, signed(image[:2])
    looks = 3 * [grey] if view == "flow_legacy" else [flow, flow, {"cmap": MAGNITUDE, "vmin": 0}]
    for axis, channel, look, unit in zip(axes, image, looks, UNITS[view], strict=True):
        fig.colorbar(axis.imshow(channel, **look), ax=axis, shrink=0.75, label=unit)
        bare(axis)
    return fig


def maps(streams: Sequence[np.ndarray]) -> Figure:
    """One row per stream, (width, h, w) each, all on one scale."""
    widest, top = max(map(len, streams)), max(float(stream.max()) for stream in streams)
    fig, axes = plt.subplots(len(streams), widest, figsize=(9, 1.25 * len(streams)))
    for axis in axes.flat:
        axis.set_axis_off()
    for row, stream in zip(axes, streams, strict=True):
        for axis, image in zip(row, stream, strict=False):
            axis.imshow(image, cmap=MAGNITUDE, vmin=0, vmax=top)
        row[0].set_title(f"stream of {len(stream)} maps", fontsize=9)
    return fig


def blocks(histograms: Mapping[str, np.ndarray]) -> Figure:
    """Share and sum of directions of each block: title -> (blocks, blocks, orientations)."""
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
