"""Figures of prediction rows: confusion, subjects, epochs, and which clips are hard."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from . import style
from .style import EDGE, INK, PALE, WARNING, class_colours, legend
from .style import bar_chart as bar_chart


def confusion(rows: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Label by prediction, as shares of the label's clips, with the counts."""
    counts = pd.crosstab(rows["label"], rows["predicted"])
    counts = counts.reindex(index=classes, columns=classes, fill_value=0).to_numpy()
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    texts = np.vectorize("{:.0%}\n{}".format)(shares, counts)
    fig, axis = plt.subplots(figsize=(4.8, 4.0))
    look = {"cmap": "Blues", "vmin": 0, "vmax": 1, "fontsize": 10}
    image = style.matrix(axis, shares, classes, texts=texts, **look)
    axis.set(xlabel="predicted", ylabel="label")
    fig.colorbar(image, ax=axis, shrink=0.8, label="share of the label's clips")
    return fig


def subjects(rows: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """A column per left-out subject, a mark per clip: filled where right, hollow where wrong."""
    corpora, person = rows["corpus"].unique(), ["corpus", "subject"]
    rows = rows.assign(right=rows["label"] == rows["predicted"])
    rows["clips"] = rows.groupby(person)["clip"].transform("size")
    rows["label"] = pd.Categorical(rows["label"], classes)
    order = {"clips": False, "subject": True, "label": True, "right": False}
    rows = rows.sort_values([*order], ascending=[*order.values()], kind="stable")
    rows["height"] = rows.groupby(person).cumcount() + 1
    tallest, widest = rows["clips"].max(), rows.groupby("corpus")["subject"].nunique().max()
    height = 0.7 + 0.045 * tallest + 0.07 * max(rows["subject"].str.len())
    size = {"figsize": (9, height * len(corpora) + 0.7), "squeeze": False}
    (fig, axes), colours = plt.subplots(len(corpora), **size), class_colours(classes)
    for axis, name in zip(axes[:, 0], corpora, strict=True):
        part = rows[rows["corpus"] == name]
        place, names = pd.factorize(part["subject"])
        shades = part["label"].astype(object).map(colours)
        look = {"c": shades.where(part["right"], "white"), "edgecolors": shades, "linewidths": 1.2}
        axis.scatter(place, part["height"], 25 if tallest < 25 else 13, marker="s", **look)
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        axis.set(ylim=(0, tallest + 1.5), ylabel="clips", title=name, xlim=(-0.7, widest - 0.3))
    axis.set_xlabel("left-out subject")
    looks = [{"label": name, "color": colours[name]} for name in classes]
    looks += [{"label": "hollow: wrong", "mfc": "white", "mec": EDGE}]
    legend(fig, [plt.Line2D([], [], marker="s", ls="", **look) for look in looks])
    return fig


def learning(curves: pd.DataFrame) -> Figure:
    """Training loss by epoch, a thin line per fold, their mean in front."""
    fig, axis = plt.subplots(figsize=(6.5, 3.2))
    axis.plot(curves.pivot(index="epoch", columns="fold", values="loss"), color=PALE, lw=0.7)
    means = curves.groupby("epoch").mean(numeric_only=True)
    axis.plot(means["loss"], color=INK, lw=2, label="training, mean of folds")
    axis.set(ylim=(0, None), xlabel="epoch", ylabel="loss (nats per clip)")
    axis.legend()
    return fig


def epochs_on_test(by_epoch: pd.DataFrame, last: float, picked: float) -> Figure:
    """UF1 of the left-out subjects after every epoch, and what picking the epoch there adds."""
    fig, axis = plt.subplots(figsize=(7, 3.6))
    axis.plot(by_epoch["epoch"], by_epoch["UF1"], color=INK, label="all at the same epoch")
    axis.axhline(last, color=INK, ls=":", label=f"last epoch: {last:.3f} (honest)")
    label = f"best test epoch of each subject: {picked:.3f}"
    axis.axhline(picked, color=WARNING, ls="--", label=label)
    axis.axhspan(last, picked, color=WARNING, alpha=0.12, linewidth=0)
    axis.set(xlabel="epoch", ylabel="UF1, pooled", ylim=(0, 1))
    axis.legend(loc="lower right")
    return fig


def dots(frame: pd.DataFrame, value: str, label: str, axis_label: str) -> Figure:
    """A dot per row of `frame`, named by column `label`: two ways of counting the same rows."""
    fig, axis = style.item_rows(frame[label], axis_label, (0, 1.08))
    axis.hlines(range(len(frame)), 0, frame[value], color=PALE, linewidth=2)
    style.dots(axis, frame[value], digits=3)
    return fig


def clips(shares: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """A column per clip, hardest left, a row per system: dark where most seeds are wrong."""
    labels = list(shares.index.get_level_values("label"))
    colours, count = class_colours(classes), shares.shape[1]
    look = {"height_ratios": (0.7, count), "sharex": True}
    fig, (top, axis) = plt.subplots(2, 1, figsize=(9, 1.3 + 0.3 * count), **look)
    look = {"aspect": "auto", "interpolation": "nearest"}
    top.imshow([[to_rgb(colours[name]) for name in labels]], **look)
    axis.imshow(shares.to_numpy().T, cmap="Greys", vmin=0, vmax=1.15, **look)
    style.bare(top, axis)
    top.set_yticks([0], ["label"])
    axis.set_yticks(range(count), [style.title(name) for name in shares.columns])
    for place in range(1, count):
        axis.axhline(place - 0.5, color="white", lw=2)
    axis.set_xlabel(f"{len(shares)} clips, those that most systems get wrong at the left")
    legend(fig, style.key(colours | {"wrong": "0.15"}))
    return fig
