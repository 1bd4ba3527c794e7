"""Figures of what a corpus holds: clips per subject, how long they last, where the apex lies."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import CLASS_HATCHES, EDGE, class_colours

ACROSS = 4  # names side by side in a legend
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
    colours = class_colours(classes)
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
                color=colours[label],
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
    if len(classes) > 3:  # too long a row to stand inside a panel
        handles, labels = axes[0, 0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside upper right", frameon=False, ncols=ACROSS)
    else:
        axes[0, 0].legend(loc="upper right", frameon=False, ncols=min(len(classes), ACROSS))
    return fig


def durations(clips: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Onset to offset in milliseconds: a point per clip, the median as a bar, a row per corpus.

    `clips` has the columns corpus, label and milliseconds.
    """
    names = list(clips["corpus"].unique())
    fig, axis = plt.subplots(figsize=(9, 1.2 + 0.9 * len(names)), layout="constrained")
    colours, step = class_colours(classes), 0.81 / max(len(classes), 3)
    rows, ticks = [], []
    for row, name in enumerate(names):
        for place, label in enumerate(classes):
            y = row + (place - (len(classes) - 1) / 2) * step
            values = clips.loc[
                (clips["corpus"] == name) & (clips["label"] == label), "milliseconds"
            ]
            # A fixed spread instead of a random one: the figure is the same every time.
            spread = (np.arange(len(values)) * 0.618 % 1 - 0.5) * 0.6 * step
            axis.scatter(
                np.sort(values),
                y + spread,
                s=16,
                color=colours[label],
                edgecolors=EDGE,
                linewidths=0.4,
                label=label if row == 0 else None,
                zorder=2,
            )
            if len(values):
                axis.vlines(
                    values.median(),
                    y - 0.48 * step,
                    y + 0.48 * step,
                    color="black",
                    lw=2.5,
                    zorder=3,
                )
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
    fig.legend(loc="outside upper right", frameon=False, ncols=min(len(classes), ACROSS))
    return fig


def annotations(clips: pd.DataFrame, classes: Sequence[str], limit: int = 24) -> Figure:
    """What the sheet says of some clips: a bar from onset to offset, a mark at the apex.

    `clips`: rows of the clip table with onsets. Time runs from each onset, in milliseconds where
    the frame rate is known. An open offset ends in an arrow, an apex that nobody coded has no
    mark. The first `limit` clips are drawn. No picture of anybody is opened.
    """
    part = clips.dropna(subset=["onset"]).head(limit)
    known = part["fps"].notna().all() and len(part) > 0
    scale = 1000 / part["fps"] if known else pd.Series(1.0, index=part.index)
    end = ((part["offset"] - part["onset"] + 1).astype(float) * scale).tolist()
    apex = ((part["apex"] - part["onset"]).astype(float) * scale).tolist()
    farthest = np.nanmax([*end, *apex, 1.0])
    fig, axis = plt.subplots(figsize=(9, 1.2 + 0.26 * max(len(part), 2)), layout="constrained")
    colours = class_colours(classes)
    for row, (clip, last, top) in enumerate(zip(part.itertuples(), end, apex, strict=True)):
        open_end = np.isnan(last)
        length = 1.05 * farthest if open_end else last
        axis.barh(row, length, 0.6, color=colours[clip.label], edgecolor=EDGE, linewidth=0.5)
        if open_end:
            axis.plot(length, row, marker=">", color=EDGE, clip_on=False)
        if not np.isnan(top):
            # white below black: seen on every colour
            axis.plot(top, row, marker="D", color="black", markeredgecolor="white", markersize=7)
    axis.set_yticks(range(len(part)), part["clip"], fontsize=8)
    axis.set_ylim(len(part) - 0.4, -0.6)
    axis.set_xlim(0, 1.08 * farthest)
    axis.set_xlabel("from the onset (ms)" if known else "from the onset (frames)")
    people = " and ".join(dict.fromkeys(part["corpus"] + " " + part["subject"]))
    more = f", the first {len(part)} of {len(clips)} clips" if len(clips) > len(part) else ""
    axis.set_title(f"{people}{more}; the mark is the apex", loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    shown = [name for name in classes if (part["label"] == name).any()]
    handles = [plt.Rectangle((0, 0), 1, 1, facecolor=colours[n], edgecolor=EDGE) for n in shown]
    fig.legend(
        handles, shown, loc="outside upper right", frameon=False, ncols=min(len(classes), ACROSS)
    )
    return fig
