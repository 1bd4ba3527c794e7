"""Figures of what the baselines see."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure


def flow(image: np.ndarray, view: str) -> Figure:
    """u, v and strain of one clip, (3, 28, 28); `flow_legacy` has grey levels, not pixels."""
    legacy = view == "flow_legacy"
    titles = ("u, to the right", "v, down", "strain")
    fig, axes = plt.subplots(1, 3, figsize=(9, 3.1), layout="constrained")
    for number, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        if legacy:
            shown = axis.imshow(image[number], cmap="gray", vmin=0, vmax=255)
        elif number < 2:
            limit = max(float(np.abs(image[:2]).max()), 1e-6)
            shown = axis.imshow(image[number], cmap="RdBu_r", vmin=-limit, vmax=limit)
        else:
            shown = axis.imshow(image[number], cmap="viridis", vmin=0)
        unit = "grey level" if legacy else ("pixels" if number < 2 else "pixels per pixel")
        fig.colorbar(shown, ax=axis, shrink=0.75, label=unit)
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
    return fig


def maps(streams: Sequence[np.ndarray]) -> Figure:
    """One row per stream, (width, h, w) each, all on one scale."""
    widest = max(len(stream) for stream in streams)
    top = max(float(stream.max()) for stream in streams)
    fig, axes = plt.subplots(
        len(streams), widest, figsize=(9, 1.25 * len(streams)), layout="constrained"
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for row, stream in zip(axes, streams, strict=True):
        for axis, image in zip(row, stream, strict=False):
            axis.imshow(image, cmap="viridis", vmin=0, vmax=top)
        row[0].set_title(f"stream of {len(stream)} maps", loc="left", fontsize=9)
    return fig
