"""Figures of what a corpus holds: clips per subject, and how long they last."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import CLASS_COLOURS, CLASS_HATCHES, EDGE

MICRO_LIMIT = 500  # ms, the usual bound of a micro-expression (Yan et al., 2013)


def clips_per_subject(by_subject: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Stacked bars, one per subject, a panel per corpus, most clips first.

    `by_subject`: index (corpus, subject), a column of counts per class and `clips`, as
    `corpora.summary.by_subject` gives it.
    """
    names = list(by_subject.index.unique("corpus"))
    fig, axes = plt.subplots(
        len(names), 1, figsize=(9, 0.6 + 1.9 * len(names)), squeeze=False, layout="constrained"
    )
    widest = max(len(by_subject.loc[name]) for name in names)
    for axis, name in zip(axes[:, 0], names, strict=True):
        part = by_subject.loc[name].sort_values("clips", ascending=False, kind="stable")
        base = np.zeros(len(part))
        for label in classes:
            axis.bar(
                range(len(part)),
                part[label],
                bottom=base,
                width=0.8,
                color=CLASS_COLOURS[label],
                edgecolor=EDGE,
                hatch=CLASS_HATCHES.get(label, ""),
                linewidth=0.5,
                label=label,
            )
            base += part[label].to_numpy()
        axis.set_xticks(range(len(part)), part.index, rotation=90, fontsize=8)
        axis.set_xlim(-0.7, widest - 0.3)
        axis.set_ylim(0, by_subject["clips"].max() * 1.08)
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.set_ylabel("clips")
        axis.set_title(f"{name}: {part['clips'].sum()} clips, {len(part)} subjects", loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel("subject")
    axes[0, 0].legend(loc="upper right", frameon=False, ncols=len(classes))
    return fig


def durations(clips: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Onset to offset in milliseconds: a point per clip, the median as a bar, a row per corpus.

    `clips` has the columns corpus, label and milliseconds.
    """
    names = list(clips["corpus"].unique())
    fig, axis = plt.subplots(figsize=(9, 1.2 + 0.9 * len(names)), layout="constrained")
    rows, ticks = [], []
    for row, name in enumerate(names):
        for place, label in enumerate(classes):
            y = row + (place - (len(classes) - 1) / 2) * 0.27
            values = clips.loc[
                (clips["corpus"] == name) & (clips["label"] == label), "milliseconds"
            ]
            # A fixed spread instead of a random one: the figure is the same every time.
            spread = (np.arange(len(values)) * 0.618 % 1 - 0.5) * 0.16
            axis.scatter(
                np.sort(values),
                y + spread,
                s=16,
                color=CLASS_COLOURS[label],
                edgecolors=EDGE,
                linewidths=0.4,
                label=label if row == 0 else None,
                zorder=2,
            )
            if len(values):
                axis.vlines(values.median(), y - 0.13, y + 0.13, color="black", lw=2.5, zorder=3)
        rows.append(row)
        ticks.append(f"{name}\n{(clips['corpus'] == name).sum()} clips")
    axis.axvline(MICRO_LIMIT, color="0.35", linestyle="--", linewidth=1, zorder=1)
    axis.annotate(
        "half a second",
        (MICRO_LIMIT, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color="0.35",
    )
    axis.set_yticks(rows, ticks)
    axis.set_ylim(len(names) - 0.45, -0.55)
    axis.set_xlim(left=0)
    axis.set_xlabel("onset to offset (ms); the bar is the median")
    axis.spines[["top", "right"]].set_visible(False)
    fig.legend(loc="outside upper right", frameon=False, ncols=len(classes))
    return fig
