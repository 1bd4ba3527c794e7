"""Figures of planted cases: clips whose label follows a rule that is known."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import intervals
from .style import ACCENT, FORMS, reference


def planted(table: pd.DataFrame, chance: float) -> Figure:
    """Accuracy on unseen planted clips: a row per form, a dot per run.

    table: columns form and accuracy, and one of `seed` (the mean is a bar), `kind` (a marker per
    kind) or `case` (a row per case and form).
    """
    if "case" in table:
        table = table.assign(form=table["case"] + ": " + table["form"].astype(str))
    forms = list(dict.fromkeys(table["form"]))
    xlabel = "share of unseen clips that are predicted right"
    kinds = list(table.groupby("kind", sort=False)) if "kind" in table else [("", table)]
    fig, axis = intervals.rows(forms, xlabel, (0, 1.03), extra=1.0 + 0.3 * (len(kinds) > 1))
    for row in range(len(forms)):
        axis.axhline(row, color="0.92", lw=1, zorder=0)
    for number, (kind, part) in enumerate(kinds):
        colour, _, marker = FORMS[number]
        shift = 0.24 * (number - (len(kinds) - 1) / 2)
        for row, form in enumerate(forms):
            values = part.loc[part["form"] == form, "accuracy"].to_numpy()
            axis.plot(
                values, np.full(len(values), row + shift), marker, color=colour, ls="", ms=7,
                zorder=3, label=kind if row == 0 else None,
            )  # fmt: skip
            if len(kinds) == 1:
                mean = values.mean()
                axis.annotate(
                    f"{mean:.0%}", (mean, row), (0, 9), textcoords="offset points", ha="center",
                    fontsize=8,
                )  # fmt: skip
            if "seed" in table:
                axis.vlines(values.mean(), row - 0.25, row + 0.25, color=ACCENT, lw=3, zorder=2)
    reference(axis, chance, "chance")
    if len(kinds) > 1:
        fig.legend(loc="outside upper left", ncols=len(kinds))
    return fig


def planted_curves(table: pd.DataFrame, bar: float = 0.5, label: str = "guessing") -> Figure:
    """Accuracy on unseen planted clips after each epoch: a line per form, a panel per case.

    table: columns form, epoch, accuracy, and case where there are several; bar: what guessing
    reaches.
    """
    cases = list(table.groupby("case", sort=False)) if "case" in table else [("", table)]
    looks = dict(zip(dict.fromkeys(table["form"]), FORMS, strict=False))
    width = max(6.8, 4.8 * len(cases))
    fig, axes = plt.subplots(1, len(cases), figsize=(width, 3.5), sharey=True, squeeze=False)
    lines = {}
    for axis, (case, part) in zip(axes[0], cases, strict=True):
        for form, line in part.groupby("form", sort=False):
            colour, dash, marker = looks[form]
            [lines[form]] = axis.plot(
                line["epoch"], line["accuracy"], color=colour, ls=dash, marker=marker, ms=4
            )
        reference(axis, bar, label, level=True)
        axis.set(xlabel="epoch", ylim=(0.4, 1.03))
        axis.set_title(case.replace("_", " ") if len(cases) > 1 else "")
    axes[0, 0].set_ylabel("share of unseen clips right")
    names = [form.replace("_", " ") for form in lines]
    fig.legend(lines.values(), names, loc="outside lower center", ncols=3)
    return fig
