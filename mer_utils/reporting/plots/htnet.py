"""Figures of HTNet and HyperHTNet: areas, who hears whom, which weights learn, the ball."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from .outline import outline, square
from .style import CLASS_COLOURS, EDGE

CANVAS, CROP, PATCH = 28, 14, 7
AREAS = ("right eye", "left eye", "right mouth corner", "left mouth corner")  # the person's own
INK, ACCENT, PALE = "#1f3b63", "#d9822b", "#c3d3df"
FORMS = (  # colour, line, marker: told apart in grey too
    (INK, "-", "o"),
    (ACCENT, "--", "s"),
    ("#6f8f5f", ":", "^"),
    ("#8a6d9b", "-.", "D"),
)


def areas(
    image: np.ndarray, landmarks: np.ndarray, edges: np.ndarray, coded: np.ndarray, canvas
) -> Figure:
    """One channel (28, 28) with the crops as described and as coded, and the canvas they make.

    edges and coded (4, 2): centres of the crops, x then y.
    """
    fig, axes = plt.subplots(1, 2, figsize=(7.6, 4.0), layout="constrained")
    extent = (0, CANVAS, CANVAS, 0)
    limits = {"vmin": min(image.min(), canvas.min()), "vmax": max(image.max(), canvas.max())}
    axes[0].imshow(image, cmap="Greys", extent=extent, **limits)
    outline(axes[0], landmarks, INK)
    for points, colour, line, inset in ((edges, ACCENT, "-", 0.1), (coded, "black", "--", 0.4)):
        for x, y in points:
            corner, side = (x - CROP / 2 + inset, y - CROP / 2 + inset), CROP - 2 * inset
            axes[0].add_patch(
                Rectangle(corner, side, side, fill=False, edgecolor=colour, linestyle=line, lw=1.4)
            )
    square(axes[0], "strain, and the four crops")
    handles = [
        plt.Line2D([], [], color=ACCENT, lw=1.4, label="as described"),
        plt.Line2D(
            [], [], color="black", lw=1.4, linestyle="--", label="as coded, x and y swapped"
        ),
    ]
    axes[0].legend(
        handles=handles,
        frameon=False,
        fontsize=8,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=2,
    )
    drawn = axes[1].imshow(canvas, cmap="Greys", extent=extent, **limits)
    for at in range(PATCH, CANVAS, PATCH):
        style = {
            "color": ACCENT,
            "lw": 1.8 if at == CROP else 0.8,
            "ls": "-" if at == CROP else ":",
        }
        axes[1].axhline(at, **style)
        axes[1].axvline(at, **style)
    square(axes[1], "the canvas: four areas of four tokens")
    fig.colorbar(drawn, ax=axes, shrink=0.75, label="strain, scaled")
    return fig


def attention(landmarks: np.ndarray, centres: np.ndarray, weights: np.ndarray) -> Figure:
    """Who hears whom inside the four areas, on the face and as numbers.

    centres (4, 2) of the crops; weights (4, 4, 4): area, hearing token, heard token.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.0, 4.3), layout="constrained")
    outline(axes[0], landmarks)
    within = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]) * PATCH
    for name, centre, area in zip(AREAS, centres, weights, strict=True):
        places = centre + within  # (4, 2)
        axes[0].text(*(centre - (6.7, 6.1)), name, fontsize=7, color="0.25", va="top")
        for token, place in enumerate(places):
            heard = area[:, token].mean()
            axes[0].add_patch(
                Rectangle(
                    place - PATCH / 2 + 0.3,
                    PATCH - 0.6,
                    PATCH - 0.6,
                    facecolor=ACCENT,
                    alpha=float(np.clip(heard, 0, 1)),
                    edgecolor="none",
                )
            )
        for hearing in range(4):
            for heard in range(4):
                if hearing == heard:
                    continue
                start, end = places[heard], places[hearing]
                side = np.array([-(end - start)[1], (end - start)[0]]) * 0.06
                axes[0].add_patch(
                    FancyArrowPatch(
                        start + side + 0.2 * (end - start),
                        end + side - 0.2 * (end - start),
                        arrowstyle="-|>",
                        mutation_scale=7,
                        lw=4 * float(area[hearing, heard]),
                        color=INK,
                        alpha=0.75,
                    )
                )
    square(axes[0], "arrows: from the heard to the hearing token")
    blocks = weights.reshape(2, 2, 4, 4).transpose(0, 2, 1, 3).reshape(8, 8)
    drawn = axes[1].imshow(blocks, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(blocks):
        axes[1].text(
            column,
            row,
            f"{value:.2f}",
            ha="center",
            va="center",
            fontsize=7.5,
            color="white" if value > 0.55 else "black",
        )
    axes[1].axhline(3.5, color="black", lw=1.5)
    axes[1].axvline(3.5, color="black", lw=1.5)
    names = ["upper left", "upper right", "lower left", "lower right"] * 2
    axes[1].set_xticks(range(8), names, rotation=90, fontsize=7)
    axes[1].set_yticks(range(8), names, fontsize=7)
    axes[1].set(xlabel="heard token", ylabel="hearing token")
    axes[1].set_title("the four areas, each row adds up to 1", fontsize=10)
    fig.colorbar(drawn, ax=axes[1], shrink=0.8, label="attention")
    return fig


def gradients(table: pd.DataFrame) -> Figure:
    """Length of the gradient on queries, keys and values of each layer; exact zeros at the bottom.

    `table`: columns form, layer, part and length.
    """
    forms = list(dict.fromkeys(table["form"]))
    fig, axes = plt.subplots(
        1, len(forms), figsize=(4.2 * len(forms), 3.2), sharey=True, layout="constrained"
    )
    some = table.loc[table["length"] > 0, "length"]
    floor = 10 ** np.floor(np.log10(some.min()) - 1.5)
    for axis, form in zip(axes, forms, strict=True):
        for part, (colour, _, marker) in zip(("queries", "keys", "values"), FORMS, strict=False):
            rows = table[(table["form"] == form) & (table["part"] == part)]
            shift = {"queries": -0.16, "keys": 0.0, "values": 0.16}[part]
            axis.scatter(
                rows["layer"] + shift,
                rows["length"].clip(lower=floor),
                color=colour,
                marker=marker,
                s=40,
                label=part,
                zorder=3,
                clip_on=False,
            )
        axis.set_yscale("log")
        axis.set_ylim(floor, some.max() * 3)
        axis.axhline(floor * 3, color="0.35", linestyle="--", lw=1)
        axis.annotate(
            "exactly 0",
            (0.98, floor * 3.6),
            xycoords=("axes fraction", "data"),
            ha="right",
            fontsize=8,
        )
        axis.set_xticks(sorted(table.loc[table["form"] == form, "layer"].unique()))
        axis.set_xlabel("attention layer")
        axis.set_title(form, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("length of the gradient")
    fig.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    return fig


def planted_clip(canvas: np.ndarray) -> Figure:
    """A clip of the marked twin (3, 28, 28): u, v and strain, with the spots as a grid."""
    fig, axes = plt.subplots(1, 3, figsize=(9.2, 3.1), layout="constrained")
    titles = ("u: left or right", "v: the pattern", "strain: the mark")
    for axis, values, title in zip(axes, canvas, titles, strict=True):
        bound = np.abs(values).max()
        axis.imshow(values, cmap="PuOr", vmin=-bound, vmax=bound, extent=(0, CANVAS, CANVAS, 0))
        for at in range(PATCH, CANVAS, PATCH):
            style = {"color": "0.3", "lw": 1.6 if at == CROP else 0.5}
            axis.axhline(at, **style)
            axis.axvline(at, **style)
        square(axis, title)
    return fig


def planted_curves(table: pd.DataFrame, bar: float) -> Figure:
    """Accuracy on unseen planted clips after each epoch; `table`: form, epoch, accuracy."""
    fig, axis = plt.subplots(figsize=(6.8, 3.2), layout="constrained")
    forms = list(dict.fromkeys(table["form"]))
    for form, (colour, line, marker) in zip(forms, FORMS, strict=False):
        rows = table[table["form"] == form]
        axis.plot(
            rows["epoch"], rows["accuracy"], color=colour, ls=line, marker=marker, ms=5, label=form
        )
    axis.axhline(bar, color="0.35", linestyle="--", lw=1)
    axis.annotate(
        "majority of the three directions",
        (table["epoch"].max(), bar),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color="0.35",
    )
    axis.set(xlabel="epoch", ylabel="share of unseen clips right", ylim=(0.4, 1.03))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def ball(
    distances: Mapping[str, np.ndarray], points: np.ndarray, extent: float, radius: float
) -> Figure:
    """Lines of equal distance from one point (x, y) of the disk, a panel per kind of distance.

    distances: name -> (n, n) over the square of half width `extent`; outside the disk missing.
    """
    fig, axes = plt.subplots(
        1, len(distances), figsize=(3.3 * len(distances), 3.5), layout="constrained"
    )
    line = np.linspace(-extent, extent, len(next(iter(distances.values()))))
    for axis, (name, values) in zip(axes, distances.items(), strict=True):
        levels = np.arange(1, 13)
        drawn = axis.contour(line, line, values, levels=levels, colors=INK, linewidths=0.9)
        axis.clabel(drawn, fontsize=7, fmt="%d")
        axis.plot(*points, marker="o", color=ACCENT, ms=6)
        axis.add_patch(Circle((0, 0), extent, fill=False, color="black", lw=1.2))
        axis.add_patch(Circle((0, 0), radius, fill=False, color=ACCENT, lw=1.2, ls="--"))
        axis.set_title(name.capitalize(), fontsize=10)
        axis.set(xticks=[], yticks=[], xlim=(-extent * 1.03, extent * 1.03))
        axis.set_ylim(-extent * 1.03, extent * 1.03)
        axis.set_aspect("equal")
        axis.axis("off")
    return fig


def radii(lengths: Mapping[str, np.ndarray], edge: float) -> Figure:
    """Distance of every clip's point from the middle of the ball, a row per form."""
    fig, axis = plt.subplots(figsize=(7.0, 0.9 + 0.7 * len(lengths)), layout="constrained")
    for row, (values, (colour, _, marker)) in enumerate(zip(lengths.values(), FORMS, strict=False)):
        spread = (np.arange(len(values)) * 0.618 % 1 - 0.5) * 0.5
        axis.scatter(values, row + spread, s=14, color=colour, marker=marker, alpha=0.7, lw=0)
    axis.axvline(edge, color="0.35", linestyle="--", lw=1)
    axis.annotate(
        "edge of the ball",
        (edge, 0.5),
        xycoords=("data", "axes fraction"),
        rotation=90,
        ha="right",
        va="center",
        fontsize=8,
        color="0.35",
    )
    axis.set_yticks(range(len(lengths)), list(lengths))
    axis.set_ylim(len(lengths) - 0.5, -0.5)
    axis.set(xlim=(0, edge * 1.05), xlabel="distance of the coordinates from the middle")
    axis.spines[["top", "right"]].set_visible(False)
    return fig


def embeddings(panels: Mapping[str, tuple[np.ndarray, Sequence[str], np.ndarray]]) -> Figure:
    """Points of the ball in the plane of their two widest directions, a panel per form.

    panels: name -> (points (N, 2), labels (N,), unseen (N,) bool); unseen persons are drawn full.
    """
    fig, axes = plt.subplots(
        1, len(panels), figsize=(3.9 * len(panels), 4.2), layout="constrained", squeeze=False
    )
    for axis, (name, (points, labels, unseen)) in zip(axes[0], panels.items(), strict=True):
        labels = np.asarray(labels)
        for label, colour in CLASS_COLOURS.items():
            marker = {"negative": "o", "positive": "s", "surprise": "^"}[label]
            for seen, size, alpha in ((~unseen, 10, 0.3), (unseen, 40, 1.0)):
                chosen = (labels == label) & seen
                axis.scatter(
                    *points[chosen].T,
                    s=size,
                    alpha=alpha,
                    color=colour,
                    marker=marker,
                    edgecolors=EDGE if size > 20 else "none",
                    linewidths=0.5,
                    label=label if size > 20 else None,
                )
        axis.add_patch(Circle((0, 0), 1 / np.sqrt(0.1), fill=False, color="black", lw=1.0))
        widest = max(np.abs(points).max() * 1.1, 1e-3)
        axis.set(xlim=(-widest, widest), ylim=(-widest, widest), title=name)
        axis.set_aspect("equal")
        axis.tick_params(labelsize=8)
    axes[0, 0].set_ylabel("second widest direction")
    for axis in axes[0]:
        axis.set_xlabel("widest direction")
    fig.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    return fig
