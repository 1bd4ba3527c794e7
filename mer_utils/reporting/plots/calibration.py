"""Figures of certainty: how often it is right, and what is gained where it may be silent."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from .style import CHANCE, INK, WARNING, colour, panels, reference, title

ACROSS = 4  # panels in a line


def _grid(names: Sequence[str]) -> tuple[Figure, list]:
    """A panel for each system, some in a line; those that are left over are not drawn."""
    across, lines = [""] * min(len(names), ACROSS), [""] * -(-len(names) // ACROSS)
    fig, axes = panels(across, 2.3, 2.4, lines, (0.4, 0.5), sharex=True, sharey=True)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    for axis, name in zip(axes.flat, names, strict=False):
        axis.set_title(title(name))
    return fig, list(axes.flat[: len(names)])


def reliability(curves: dict[str, list[pd.DataFrame]]) -> Figure:
    """`calibration.reliability` of every system as it is and, where there is one, tempered."""
    fig, axes = _grid([*curves])
    looks = (("as it is", WARNING, "o", "--"), ("at its temperature", INK, "s", "-"))
    for axis, pair in zip(axes, curves.values(), strict=True):
        axis.plot([0, 1], [0, 1], color=CHANCE, ls=":", lw=1)
        for (label, shade, marker, line), curve in zip(looks, pair, strict=False):
            axis.vlines(curve["certainty"], curve["low"], curve["high"], color=shade, lw=1)
            look = {"color": shade, "marker": marker, "ls": line, "ms": 4, "lw": 1, "label": label}
            axis.plot(curve["certainty"], curve["right"], **look)
        axis.set(xlim=(0.3, 1.02), ylim=(0, 1.02), xticks=(0.4, 0.6, 0.8, 1))
    fig.supxlabel("mean certainty of a tenth of the clips", fontsize=10)
    fig.supylabel("share that is right", fontsize=10)
    entries = max(
        (axis.get_legend_handles_labels() for axis in axes), key=lambda both: len(both[1])
    )
    fig.legend(*entries, loc="outside upper right", ncols=2)
    return fig


def coverage(curves: dict[str, pd.DataFrame]) -> Figure:
    """`calibration.coverage` of every system, by name, with its band."""
    fig, axes = _grid([*curves])
    for axis, (name, curve) in zip(axes, curves.items(), strict=True):
        shade = colour(name)
        axis.fill_between(curve["share"], curve["low"], curve["high"], color=shade, alpha=0.2, lw=0)
        axis.plot(curve["share"], curve["UF1"], color=shade)
        reference(axis, curve.loc[curve["share"].idxmax(), "UF1"], level=True)
        axis.set(xlim=(0, 1), ylim=(0.3, 1.0), xticks=(0, 0.5, 1))
    fig.supxlabel("share of the clips on which it speaks, the surest first", fontsize=10)
    fig.supylabel("UF1 of these", fontsize=10)
    return fig
