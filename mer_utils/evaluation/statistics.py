"""How sure a score, a gap and a ranking are: subjects resampled, exchanged, and told from seeds.

Everything is computed from confusion counts of every run and subject (`tally`), never from rows one
by one, so that half a million predictions take seconds.  A subject is drawn or exchanged with all
clips, because clips of one person are alike.  scipy has no test of a pooled score whose units are
persons; a bootstrap sample and an exchange are products of counts with a matrix of weights.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from ..errors import StudyError
from . import scores

LEVEL = 0.95
DRAWS = 2000  # bootstrap samples of subjects
EXCHANGES = 10_000  # random exchanges of subjects between two systems: the smallest p is 0.0001
POWER = 0.8  # how often a gap must be seen to be called one that could have been shown
RUN = ["system", "selection", "seed"]
TIE = 1e-12  # scores of equal counts, up to rounding


@dataclass(frozen=True, eq=False)
class Tally:
    """Confusion counts of every run and subject: all that scores, intervals and tests need."""

    runs: pd.DataFrame  # system, selection, seed: one line per run
    subjects: pd.DataFrame  # corpus, subject
    counts: np.ndarray  # (runs, subjects, C, C) label by predicted

    def of(self, system: str, selection: str) -> np.ndarray:
        """(seeds, subjects, C, C) of one entry; subjects it has no clip of are left out."""
        mine = (self.runs["system"] == system) & (self.runs["selection"] == selection)
        counts = self.counts[mine.to_numpy()]
        return counts[:, counts.sum((0, 2, 3)) > 0]

    def entries(self) -> list[tuple[str, str]]:
        """(system, selection), in the order of the rows."""
        return list(dict.fromkeys(zip(self.runs["system"], self.runs["selection"], strict=True)))


def tally(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> Tally:
    """Counts of all runs of `rows` at once; columns that a single run lacks are filled in."""
    classes = scores.classes_of(rows, classes)
    filled = {"system": "", "selection": "last", "seed": 0}
    named = rows.assign(**{name: value for name, value in filled.items() if name not in rows})
    run, runs = _numbered(named, RUN, sort=False)
    subject, subjects = _numbered(named, ["corpus", "subject"], sort=True)
    size = len(classes)
    cell = (run * len(subjects) + subject) * size + _codes(named["label"], classes)
    cell = cell * size + _codes(named["predicted"], classes)
    counts = np.bincount(cell, minlength=len(runs) * len(subjects) * size * size)
    shape = (len(runs), len(subjects), size, size)
    return Tally(runs, subjects, counts.reshape(shape).astype(float))


def _numbered(rows: pd.DataFrame, columns: list[str], sort: bool):
    """Number of each row's group, and the groups in that order."""
    if not len(rows):
        raise StudyError("there are no prediction rows to score: run notebook 41 first")
    number = rows.groupby(columns, sort=sort, observed=True).ngroup().to_numpy()
    _, first = np.unique(number, return_index=True)
    return number, rows[columns].iloc[first].reset_index(drop=True)


def _codes(names: pd.Series, classes: Sequence[str]) -> np.ndarray:
    code, seen = pd.factorize(names, use_na_sentinel=False)
    strange = sorted(set(map(str, seen)) - set(classes))
    if strange:
        raise StudyError(
            f"prediction rows hold class {strange[0]!r}, which is none of {', '.join(classes)}"
        )
    return np.array([list(classes).index(name) for name in seen])[code]


