"""Figures of what a corpus holds: clips per subject, how long they last, where the apex is."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import intervals
from .style import CLASS_HATCHES, EDGE, class_colours, key, reference

ACROSS = 4  # names next to each other in a legend
MICRO_LIMIT = 500  # ms, the usual bound of a micro-expression (Yan et al., 2013)


def clips_per_subject(by_subject: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Stacked bars, one per subject, a panel per corpus, most clips first.

    `by_subject`: index (corpus, subject), a column of counts per class and `clips`, as
    `corpora.summary.by_subject` gives it.
    """
    names = list(by_subject.index.unique("corpus"))
    fig, axes = plt.subplots(len(names), 1, figsize=(9, 0.9 + 1.9 * len(names)), squeeze=False)
    colours = class_colours(classes)
    widest = max(len(by_subject.loc[name]) for name in names)
    for axis, name in zip(axes[:, 0], names, strict=True):
        part = by_subject.loc[name].sort_values("clips", ascending=False, kind="stable")
        base = np.zeros(len(part))
        for label in classes:
            axis.bar(
                range(len(part)), part[label], 0.8, bottom=base, color=colours[label],
                edgecolor=EDGE, hatch=CLASS_HATCHES.get(label), linewidth=0.5,
            )  # fmt: skip
            base += part[label].to_numpy()
        axis.set_xticks(range(len(part)), part.index, rotation=90, fontsize=8)
        axis.set(xlim=(-0.7, widest - 0.3), ylim=(0, by_subject["clips"].max() * 1.08))
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.set_ylabel("clips")
        axis.set_title(f"{name}: {part['clips'].sum()} clips, {len(part)} subjects")
    axes[-1, 0].set_xlabel("subject")
    fig.legend(handles=key(colours, CLASS_HATCHES), loc="outside upper right", ncols=ACROSS)
    return fig


def durations(clips: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Onset to offset in milliseconds: a point per clip, the median as a bar, a row per corpus.

    `clips` has the columns corpus, label and milliseconds.
    """
    corpora = clips.groupby("corpus", sort=False)
    fig, axis = plt.subplots(figsize=(9, 1.2 + 0.9 * len(corpora)))
    colours = class_colours(classes)
    step = 0.81 / max(len(classes), 3)
    for row, (_, part) in enumerate(corpora):
        for place, label in enumerate(classes):
            intervals.swarm(
                axis, part.loc[part["label"] == label, "milliseconds"],
                row + (place - (len(classes) - 1) / 2) * step, colour=colours[label],
                middle=np.median, width=0.7 * step, edgecolors=EDGE, linewidths=0.4,
            )  # fmt: skip
    reference(axis, MICRO_LIMIT, "half a second")
    axis.set_yticks(range(len(corpora)), [f"{name}\n{len(part)} clips" for name, part in corpora])
    axis.set(ylim=(len(corpora) - 0.45, -0.55), xlim=(0, None))
    axis.set_xlabel("onset to offset (ms); the bar is the median")
    fig.legend(handles=key(colours), loc="outside upper right", ncols=ACROSS)
    return fig


def annotations(clips: pd.DataFrame, classes: Sequence[str], limit: int = 24) -> Figure:
    """What the sheet says of some clips: a bar from onset to offset, a mark at the apex.

    `clips`: rows of the clip table with onsets. Time runs from each onset, in milliseconds where
    the frame rate is known. An open offset ends in an arrow, a clip without a coded apex has no
    mark. The first `limit` clips are drawn. No picture of a person is opened.
    """
    part = clips.dropna(subset=["onset"]).head(limit)
    timed = part["fps"].notna().all() and len(part) > 0
    scale = 1000 / part["fps"] if timed else pd.Series(1.0, index=part.index)
    end = ((part["offset"] - part["onset"] + 1).astype(float) * scale).to_numpy()
    apex = ((part["apex"] - part["onset"]).astype(float) * scale).to_numpy()
    farthest = np.nanmax([*end, *apex, 1.0])
    fig, axis = plt.subplots(figsize=(9, 1.2 + 0.26 * max(len(part), 2)))
    colours, places = class_colours(classes), np.arange(len(part))
    length = np.where(np.isnan(end), 1.05 * farthest, end)
    axis.barh(places, length, 0.6, color=part["label"].map(colours), edgecolor=EDGE, linewidth=0.5)
    is_open = np.isnan(end)
    axis.plot(length[is_open], places[is_open], ">", color=EDGE, clip_on=False)
    # white below black: visible on every colour
    axis.plot(apex, places, "D", color="black", markeredgecolor="white", markersize=7)
    axis.set_yticks(places, part["clip"], fontsize=8)
    axis.set(ylim=(len(part) - 0.4, -0.6), xlim=(0, 1.08 * farthest))
    axis.set_xlabel(f"from the onset ({'ms' if timed else 'frames'})")
    people = " and ".join(dict.fromkeys(part["corpus"] + " " + part["subject"]))
    more = f", the first {len(part)} of {len(clips)} clips" if len(clips) > len(part) else ""
    axis.set_title(f"{people}{more}; the mark is the apex")
    drawn = {name: shade for name, shade in colours.items() if (part["label"] == name).any()}
    fig.legend(handles=key(drawn), loc="outside upper right", ncols=ACROSS)
    return fig
