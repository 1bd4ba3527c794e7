"""The look that all figures share: one colour per class, per system and per flow method."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

# Dark, middle, light: the classes stay apart in grey too.
CLASS_COLOURS = {"negative": "#1f3b63", "positive": "#d9822b", "surprise": "#c3d3df"}
METHOD_COLOURS = {
    "dis_fine": "#a3223a",
    "dis": "#d9822b",
    "farneback": "#5b7aa8",
    "tvl1": "#1f3b63",
}
METHOD_MARKERS = {"dis_fine": "o", "dis": "s", "farneback": "^", "tvl1": "D"}
# What is no system and no class: what is drawn, what it stands on, what is set off, what is wrong.
INK, PALE, ACCENT, WARNING = "#1f3b63", "#c3d3df", "#d9822b", "#a3223a"
CLASS_HATCHES = {"negative": "", "positive": "...", "surprise": "///"}
EDGE = "#333333"
CHANCE = "#777777"  # always dashed
UNNAMED = "#555555"
SIGNED = "RdBu_r"  # u and v: blue is left or up, red right or down, white none
MAGNITUDE = "magma_r"  # strain and lengths: white is none


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """The study's three classes in their colours, others from dark to light."""
    if set(classes) <= set(CLASS_COLOURS):
        return CLASS_COLOURS
    steps = mpl.colormaps["viridis"](np.linspace(0.05, 0.95, len(classes)))
    return {name: to_hex(step) for name, step in zip(classes, steps, strict=True)}


def colour(system: str) -> str:
    """The colour of a system; an ablation has its system's, an unknown name is grey."""
    return getattr(_module(system), "COLOUR", UNNAMED)


def marker(system: str) -> str:
    """The marker of a system; an ablation has its system's."""
    return getattr(_module(system), "MARKER", "o")


def _module(system: str):
    from ...systems import SYSTEMS  # loads torch, which most figures do without

    return SYSTEMS.get(system.partition("/")[0])


def apply() -> None:
    """Give matplotlib the study's defaults. A figure may still differ."""
    mpl.rcParams.update(
        {
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "image.cmap": "gray",
            "savefig.facecolor": "white",
        }
    )