def confusions(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> np.ndarray:
    """(subjects, C, C) counts of one run, label by predicted; subjects sorted by corpus and id."""
    return tally(rows, classes).counts.sum(0)


def scores_of(counts: np.ndarray) -> dict[str, np.ndarray]:
    """UF1, UAR, accuracy, macro-precision of confusions (..., C, C), the same as `scores`'."""
    cells = np.moveaxis(counts, (-2, -1), (0, 1))
    return {metric: _score(cells, metric) for metric in scores.SCORES}


def _score(cells: np.ndarray, metric: str) -> np.ndarray:
    """One score of confusions (C, C, ...), label first: long axes last are ten times as fast."""
    if metric == "accuracy":
        return sum(cells[i, i] for i in range(len(cells))) / cells.sum((0, 1))
    each = []
    for i in range(len(cells)):
        true, called = cells[i].sum(0), cells[:, i].sum(0)
        above, below = {
            "UF1": (2 * cells[i, i], true + called),
            "UAR": (cells[i, i], true),
            "macro-precision": (cells[i, i], called),
        }[metric]
        each.append(np.divide(above, below, out=np.zeros(np.shape(below)), where=below > 0))
    return np.mean(each, axis=0)


def mean_score(rows: pd.DataFrame, metric: str, classes: Sequence[str] | None = None) -> float:
    """The pooled score of each seed, averaged over seeds."""
    return float(scores_of(tally(rows, classes).counts.sum(1))[metric].mean())


def fold_mean(rows: pd.DataFrame, metric: str, classes: Sequence[str] | None = None) -> float:
    """Mean over folds of each fold's score over the classes it shows: never a result here.

    The second rule of `scores.fold_means`, from counts.  UF1 averages the classes in label or
    prediction, UAR those in label.
    """
    counts = tally(rows, classes).counts
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    true, called = counts.sum(-1), counts.sum(-2)
    above, below = (2 * right, true + called) if metric == "UF1" else (right, true)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.nanmean(np.nanmean(above / below, axis=-1)))


# --- subjects resampled ---------------------------------------------------------------------------


def draws(subjects: int, count: int = DRAWS, seed: int = 0) -> np.ndarray:
    """(count, subjects) how often each subject is drawn in each bootstrap sample of subjects."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(subjects, np.full(subjects, 1 / subjects), size=count)


def resampled(counts: np.ndarray, count: int = DRAWS, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores (seeds, count) of bootstrap samples of counts (seeds, subjects, C, C).

    All seeds share the sampled subjects, and so do two systems that are given the same `seed`.
    """
    weights = draws(counts.shape[1], count, seed).astype(float)
    cells = np.moveaxis(counts, (2, 3), (0, 1)) @ weights.T  # (C, C, seeds, count)
    return {metric: _score(cells, metric) for metric in scores.SCORES}


def _bootstrap(rows: pd.DataFrame, metric: str, classes, count: int, seed: int) -> np.ndarray:
    """(count,) the score of every bootstrap sample, averaged over seeds."""
    return resampled(tally(rows, classes).counts, count, seed)[metric].mean(0)


