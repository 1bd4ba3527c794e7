"""Figures of systems against each other: scores, pairs, leaks, certainty, evidence, robustness."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import style
from .faces import over
from .style import ACCENT, CHANCE, FORMS, INK, PALE, WARNING, dots, item_rows, looks, reference
from .style import title as title

ACROSS = 4  # panels in a line
READINGS = {  # of one training: marker, colour, label by column
    "honest": ("o", INK, "honest: pooled, epoch not picked on the test"),
    "fold mean": ("D", ACCENT, "mean of folds"),
    "oracle": ("X", WARNING, "oracle: epoch picked on the test subject"),
    "both": ("P", style.EDGE, "both"),
}


def ranking(summary: pd.DataFrame, floors: Mapping[str, float], joined: Sequence = ()) -> Figure:
    """Score of every system with its interval; bars join what does not differ significantly.

    summary: `statistics.summary`, best first, with a column `name`; floors: `leaks.floors`; joined:
    `statistics.stretches`.
    """
    note = "; bars at the right join what does not differ significantly" if joined else ""
    xlabel = f"UF1, pooled; line: 95 % over subjects{note}"
    fig, axis = item_rows(summary["name"], xlabel, extra=1.1)
    for place, (name, floor) in zip(("top", "bottom"), floors.items(), strict=True):
        reference(axis, floor, name, place=place)
    low, high = summary["UF1 low"], summary["UF1 high"]
    dots(axis, summary["UF1"], low, high, **looks(summary["system"]), digits=3, ms=9)
    right = max(1.0, high.max())
    for number, (first, last) in enumerate(joined, start=1):
        x = [right + 0.03 * number] * 2
        axis.plot(x, [first - 0.2, last + 0.2], color=INK, lw=4, solid_capstyle="round")
    axis.set_xlim(0, right + 0.03 * (len(joined) + 1))
    axis.set_xticks(np.arange(0, 1.01, 0.2))
    return fig


def pairs(table: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Gap of every pair of `statistics.compare`, in points; `order`: labels, best first."""
    other = table.rename(columns={"system": "against", "against": "system"})
    both = pd.concat([table, other.assign(difference=-other["difference"])])
    both = both.pivot(index="system", columns="against").reindex(index=order)
    gaps = both["difference"].reindex(columns=order).to_numpy()
    significant = both["significant"].reindex(columns=order).to_numpy() == True  # noqa: E712
    fig, axis = plt.subplots(figsize=(3.3 + 0.62 * len(order), 2.1 + 0.62 * len(order)))
    texts = np.where(np.isnan(gaps), "", np.vectorize("{:+.1f}".format)(100 * gaps))
    look = {"cmap": "PuOr_r", "vmin": -2.6, "vmax": 2.6, "linewidths": 1.5, "fontsize": 9}
    names = [title(name) for name in order]
    style.matrix(axis, np.where(significant, np.sign(gaps), 0), names, texts=texts, **look)
    for text, bold in zip(axis.texts, significant.flat, strict=True):
        text.set(weight="bold" if bold else "normal", color="black")
    axis.set_xticks(axis.get_xticks(), names, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_title("100 (UF1 of the row - UF1 of the column)\nbold: significantly different (Holm)")
    return fig


def power(curve: pd.DataFrame, gap: float, subjects: int) -> Figure:
    """The smallest gap that so many subjects show: `curve` (subjects, gap alone, of all pairs)."""
    fig, axis = plt.subplots(figsize=(7, 3.6))
    axis.plot(curve["subjects"], curve["gap"], color=INK, label="one comparison, planned")
    axis.plot(curve["subjects"], curve["all"], color=WARNING, ls="--", label="one of all pairs")
    label = f"gap between the two best: {gap:.3f}"
    axis.axhline(gap, color=CHANCE, ls=":", lw=1.5, label=label)
    here = np.interp(subjects, curve["subjects"], curve["gap"])
    axis.plot(subjects, here, "o", color=INK, ms=8)
    place = {"xytext": (0, -14), "textcoords": "offset points", "ha": "center", "va": "top"}
    axis.annotate(f"{subjects} subjects: {here:.3f}", (subjects, here), **place)
    ticks = [count for count in (20, 50, 100, 200, 500, 1000) if count <= curve["subjects"].max()]
    axis.set(ylim=(0, None), xlabel="subjects", xscale="log")
    axis.set_xticks(ticks, ticks)
    axis.minorticks_off()
    axis.set_ylabel("gap in UF1 that four\nstudies of five would show")
    axis.legend(loc="upper right")
    return fig


def prices(table: pd.DataFrame) -> Figure:
    """The same runs read in four ways, a row per system. table: `leaks.prices`, with `name`."""
    table = table.sort_values("honest", ascending=False, kind="stable").reset_index(drop=True)
    values = table[[name for name in READINGS if name in table]]
    fig, axis = item_rows(table["name"], "UF1", (0, 1), extra=1.5)
    axis.hlines(range(len(table)), values.min(axis=1), values.max(axis=1), color=PALE, lw=3)
    for name in values:
        marker, shade, label = READINGS[name]
        dots(axis, table[name], colours=shade, markers=marker, label=label)
    fig.legend(loc="outside upper left", ncols=2)
    return fig


def published(table: pd.DataFrame) -> Figure:
    """Published scores, ours with interval, and our oracle; columns of `published.next_to`."""
    fig, axis = item_rows(table["name"], "UF1; line: 95 % over subjects", (0, 1), extra=1.4)
    axis.grid(axis="y", color=PALE, lw=0.5)
    colours = looks(table["system"])["colours"]
    ours = {"low": table["low"], "high": table["high"], "colours": colours}
    series = {
        "honest": ours | {"label": "ours, honest"},
        "oracle": {"markers": "X", "colours": WARNING, "label": f"ours, {READINGS['oracle'][2]}"},
        "published": {"markers": "s", "colours": style.EDGE, "filled": False, "label": "published"},
    }
    for name, look in series.items():
        dots(axis, table[name], ms=7, **look)
    fig.legend(loc="outside upper left", ncols=3)
    return fig


def effects(table: pd.DataFrame) -> Figure:
    """`ablations.answers`, right of zero where the ingredient helps; filled where significant."""
    xlabel = "UF1 as described minus UF1 changed; line: 95 % over subjects"
    fig, axis = item_rows(table["ablation"], xlabel)
    reference(axis, 0)
    look = looks(table["ablation"]) | {"filled": table["answer"] != "no difference shown"}
    dots(axis, table["effect"], table["low"], table["high"], ms=7, **look)
    systems = table["ablation"].str.partition("/")[0]
    for place in np.flatnonzero(systems != systems.shift())[1:]:
        axis.axhline(place - 0.5, color=PALE, lw=0.8)
    return fig


def beside(table: pd.DataFrame, column: str, labels: Sequence[str]) -> Figure:
    """UF1 of each `name` with its interval, and `column` as an upright stroke; labels of both."""
    fig, axis = item_rows(table["name"], "UF1; line: 95 % over subjects", (0, 1), extra=1.4)
    look = {"markers": "|", "colours": CHANCE, "mew": 2.5, "ms": 12, "label": labels[1]}
    dots(axis, table[column], **look)
    shades = looks(table["system"])["colours"]
    dots(axis, table["UF1"], table["UF1 low"], table["UF1 high"], shades, label=labels[0])
    fig.legend(loc="outside upper left", ncols=2)
    return fig


def people(table: pd.DataFrame) -> Figure:
    """Learning curves over training `people`, of `statistics.summary`."""
    fig, axis = plt.subplots(figsize=(7, 3.8))
    curves = table.groupby("system", sort=False)
    for number, ((name, curve), look) in enumerate(zip(curves, FORMS, strict=False)):
        place = curve["people"] * 1.04**number  # side by side
        look = look | {"label": title(name)}
        axis.vlines(place, curve["UF1 low"], curve["UF1 high"], color=look["color"], alpha=0.6)
        axis.plot(place, curve["UF1"], **look)
    axis.set_xscale("log")
    axis.set_xticks(sorted(set(table["people"])), sorted(set(table["people"])))
    axis.minorticks_off()
    axis.set(ylim=(0, 1), xlabel="training people", ylabel="UF1; line: 95 % over subjects")
    axis.legend(loc="lower right")
    return fig


# --- certainty: how often it is right, and what is gained where it may be silent ------------------


def _grid(titles: Sequence[str], width: float, height: float, **look) -> tuple[Figure, list]:
    """A panel for each title, ACROSS in a line; those that are left over are not drawn."""
    across, lines = [""] * min(len(titles), ACROSS), [""] * -(-len(titles) // ACROSS)
    fig, axes = style.panels(across, width, height, lines, (0.4, 0.5), **look)
    for axis in axes.flat[len(titles) :]:
        axis.remove()
    for axis, name in zip(axes.flat, titles, strict=False):
        axis.set_title(title(name))
    return fig, list(axes.flat[: len(titles)])


def reliability(curves: dict[str, list[pd.DataFrame]]) -> Figure:
    """`calibration.reliability` of every system as it is and, where there is one, tempered."""
    fig, axes = _grid([*curves], 2.3, 2.4, sharex=True, sharey=True)
    looks = (("as it is", WARNING, "o", "--"), ("at its temperature", INK, "s", "-"))
    entries = {}
    for axis, pair in zip(axes, curves.values(), strict=True):
        axis.plot([0, 1], [0, 1], color=CHANCE, ls=":", lw=1)
        for (label, shade, marker, line), curve in zip(looks, pair, strict=False):
            axis.vlines(curve["certainty"], curve["low"], curve["high"], color=shade, lw=1)
            look = {"color": shade, "marker": marker, "ls": line, "ms": 4, "lw": 1}
            [entries[label]] = axis.plot(curve["certainty"], curve["right"], **look)
        axis.set(xlim=(0.3, 1.02), ylim=(0, 1.02), xticks=(0.4, 0.6, 0.8, 1))
    fig.supxlabel("mean certainty of a tenth of the clips", fontsize=10)
    fig.supylabel("share that is right", fontsize=10)
    fig.legend(entries.values(), entries, loc="outside upper right", ncols=2)
    return fig


def coverage(curves: dict[str, pd.DataFrame]) -> Figure:
    """`calibration.coverage` of every system, by name, with its band."""
    fig, axes = _grid([*curves], 2.3, 2.4, sharex=True, sharey=True)
    for axis, (name, curve) in zip(axes, curves.items(), strict=True):
        shade = style.colour(name)
        axis.fill_between(curve["share"], curve["low"], curve["high"], color=shade, alpha=0.2, lw=0)
        axis.plot(curve["share"], curve["UF1"], color=shade)
        reference(axis, curve.loc[curve["share"].idxmax(), "UF1"], level=True)
        axis.set(xlim=(0, 1), ylim=(0.3, 1.0), xticks=(0, 0.5, 1))
    fig.supxlabel("share of the clips on which it speaks, the surest first", fontsize=10)
    fig.supylabel("UF1 of these", fontsize=10)
    return fig


# --- evidence: mean maps on the outline of a face, how well they point, and robustness ------------


def maps(means: Mapping[str, np.ndarray], classes: Sequence[str], landmarks: np.ndarray) -> Figure:
    """Mean maps (C, 28, 28) of every system by class, under the mean face; a row has one scale."""
    fig, axes = style.panels(classes, 1.7, 1.45, [title(name) for name in means], (0.9, 0.3))
    for row, values in zip(axes, means.values(), strict=True):
        look = {"cmap": style.MAGNITUDE, "vmin": 0, "vmax": max(values.max(), 1e-12)}
        for axis, values_of_class in zip(row, values, strict=True):
            over(axis, values_of_class, landmarks, "0.35", 0.7, **look)
        row[0].yaxis.label.set(rotation=0, ha="right", va="center", fontsize=9)
    return fig


def shares(table: pd.DataFrame) -> Figure:
    """A row per system, a column per region, with the numbers."""
    fig, axis = plt.subplots(figsize=(7.4, 0.32 * len(table) + 0.6))
    rows = [title(name) for name in table.index]
    look = {"cmap": "Blues", "vmin": 0, "square": False}
    style.matrix(axis, table.to_numpy(), rows, table.columns, "{:.2f}", **look)
    return fig


def pointing(table: pd.DataFrame, chance: float, flow: float) -> Figure:
    """Pointing with its interval, a row per system; hollow where a network is untrained."""
    names = table["system"]
    fig, axis = item_rows(names, "clips whose most evident cell is in an active region", (0, 1))
    look = looks(names.str.partition(" ")[0]) | {"filled": ~names.str.contains(" ")}
    dots(axis, table["pointing"], table["pointing low"], table["pointing high"], **look)
    reference(axis, chance, "random place")
    reference(axis, flow, "the flow alone")
    return fig


def doses(table: pd.DataFrame, units: Mapping[str, str], mean: str) -> Figure:
    """What is lost of UF1 by dose, a panel per change: a line per system and, in black, their mean.

    units: what a dose of each change is; mean: the name of the mean among the systems.  Upright
    lines are 95 % intervals, side by side; at the left nothing is changed.
    """
    fig, axes = _grid([*units], 2.5, 2.3, sharey=True)
    for axis, (change, unit) in zip(axes, units.items(), strict=True):
        part = table[table["change"].isin(("nothing", change))]
        systems = list(part.groupby("system", sort=False))
        for aside, (system, own) in zip(np.linspace(0, 0.4, len(systems)), systems, strict=True):
            look = {"color": "black", "lw": 2, "zorder": 4}
            if system != mean:
                [shade], [marker] = looks([system]).values()
                look = {"color": shade, "marker": marker, "lw": 0.8, "ms": 3}
            error = own["lost"] - own["low"], own["high"] - own["lost"]
            places = np.arange(len(own)) + aside * (own["dose"] > 0)
            axis.errorbar(places, own["lost"], error, elinewidth=0.6, label=title(system), **look)
        axis.set_xticks(range(len(own)), ["none", *(f"{dose:g}" for dose in own["dose"][1:])])
        axis.set_xlabel(unit, fontsize=8)
        reference(axis, 0, level=True)
    axes[0].invert_yaxis()
    for axis in axes[::ACROSS]:
        axis.set_ylabel("UF1 lost")
    style.legend(fig, *axes[0].get_legend_handles_labels())
    return fig
