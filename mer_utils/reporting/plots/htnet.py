"""Figures of HTNet and HyperHTNet: areas, attention, gradients, the ball."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from . import intervals
from .face import GRID, grid, outline
from .planted import planted_curves as planted_curves
from .style import ACCENT, CLASS_COLOURS, EDGE, FORMS, INK, matrix, reference

CROP, PATCH = 14, 7
EXTENT = (0, GRID, GRID, 0)
AREAS = ("right eye", "left eye", "right mouth corner", "left mouth corner")  # the person's own


def areas(
    image: np.ndarray, landmarks: np.ndarray, edges: np.ndarray, coded: np.ndarray, canvas
) -> Figure:
    """One channel (28, 28) with the crops as described and as coded, and the canvas they make.

    edges and coded (4, 2): centres of the crops, x then y.
    """
    fig, axes = plt.subplots(1, 2, figsize=(7.6, 4.0))
    look = {"cmap": "Greys", "extent": EXTENT, "vmin": min(image.min(), canvas.min())}
    look["vmax"] = max(image.max(), canvas.max())
    axes[0].imshow(image, **look)
    outline(axes[0], landmarks, INK)
    forms = {"as described": (edges, ACCENT, "-"), "as coded, x and y swapped": (coded, "0", "--")}
    for inset, (points, colour, dash) in zip((0.1, 0.4), forms.values(), strict=True):
        side, line = CROP - 2 * inset, {"edgecolor": colour, "linestyle": dash, "lw": 1.4}
        for point in points:
            corner = point - CROP / 2 + inset
            axes[0].add_patch(Rectangle(corner, side, side, fill=False, **line))
    grid(axes[0], "strain, and the four crops")
    lines = [plt.Line2D([], [], color=colour, ls=dash) for _, colour, dash in forms.values()]
    fig.legend(lines, forms, loc="outside lower left", ncols=2)
    drawn = axes[1].imshow(canvas, **look)
    _tokens(axes[1], ACCENT, ":")
    grid(axes[1], "the canvas: four areas of four tokens")
    fig.colorbar(drawn, ax=axes, shrink=0.75, label="strain, scaled")
    return fig


def _tokens(axis, colour: str, dash: str) -> None:
    """Lines between the tokens, stronger between the four areas."""
    for at in range(PATCH, GRID, PATCH):
        strong = at == CROP
        look = {"color": colour, "lw": 1.8 if strong else 0.8, "ls": "-" if strong else dash}
        axis.axhline(at, **look)
        axis.axvline(at, **look)


def attention(landmarks: np.ndarray, centres: np.ndarray, weights: np.ndarray) -> Figure:
    """Which token reads which inside the four areas, on the face and as numbers.

    centres (4, 2) of the crops; weights (4, 4, 4): area, reading token, token that is read.
    """
    fig, (face, numbers) = plt.subplots(1, 2, figsize=(9.0, 4.3))
    outline(face, landmarks, EDGE)
    within = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]) * PATCH
    for name, centre, area in zip(AREAS, centres, weights, strict=True):
        _area(face, centre + within, area)
        face.text(*(centre - (6.7, 6.1)), name, fontsize=7, color="0.25", va="top")
    grid(face, "arrows: from a token to the one that reads it")
    blocks = weights.reshape(2, 2, 4, 4).transpose(0, 2, 1, 3).reshape(8, 8)
    names = ["upper left", "upper right", "lower left", "lower right"] * 2
    image = matrix(
        numbers, blocks, names, texts="{:.2f}", cmap="Blues", vmin=0, vmax=1,
        title="the four areas, each row adds up to 1", fontsize=7,
    )  # fmt: skip
    numbers.tick_params(axis="x", rotation=90)
    numbers.axhline(4, color="black", lw=1.5)
    numbers.axvline(4, color="black", lw=1.5)
    numbers.set(xlabel="token that is read", ylabel="reading token")
    fig.colorbar(image, ax=numbers, shrink=0.8, label="attention")
    return fig


def _area(axis, places: np.ndarray, weights: np.ndarray) -> None:
    """Four tokens at places (4, 2): darker where read more, an arrow as thick as its weight."""
    for token, place in enumerate(places):
        read = float(np.clip(weights[:, token].mean(), 0, 1))
        corner, side = place - PATCH / 2 + 0.3, PATCH - 0.6
        axis.add_patch(Rectangle(corner, side, side, fc=ACCENT, ec="none", alpha=read))
    for (reader, token), weight in np.ndenumerate(weights):
        if reader != token:
            start, way = places[token], places[reader] - places[token]
            side = np.array([-way[1], way[0]]) * 0.06
            axis.add_patch(
                FancyArrowPatch(
                    start + side + 0.2 * way, start + side + 0.8 * way, arrowstyle="-|>",
                    mutation_scale=7, lw=4 * float(weight), color=INK, alpha=0.75,
                )
            )  # fmt: skip


def gradients(table: pd.DataFrame) -> Figure:
    """Length of the gradient on queries, keys and values of each layer; exact zeros at the bottom.

    `table`: columns form, layer, part and length.
    """
    forms = table.groupby("form", sort=False)
    fig, axes = plt.subplots(1, len(forms), figsize=(4.2 * len(forms), 3.4), sharey=True)
    some = table.loc[table["length"] > 0, "length"]
    floor = 10 ** np.floor(np.log10(some.min()) - 1.5)
    for axis, (form, rows) in zip(np.atleast_1d(axes), forms, strict=True):
        parts = zip(("queries", "keys", "values"), (-0.16, 0.0, 0.16), FORMS, strict=False)
        for part, shift, (colour, _, marker) in parts:
            lengths = rows[rows["part"] == part].set_index("layer")["length"]
            axis.scatter(
                lengths.index + shift, lengths.clip(lower=floor), color=colour, marker=marker,
                s=40, label=part, zorder=3, clip_on=False,
            )  # fmt: skip
        axis.set_yscale("log")
        reference(axis, floor * 3, "exactly 0", level=True)
        axis.set(ylim=(floor, some.max() * 3), xticks=sorted(rows["layer"].unique()))
        axis.set(xlabel="attention layer", title=form)
    np.atleast_1d(axes)[0].set_ylabel("length of the gradient")
    fig.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def planted_clip(canvas: np.ndarray) -> Figure:
    """A clip of the marked twin (3, 28, 28): u, v and strain, with the spots as a grid."""
    fig, axes = plt.subplots(1, 3, figsize=(9.2, 3.1))
    titles = ("u: left or right", "v: the pattern", "strain: the mark")
    for axis, values, title in zip(axes, canvas, titles, strict=True):
        bound = np.abs(values).max()
        axis.imshow(values, cmap="PuOr", vmin=-bound, vmax=bound, extent=EXTENT)
        _tokens(axis, "0.3", "-")
        grid(axis, title)
    return fig


def ball(
    distances: Mapping[str, np.ndarray], points: np.ndarray, extent: float, radius: float
) -> Figure:
    """Lines of equal distance from one point (x, y) of the disk, a panel per kind of distance.

    distances: name -> (n, n) over the square of half width `extent`; outside the disk missing.
    """
    fig, axes = plt.subplots(1, len(distances), figsize=(3.3 * len(distances), 3.5))
    line = np.linspace(-extent, extent, len(next(iter(distances.values()))))
    for axis, (name, values) in zip(axes, distances.items(), strict=True):
        levels = np.arange(1, 13)
        drawn = axis.contour(line, line, values, levels=levels, colors=INK, linewidths=0.9)
        axis.clabel(drawn, fontsize=7, fmt="%d")
        axis.plot(*points, marker="o", color=ACCENT, ms=6)
        axis.add_patch(Circle((0, 0), extent, fill=False, color="black", lw=1.2))
        axis.add_patch(Circle((0, 0), radius, fill=False, color=ACCENT, lw=1.2, ls="--"))
        limits = (-extent * 1.03, extent * 1.03)
        axis.set(title=name.capitalize(), xlim=limits, ylim=limits, aspect="equal")
        axis.axis("off")
    return fig


def radii(lengths: Mapping[str, np.ndarray], edge: float) -> Figure:
    """Distance of every clip's point from the middle of the ball, a row per form."""
    fig, axis = intervals.rows(
        list(lengths), "distance of the coordinates from the middle", (0, edge * 1.05), extra=1.3
    )
    for row, (values, (colour, _, marker)) in enumerate(zip(lengths.values(), FORMS, strict=False)):
        intervals.swarm(axis, values, row, colour=colour, marker=marker, alpha=0.7, width=0.5)
    axis.axvline(edge, color="0.35", ls="--", lw=1)
    axis.set_title("dashed: edge of the ball", loc="right", fontsize=9)
    return fig


