"""What all figures share: colours of classes, systems and flow methods, and small parts."""

import math
from collections.abc import Iterable, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

INK, PALE, ACCENT, WARNING = "#1f3b63", "#c3d3df", "#d9822b", "#a3223a"
LIGHT, GREEN = "#5b7aa8", "#5d8a4e"
EDGE, UNNAMED = "#333333", "#555555"
CHANCE = "#777777"  # always dashed
# Dark, middle, light: the classes differ in grey too.
CLASS_COLOURS = {"negative": INK, "positive": ACCENT, "surprise": PALE}
CLASS_HATCHES = {"negative": "", "positive": "...", "surprise": "///"}
METHODS = {"dis_fine": (WARNING, "o"), "dis": (ACCENT, "s"), "farneback": (LIGHT, "^")}
METHODS |= {"tvl1": (INK, "D")}  # colour and marker of a flow method
# Looks of a few forms of one thing: they differ in grey too.
_LOOKS = ((INK, "-", "o"), (ACCENT, "--", "s"), (GREEN, ":", "^"), (WARNING, "-.", "D"))
_LOOKS += ((LIGHT, "-", "v"),)
FORMS = [dict(zip(("color", "ls", "marker"), look, strict=True)) for look in _LOOKS]
MAGNITUDE = "magma_r"  # strain and lengths: white is none


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """Classes of the study's three in their colours, others from dark to light."""
    if set(classes) <= set(CLASS_COLOURS):
        return {name: CLASS_COLOURS[name] for name in classes}
    steps = mpl.colormaps["viridis"](np.linspace(0.05, 0.95, len(classes)))
    return dict(zip(classes, map(to_hex, steps), strict=True))


def _systems():
    from ... import systems  # loads torch, which most figures do without

    return systems


def colour(system: str) -> str:
    """The colour of a system; an ablation has its system's, an unknown name is grey."""
    return looks([system])["colours"][0]


def looks(names: Sequence[str]) -> dict[str, list[str]]:
    """Colours and markers of systems, as `intervals.dots` takes them."""
    modules = [_systems().SYSTEMS.get(str(name).partition("/")[0]) for name in names]
    colours = [getattr(module, "COLOUR", UNNAMED) for module in modules]
    return {"colours": colours, "markers": [getattr(m, "MARKER", "o") for m in modules]}


def title(label: str) -> str:
    """A label as a figure prints it: "htnet/as_coded (inner)" -> "HTNet, as coded (inner)"."""
    return _systems().title(label)


def notes(labels: Iterable[str]) -> str:
    """What has to be said with the scores of systems, by their labels; "" for most."""
    return _systems().notes(labels)


def panels(
    titles: Sequence[str], width: float, height: float, rows: Sequence = ("",), extra=(0, 0), **look
) -> tuple[Figure, np.ndarray]:
    """Axes (rows, columns), a title above each column, the name of each row at its left.

    width, height: inches of one panel; extra: inches besides the panels; look: of `plt.subplots`.
    """
    size = (width * len(titles) + extra[0], height * len(rows) + extra[1])
    fig, axes = plt.subplots(len(rows), len(titles), figsize=size, squeeze=False, **look)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    for axis, row in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(row)
    return fig, axes


def bare(*axes) -> None:
    """Axes without ticks and frame, for pictures."""
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)


def signed(values: np.ndarray, share: float = 1.0) -> dict:
    """Look of a picture around zero; the scale holds this share of the values."""
    most = max(float(np.quantile(np.abs(values), share)), 1e-6)
    return {"cmap": "RdBu_r", "vmin": -most, "vmax": most}  # blue: left or up, white: none


def reference(
    axis, value: float, label: str = "", *, level: bool = False, place: str = "top"
) -> None:
    """A dashed line at `value`, upright or level; its label at a `place` or the right."""
    (axis.axhline if level else axis.axvline)(value, color=CHANCE, ls="--", lw=1, zorder=1)
    look = {"fontsize": 8, "color": CHANCE, "va": "bottom" if level else place}
    if level:
        axis.text(0.99, value, label, transform=axis.get_yaxis_transform(), ha="right", **look)
    else:
        height = {"top": 0.99, "bottom": 0.01}[place]
        axis.text(value, height, f" {label}", transform=axis.get_xaxis_transform(), **look)


def matrix(axis, values: np.ndarray, rows, columns=None, texts=None, **look):
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
    return axis.collections[0]


def bars(axis, table: pd.DataFrame, colours=(INK, PALE), hatches=("", "///"), **look) -> None:
    """A place per row of `table` and a bar per column; look: of `DataFrame.plot.bar`."""
    look = {"width": 0.8, "rot": 0, "edgecolor": EDGE, "lw": 0.5, "legend": False} | look
    table.plot.bar(ax=axis, color=list(colours), **look)
    for column, hatch in zip(axis.containers, hatches, strict=False):
        plt.setp(column.patches, hatch=hatch)


def key(colours: dict[str, str], hatches: dict[str, str] | None = None) -> list:
    """Legend entries: a box per name in its colour."""
    hatches = hatches or {}
    return [
        plt.Rectangle((0, 0), 1, 1, fc=shade, ec=EDGE, lw=0.5, hatch=hatches.get(name), label=name)
        for name, shade in colours.items()
    ]


def legend(fig: Figure, handles: Sequence, labels: Sequence[str] | None = None) -> None:
    """A legend above the axes in as many columns as there is room for; the figure grows by it."""
    labels = labels or [handle.get_label() for handle in handles]
    inches = 0.6 + 0.08 * max(map(len, labels))
    columns = max(1, min(4, int(fig.get_figwidth() / inches)))
    fig.set_figheight(fig.get_figheight() + 0.2 * (math.ceil(len(labels) / columns) - 1))
    fig.legend(handles, labels, loc="outside upper right", ncols=columns)
