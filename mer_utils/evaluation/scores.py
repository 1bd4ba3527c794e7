"""Scores of prediction rows, pooled over folds as the MEGC2019 text defines them.

UF1 is the unweighted mean of the classes' F1, each from counts summed over all folds; UAR the
unweighted mean of the classes' recall.  Neither is an average of folds: 23 of the 68 subjects have
clips of one class only, where a fold's own score is not defined.

Every score of the study comes from confusion counts, in `score`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..corpora.table import CLASSES
from ..errors import StudyError

METRICS = ("UF1", "UAR", "accuracy", "macro-precision")
RUN = ["system", "selection", "seed"]
PERSON = ["corpus", "subject"]
PRESENT = "mean of folds, classes present"  # the rule that most published fold means follow


def classes_of(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> tuple[str, ...]:
    """`classes`, else those that the rows have probabilities of, else MEGC's three."""
    named = [name.removeprefix("p_") for name in rows if name.startswith("p_")]
    return tuple(classes or named or CLASSES)


def of(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of confusion counts (..., C, C), label by predicted."""
    cells = np.moveaxis(counts, (-2, -1), (0, 1))
    return {metric: score(cells, metric) for metric in METRICS}


def score(cells: np.ndarray, metric: str) -> np.ndarray:
    """One metric of counts (C, C, ...), label first: long axes last are ten times as fast.

    UF1: mean over classes of 2TP / (2TP + FP + FN).  UAR: of TP / (TP + FN).  macro-precision: of
    TP / (TP + FP), which published tables have printed as UAR.  0 / 0 counts as 0.
    """
    if metric == "accuracy":
        return np.trace(cells) / cells.sum((0, 1))
    above, below = _fractions(cells, metric)
    return np.divide(above, below, out=np.zeros(below.shape), where=below > 0).mean(0)


def _fractions(cells: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Numerator and denominator (C, ...) of every class."""
    right, label, predicted = np.einsum("ii...->i...", cells), cells.sum(1), cells.sum(0)
    return {
        "UF1": (2 * right, label + predicted),
        "UAR": (right, label),
        "macro-precision": (right, predicted),
    }[metric]


def cells_of(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> np.ndarray:
    """(rows,) label * C + predicted. Raises StudyError without rows or for an unknown class."""
    classes = classes_of(rows, classes)
    if not len(rows):
        raise StudyError("there are no prediction rows to score: run notebook 41 first")
    names = [*rows["label"].unique(), *rows["predicted"].unique()]
    if unknown := [name for name in names if name not in classes]:
        raise StudyError(
            f"prediction rows hold class {unknown[0]!r}, which is none of {', '.join(classes)}"
        )
    label, predicted = (pd.Index(classes).get_indexer(rows[n]) for n in ("label", "predicted"))
    return label * len(classes) + predicted


def confusion(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> np.ndarray:
    """(C, C) counts of all rows, label by predicted."""
    size = len(classes_of(rows, classes))
    return np.bincount(cells_of(rows, classes), minlength=size**2).reshape(size, size)


@dataclass(frozen=True, eq=False)
class Tally:
    """Confusion counts of every run and subject: all that scores, intervals and tests need."""

    runs: pd.DataFrame  # system, selection, seed: one line per run
    counts: np.ndarray  # (runs, subjects, C, C) label by predicted

    def by_system(self) -> dict[tuple[str, str], np.ndarray]:
        """(seeds, subjects, C, C) by (system, selection); subjects without a clip are left out."""
        of_system = self.runs.groupby(["system", "selection"], sort=False)
        counts = {name: self.counts[runs.index] for name, runs in of_system}
        return {name: part[:, part.sum((0, 2, 3)) > 0] for name, part in counts.items()}


def tally(rows: pd.DataFrame) -> Tally:
    """Counts of all runs of `rows` at once; columns that a single run lacks are filled in."""
    cell, size = cells_of(rows), len(classes_of(rows))
    filled = {"system": "", "selection": "last", "seed": 0}
    rows = rows.assign(**{name: value for name, value in filled.items() if name not in rows})
    run = rows.groupby(RUN, sort=False, observed=True).ngroup().to_numpy()
    subject = rows.groupby(PERSON, observed=True).ngroup().to_numpy()
    shape = (run.max() + 1, subject.max() + 1, size, size)
    cell = cell + (run * shape[1] + subject) * size**2
    counts = np.bincount(cell, minlength=np.prod(shape)).reshape(shape)
    return Tally(rows[RUN].drop_duplicates(ignore_index=True), counts.astype(float))


def averaged(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of several seeds as one run of each system: mean probabilities, the class with most."""
    names = [f"p_{name}" for name in classes_of(rows)]
    run = ["system", "selection", *PERSON, "clip", "label"]
    mean = rows.groupby(run, sort=False, observed=True, as_index=False)[names].mean()
    return mean.assign(seed=0, predicted=mean[names].idxmax(axis=1).str.removeprefix("p_"))


def uf1(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> float:
    """UF1 of all rows together."""
    return float(of(confusion(rows, classes))["UF1"])


def uar(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> float:
    """UAR of all rows together."""
    return float(of(confusion(rows, classes))["UAR"])


def table(
    rows: pd.DataFrame, by: str = "corpus", classes: Sequence[str] | None = None
) -> pd.DataFrame:
    """Scores of all rows ("Full") and of each value of column `by`, from the same predictions."""
    lines = []
    for name, part in [("Full", rows), *rows.groupby(by)]:
        line = {by: name, "clips": len(part), "subjects": part.groupby(PERSON).ngroups}
        lines.append(line | of(confusion(part, classes)))
    return pd.DataFrame(lines)


def sentence(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> str:
    """The scores of one run in words."""
    return (
        f"UF1 {uf1(rows, classes):.3f} and UAR {uar(rows, classes):.3f} over {len(rows)} clips "
        f"of {rows.groupby(PERSON).ngroups} left-out subjects"
    )


# --- averages of folds: what the field also prints, never a result here ---------------------------


def fold_means(rows: pd.DataFrame) -> pd.DataFrame:
    """UF1 and UAR under four rules, mean over runs; only the first is a result of this study.

    Classes present: mean over folds of the score over classes in label or prediction (UF1) or in
    label (UAR), as scikit-learn does by default.  All right is 1: a fold without an error counts
    1, else classes from 0 to the highest one present are averaged.  Absent class is 0: all classes.
    """
    counts = tally(rows).counts
    folds = np.moveaxis(counts, (-2, -1), (0, 1))  # (C, C, runs, subjects)
    folds = folds[..., folds.sum((0, 1)) > 0]  # (C, C, folds): a run may lack a subject
    present = (folds.sum(0) + folds.sum(1)) > 0
    highest = len(folds) - present[::-1].argmax(0)  # classes up to the highest one present
    right = np.trace(folds) == folds.sum((0, 1))
    means = {}
    for metric in ("UF1", "UAR"):
        above, below = _fractions(folds, metric)
        by_class = above / np.where(below > 0, below, np.nan)  # above the highest: no counts, nan
        up_to_highest = np.where(right, 1.0, np.nansum(by_class, 0) / highest)
        means[metric] = {
            "pooled (MEGC2019)": of(counts.sum(1))[metric].mean(),
            PRESENT: np.nanmean(by_class, 0).mean(),
            "mean of folds, all right is 1": up_to_highest.mean(),
            "mean of folds, absent class is 0": score(folds, metric).mean(),
        }
    return pd.DataFrame(means).rename_axis("rule").reset_index()
