"""How sure a score, a gap and a ranking are: subjects resampled, exchanged, and seeds compared.

A subject is drawn or exchanged with all clips, because clips of one person are alike.  Models of
different folds share most of their training people, so that their errors are alike, too: what
resampling and exchanging see with fixed models is widened by two factors (`RETRAINED`,
`RETRAINED_NULL`), measured by `benchmarks/retraining.py` on made studies that train again.  An
interval then covers the mean score of such studies, other people and other models, in 95 of 100.
scipy has no test of a pooled score whose units are persons; a bootstrap sample and an exchange are
products of confusion counts (`scores.tally`) with a matrix of weights.
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from ..corpora.table import KEY
from ..errors import StudyError
from . import scores

LEVEL = 0.95
DRAWS = 2000  # bootstrap samples of subjects
EXCHANGES = 10_000  # random exchanges of subjects between two systems: the smallest p is 0.0001
POWER = 0.8  # how often a true gap must come out significant to be called detectable
RETRAINED = 1.2  # of bootstrap samples about their mean; without it 95 % covered 86 to 91 %
RETRAINED_NULL = 1.15  # of exchanged gaps; without it 8 to 10 % came out at 5 %
TIE = 1e-12  # scores of equal counts, up to rounding


def mean_uf1(rows: pd.DataFrame) -> float:
    """The pooled UF1 of each seed, averaged over seeds."""
    return _mean(scores.tally(rows).counts)


def _mean(counts: np.ndarray, metric: str = "UF1") -> float:
    return float(scores.of(counts.sum(1))[metric].mean())


# --- subjects resampled ---------------------------------------------------------------------------


def draws(subjects: int, count: int = DRAWS, seed: int = 0) -> np.ndarray:
    """(count, subjects) how often each subject is drawn in each bootstrap sample of subjects."""
    even = np.full(subjects, 1 / subjects)
    return np.random.default_rng(seed).multinomial(subjects, even, size=count)


def resampled(
    counts: np.ndarray, metric: str = "UF1", count: int = DRAWS, seed: int = 0, widen=RETRAINED
) -> np.ndarray:
    """Scores (seeds, count) of bootstrap samples of counts (seeds, subjects, C, C).

    All seeds share the sampled subjects, and so do two systems that are given the same `seed`.
    widen: factor of their distance from their mean; 1 for models that are the same in all studies.
    """
    weights = draws(counts.shape[1], count, seed).astype(float)
    samples = scores.score(np.moveaxis(counts, (2, 3), (0, 1)) @ weights.T, metric)
    middle = samples.mean(-1, keepdims=True)
    return np.clip(middle + widen * (samples - middle), 0, 1)


def _limits(samples: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def interval(
    rows: pd.DataFrame, metric: str = "UF1", n: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval (95 %) of a pooled score, or of the mean score of several seeds."""
    return _limits(resampled(scores.tally(rows).counts, metric, n, seed).mean(0))


def difference(rows: pd.DataFrame, other: pd.DataFrame) -> tuple[float, float, float]:
    """UF1 of `rows` minus UF1 of `other` on the same subjects, with its 95 % interval.

    Raises StudyError where the two are not on the same clips.
    """
    _check_same_clips(rows, other)
    ours, theirs = (scores.tally(part).counts for part in (rows, other))
    samples = resampled(ours).mean(0) - resampled(theirs).mean(0)
    return (_mean(ours) - _mean(theirs), *_limits(samples))


def _check_same_clips(*both: pd.DataFrame) -> None:
    ours, theirs = (set(rows[KEY].itertuples(index=False, name=None)) for rows in both)
    if ours != theirs:
        raise StudyError(
            f"the two are not on the same clips ({len(ours - theirs)} only in the first, "
            f"{len(theirs - ours)} only in the second): a paired difference needs the same"
        )


