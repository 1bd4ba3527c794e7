"""Figures of planted cases: clips whose label follows a rule that is known."""

import pandas as pd
from matplotlib.figure import Figure

from . import intervals
from .style import ACCENT, FORMS, panels, reference


def planted(table: pd.DataFrame, chance: float) -> Figure:
    """Accuracy of forms on unseen clips; table: form, accuracy, and `seed`, `kind` or `case`."""
    if "case" in table:
        table = table.assign(form=table["case"] + ": " + table["form"].astype(str))
    forms = list(dict.fromkeys(table["form"]))
    kinds = list(table.groupby("kind", sort=False)) if "kind" in table else [("", table)]
    xlabel, extra = "share of unseen clips that are predicted right", 1.3 if kinds[1:] else 1.0
    fig, axis = intervals.rows(forms, xlabel, (0, 1.03), extra)
    axis.hlines(range(len(forms)), 0, 1.03, color="0.92", lw=1, zorder=0)
    for number, ((kind, part), look) in enumerate(zip(kinds, FORMS, strict=False)):
        places = part["form"].map(forms.index) + 0.24 * (number - (len(kinds) - 1) / 2)
        look = look | {"ls": "", "ms": 7, "zorder": 3}
        axis.plot(part["accuracy"], places, label=kind, **look)
    place = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "fontsize": 8}
    for row, mean in enumerate(table.groupby("form", sort=False)["accuracy"].mean()):
        if len(kinds) == 1:
            axis.annotate(f"{mean:.0%}", (mean, row), **place)
        if "seed" in table:
            axis.vlines(mean, row - 0.25, row + 0.25, color=ACCENT, lw=3, zorder=2)
    reference(axis, chance, "chance")
    if len(kinds) > 1:
        fig.legend(loc="outside upper left", ncols=len(kinds))
    return fig


def planted_curves(table: pd.DataFrame, bar: float = 0.5) -> Figure:
    """Accuracy by epoch: a line per form, a panel per case; `bar`: what guessing reaches."""
    cases = list(table.groupby("case", sort=False)) if "case" in table else [("", table)]
    titles = [case.replace("_", " ") if cases[1:] else "" for case, _ in cases]
    looks = dict(zip(dict.fromkeys(table["form"]), FORMS, strict=False))
    fig, [axes] = panels(titles, max(6.8 / len(cases), 4.8), 3.5, sharey=True)
    lines = {}
    for axis, (_, part) in zip(axes, cases, strict=True):
        for form, line in part.groupby("form", sort=False):
            drawn = axis.plot(line["epoch"], line["accuracy"], ms=4, **looks[form])
            [lines[form.replace("_", " ")]] = drawn
        reference(axis, bar, "guessing", level=True)
        axis.set(xlabel="epoch", ylim=(0.4, 1.03))
    axes[0].set_ylabel("share of unseen clips right")
    fig.legend(lines.values(), lines, loc="outside lower center", ncols=3)
    return fig
