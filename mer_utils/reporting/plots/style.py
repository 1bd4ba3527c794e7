"""What all figures share: colours of classes and systems, and the parts that they are made of."""

import math
import textwrap
from collections.abc import Callable, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from ...systems import SYSTEMS, notes
from ...systems import title as plain_title

INK, PALE, ACCENT, WARNING = "#1f3b63", "#c3d3df", "#d9822b", "#a3223a"
LIGHT, GREEN = "#5b7aa8", "#5d8a4e"
EDGE, UNNAMED = "#333333", "#555555"
CHANCE = "#777777"  # always dashed
# Dark, middle, light: the classes differ in grey too.
CLASS_COLOURS = {"negative": INK, "positive": ACCENT, "surprise": PALE}
CLASS_HATCHES = {"negative": "", "positive": "...", "surprise": "///"}
# Looks of a few forms of one thing: they differ in grey too.
_LOOKS = ((INK, "-", "o"), (ACCENT, "--", "s"), (GREEN, ":", "^"), (WARNING, "-.", "D"))
_LOOKS += ((LIGHT, "-", "v"),)
FORMS = [dict(zip(("color", "ls", "marker"), look, strict=True)) for look in _LOOKS]
MAGNITUDE = "magma_r"  # strain and lengths: white is none
ROW, DENSE, MANY = 0.42, 0.27, 12  # inches of a row, of a row among more than so many
MARK = "*"  # behind the name of a system that has a NOTE


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """Classes of the study's three in their colours, others from dark to light."""
    if set(classes) <= set(CLASS_COLOURS):
        return {name: CLASS_COLOURS[name] for name in classes}
    steps = mpl.colormaps["viridis"](np.linspace(0.05, 0.95, len(classes)))
    return dict(zip(classes, map(to_hex, steps), strict=True))


def looks(names: Sequence[str]) -> dict[str, list[str]]:
    """Colours and markers of systems, for `dots`; ablations have their system's, others are grey"""
    modules = [SYSTEMS.get(str(name).partition("/")[0]) for name in names]
    colours = [getattr(module, "COLOUR", UNNAMED) for module in modules]
    return {"colours": colours, "markers": [getattr(m, "MARKER", "o") for m in modules]}


def colour(system: str) -> str:
    return looks([system])["colours"][0]


def title(label: str) -> str:
    """A label as a figure prints it, with MARK where `noted` explains it below the figure."""
    return plain_title(label) + (MARK if notes([label]) else "")


def noted(fig: Figure) -> str:
    """Write below a figure what must be said with the scores of its systems; gives the sentences.

    Those are the NOTEs of the systems that the figure names, "" for most.
    """
    texts = " ".join(text.get_text() for text in fig.findobj(Text))
    note = notes(name for name, module in SYSTEMS.items() if module.TITLE in texts)
    if note:
        lines = textwrap.fill(f"{MARK} {note}", int(13 * fig.get_figwidth()))
        fig.text(0.01, -0.01, lines, va="top", fontsize=8, color=UNNAMED)
    return note


def panels(
    titles: Sequence[str], width: float, height: float, rows: Sequence = ("",), extra=(0, 0), **look
) -> tuple[Figure, np.ndarray]:
    """Axes (rows, columns), a title above each column, the name of each row at its left.

    width, height: inches of one panel; extra: inches besides the panels; look: of `plt.subplots`.
    """
    size = (width * len(titles) + extra[0], height * len(rows) + extra[1])
    fig, axes = plt.subplots(len(rows), len(titles), figsize=size, squeeze=False, **look)
    for axis, name in zip(axes[0], titles, strict=True):
        axis.set_title(name)
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


def reference(axis, value: float, label: str = "", *, level=False, place: str = "top") -> None:
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


def bar_chart(table: pd.DataFrame, ylabel: str, size=(7, 3.2), level=None, **look) -> Figure:
    """A group of bars per row of `table`, a bar per column; `level`: of a dashed line.

    The x axis is named like the index; look: of `bars`.
    """
    fig, axis = plt.subplots(figsize=size)
    bars(axis, table, **look)
    axis.set_ylabel(ylabel)
    if level is not None:
        reference(axis, level, level=True)
    fig.legend(loc="outside upper right", ncols=len(table.columns))
    return fig


def key(colours: dict[str, str], hatches: dict[str, str] | None = None) -> list:
    """Legend entries: a box per name in its colour."""
    look, hatches = {"ec": EDGE, "lw": 0.5}, hatches or {}
    return [
        plt.Rectangle((0, 0), 1, 1, fc=shade, hatch=hatches.get(name), label=name, **look)
        for name, shade in colours.items()
    ]


def legend(fig: Figure, handles: Sequence, labels: Sequence[str] | None = None) -> None:
    """A legend above the axes in as many columns as there is room for; the figure grows by it."""
    labels = labels or [handle.get_label() for handle in handles]
    inches = 0.6 + 0.08 * max(map(len, labels))
    columns = max(1, min(4, int(fig.get_figwidth() / inches)))
    fig.set_figheight(fig.get_figheight() + 0.2 * (math.ceil(len(labels) / columns) - 1))
    fig.legend(handles, labels, loc="outside upper right", ncols=columns)


# --- figures that have a row per item, a dot, and an interval -------------------------------------


def item_rows(
    labels: Sequence[str], xlabel: str, limits: tuple | None = None, extra: float = 1.0
) -> tuple[Figure, Axes]:
    """An empty figure with a row per label, the first on top; extra: inches besides the rows."""
    height = DENSE if len(labels) > MANY else ROW
    fig, axis = plt.subplots(figsize=(7.8, extra + height * len(labels)))
    axis.set_yticks(range(len(labels)), [title(label) for label in labels])
    axis.set(ylim=(len(labels) - 0.5, -0.7), xlabel=xlabel)
    if limits:
        axis.set_xlim(limits)
    return fig, axis


def dots(
    axis, values, low=np.nan, high=np.nan, colours=INK, markers="o", filled=True, digits=0, **look
) -> None:
    """A dot per row and a line from `low` to `high`; rows without a value stay empty.

    Each is one value, or one for every row; digits: of the number above each dot, 0 for none;
    look: of the dots, as `Axes.plot` takes it.
    """
    look = {"ms": 8, "ls": "", "zorder": 3} | look
    columns = np.broadcast_arrays(values, low, high, colours, markers, filled)
    for y, (value, start, end, shade, marker, full) in enumerate(zip(*columns, strict=True)):
        if np.isnan(value):
            continue
        axis.plot([start, end], [y, y], color=shade, lw=2)
        axis.plot(value, y, marker=marker, color=shade, mfc=shade if full else "white", **look)
        look["label"] = None  # once in the legend
        if digits:
            place = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
            axis.annotate(f"{value:.{digits}f}", (value, y), fontsize=8, **place)


def swarm(
    axis, values, place: float, middle: Callable | None = None, bar="black", width=0.6, **look
) -> None:
    """Every value of one row as a dot of its own; `middle` (np.mean, np.median) as a bar."""
    values = np.sort(np.asarray(values))
    look = {"s": 14, "linewidths": 0, "zorder": 2, "color": INK} | look
    apart = np.arange(len(values)) * 0.618 % 1 - 0.5  # so that dots do not hide each other
    axis.scatter(values, place + width * apart, **look)
    if middle and len(values):
        ends = place - 0.6 * width, place + 0.6 * width
        axis.vlines(middle(values), *ends, color=bar, lw=2.5, zorder=3)
