"""What all figures share: colours of classes, systems and flow methods, and small parts."""

from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.colors import to_hex

INK, PALE, ACCENT, WARNING = "#1f3b63", "#c3d3df", "#d9822b", "#a3223a"
LIGHT, GREEN = "#5b7aa8", "#5d8a4e"
EDGE, UNNAMED = "#333333", "#555555"
CHANCE = "#777777"  # always dashed
# Dark, middle, light: the classes differ in grey too.
CLASS_COLOURS = {"negative": INK, "positive": ACCENT, "surprise": PALE}
CLASS_HATCHES = {"negative": "", "positive": "...", "surprise": "///"}
METHOD_COLOURS = {"dis_fine": WARNING, "dis": ACCENT, "farneback": LIGHT, "tvl1": INK}
METHOD_MARKERS = {"dis_fine": "o", "dis": "s", "farneback": "^", "tvl1": "D"}
# Colour, line and marker of a few forms of one thing: they differ in grey too.
FORMS = tuple(
    zip((INK, ACCENT, GREEN, WARNING, LIGHT), ("-", "--", ":", "-.", "-"), "os^Dv", strict=True)
)
SIGNED = "RdBu_r"  # u and v: blue is left or up, red right or down, white none
MAGNITUDE = "magma_r"  # strain and lengths: white is none


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """Classes of the study's three in their colours, others from dark to light."""
    if set(classes) <= set(CLASS_COLOURS):
        return {name: CLASS_COLOURS[name] for name in classes}
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

    return SYSTEMS.get(str(system).partition("/")[0])


def title(label: str) -> str:
    """A label as a figure prints it: "htnet/as_coded (inner)" -> "HTNet, as coded (inner)"."""
    from ... import systems  # loads torch, which most figures do without

    return systems.title(label)


def bare(*axes, title: str = "") -> None:
    """Axes without ticks and frame, for pictures."""
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if title:
            axis.set_title(title)


def reference(axis, value: float, label: str = "", *, level: bool = False) -> None:
    """A dashed line at `value`, upright or level, with its label at the top or the right end."""
    (axis.axhline if level else axis.axvline)(value, color=CHANCE, ls="--", lw=1, zorder=1)
    place = {"xy": (1, value), "xycoords": ("axes fraction", "data"), "xytext": (-2, 3)}
    if not level:
        place = {"xy": (value, 1), "xycoords": ("data", "axes fraction"), "xytext": (4, -2)}
    axis.annotate(
        label, **place, textcoords="offset points", ha="right" if level else "left",
        va="bottom" if level else "top", fontsize=8, color=CHANCE,
    )  # fmt: skip


def matrix(axis, values: np.ndarray, rows, columns=None, texts=None, title="", **look):
    """Values as a picture with named rows and columns, and a text in every cell.

    columns: of `rows` if not given; texts: as large as `values`, or a format such as "{:.2f}";
    look: of `seaborn.heatmap`, and `fontsize`.  Gives the image, for a colour bar.
    """
    fontsize = look.pop("fontsize", 8)
    if isinstance(texts, str):
        texts = np.vectorize(texts.format)(values)
    columns = rows if columns is None else columns
    names = {"yticklabels": list(rows) or False, "xticklabels": list(columns) or False}
    look = {"square": True, "cbar": False, "annot_kws": {"fontsize": fontsize}} | names | look
    sns.heatmap(values, ax=axis, annot=texts, fmt="", **look)
    axis.tick_params(length=0, labelsize=fontsize + 1)
    axis.tick_params(axis="y", rotation=0)
    axis.set_title(title)
    return axis.collections[0]


def key(colours: dict[str, str], hatches: dict[str, str] | None = None) -> list:
    """Legend entries: a box per name in its colour."""
    hatches = hatches or {}
    return [
        plt.Rectangle((0, 0), 1, 1, fc=shade, ec=EDGE, lw=0.5, hatch=hatches.get(name), label=name)
        for name, shade in colours.items()
    ]


def scatter(count: int) -> np.ndarray:
    """(count,) places in -0.5..0.5 that keep dots of one row apart, the same every time."""
    return np.arange(count) * 0.618 % 1 - 0.5
