"""Figures of systems against each other: rankings, pairs, inflation by leaks, published scores."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import intervals
from .style import ACCENT, CHANCE, EDGE, INK, PALE, WARNING, bare, colour, marker, reference, title


def ranking(
    summary: pd.DataFrame, metric: str, chance: float, joined: Sequence[tuple[int, int]] = ()
) -> Figure:
    """Score of every system with its interval, best first; bars join what does not differ.

    summary: `statistics.summary`, sorted, with a column `name`; joined: `statistics.stretches`,
    first and last row of each group without a significant difference.
    """
    note = "; bars at the right join what does not differ significantly" if joined else ""
    fig, axis = intervals.rows(
        summary["name"], f"{metric}, pooled; line: 95 % over subjects{note}", extra=1.1
    )
    reference(axis, chance, "majority class")
    intervals.dots(
        axis, summary[metric], summary[f"{metric} low"], summary[f"{metric} high"],
        colours=[colour(name) for name in summary["system"]],
        markers=[marker(name) for name in summary["system"]], digits=3, size=9,
    )  # fmt: skip
    right = max(1.0, summary[f"{metric} high"].max())
    for number, (first, last) in enumerate(joined):
        x = right + 0.03 + 0.03 * number
        axis.plot([x, x], [first - 0.2, last + 0.2], color=INK, lw=4, solid_capstyle="round")
    axis.set_xlim(0, right + 0.03 * (len(joined) + 1))
    axis.set_xticks(np.arange(0, 1.01, 0.2))
    return fig


def pairs(table: pd.DataFrame, order: Sequence[str], metric: str) -> Figure:
    """Gap of every pair, row minus column, in points; bold on a shade where it is significant.

    table: `statistics.compare`; order: labels of the systems, best first.
    """
    gaps = pd.DataFrame(np.nan, index=order, columns=order)
    significant = pd.DataFrame(False, index=order, columns=order)
    for pair in table.itertuples():
        gaps.loc[pair.system, pair.against] = pair.difference
        gaps.loc[pair.against, pair.system] = -pair.difference
        for one, other in ((pair.system, pair.against), (pair.against, pair.system)):
            significant.loc[one, other] = pair.significant
    size = 0.9 + 0.62 * len(order)
    fig, axis = plt.subplots(figsize=(size + 2.4, size + 1.2))
    axis.imshow(np.where(significant, np.sign(gaps), 0), cmap="PuOr_r", vmin=-2.6, vmax=2.6)
    for (row, column), gap in np.ndenumerate(gaps.to_numpy()):
        if row != column:
            weight = "bold" if significant.iloc[row, column] else "normal"
            axis.text(
                column, row, f"{100 * gap:+.1f}", ha="center", va="center", fontsize=9,
                weight=weight,
            )  # fmt: skip
    bare(axis)
    titles = [title(name) for name in order]
    axis.set_xticks(range(len(order)), titles, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(order)), titles)
    for ticks in (axis.set_xticks, axis.set_yticks):
        ticks(np.arange(len(order) + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="white", lw=1.5)
    axis.tick_params(which="both", length=0)
    axis.set_title(
        f"100 ({metric} of the row - {metric} of the column)\nbold: significantly different (Holm)"
    )
    return fig


def power(curve: pd.DataFrame, seen: float, subjects: int, metric: str) -> Figure:
    """The smallest gap that so many subjects could show, and the gap between the two best.

    curve: columns subjects, gap (one comparison alone) and all (the smallest p of all pairs).
    """
    fig, axis = plt.subplots(figsize=(7, 3.6))
    axis.plot(curve["subjects"], curve["gap"], color=INK, label="one comparison, planned")
    axis.plot(curve["subjects"], curve["all"], color=WARNING, ls="--", label="one of all pairs")
    here = np.interp(subjects, curve["subjects"], curve["gap"])
    axis.plot(subjects, here, "o", color=INK, ms=8)
    axis.annotate(
        f"{subjects} subjects: {here:.3f}", (subjects, here), (0, -14), ha="center", va="top",
        textcoords="offset points",
    )  # fmt: skip
    axis.axhline(seen, color=CHANCE, ls=":")
    axis.annotate(
        f"gap between the two best: {seen:.3f}", (0, seen), (4, 3), va="bottom", ha="left",
        xycoords=("axes fraction", "data"), textcoords="offset points", color=CHANCE, fontsize=9,
    )  # fmt: skip
    axis.set_xscale("log")
    ticks = [count for count in (20, 50, 100, 200, 500, 1000) if count <= curve["subjects"].max()]
    axis.set_xticks(ticks, [str(count) for count in ticks])
    axis.minorticks_off()
    axis.set(ylim=(0, None), xlabel="subjects")
    axis.set_ylabel(f"gap in {metric} that four\nstudies of five would show")
    axis.legend(loc="upper right")
    return fig


READINGS = (  # of one training: column, marker, colour, label
    ("honest", "o", INK, "honest: pooled, epoch not picked on the test"),
    ("fold mean", "D", ACCENT, "mean of folds"),
    ("oracle", "X", WARNING, "oracle: epoch picked on the test subject"),
    ("both", "P", EDGE, "both"),
)


def prices(table: pd.DataFrame, metric: str) -> Figure:
    """The same runs read in four ways, a row per system. table: `leaks.prices`, with `name`."""
    table = table.sort_values("honest", ascending=False, kind="stable").reset_index(drop=True)
    readings = [reading for reading in READINGS if reading[0] in table]
    values = table[[name for name, *_ in readings]]
    fig, axis = intervals.rows(table["name"], metric, (0, 1), extra=1.5)
    axis.hlines(range(len(table)), values.min(axis=1), values.max(axis=1), color=PALE, lw=3)
    for name, sign, shade, label in readings:
        intervals.dots(axis, table[name], colours=shade, markers=sign, label=label)
    fig.legend(loc="outside upper left", ncols=2)
    return fig


def published(table: pd.DataFrame, metric: str) -> Figure:
    """Published scores (hollow squares), ours (filled, with interval), ours picked on the test.

    table: columns name, system, published, honest, low, high, oracle; missing ones left out.
    """
    fig, axis = intervals.rows(
        table["name"], f"{metric}; line: 95 % over subjects", (0, 1), extra=1.4
    )
    axis.grid(axis="y", color=PALE, lw=0.5)
    shades = [colour(name) if isinstance(name, str) else CHANCE for name in table["system"]]
    series = (
        ("honest", "o", shades, True, {"low": table["low"], "high": table["high"]}, "ours, honest"),
        ("oracle", "X", WARNING, True, {}, "ours, oracle: epoch picked on the test subject"),
        ("published", "s", EDGE, False, {}, "published"),
    )
    for name, sign, shade, filled, line, label in series:
        intervals.dots(
            axis, table[name], **line, colours=shade, markers=sign, filled=filled, size=7
        )
        axis.plot(
            [], [], sign, color=INK if shade is shades else shade, label=label,
            mfc=None if filled else "white",
        )  # fmt: skip
    fig.legend(loc="outside upper left", ncols=3)
    return fig


def effects(table: pd.DataFrame, metric: str) -> Figure:
    """Effect of each ingredient, by system; filled where it is significantly different from zero.

    table: `ablations.answers`; right of zero the system is better with the ingredient.
    """
    table = table.reset_index(drop=True)
    names = table["ablation"]
    fig, axis = intervals.rows(
        names, f"{metric} as described minus {metric} changed; line: 95 % over subjects"
    )
    reference(axis, 0)
    intervals.dots(
        axis, table["effect"], table["low"], table["high"], size=7,
        colours=[colour(name) for name in names], markers=[marker(name) for name in names],
        filled=table["answer"] != "no difference shown",
    )  # fmt: skip
    systems = [name.partition("/")[0] for name in names]
    for place in range(1, len(table)):
        if systems[place] != systems[place - 1]:
            axis.axhline(place - 0.5, color=PALE, lw=0.8)
    return fig
