"""Figures of which clips are hard: for one system, or for all of them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from . import motion
from .style import EDGE, INK, PALE, bare, class_colours, key, title


def clips(shares: pd.DataFrame) -> Figure:
    """A column per clip, hardest left, a row per system: dark where most seeds are wrong.

    shares: `failures.by_clip`.  The strip above is the label of the clip.
    """
    labels = list(shares.index.get_level_values("label"))
    colours = class_colours(sorted(set(labels)))
    count = shares.shape[1]
    fig, (top, axis) = plt.subplots(
        2, 1, figsize=(9, 1.3 + 0.3 * count), height_ratios=(0.7, count), sharex=True
    )
    look = {"aspect": "auto", "interpolation": "nearest"}
    top.imshow([[to_rgb(colours[name]) for name in labels]], **look)
    axis.imshow(shares.to_numpy().T, cmap="Greys", vmin=0, vmax=1.15, **look)
    bare(top, axis)
    top.set_yticks([0], ["label"])
    axis.set_yticks(range(count), [title(name) for name in shares.columns])
    axis.set_yticks(np.arange(count) - 0.5, minor=True)
    axis.grid(axis="y", which="minor", color="white", lw=2)
    for panel in (top, axis):
        panel.tick_params(which="both", length=0)
    axis.set_xlabel(f"{len(shares)} clips, those that most systems get wrong at the left")
    fig.legend(handles=key(colours | {"wrong": "0.15"}), loc="outside upper right", ncols=4)
    return fig


def overlap(table: pd.DataFrame) -> Figure:
    """Clips by how many systems are wrong, next to what independent failures would give."""
    fig, axis = plt.subplots(figsize=(7, 3.3))
    places = table["systems wrong"].to_numpy()
    axis.bar(places - 0.2, table["clips"], 0.4, color=INK, label="counted")
    axis.bar(
        places + 0.2, table["independent"], 0.4, color=PALE, edgecolor=EDGE, hatch="///", lw=0.5,
        label="if systems failed independently",
    )  # fmt: skip
    axis.set_xticks(places)
    axis.set(xlabel="systems that get a clip wrong", ylabel="clips")
    axis.legend()
    return fig


def looks(
    arrays: dict[str, np.ndarray],
    places: np.ndarray,
    titles: list[str],
    points: np.ndarray | None = None,
) -> Figure:
    """What moved in some clips: flow in pixels where the corpus has it, else the stretched form.

    points: landmarks (n, 68, 2) of those clips, drawn as a face on flow in pixels.
    """
    if "flow" in arrays:
        return motion.maps(arrays["flow"][places], points, titles)
    return motion.grey_maps(arrays["flow_legacy"][places], titles)
