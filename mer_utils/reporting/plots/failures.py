"""Figures of which clips are hard: for one system, or for all of them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import motion, style
from .style import EDGE, INK, PALE, class_colours

style.apply()


def clips(shares: pd.DataFrame) -> Figure:
    """A column per clip, hardest left, a row per system: dark where most seeds are wrong.

    shares: `failures.by_clip`.  The strip above is the label of the clip.
    """
    labels = list(shares.index.get_level_values("label"))
    colours = class_colours(sorted(set(labels)))
    known = [name for name in colours if name in labels]
    strip = np.array([[plt.matplotlib.colors.to_rgb(colours[name]) for name in labels]])
    count = shares.shape[1]
    fig, (top, axis) = plt.subplots(
        2, 1, figsize=(9, 1.3 + 0.3 * count), height_ratios=(0.7, count), sharex=True,
        layout="constrained",
    )  # fmt: skip
    top.imshow(strip, aspect="auto", interpolation="nearest")
    top.set_yticks([0], ["label"])
    axis.imshow(shares.to_numpy().T, aspect="auto", cmap="Greys", vmin=0, vmax=1.15,
                interpolation="nearest")  # fmt: skip
    axis.set_yticks(range(count), shares.columns)
    axis.set_yticks(np.arange(count) - 0.5, minor=True)
    axis.grid(axis="y", which="minor", color="white", lw=2)
    for each in (top, axis):
        each.tick_params(which="both", length=0)
        each.spines[:].set_visible(False)
    axis.set_xlabel(f"{len(shares)} clips, those that most systems get wrong at the left")
    patches = [
        plt.Rectangle((0, 0), 1, 1, fc=colours[name], ec=EDGE, lw=0.5, label=name) for name in known
    ]
    patches.append(plt.Rectangle((0, 0), 1, 1, fc="0.15", label="wrong"))
    fig.legend(handles=patches, loc="outside upper right", ncols=4, fontsize=9)
    return fig


def together(table: pd.DataFrame) -> Figure:
    """Clips by how many systems are wrong, beside what independent failures would give."""
    fig, axis = plt.subplots(figsize=(7, 3.3), layout="constrained")
    places = table["systems wrong"].to_numpy()
    axis.bar(places - 0.2, table["clips"], 0.4, color=INK, label="seen")
    axis.bar(
        places + 0.2, table["alone"], 0.4, color=PALE, edgecolor=EDGE, hatch="///", lw=0.5,
        label="if systems failed independently",
    )  # fmt: skip
    axis.set_xticks(places)
    axis.set_xlabel("systems that get a clip wrong")
    axis.set_ylabel("clips")
    axis.legend()
    return fig


def looks(arrays: dict[str, np.ndarray], places: np.ndarray, titles: list[str]) -> Figure:
    """What moved in some clips: flow in pixels where the corpus has it, else the stretched form."""
    if "flow" in arrays:
        return motion.maps(arrays["flow"][places], None, titles)
    return motion.grey_maps(arrays["flow_legacy"][places], titles)