def embeddings(panels: Mapping[str, tuple[np.ndarray, Sequence[str], np.ndarray]]) -> Figure:
    """Points of the ball in the plane of their two widest directions, a panel per form.

    panels: name -> (points (N, 2), labels (N,), unseen (N,) bool); unseen persons are drawn full.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(3.9 * len(panels), 4.2), squeeze=False)
    markers = dict(zip(CLASS_COLOURS, "os^", strict=True))
    for axis, (name, (points, labels, unseen)) in zip(axes[0], panels.items(), strict=True):
        for label, colour in CLASS_COLOURS.items():
            chosen, look = np.asarray(labels) == label, {"color": colour, "marker": markers[label]}
            axis.scatter(*points[chosen & ~unseen].T, s=10, alpha=0.3, linewidths=0, **look)
            axis.scatter(
                *points[chosen & unseen].T, s=40, edgecolors=EDGE, linewidths=0.5, label=label,
                **look,
            )  # fmt: skip
        axis.add_patch(Circle((0, 0), 1 / np.sqrt(0.1), fill=False, color="black", lw=1.0))
        widest = max(np.abs(points).max() * 1.1, 1e-3)
        axis.set(xlim=(-widest, widest), ylim=(-widest, widest), title=name, aspect="equal")
        axis.set_xlabel("widest direction")
        axis.tick_params(labelsize=8)
    axes[0, 0].set_ylabel("second widest direction")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig
