"""Figures of HTNet and HyperHTNet: areas, attention, gradients, the ball."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from . import style
from .faces import GRID, grid, outline, over
from .networks import planted_curves as planted_curves
from .style import ACCENT, EDGE, FORMS, INK, panels, reference

CROP, PATCH = 14, 7
AREAS = ("right eye", "left eye", "right mouth corner", "left mouth corner")  # the person's own


def areas(
    image: np.ndarray, landmarks: np.ndarray, edges: np.ndarray, coded: np.ndarray, canvas
) -> Figure:
    """One channel (28, 28) with the crops around edges and coded (4, 2), and its canvas."""
    titles = ("strain, and the four crops", "the canvas: four areas of four tokens")
    fig, [(left, right)] = panels(titles, 3.8, 4.0)
    both = np.array([image, canvas])
    grey = {"cmap": "Greys", "vmin": both.min(), "vmax": both.max()}
    over(left, image, landmarks, INK, 1, **grey)
    for centres, side, colour, dash, label in (
        (edges, CROP - 0.2, ACCENT, "-", "as described"),
        (coded, CROP - 0.8, "0", "--", "as coded, x and y swapped"),
    ):
        look = {"fill": False, "ec": colour, "ls": dash, "lw": 1.4}
        for centre in centres:
            left.add_patch(Rectangle(centre - side / 2, side, side, **look))
        left.plot([], [], color=colour, ls=dash, label=label)
    fig.legend(loc="outside lower left", ncols=2)
    drawn = over(right, canvas, **grey)
    _tokens(right, ACCENT, ":")
    fig.colorbar(drawn, ax=[left, right], shrink=0.75, label="strain, scaled")
    return fig


def _tokens(axis, colour: str, dash: str) -> None:
    """Lines between the tokens, stronger between the four areas."""
    for at in range(PATCH, GRID, PATCH):
        look = {"lw": 1.8, "ls": "-"} if at == CROP else {"lw": 0.8, "ls": dash}
        axis.axhline(at, color=colour, **look)
        axis.axvline(at, color=colour, **look)


def attention(landmarks: np.ndarray, centres: np.ndarray, weights: np.ndarray) -> Figure:
    """Which token reads which inside the four areas, on the face and as numbers.

    centres (4, 2) of the crops; weights (4, 4, 4): area, reading token, token that is read.
    """
    titles = "arrows: from a token to the one that reads it", "the four areas; each row sums to 1"
    fig, [(face, numbers)] = panels(titles, 4.5, 4.3)
    outline(face, landmarks, EDGE)
    within = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]) * PATCH
    look = {"arrowstyle": "-|>", "mutation_scale": 7, "color": INK, "alpha": 0.75}
    side = PATCH - 0.6
    for name, centre, area in zip(AREAS, centres, weights, strict=True):
        places = centre + within
        face.text(*(centre - (6.7, 6.1)), name, fontsize=7, color="0.25", va="top")
        for place, read in zip(places, area.mean(axis=0).clip(0, 1), strict=True):
            token = Rectangle(place - side / 2, side, side, fc=ACCENT, ec="none", alpha=read)
            face.add_patch(token)  # darker where it is read more
        for (reader, token), weight in np.ndenumerate(area):
            if reader != token:
                way = places[reader] - places[token]
                start = places[token] + np.array([-way[1], way[0]]) * 0.06
                arrow = look | {"lw": 4 * float(weight)}
                face.annotate("", start + 0.8 * way, start + 0.2 * way, arrowprops=arrow)
    grid(face)
    blocks = weights.reshape(2, 2, 4, 4).transpose(0, 2, 1, 3).reshape(8, 8)
    names = ["upper left", "upper right", "lower left", "lower right"] * 2
    look = {"cmap": "Blues", "vmin": 0, "vmax": 1, "fontsize": 7}
    image = style.matrix(numbers, blocks, names, texts="{:.2f}", **look)
    numbers.tick_params(axis="x", rotation=90)
    for line in (numbers.axhline, numbers.axvline):
        line(4, color="black", lw=1.5)
    numbers.set(xlabel="token that is read", ylabel="reading token")
    fig.colorbar(image, ax=numbers, shrink=0.8, label="attention")
    return fig


def gradients(table: pd.DataFrame) -> Figure:
    """Gradients on queries, keys and values, exact 0 below; columns form, layer, part, length."""
    forms, some = table.groupby("form", sort=False), table.loc[table["length"] > 0, "length"]
    fig, [axes] = panels([form for form, _ in forms], 4.2, 3.4, sharey=True)
    floor = 10 ** np.floor(np.log10(some.min()) - 1.5)
    for axis, (_, rows) in zip(axes, forms, strict=True):
        parts = zip(("queries", "keys", "values"), (-0.16, 0.0, 0.16), FORMS, strict=False)
        for part, shift, form in parts:
            lengths = rows[rows["part"] == part].set_index("layer")["length"].clip(lower=floor)
            look = form | {"ls": "-", "label": part, "clip_on": False}
            axis.scatter(lengths.index + shift, lengths, s=40, zorder=3, **look)
        reference(axis, floor * 3, "exactly 0", level=True)
        axis.set(ylim=(floor, some.max() * 3), xticks=sorted(rows["layer"].unique()))
        axis.set(xlabel="attention layer", yscale="log")
    axes[0].set_ylabel("length of the gradient")
    fig.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def planted_clip(canvas: np.ndarray) -> Figure:
    """A clip of the marked twin (3, 28, 28): u, v and strain, with the spots as a grid."""
    fig, [axes] = panels(("u: left or right", "v: the pattern", "strain: the mark"), 3.07, 3.1)
    for axis, values in zip(axes, canvas, strict=True):
        bound = np.abs(values).max()
        over(axis, values, cmap="PuOr", vmin=-bound, vmax=bound)
        _tokens(axis, "0.3", "-")
    return fig


def ball(
    distances: Mapping[str, np.ndarray], points: np.ndarray, extent: float, radius: float
) -> Figure:
    """Lines of equal distance from one point (x, y) of the disk, a panel per kind of distance.

    distances: name -> (n, n) over the square of half width `extent`; outside the disk missing.
    """
    fig, [axes] = panels([name.capitalize() for name in distances], 3.3, 3.5)
    for axis, values in zip(axes, distances.values(), strict=True):
        line = np.linspace(-extent, extent, len(values))
        drawn = axis.contour(line, line, values, range(1, 13), colors=INK, linewidths=0.9)
        axis.clabel(drawn, fontsize=7, fmt="%d")
        axis.plot(*points, marker="o", color=ACCENT, ms=6)
        axis.add_patch(Circle((0, 0), extent, fill=False, color="black", lw=1.2))
        axis.add_patch(Circle((0, 0), radius, fill=False, color=ACCENT, lw=1.2, ls="--"))
        limits = (-extent * 1.03, extent * 1.03)
        axis.set(xlim=limits, ylim=limits, aspect="equal")
        axis.axis("off")
    return fig


def radii(lengths: Mapping[str, np.ndarray], edge: float) -> Figure:
    """Distance of every clip's point from the middle of the ball, a row per form."""
    xlabel = "distance of the coordinates from the middle"
    fig, axis = style.item_rows(list(lengths), xlabel, (0, edge * 1.05), extra=1.3)
    for row, (values, form) in enumerate(zip(lengths.values(), FORMS, strict=False)):
        style.swarm(axis, values, row, alpha=0.7, width=0.5, **form | {"ls": "-"})
    reference(axis, edge, "edge of the ball")
    return fig


def embeddings(
    panels_of: Mapping[str, tuple[np.ndarray, Sequence[str], np.ndarray]], classes: Sequence[str]
) -> Figure:
    """Points (N, 2) in their widest directions, labels (N,), unseen persons (N,), by form."""
    fig, [axes] = panels(panels_of, 3.9, 4.2)
    colours, marks = style.class_colours(classes), [*"os^Dv<>"] * len(classes)
    for axis, (points, labels, unseen) in zip(axes, panels_of.values(), strict=True):
        for (label, colour), marker in zip(colours.items(), marks, strict=False):
            chosen, look = np.asarray(labels) == label, {"color": colour, "marker": marker}
            axis.scatter(*points[chosen & ~unseen].T, s=10, alpha=0.3, lw=0, **look)
            look |= {"edgecolors": EDGE, "lw": 0.5, "label": label}
            axis.scatter(*points[chosen & unseen].T, s=40, **look)
        axis.add_patch(Circle((0, 0), 1 / np.sqrt(0.1), fill=False, color="black", lw=1.0))
        widest = max(np.abs(points).max() * 1.1, 1e-3)
        axis.set(xlim=(-widest, widest), ylim=(-widest, widest), aspect="equal")
        axis.set_xlabel("widest direction")
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel("second widest direction")
    style.legend(fig, *axes[0].get_legend_handles_labels())
    return fig
