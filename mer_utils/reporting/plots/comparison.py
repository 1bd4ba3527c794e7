"""Figures of systems against each other: rankings, pairs, inflation by leaks, published scores."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import intervals
from .style import ACCENT, CHANCE, EDGE, FORMS, INK, PALE, WARNING, looks, matrix, reference, title


def ranking(
    summary: pd.DataFrame,
    floors: Mapping[str, float],
    joined: Sequence[tuple[int, int]] = (),
) -> Figure:
    """Score of every system with its interval; bars join what does not differ significantly.

    summary: `statistics.summary`, best first, with a column `name`; floors: `leaks.floors`; joined:
    `statistics.stretches`.
    """
    note = "; bars at the right join what does not differ significantly" if joined else ""
    xlabel = f"UF1, pooled; line: 95 % over subjects{note}"
    fig, axis = intervals.rows(summary["name"], xlabel, extra=1.1)
    for place, (name, floor) in zip(("top", "bottom"), floors.items(), strict=True):
        reference(axis, floor, name, place=place)
    low, high = summary["UF1 low"], summary["UF1 high"]
    intervals.dots(axis, summary["UF1"], low, high, **looks(summary["system"]), digits=3, ms=9)
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
    size = 0.9 + 0.62 * len(order)
    fig, axis = plt.subplots(figsize=(size + 2.4, size + 1.2))
    texts = np.where(np.isnan(gaps), "", np.vectorize("{:+.1f}".format)(100 * gaps))
    look = {"cmap": "PuOr_r", "vmin": -2.6, "vmax": 2.6, "linewidths": 1.5, "fontsize": 9}
    names = [title(name) for name in order]
    matrix(axis, np.where(significant, np.sign(gaps), 0), names, texts=texts, **look)
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
    here = np.interp(subjects, curve["subjects"], curve["gap"])
    axis.plot(subjects, here, "o", color=INK, ms=8)
    place = {"xytext": (0, -14), "textcoords": "offset points", "ha": "center", "va": "top"}
    axis.annotate(f"{subjects} subjects: {here:.3f}", (subjects, here), **place)
    reference(axis, gap, f"gap between the two best: {gap:.3f}", level=True)
    axis.set_xscale("log")
    ticks = [count for count in (20, 50, 100, 200, 500, 1000) if count <= curve["subjects"].max()]
    axis.set_xticks(ticks, [str(count) for count in ticks])
    axis.minorticks_off()
    axis.set(ylim=(0, None), xlabel="subjects")
    axis.set_ylabel("gap in UF1 that four\nstudies of five would show")
    axis.legend(loc="upper right")
    return fig


READINGS = {  # of one training: marker, colour, label by column
    "honest": ("o", INK, "honest: pooled, epoch not picked on the test"),
    "fold mean": ("D", ACCENT, "mean of folds"),
    "oracle": ("X", WARNING, "oracle: epoch picked on the test subject"),
    "both": ("P", EDGE, "both"),
}


def prices(table: pd.DataFrame) -> Figure:
    """The same runs read in four ways, a row per system. table: `leaks.prices`, with `name`."""
    table = table.sort_values("honest", ascending=False, kind="stable").reset_index(drop=True)
    values = table[[name for name in READINGS if name in table]]
    fig, axis = intervals.rows(table["name"], "UF1", (0, 1), extra=1.5)
    axis.hlines(range(len(table)), values.min(axis=1), values.max(axis=1), color=PALE, lw=3)
    for name in values:
        marker, shade, label = READINGS[name]
        intervals.dots(axis, table[name], colours=shade, markers=marker, label=label)
    fig.legend(loc="outside upper left", ncols=2)
    return fig


def published(table: pd.DataFrame) -> Figure:
    """Published scores, ours with interval, and our oracle; columns of `published.next_to`."""
    xlabel = "UF1; line: 95 % over subjects"
    fig, axis = intervals.rows(table["name"], xlabel, (0, 1), extra=1.4)
    axis.grid(axis="y", color=PALE, lw=0.5)
    colours = looks(table["system"])["colours"]
    ours = {"low": table["low"], "high": table["high"], "colours": colours}
    series = {
        "honest": ours | {"label": "ours, honest"},
        "oracle": {"markers": "X", "colours": WARNING, "label": f"ours, {READINGS['oracle'][2]}"},
        "published": {"markers": "s", "colours": EDGE, "filled": False, "label": "published"},
    }
    for name, look in series.items():
        intervals.dots(axis, table[name], ms=7, **look)
    fig.legend(loc="outside upper left", ncols=3)
    return fig


def effects(table: pd.DataFrame) -> Figure:
    """`ablations.answers`, right of zero where the ingredient helps; filled where significant."""
    xlabel = "UF1 as described minus UF1 changed; line: 95 % over subjects"
    fig, axis = intervals.rows(table["ablation"], xlabel)
    reference(axis, 0)
    look = looks(table["ablation"]) | {"filled": table["answer"] != "no difference shown"}
    intervals.dots(axis, table["effect"], table["low"], table["high"], ms=7, **look)
    systems = table["ablation"].str.partition("/")[0]
    for place in np.flatnonzero(systems != systems.shift())[1:]:
        axis.axhline(place - 0.5, color=PALE, lw=0.8)
    return fig


def beside(table: pd.DataFrame, column: str, labels: Sequence[str]) -> Figure:
    """UF1 of each `name` with its interval, and `column` as an upright stroke; labels of both."""
    fig, axis = intervals.rows(table["name"], "UF1; line: 95 % over subjects", (0, 1), extra=1.4)
    look = {"markers": "|", "colours": CHANCE, "mew": 2.5, "ms": 12, "label": labels[1]}
    intervals.dots(axis, table[column], **look)
    low, high, shades = table["UF1 low"], table["UF1 high"], looks(table["system"])["colours"]
    intervals.dots(axis, table["UF1"], low, high, shades, label=labels[0])
    fig.legend(loc="outside upper left", ncols=2)
    return fig


def people(table: pd.DataFrame) -> Figure:
    """Learning curves over training `people`, of `statistics.summary`."""
    fig, axis = plt.subplots(figsize=(7, 3.8))
    curves = table.groupby("system", sort=False)
    for number, ((name, curve), look) in enumerate(zip(curves, FORMS, strict=False)):
        place, shade = curve["people"] * 1.04**number, look["color"]  # side by side
        axis.vlines(place, curve["UF1 low"], curve["UF1 high"], color=shade, lw=1.5, alpha=0.6)
        axis.plot(place, curve["UF1"], label=title(name), **look)
    axis.set_xscale("log")
    axis.set_xticks(sorted(set(table["people"])), sorted(set(table["people"])))
    axis.minorticks_off()
    axis.set(ylim=(0, 1), xlabel="training people", ylabel="UF1; line: 95 % over subjects")
    axis.legend(loc="lower right")
    return fig