def chance(
    rows: pd.DataFrame, metric: str = "UF1", count: int = 500, seed: int = 0
) -> tuple[float, float]:
    """95 % range of the score when the predictions of one run are dealt to the clips at random."""
    generator, size = np.random.default_rng(seed), len(scores.classes_of(rows))
    label, predicted = divmod(scores.cells_of(rows), size)
    counts = np.zeros((count, size, size))
    for draw in range(count):
        np.add.at(counts[draw], (label, generator.permutation(predicted)), 1)
    return _limits(scores.of(counts)[metric])


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per system and selection: clips, subjects, seeds, UF1 and UAR with intervals.

    A score is the mean over seeds of the pooled score; its interval resamples subjects.
    """
    lines = []
    for (system, selection), counts in scores.tally(rows).by_system().items():
        line = {"system": system, "clips": int(counts[0].sum()), "subjects": counts.shape[1]}
        line |= {"seeds": len(counts), "selection": selection}
        for metric in ("UF1", "UAR"):
            low, high = _limits(resampled(counts, metric).mean(0))
            line |= {metric: _mean(counts, metric), f"{metric} low": low, f"{metric} high": high}
        lines.append(line)
    return pd.DataFrame(lines)


# --- subjects exchanged ---------------------------------------------------------------------------


def exchanges(subjects: int, count: int = EXCHANGES, seed: int = 0) -> np.ndarray:
    """(count, subjects) 1 where a subject's predictions change sides, each with probability 1/2."""
    return np.random.default_rng(seed).integers(0, 2, (count, subjects)).astype(float)


