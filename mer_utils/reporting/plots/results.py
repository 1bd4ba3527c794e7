"""Figures of prediction rows: confusion, subjects, epochs, and systems against each other."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from .style import CHANCE, EDGE, INK, PALE, WARNING, class_colours, colour, marker


def confusion(rows: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Label by prediction, as shares of the label's clips, with the counts."""
    counts = pd.crosstab(rows["label"], rows["predicted"])
    counts = counts.reindex(index=classes, columns=classes, fill_value=0)
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    text = [
        [f"{share:.0%}\n{count}" for share, count in zip(*pair, strict=True)]
        for pair in zip(shares.to_numpy(), counts.to_numpy(), strict=True)
    ]
    fig, axis = plt.subplots(figsize=(4.8, 4.0), layout="constrained")
    sns.heatmap(
        shares,
        annot=np.array(text),
        fmt="",
        cmap="Blues",
        vmin=0,
        vmax=1,
        square=True,
        linewidths=1,
        cbar_kws={"label": "share of the label's clips", "shrink": 0.8},
        ax=axis,
    )
    axis.set_xlabel("predicted")
    axis.set_ylabel("label")
    axis.tick_params(rotation=0)
    return fig


def subjects(rows: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """One column per left-out subject, a dot per clip: filled where right, hollow where wrong.

    No score is drawn: most subjects have clips of one or two classes only.
    """
    names = list(rows["corpus"].unique())
    people = {name: part.groupby("subject").size() for name, part in rows.groupby("corpus")}
    widest = max(len(each) for each in people.values())
    tallest = max(each.max() for each in people.values())
    fig, axes = plt.subplots(
        len(names),
        1,
        figsize=(9, 0.7 + len(names) * (1.0 + 0.045 * tallest)),
        squeeze=False,
        layout="constrained",
    )
    colours = class_colours(classes)
    rank = {label: place for place, label in enumerate(classes)}
    for axis, name in zip(axes[:, 0], names, strict=True):
        part = rows[rows["corpus"] == name]
        order = list(people[name].sort_values(ascending=False, kind="stable").index)
        for place, subject in enumerate(order):
            own = part[part["subject"] == subject]
            own = own.assign(right=own["label"] == own["predicted"], rank=own["label"].map(rank))
            own = own.sort_values(["rank", "right"], ascending=[True, False], kind="stable")
            for height, clip in enumerate(own.itertuples()):
                shade = colours[clip.label]
                axis.plot(
                    place,
                    height + 1,
                    marker="s",
                    markersize=5 if tallest < 25 else 3.6,
                    color=shade if clip.right else "white",
                    markeredgecolor=shade,
                    markeredgewidth=1.2,
                )
        axis.set_xticks(range(len(order)), order, rotation=90, fontsize=8)
        axis.set_xlim(-0.7, widest - 0.3)
        axis.set_ylim(0, tallest + 1.5)
        axis.set_ylabel("clips")
        axis.set_title(name, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    handles = [
        plt.Line2D([], [], marker="s", ls="", color=colours[name], label=name) for name in classes
    ]
    handles.append(
        plt.Line2D([], [], marker="s", ls="", mfc="white", mec=EDGE, label="hollow: wrong")
    )
    axes[0, 0].legend(handles=handles, loc="upper right", frameon=False, ncols=2)
    axes[-1, 0].set_xlabel("left-out subject")
    return fig


def learning(curves: pd.DataFrame) -> Figure:
    """Training loss by epoch, a thin line per fold, their mean in front."""
    fig, axis = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
    for _, fold in curves.groupby("fold"):
        axis.plot(fold["epoch"], fold["loss"], color=PALE, linewidth=0.7)
    mean = curves.groupby("epoch")["loss"].mean()
    axis.plot(mean.index, mean, color=INK, linewidth=2, label="training, mean of folds")
    if "validation loss" in curves:
        inner = curves.groupby("epoch")["validation loss"].mean()
        axis.plot(inner.index, inner, color=WARNING, ls="--", label="inner validation subjects")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("epoch")
    axis.set_ylabel("loss (nats per clip)")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return fig


def epochs_on_test(by_epoch: pd.DataFrame, last: float, picked: float) -> Figure:
    """Pooled score of the left-out subjects after every epoch, and what picking per subject buys.

    by_epoch: columns epoch, UF1.
    """
    fig, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
    axis.plot(by_epoch["epoch"], by_epoch["UF1"], color=INK, label="all at the same epoch")
    axis.axhline(last, color=INK, ls=":", label=f"last epoch: {last:.3f} (honest)")
    axis.axhline(
        picked, color=WARNING, ls="--", label=f"best test epoch of each subject: {picked:.3f}"
    )
    axis.axhspan(last, picked, color=WARNING, alpha=0.12, linewidth=0)
    axis.set_xlabel("epoch")
    axis.set_ylabel("UF1, pooled")
    axis.set_ylim(0, 1)
    axis.legend(frameon=False, loc="lower right")
    axis.spines[["top", "right"]].set_visible(False)
    return fig


def dots(frame: pd.DataFrame, value: str, label: str, axis_label: str) -> Figure:
    """A dot per row of `frame`, named by column `label`: two ways of counting the same rows."""
    fig, axis = plt.subplots(figsize=(7, 0.9 + 0.4 * len(frame)), layout="constrained")
    places = range(len(frame))
    axis.hlines(places, 0, frame[value], color=PALE, linewidth=2)
    axis.plot(frame[value], places, "o", color=INK, markersize=8)
    for place, number in zip(places, frame[value], strict=True):
        axis.annotate(f"{number:.3f}", (number, place), (8, -3), textcoords="offset points")
    axis.set_yticks(places, frame[label])
    axis.set_ylim(len(frame) - 0.5, -0.5)
    axis.set_xlim(0, 1.08)
    axis.set_xlabel(axis_label)
    axis.spines[["top", "right", "left"]].set_visible(False)
    return fig


def forest(summary: pd.DataFrame, metric: str, chance: float) -> Figure:
    """Score of every system with its interval, best first, chance as a dashed line.

    summary: as `statistics.summary` gives it.
    """
    ordered = summary.sort_values(metric, ascending=False, kind="stable").reset_index(drop=True)
    fig, axis = plt.subplots(figsize=(7.5, 1.0 + 0.42 * len(ordered)), layout="constrained")
    axis.axvline(chance, color=CHANCE, ls="--", linewidth=1)
    axis.annotate(
        "majority class",
        (chance, len(ordered) - 0.5),
        (4, 3),
        textcoords="offset points",
        color=CHANCE,
        fontsize=8,
    )
    for place, row in ordered.iterrows():
        shade = colour(row["system"])
        axis.plot([row[f"{metric} low"], row[f"{metric} high"]], [place] * 2, color=shade, lw=2)
        axis.plot(row[metric], place, marker(row["system"]), color=shade, ms=9)
        axis.annotate(
            f"{row[metric]:.3f}", (row[metric], place), (0, 6), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    names = [
        row["system"] + ("" if row["selection"] == "last" else f" ({row['selection']})")
        for _, row in ordered.iterrows()
    ]
    axis.set_yticks(range(len(ordered)), names)
    axis.set_ylim(len(ordered) - 0.5, -0.7)
    axis.set_xlim(0, 1)
    axis.set_xlabel(f"{metric}, pooled; bar: 95 % over subjects")
    axis.spines[["top", "right"]].set_visible(False)
    return fig


def gaps(frame: pd.DataFrame, axis_label: str) -> Figure:
    """Differences with their intervals; one that keeps off 0 is filled.

    frame: columns name, difference, low, high.
    """
    fig, axis = plt.subplots(figsize=(7.5, 1.0 + 0.42 * len(frame)), layout="constrained")
    axis.axvline(0, color=CHANCE, ls="--", linewidth=1)
    for place, row in enumerate(frame.itertuples()):
        shade = colour(row.name)
        sure = row.low > 0 or row.high < 0
        axis.plot([row.low, row.high], [place] * 2, color=shade, linewidth=2)
        axis.plot(
            row.difference,
            place,
            marker(row.name),
            markersize=8,
            markerfacecolor=shade if sure else "white",
            markeredgecolor=shade,
        )
    axis.set_yticks(range(len(frame)), frame["name"])
    axis.set_ylim(len(frame) - 0.5, -0.5)
    axis.set_xlabel(axis_label)
    axis.spines[["top", "right"]].set_visible(False)
    return fig
