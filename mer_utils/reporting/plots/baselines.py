"""Figures of what the baselines read and compute."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from .motion import looks as looks
from .style import MAGNITUDE, bare, panels


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
