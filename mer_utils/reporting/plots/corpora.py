"""Figures of what a corpus holds: clips per subject, how long they last, where the apex is."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import CLASS_HATCHES, EDGE, bars, class_colours, key, legend, panels, reference, swarm

MOST = 24  # clips of a subject that are drawn
MICRO_LIMIT = 500  # ms, the usual bound of a micro-expression (Yan et al., 2013)


def clips_per_subject(by_subject: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Stacked bars, one per subject, a panel per corpus; of `corpora.summary.by_subject`."""
    corpora = by_subject.groupby(level="corpus", sort=False)
    height = 1.7 + 0.07 * max(by_subject.index.get_level_values("subject").str.len())
    fig, axes = panels([""], 9, height, rows=[name for name, _ in corpora], extra=(0, 0.9))
    colours, hatches = class_colours(classes), [CLASS_HATCHES.get(name, "") for name in classes]
    for axis, (name, part) in zip(axes[:, 0], corpora, strict=True):
        part = part.droplevel("corpus").sort_values("clips", ascending=False, kind="stable")
        bars(axis, part[[*classes]], colours.values(), hatches, stacked=True, rot=90, fontsize=8)
        axis.set(xlim=(-0.7, corpora.size().max() - 0.3), xlabel="", ylabel="clips")
        axis.set(ylim=(0, by_subject["clips"].max() * 1.08))
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.set_title(f"{name}: {part['clips'].sum()} clips, {len(part)} subjects")
    axis.set_xlabel("subject")
    legend(fig, key(colours, CLASS_HATCHES))
    return fig


def durations(clips: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """A point per clip of its milliseconds, the median as a bar, a row per corpus."""
    corpora = clips.groupby("corpus", sort=False)
    fig, axis = plt.subplots(figsize=(9, 1.2 + 0.9 * len(corpora)))
    colours, step = class_colours(classes), 0.81 / max(len(classes), 3)
    look = {"middle": np.median, "width": 0.7 * step, "edgecolors": EDGE, "linewidths": 0.4}
    for row, (_, part) in enumerate(corpora):
        for number, label in enumerate(classes):
            values = part.loc[part["label"] == label, "milliseconds"]
            place = row + (number - (len(classes) - 1) / 2) * step
            swarm(axis, values, place, color=colours[label], **look)
    reference(axis, MICRO_LIMIT, "half a second")
    axis.set_yticks(range(len(corpora)), [f"{name}\n{len(part)} clips" for name, part in corpora])
    axis.set(ylim=(len(corpora) - 0.45, -0.55), xlim=(0, None))
    axis.set_xlabel("onset to offset (ms); the bar is the median")
    legend(fig, key(colours))
    return fig


def annotations(clips: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """What the sheet says of the first clips: a bar from onset to offset, a mark at the apex.

    In milliseconds where the frame rate is known. An open offset ends in an arrow, a clip without
    a coded apex has no mark. No picture of a person is opened.
    """
    part = clips.dropna(subset=["onset"]).head(MOST)
    timed = part["fps"].notna().all() and len(part) > 0
    scale = 1000 / part["fps"] if timed else pd.Series(1.0, index=part.index)
    end = ((part["offset"] - part["onset"] + 1).astype(float) * scale).to_numpy()
    apex = ((part["apex"] - part["onset"]).astype(float) * scale).to_numpy()
    farthest = np.nanmax([*end, *apex, 1.0])
    fig, axis = plt.subplots(figsize=(9, 1.2 + 0.26 * max(len(part), 2)))
    colours, places, is_open = class_colours(classes), np.arange(len(part)), np.isnan(end)
    length = np.where(is_open, 1.05 * farthest, end)
    axis.barh(places, length, 0.6, color=part["label"].map(colours), edgecolor=EDGE, linewidth=0.5)
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
    legend(fig, key(drawn))
    return fig
