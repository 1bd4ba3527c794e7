"""Figures of systems against each other: rankings, pairs, prices of leaks, published scores."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import style
from .style import ACCENT, CHANCE, EDGE, INK, PALE, WARNING, colour, marker

style.apply()

ROW = 0.42  # inches a line of a figure with a line per system
DENSE = 0.27  # the same where there are many


def ranking(
    summary: pd.DataFrame, metric: str, chance: float, joined: Sequence[tuple[int, int]]
) -> Figure:
    """Score of every entry with its interval, best first; a bar joins a stretch without a
    significant difference.

    summary: `statistics.summary`, sorted, with a column `name`; joined: `statistics.stretches`.
    """
    fig, axis = plt.subplots(figsize=(7.8, 1.1 + ROW * len(summary)), layout="constrained")
    axis.axvline(chance, color=CHANCE, ls="--", linewidth=1)
    axis.annotate(
        "majority class", (chance, len(summary) - 0.5), (4, 3),
        textcoords="offset points", color=CHANCE, fontsize=8,
    )  # fmt: skip
    for place, row in enumerate(summary.to_dict("records")):
        shade = colour(row["system"])
        axis.plot([row[f"{metric} low"], row[f"{metric} high"]], [place] * 2, color=shade, lw=2)
        axis.plot(row[metric], place, marker(row["system"]), color=shade, ms=9)
        axis.annotate(
            f"{row[metric]:.3f}", (row[metric], place), (0, 6), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    right = max(1.0, summary[f"{metric} high"].max())
    for number, (first, last) in enumerate(joined):
        x = right + 0.03 + 0.03 * number
        axis.plot([x, x], [first - 0.2, last + 0.2], color=INK, lw=4, solid_capstyle="round")
    axis.set_yticks(range(len(summary)), summary["name"])
    axis.set_ylim(len(summary) - 0.5, -0.7)
    axis.set_xlim(0, right + 0.03 * (len(joined) + 1))
    axis.set_xticks(np.arange(0, 1.01, 0.2))
    words = "; bars at the right: no significant difference" if joined else ""
    axis.set_xlabel(f"{metric}, pooled; line: 95 % over subjects{words}")
    return fig


def pairs(table: pd.DataFrame, order: Sequence[str], metric: str) -> Figure:
    """Gap of every pair, row minus column, in points; bold on a shade where it is significant.

    table: `statistics.compare`; order: labels, best first.
    """
    gaps = pd.DataFrame(np.nan, index=order, columns=order)
    significant = pd.DataFrame(False, index=order, columns=order)
    for pair in table.itertuples():
        gaps.loc[pair.system, pair.against] = pair.difference
        gaps.loc[pair.against, pair.system] = -pair.difference
        for one, other in ((pair.system, pair.against), (pair.against, pair.system)):
            significant.loc[one, other] = pair.significant
    size = 0.9 + 0.62 * len(order)
    fig, axis = plt.subplots(figsize=(size + 1.6, size), layout="constrained")
    shade = np.where(significant, np.sign(gaps), 0)
    axis.imshow(shade, cmap="PuOr_r", vmin=-2.6, vmax=2.6)
    for (row, column), gap in np.ndenumerate(gaps.to_numpy()):
        if row != column:
            weight = "bold" if significant.iloc[row, column] else "normal"
            text = f"{100 * gap:+.1f}"
            axis.text(column, row, text, ha="center", va="center", fontsize=9, weight=weight)
    axis.set_xticks(range(len(order)), order, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(order)), order)
    axis.set_xticks(np.arange(len(order) + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(len(order) + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="white", lw=1.5)
    axis.tick_params(which="both", length=0)
    axis.spines[:].set_visible(False)
    axis.set_title(f"100 ({metric} of the row - {metric} of the column); bold: significant (Holm)")
    return fig


def power(curve: pd.DataFrame, seen: float, subjects: int, metric: str) -> Figure:
    """The smallest gap that so many subjects could have shown, and the gap that was seen.

    curve: columns subjects, gap (one comparison alone) and all (the smallest p of all pairs).
    """
    fig, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
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
    axis.set_ylim(bottom=0)
    axis.set_xlabel("subjects")
    axis.set_ylabel(f"gap in {metric} that four\nstudies of five would show")
    axis.legend(loc="upper right")
    return fig


READINGS = (  # of one training: column, marker, colour, words
    ("honest", "o", INK, "honest: pooled, epoch not picked on the test"),
    ("fold mean", "D", ACCENT, "mean of folds"),
    ("test-picked", "X", WARNING, "epoch picked on the test subject"),
    ("both", "P", EDGE, "both"),
)


def prices(table: pd.DataFrame, metric: str) -> Figure:
    """The same runs read in four ways, a line per system. table: `leaks.prices`, with `name`."""
    table = table.sort_values("honest", ascending=False, kind="stable").reset_index(drop=True)
    fig, axis = plt.subplots(figsize=(7.8, 1.5 + ROW * len(table)), layout="constrained")
    for place, row in enumerate(table.to_dict("records")):
        values = [row[name] for name, *_ in READINGS if row[name] == row[name]]
        axis.plot([min(values), max(values)], [place] * 2, color=PALE, lw=3, zorder=1)
    for name, sign, shade, words in READINGS:
        axis.plot(
            table[name], table.index, ls="", marker=sign, color=shade, ms=8, mec="white",
            mew=0.7, label=words,
        )  # fmt: skip
    axis.set_yticks(range(len(table)), table["name"])
    axis.set_ylim(len(table) - 0.5, -0.5)
    axis.set_xlim(0, 1)
    axis.set_xlabel(metric)
    fig.legend(loc="outside upper left", ncols=2, fontsize=9)
    return fig


def published(table: pd.DataFrame, metric: str) -> Figure:
    """Published scores (hollow squares), ours (filled, with interval), ours picked on the test.

    table: columns name, system, published, honest, low, high, test-picked; missing ones left out.
    """
    fig, axis = plt.subplots(figsize=(7.8, 1.4 + DENSE * len(table)), layout="constrained")
    for place, row in enumerate(table.to_dict("records")):
        shade = colour(row["system"]) if isinstance(row["system"], str) else CHANCE
        if row["honest"] == row["honest"]:
            axis.plot([row["low"], row["high"]], [place] * 2, color=shade, lw=2)
            axis.plot(row["honest"], place, "o", color=shade, ms=7)
        if row["test-picked"] == row["test-picked"]:
            axis.plot(row["test-picked"], place, "X", color=WARNING, mec="white", ms=8)
        if row["published"] == row["published"]:
            axis.plot(row["published"], place, "s", color=EDGE, mfc="none", ms=7)
    axis.set_yticks(range(len(table)), table["name"])
    axis.set_ylim(len(table) - 0.5, -0.5)
    axis.set_xlim(0, 1)
    axis.set_xlabel(f"{metric}; line: 95 % over subjects")
    axis.grid(axis="y", color=PALE, lw=0.5)
    looks = (
        ("s", EDGE, "none", "published"),
        ("o", INK, INK, "ours, honest"),
        ("X", WARNING, WARNING, "ours, epoch picked on the test subject"),
    )
    handles = [
        plt.Line2D([], [], ls="", marker=m, color=c, mfc=f, label=words) for m, c, f, words in looks
    ]
    fig.legend(handles=handles, loc="outside upper left", ncols=3, fontsize=9)
    return fig


def worth(table: pd.DataFrame, metric: str) -> Figure:
    """What each ingredient is worth, by system; filled where it was told apart from nothing.

    table: `ablations.answers`; right of zero the system is better with it.
    """
    table = table.reset_index(drop=True)
    height = DENSE if len(table) > 12 else ROW
    fig, axis = plt.subplots(figsize=(7.8, 1.0 + height * len(table)), layout="constrained")
    axis.axvline(0, color=CHANCE, ls="--", linewidth=1)
    for place, row in enumerate(table.to_dict("records")):
        shade = colour(row["ablation"])
        sure = row["answer"] != "no difference shown"
        axis.plot([row["low"], row["high"]], [place] * 2, color=shade, linewidth=2)
        axis.plot(
            row["worth"], place, marker(row["ablation"]), ms=7,
            mfc=shade if sure else "white", mec=shade,
        )  # fmt: skip
    systems = [name.partition("/")[0] for name in table["ablation"]]
    for place in range(1, len(table)):
        if systems[place] != systems[place - 1]:
            axis.axhline(place - 0.5, color=PALE, lw=0.8)
    axis.set_yticks(range(len(table)), table["ablation"])
    axis.set_ylim(len(table) - 0.5, -0.5)
    axis.set_xlabel(f"{metric} as described minus {metric} changed; line: 95 % over subjects")
    return fig
