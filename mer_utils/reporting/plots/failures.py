"""Figures of which clips are hard: for one system, or for all of them."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from .motion import looks as looks
from .style import bare, bars, class_colours, key, title


def clips(shares: pd.DataFrame) -> Figure:
    """A column per clip, hardest left, a row per system: dark where most seeds are wrong.

    shares: `failures.by_clip`.  The strip above is the label of the clip.
    """
    labels = list(shares.index.get_level_values("label"))
    colours, count = class_colours(sorted(set(labels))), shares.shape[1]
    look = {"height_ratios": (0.7, count), "sharex": True}
    fig, (top, axis) = plt.subplots(2, 1, figsize=(9, 1.3 + 0.3 * count), **look)
    look = {"aspect": "auto", "interpolation": "nearest"}
    top.imshow([[to_rgb(colours[name]) for name in labels]], **look)
    axis.imshow(shares.to_numpy().T, cmap="Greys", vmin=0, vmax=1.15, **look)
    bare(top, axis)
    top.set_yticks([0], ["label"])
    axis.set_yticks(range(count), [title(name) for name in shares.columns])
    for place in range(1, count):
        axis.axhline(place - 0.5, color="white", lw=2)
    for panel in (top, axis):
        panel.tick_params(length=0)
    axis.set_xlabel(f"{len(shares)} clips, those that most systems get wrong at the left")
    fig.legend(handles=key(colours | {"wrong": "0.15"}), loc="outside upper right", ncols=4)
    return fig


def overlap(table: pd.DataFrame) -> Figure:
    """Clips by how many systems are wrong, next to what independent failures would give."""
    fig, axis = plt.subplots(figsize=(7, 3.3))
    names = {"clips": "counted", "independent": "if systems failed independently"}
    bars(axis, table.set_index("systems wrong")[[*names]].rename(columns=names))
    axis.set(xlabel="systems that get a clip wrong", ylabel="clips")
    axis.legend()
    return fig