def exchange_test(
    ours: np.ndarray, theirs: np.ndarray, metric: str, flips: np.ndarray, widen=RETRAINED_NULL
) -> float:
    """Two-sided p of a gap at least this large if it did not matter which system was which.

    ours, theirs: (seeds, subjects, C, C) of the same subjects; flips: of `exchanges`.  All
    predictions of a subject, of all seeds, change sides together.  Where one system has more seeds,
    those of the other are repeated: the mean score of neither changes.  p counts the observed
    split: never 0.  widen: factor of the exchanged gaps; 1 for models that are never trained again.
    """
    seeds = math.lcm(len(ours), len(theirs))
    ours, theirs = (  # (C, C, seeds, subjects)
        np.tile(np.moveaxis(counts, (2, 3), (0, 1)), (1, 1, seeds // len(counts), 1))
        for counts in (ours, theirs)
    )
    # whole numbers below 2^24: a product in float32 is exact
    moved = (theirs - ours).astype(np.float32) @ flips.T.astype(np.float32)  # (..., count)
    sides = ours.sum(-1)[..., None] + moved, theirs.sum(-1)[..., None] - moved
    exchanged = np.subtract(*(scores.score(side, metric).mean(0) for side in sides))
    observed = np.subtract(*(scores.score(c.sum(-1), metric).mean() for c in (ours, theirs)))
    larger = widen * np.abs(exchanged) >= abs(observed) - TIE
    return float((1 + larger.sum()) / (1 + len(flips)))


def compare(
    rows: pd.DataFrame,
    pairs: Sequence[tuple[tuple[str, str], tuple[str, str]]] | None = None,
    count: int = EXCHANGES,
    seed: int = 0,
) -> pd.DataFrame:
    """(system, selection) pairs: UF1 gap, interval, p, p after Holm (1979) over all pairs given.

    All pairs without `pairs`, the better one of each first.  Columns: system, against (`label`s),
    difference, low, high, sd (of the gap, over subjects), p, p Holm, significant (p Holm below
    0.05), detectable (`detectable` of such a gap among all the pairs given).  Raises StudyError
    where a pair is not on the same clips.
    """
    counts, lines = scores.tally(rows).by_system(), []
    if pairs is not None:
        counts = {name: counts[name] for pair in pairs for name in pair}
    samples = {name: resampled(c, seed=seed).mean(0) for name, c in counts.items()}
    means = {name: _mean(c) for name, c in counts.items()}
    of_name = dict(list(rows.groupby(["system", "selection"])))
    flips = {size: exchanges(size, count, seed) for size in {c.shape[1] for c in counts.values()}}
    if pairs is None:
        pairs = combinations(sorted(counts, key=means.get, reverse=True), 2)
    for one, two in pairs:
        _check_same_clips(of_name[one], of_name[two])
        gap = samples[one] - samples[two]
        p = exchange_test(counts[one], counts[two], "UF1", flips[counts[one].shape[1]])
        sure = (means[one] - means[two], *_limits(gap), gap.std(ddof=1), p)
        lines.append((label(*one), label(*two), *sure))
    columns = ["system", "against", "difference", "low", "high", "sd", "p"]
    table = pd.DataFrame(lines, columns=columns)
    table["p Holm"] = multipletests(table["p"], method="holm")[1] if lines else table["p"]
    table["significant"] = table["p Holm"] < 1 - LEVEL
    table["detectable"] = detectable(table["sd"], tests=max(len(table), 1))
    return table


def label(system: str, selection: str) -> str:
    """`svm`, or `svm (inner)` where training subjects chose the budget."""
    return system if selection == "last" else f"{system} ({selection})"


def named(table: pd.DataFrame) -> pd.DataFrame:
    """A table with system and selection, and their `label` in a first column `name`."""
    names = [label(*pair) for pair in table[["system", "selection"]].to_numpy()]
    return table.assign(name=names)[["name", *table]]


def stretches(pairs: pd.DataFrame, order: Sequence[str]) -> list[tuple[int, int]]:
    """Longest stretches (first, last) of a ranking without a significant difference.

    order: labels, best first.  A critical-difference diagram joins them by a bar.
    """
    different = np.zeros((len(order), len(order)), bool)
    for pair in pairs[pairs["significant"]].itertuples():
        different[order.index(pair.system), order.index(pair.against)] = True
    ends = [0]
    for first in range(len(order)):
        lasts = range(first, len(order))
        ends.append(max(n for n in lasts if not different[first : n + 1, first : n + 1].any()))
    return [(first, last) for first, last in enumerate(ends[1:]) if last > max(first, ends[first])]


# --- what could have been found -------------------------------------------------------------------


def detectable(sd, tests: int = 1):
    """The true gap that a two-sided test at 5 % finds in POWER of all studies like this one.

    sd: of the estimated gap over studies, as the bootstrap over subjects estimates it; the gap is
    then (z(1 - 0.05 / 2 tests) + z(POWER)) sd.  tests > 1: as the smallest p of so many under Holm.
    """
    return (norm.ppf(1 - (1 - LEVEL) / 2 / tests) + norm.ppf(POWER)) * sd


def subjects_needed(gap: float, sd: float, subjects: int) -> int:
    """How many such subjects show a true `gap`, where `subjects` of them leave it an `sd`."""
    return math.ceil(subjects * (detectable(sd) / gap) ** 2)


def spread(rows: pd.DataFrame, metric: str = "UF1", n: int = DRAWS) -> pd.DataFrame:
    """Standard deviations of a score: another seed, other people, and both at once.

    `sd of seeds`: of the scores on the people there are, missing with one seed.  `sd of subjects`,
    squared: variance over bootstrap samples of the mean over seeds, less what seeds put into it,
    (mean over samples of the variance over seeds  -  that on the people there are) / seeds, widened
    by RETRAINED.  `sd of one run`: both variances added.  With one seed the part of the seed is
    still inside that of the subjects.
    """
    lines = []
    for (system, selection), counts in scores.tally(rows).by_system().items():
        score = scores.of(counts.sum(1))[metric]  # (seeds,)
        sampled = resampled(counts, metric, n, widen=1)  # (seeds, n)
        line = {"system": system, "selection": selection, "seeds": len(score)}
        line |= {metric: score.mean(), "lowest": score.min(), "highest": score.max()}
        people, seeds = sampled.mean(0).var(ddof=1), np.nan
        if len(score) > 1:
            seeds = score.var(ddof=1)
            both = sampled.var(axis=0, ddof=1).mean() - seeds
            people = max(people - max(both, 0) / len(score), 0)
        people *= RETRAINED**2
        line |= {"sd of seeds": np.sqrt(seeds), "sd of subjects": np.sqrt(people)}
        lines.append(line | {"sd of one run": np.sqrt(people + np.nan_to_num(seeds))})
    return pd.DataFrame(lines)


def against_the_best(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`summary` of rows, and `compare` of the highest UF1 with every other."""
    table = summary(rows)
    best, *others = table.sort_values("UF1", ascending=False)[["system", "selection"]].to_numpy()
    return table, compare(rows, [(tuple(best), tuple(other)) for other in others])
