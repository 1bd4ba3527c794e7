"""How sure a score is: intervals over subjects, from confusion counts alone."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from . import metrics
from .corpora.table import CLASSES
from .errors import StudyError

LEVEL = 0.95
DRAWS = 2000


def confusions(rows: pd.DataFrame, classes: Sequence[str] = CLASSES) -> np.ndarray:
    """(subjects, C, C) counts of one run, label by predicted; subjects sorted by corpus and id."""
    code = {name: number for number, name in enumerate(classes)}
    subject = rows.groupby(["corpus", "subject"], sort=True).ngroup().to_numpy()
    counts = np.zeros((subject.max() + 1, len(classes), len(classes)))
    np.add.at(counts, (subject, rows["label"].map(code), rows["predicted"].map(code)), 1)
    return counts


def scores(counts: np.ndarray) -> dict[str, np.ndarray]:
    """UF1, UAR and accuracy of pooled confusions (..., C, C), the same as `metrics` computes."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    true, called = counts.sum(-1), counts.sum(-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(true + called > 0, 2 * right / (true + called), 0.0)
        recall = np.where(true > 0, right / true, 0.0)
    return {
        "UF1": f1.mean(-1),
        "UAR": recall.mean(-1),
        "accuracy": right.sum(-1) / counts.sum((-2, -1)),
    }


def draws(subjects: int, count: int = DRAWS, seed: int = 0) -> np.ndarray:
    """(count, subjects) how often each subject is drawn in each bootstrap sample of subjects."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(subjects, np.full(subjects, 1 / subjects), size=count)


def _bootstrap(rows: pd.DataFrame, classes, count: int, seed: int) -> dict[str, np.ndarray]:
    """Scores of every bootstrap sample, averaged over seeds: seeds share the sampled subjects."""
    runs = [confusions(part, classes) for _, part in _runs(rows)]
    weights = draws(len(runs[0]), count, seed)
    sampled = [scores(np.einsum("bs,sij->bij", weights, run)) for run in runs]
    return {name: np.mean([each[name] for each in sampled], axis=0) for name in sampled[0]}


def _runs(rows: pd.DataFrame):
    return list(rows.groupby("seed", sort=True)) if "seed" in rows else [(0, rows)]


def interval(
    rows: pd.DataFrame,
    metric: str = "UF1",
    *,
    classes: Sequence[str] = CLASSES,
    n: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval (95 %) of a pooled score, resampling subjects with all their clips.

    With several seeds in `rows` it is the interval of their mean score.
    """
    return _limits(_bootstrap(rows, classes, n, seed)[metric])


def _limits(samples: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def difference(
    rows: pd.DataFrame,
    other: pd.DataFrame,
    metric: str = "UF1",
    *,
    classes: Sequence[str] = CLASSES,
    n: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Score of `rows` minus score of `other` on the same subjects, with its 95 % interval.

    Raises StudyError where the two are not on the same clips.
    """
    ours, theirs = (set(map(tuple, each[metrics.KEY].to_numpy())) for each in (rows, other))
    if ours != theirs:
        raise StudyError(
            f"the two are not on the same clips ({len(ours - theirs)} only in the first, "
            f"{len(theirs - ours)} only in the second): a paired difference needs the same"
        )
    gap = _bootstrap(rows, classes, n, seed)[metric] - _bootstrap(other, classes, n, seed)[metric]
    return (mean_score(rows, metric, classes) - mean_score(other, metric, classes), *_limits(gap))


def mean_score(rows: pd.DataFrame, metric: str, classes: Sequence[str] = CLASSES) -> float:
    """The pooled score of each seed, averaged over seeds."""
    return float(np.mean([metrics.SCORES[metric](part, classes) for _, part in _runs(rows)]))


def chance(
    rows: pd.DataFrame,
    metric: str = "UF1",
    *,
    classes: Sequence[str] = CLASSES,
    count: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % range of the score when the predictions of one run are dealt to the clips at random."""
    generator = np.random.default_rng(seed)
    predicted = rows["predicted"].to_numpy()
    code = {name: number for number, name in enumerate(classes)}
    labels = rows["label"].map(code).to_numpy()
    counts = np.zeros((count, len(classes), len(classes)))
    calls = np.array([code[name] for name in predicted])
    for draw in range(count):
        np.add.at(counts[draw], (labels, generator.permutation(calls)), 1)
    return _limits(scores(counts)[metric])


def summary(rows: pd.DataFrame, classes: Sequence[str] = CLASSES) -> pd.DataFrame:
    """One line per system and selection: clips, subjects, seeds, UF1 and UAR with intervals.

    A score is the mean over seeds of the pooled score; its interval resamples subjects.
    """
    found = []
    for (system, selection), part in rows.groupby(["system", "selection"], sort=False):
        samples = _bootstrap(part, classes, DRAWS, 0)
        line = {
            "system": system,
            "clips": len(part[metrics.KEY].drop_duplicates()),
            "subjects": len(part[["corpus", "subject"]].drop_duplicates()),
            "seeds": part["seed"].nunique(),
            "selection": selection,
        }
        for metric in ("UF1", "UAR"):
            line[metric] = mean_score(part, metric, classes)
            line[f"{metric} low"], line[f"{metric} high"] = _limits(samples[metric])
        found.append(line)
    return pd.DataFrame(found)