def _limits(samples: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def interval(
    rows: pd.DataFrame,
    metric: str = "UF1",
    *,
    classes: Sequence[str] | None = None,
    n: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval (95 %) of a pooled score, resampling subjects with all their clips.

    With several seeds in `rows` it is the interval of their mean score.
    """
    return _limits(_bootstrap(rows, metric, classes, n, seed))


def difference(
    rows: pd.DataFrame,
    other: pd.DataFrame,
    metric: str = "UF1",
    *,
    classes: Sequence[str] | None = None,
    n: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Score of `rows` minus score of `other` on the same subjects, with its 95 % interval.

    Raises StudyError where the two are not on the same clips.
    """
    _same_clips(rows, other)
    one, two = (_bootstrap(each, metric, classes, n, seed) for each in (rows, other))
    gap = mean_score(rows, metric, classes) - mean_score(other, metric, classes)
    return (gap, *_limits(one - two))


def _same_clips(rows: pd.DataFrame, other: pd.DataFrame) -> None:
    ours, theirs = (
        set(each[scores.KEY].drop_duplicates().itertuples(index=False, name=None))
        for each in (rows, other)
    )
    if ours != theirs:
        raise StudyError(
            f"the two are not on the same clips ({len(ours - theirs)} only in the first, "
            f"{len(theirs - ours)} only in the second): a paired difference needs the same"
        )


def chance(
    rows: pd.DataFrame,
    metric: str = "UF1",
    *,
    classes: Sequence[str] | None = None,
    count: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % range of the score when the predictions of one run are dealt to the clips at random."""
    generator, classes = np.random.default_rng(seed), scores.classes_of(rows, classes)
    labels, calls = (_codes(rows[name], classes) for name in ("label", "predicted"))
    counts = np.zeros((count, len(classes), len(classes)))
    for draw in range(count):
        np.add.at(counts[draw], (labels, generator.permutation(calls)), 1)
    return _limits(scores_of(counts)[metric])


def summary(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """One line per system and selection: clips, subjects, seeds, UF1 and UAR with intervals.

    A score is the mean over seeds of the pooled score; its interval resamples subjects.
    """
    counted = tally(rows, classes)
    found = []
    for system, selection in counted.entries():
        counts = counted.of(system, selection)
        pooled, samples = scores_of(counts.sum(1)), resampled(counts)
        line = {
            "system": system,
            "clips": int(counts[0].sum()),
            "subjects": counts.shape[1],
            "seeds": len(counts),
            "selection": selection,
        }
        for metric in ("UF1", "UAR"):
            line[metric] = float(pooled[metric].mean())
            line[f"{metric} low"], line[f"{metric} high"] = _limits(samples[metric].mean(0))
        found.append(line)
    return pd.DataFrame(found)


# --- subjects exchanged ---------------------------------------------------------------------------


def exchanges(subjects: int, count: int = EXCHANGES, seed: int = 0) -> np.ndarray:
    """(count, subjects) 1 where a subject's predictions change sides, each with probability 1/2."""
    return np.random.default_rng(seed).integers(0, 2, (count, subjects)).astype(float)


def exchange_test(
    ours: np.ndarray, theirs: np.ndarray, metric: str = "UF1", flips: np.ndarray | None = None
) -> float:
    """Two-sided p of a gap at least this large if it did not matter which system was which.

    ours, theirs: (seeds, subjects, C, C) of the same subjects.  All predictions of a subject, of
    all seeds, change sides together.  Where one system has more seeds, those of the other are
    repeated: the mean score of neither changes.  p counts the split that was seen: never 0.
    """
    flips = exchanges(ours.shape[1]) if flips is None else flips
    seeds = math.lcm(len(ours), len(theirs))
    ours, theirs = (  # (C, C, seeds, subjects)
        np.tile(np.moveaxis(each, (2, 3), (0, 1)), (1, 1, seeds // len(each), 1))
        for each in (ours, theirs)
    )
    # whole numbers below 2^24: a product in float32 is exact
    moved = (theirs - ours).astype(np.float32) @ flips.T.astype(np.float32)  # (..., count)
    sides = ours.sum(-1)[..., None] + moved, theirs.sum(-1)[..., None] - moved
    one, two = (_score(each, metric).mean(0) for each in sides)
    seen = np.subtract(*(_score(each.sum(-1), metric).mean() for each in (ours, theirs)))
    return float((1 + np.sum(np.abs(one - two) >= abs(seen) - TIE)) / (1 + len(flips)))


def compare(
    rows: pd.DataFrame,
    pairs: Sequence[tuple[tuple[str, str], tuple[str, str]]] | None = None,
    metric: str = "UF1",
    *,
    classes: Sequence[str] | None = None,
    n: int = DRAWS,
    count: int = EXCHANGES,
    seed: int = 0,
) -> pd.DataFrame:
    """Pairs of (system, selection): gap, interval, p, p after Holm (1979) over all the pairs given.

    All pairs without `pairs`, the better one of each first.  Columns: system, against (`entry`
    names), difference, low, high, sd (of the gap, over subjects), p, p Holm, apart (p Holm below
    0.05), detectable (`detectable` of such a gap among all the pairs given).  Raises StudyError
    where a pair is not on the same clips.
    """
    counted = tally(rows, classes)
    parts = {name: part for name, part in rows.groupby(["system", "selection"], sort=False)}
    names = counted.entries() if pairs is None else {name for pair in pairs for name in pair}
    counts = {name: counted.of(*name) for name in names}
    samples = {name: resampled(each, n, seed)[metric].mean(0) for name, each in counts.items()}
    means = {name: float(scores_of(c.sum(1))[metric].mean()) for name, c in counts.items()}
    if pairs is None:
        pairs = combinations(sorted(counts, key=means.get, reverse=True), 2)
    clips = {name: _clips(parts[name]) for name in counts}
    flips = {size: exchanges(size, count, seed) for size in {c.shape[1] for c in counts.values()}}
    found = []
    for one, two in pairs:
        if clips[one] != clips[two]:
            _same_clips(parts[one], parts[two])
        gap = samples[one] - samples[two]
        low, high = _limits(gap)
        line = {"system": entry(*one), "against": entry(*two), "difference": means[one]}
        line["difference"] -= means[two]
        line |= {"low": low, "high": high, "sd": float(gap.std(ddof=1))}
        sizes = flips[counts[one].shape[1]]
        found.append(line | {"p": exchange_test(counts[one], counts[two], metric, sizes)})
    columns = ["system", "against", "difference", "low", "high", "sd", "p"]
    table = pd.DataFrame(found, columns=columns)
    table["p Holm"] = multipletests(table["p"], method="holm")[1] if found else table["p"]
    table["apart"] = table["p Holm"] < 1 - LEVEL
    table["detectable"] = detectable(table["sd"], tests=max(len(table), 1))
    return table


def _clips(rows: pd.DataFrame) -> int:
    """Equal for the same clips, however many seeds and in whatever order."""
    return hash(frozenset(pd.util.hash_pandas_object(rows[scores.KEY], index=False)))


def entry(system: str, selection: str) -> str:
    """`svm`, or `svm (inner)` where subjects of the training set picked the epoch."""
    return system if selection == "last" else f"{system} ({selection})"


def together(pairs: pd.DataFrame, order: Sequence[str]) -> list[tuple[int, int]]:
    """Longest stretches (first, last) of a ranking in which no two were told apart.

    order: entry names, best first.  What a critical-difference diagram joins by a bar; its ranks
    over subjects mean nothing here, where a third of them have clips of one class only.
    """
    place = {name: number for number, name in enumerate(order)}
    apart = {
        tuple(sorted((place[pair.system], place[pair.against])))
        for pair in pairs[pairs["apart"]].itertuples()
    }
    found: list[tuple[int, int]] = []
    for first in range(len(order)):
        last = first
        while last + 1 < len(order) and not any(
            (other, last + 1) in apart for other in range(first, last + 1)
        ):
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


# --- what could have been seen --------------------------------------------------------------------


def detectable(sd, tests: int = 1, power: float = POWER):
    """The true gap that a two-sided test at 5 % sees in `power` of all studies like this one.

    sd: of the estimated gap over studies, as the bootstrap over subjects estimates it; the gap is
    then (z(1 - 0.05 / 2 tests) + z(power)) sd.  tests > 1: as the smallest p of so many under Holm.
    """
    return (norm.ppf(1 - (1 - LEVEL) / 2 / tests) + norm.ppf(power)) * sd


def subjects_needed(gap: float, sd: float, subjects: int, power: float = POWER) -> int:
    """How many people like these show a true `gap`, where `subjects` of them leave it an `sd`."""
    return math.ceil(subjects * (detectable(sd, power=power) / gap) ** 2)


def spread(
    rows: pd.DataFrame, metric: str = "UF1", *, classes: Sequence[str] | None = None, n: int = DRAWS
) -> pd.DataFrame:
    """Standard deviations of a score: another seed, other people, and both at once.

    Per system and selection, with scores x of seed k on bootstrap sample b of subjects:
    `sd of seeds`, over k of the score on the people there are, missing with one seed;
    `sd of subjects`, squared: the variance over b of the mean over k, less what seeds put into it,
    (mean over b of the variance over k  -  that on the people there are) / seeds;
    `sd of one run`: both variances added, what one more study with one run would differ by.
    With one seed the part of the seed is still inside that of the subjects.
    """
    counted = tally(rows, classes)
    found = []
    for system, selection in counted.entries():
        counts = counted.of(system, selection)
        own = scores_of(counts.sum(1))[metric]  # (seeds,)
        sampled = resampled(counts, n)[metric]  # (seeds, n)
        line = {"system": system, "selection": selection, "seeds": len(own), metric: own.mean()}
        line |= {"lowest": own.min(), "highest": own.max()}
        people, seeds = sampled.mean(0).var(ddof=1), np.nan
        if len(own) > 1:
            seeds = own.var(ddof=1)
            both = sampled.var(axis=0, ddof=1).mean() - seeds
            people = max(people - max(both, 0) / len(own), 0)
        line |= {"sd of seeds": np.sqrt(seeds), "sd of subjects": np.sqrt(people)}
        found.append(line | {"sd of one run": np.sqrt(people + np.nan_to_num(seeds))})
    return pd.DataFrame(found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mer_utils.evaluation.statistics",
        description="Scores with intervals, and every system against the best, from rows alone.",
    )
    parser.add_argument("rows", help="a csv of prediction rows, such as reports/predictions holds")
    rows = scores.read_rows(parser.parse_args(arguments).rows)
    table = summary(rows)
    best = table.loc[table["UF1"].idxmax()]
    best = (best["system"], best["selection"])
    others = [
        pair for pair in zip(table["system"], table["selection"], strict=True) if pair != best
    ]
    gaps = compare(rows, [(best, other) for other in others])
    for each in (table, gaps):
        print(each.to_string(index=False, float_format=lambda value: f"{value:.3f}"), end="\n\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
