"""By how much a leak, or another average, would inflate a score: never a result.

`prices` reads finished honest runs in other ways.  `trained` reads runs that were trained wrong on
purpose (`experiments.LEAKS`), each next to the honest run that it equals in all else.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import experiments, systems
from ..corpora.table import CLASSES, KEY
from ..errors import StudyError
from ..evaluation import protocol, scores, statistics
from ..preprocessing.views import Views

if TYPE_CHECKING:
    from ..experiments import Study

READINGS = ["honest", "oracle", "fold mean", "both"]
PRICED = ["system", "selection", "leak", "seeds", "honest", "leaky", "inflation", "low", "high"]
TRIED = [name for name in PRICED if name not in ("selection", "seeds")]
SAME = ["system", "corpus", "preset", "selection", "seed", "config", "data", "precision"]
GUESSERS = 20  # whose scores are averaged
SPLITS = 5  # random divisions into folds: one alone is a matter of luck


def oracle(keys: Sequence[str]) -> pd.DataFrame:
    """`protocol.oracle` of runs, rows of all in one table; none of systems without epochs."""
    rows = [protocol.oracle(experiments.load(k), experiments.read(k).predicted) for k in keys]
    return pd.concat(rows, ignore_index=True)


def guessing(
    clips: pd.DataFrame, classes: Sequence[str], epochs: Sequence[int], seed: int = 0
) -> pd.DataFrame:
    """UF1 of random guesses by frequency, read by the oracle, and `chance`: of the last epoch."""
    random, shares = np.random.default_rng(seed), clips["label"].value_counts(normalize=True)
    shares = shares.reindex(list(classes), fill_value=0).to_numpy()
    rows = clips[[*KEY, "label"]].assign(**{f"p_{name}": 0.0 for name in classes})
    lines = []
    for _ in range(GUESSERS):
        drawn = random.choice(len(classes), (max(epochs), len(rows)), p=shares)
        last = scores.uf1(rows.assign(predicted=np.array(classes)[drawn[-1]]))
        for count in epochs:
            picked = scores.uf1(protocol.oracle(rows, drawn[:count]))
            lines.append({"epochs": count, "UF1": picked, "chance": last})
    return pd.DataFrame(lines).groupby("epochs", as_index=False).mean()


def prices(study: "Study", runs: pd.DataFrame) -> pd.DataFrame:
    """UF1 per label and selection of honest `runs`, read in four ways; means over seeds.

    `honest`: pooled, at the epoch that the left-out subject did not choose; `oracle`: at the one
    picked on the test subject; `fold mean`: the honest scores of all folds averaged; `both`
    together, as several published codes report.  `inflation`: oracle less honest.  Where every seed
    was also trained with a leak, a further column has that score: `leak: graph`.
    """
    lines, twins = [], _twins(study)
    for (label, selection), part in runs.groupby(["label", "selection"], sort=False):
        line = {"system": label, "selection": selection, "seeds": part["seed"].nunique()}
        read = (study.rows(part), "honest", "fold mean"), (oracle(part["key"]), "oracle", "both")
        for rows, pooled, averaged in read:
            if len(rows):
                line[pooled] = statistics.mean_uf1(rows)
                by_rule = scores.fold_means(rows).set_index("rule")
                line[averaged] = by_rule.loc[scores.PRESENT, "UF1"]
        for leak, pairs in twins[twins["key"].isin(part["key"])].groupby("leak"):
            if set(pairs["seed"]) == set(part["seed"]):
                line[f"leak: {leak}"] = statistics.mean_uf1(_leaky_rows(pairs))
        lines.append(line)
    leaks = sorted({name for line in lines for name in line if name.startswith("leak: ")})
    table = pd.DataFrame(lines, columns=["system", "selection", "seeds", *READINGS, *leaks])
    table = table.astype({name: float for name in (*READINGS, *leaks)})
    return table.assign(inflation=table["oracle"] - table["honest"])


def _twins(study: "Study") -> pd.DataFrame:
    """Leaky runs (`leaky`) and the honest runs (`key`, `label`) that they equal in all else.

    Random folds train on less than a run that leaves out one subject: they have a twin of their own
    with ten folds of whole subjects.
    """
    runs = study.runs.assign(label=study.runs["label"].str.split(" (leak", regex=False).str[0])
    wrong, control = runs["leak"] != "", runs["leak"] == experiments.CONTROL
    leaky = runs.loc[wrong & ~control, ["key", "leak", *SAME]].rename(columns={"key": "leaky"})
    honest = runs.loc[~wrong | control, ["key", "label", "leak", *SAME]]
    twins = honest.merge(leaky, on=SAME, suffixes=("_honest", ""))
    dealt = twins["leak"] == "random_folds"
    return twins[dealt == (twins.pop("leak_honest") == experiments.CONTROL)]


def _leaky_rows(pairs: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(map(experiments.load, pairs["leaky"]), ignore_index=True)


def trained(study: "Study") -> pd.DataFrame:
    """`price` per label, selection and leak of the study's leaky runs, over the seeds of both."""
    lines = []
    for names, pairs in _twins(study).groupby(["label", "selection", "leak"], sort=False):
        honest = study.rows(study.runs[study.runs["key"].isin(pairs["key"])])
        line = dict(zip(PRICED, (*names, pairs["seed"].nunique()), strict=False))
        lines.append(line | price(_leaky_rows(pairs), honest))
    return pd.DataFrame(lines, columns=PRICED)


def price(wrong: pd.DataFrame, honest: pd.DataFrame) -> dict[str, float]:
    """honest, leaky, inflation and its 95 % interval: the same clips, paired over subjects."""
    values = *map(statistics.mean_uf1, (honest, wrong)), *statistics.difference(wrong, honest)
    return dict(zip(("honest", "leaky", "inflation", "low", "high"), values, strict=True))


def dealt_folds(deal, system: str, views: Views, seeds: Sequence[int], **options) -> pd.DataFrame:
    """Rows of `experiments.try_folds` in the folds that `deal` gives anew for every seed."""
    tried = (
        experiments.try_folds(system, views, deal(views.clips, seed=seed), seed=seed, **options)
        for seed in seeds
    )
    return pd.concat(tried, ignore_index=True)


def trials(
    views: Views, classes: Sequence[str] = CLASSES, seed: int = 0
) -> tuple[pd.DataFrame, list[str]]:
    """Three leaks in quick classifiers, trained here and kept nowhere: system, leak and `price`.

    Second: why the price of a leak cannot be asked of these clips, a sentence each.
    """
    clips, classes, seeds = views.clips, tuple(classes), range(seed, seed + SPLITS)
    folds, named = protocol.folds(clips, classes), protocol.folds_by_name(clips)
    tried = partial(experiments.try_folds, views=views, classes=classes)
    dealt = partial(dealt_folds, system="svm", views=views, seeds=seeds, classes=classes)
    asked = {  # the wrong rows and the honest ones
        ("svm", "random_folds"): lambda: map(
            dealt, (protocol.random_folds, protocol.subject_folds)
        ),
        ("svm", "clip_names"): lambda: (tried("svm", folds=each) for each in (named, folds)),
        ("hoof", "scaler"): lambda: (tried("hoof", folds=folds, leak=k) for k in ("scaler", "")),
    }
    lines, refused = [], []
    for (system, leak), rows in asked.items():
        try:
            priced = price(*rows())
        except StudyError as error:
            refused.append(f"What the leak `{leak}` adds cannot be asked here: {error}.")
        else:
            lines.append({"system": systems.title(system), "leak": leak} | priced)
    return pd.DataFrame(lines, columns=TRIED), refused


def chance(views: Views, classes: Sequence[str], seed: int = 0) -> str:
    """UF1 of the SVM that learns from labels dealt at random, next to what chance allows."""
    labels = np.random.default_rng(seed).permutation(views.clips["label"].to_numpy())
    folds = protocol.folds(views.clips, tuple(classes))
    try:
        rows = experiments.try_folds("svm", views, folds, labels, classes=classes)
    except StudyError as error:
        return f"Permuted labels cannot be tried here: {error}."
    low, high = statistics.chance(rows, seed=seed)
    return (
        f"With permuted labels the UF1 of the SVM is {scores.uf1(rows):.3f}; chance is between "
        f"{low:.3f} and {high:.3f}."
    )


def floors(clips: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """UF1 of systems that see nothing of the clips, by name.

    `majority class`: always the most frequent one.  `blank images`: the class-balanced SVM, trained
    and tested on zeros: it goes by the counts of a fold's training clips, worth 0.36 on MEGC2019.
    """
    zeros = np.zeros((len(clips), 3, 1, 1), np.float32)
    views = Views(clips.assign(action_units=""), clips[:0], {"flow": zeros})
    folds = protocol.folds(clips, tuple(classes))
    blank = experiments.try_folds("svm", views, folds, jobs=1, classes=classes)
    rows = {
        "majority class": clips.assign(predicted=clips["label"].mode()[0]),
        "blank images": blank,
    }
    return {name: scores.uf1(part, classes) for name, part in rows.items()}


def verdict(line: dict) -> str:
    """What an interval of `price` allows to say: a verb and its numbers."""
    interval = f"({line['low']:+.3f} to {line['high']:+.3f})"
    if line["low"] > 0:
        return f"inflates UF1 by {line['inflation']:.3f} {interval}"
    if line["high"] < 0:
        return f"lowers UF1 by {-line['inflation']:.3f} {interval}"
    return f"does not change UF1 measurably: {line['inflation']:+.3f} {interval}"


def sentences(trained: pd.DataFrame) -> list[str]:
    """A sentence for each leak of `trained`: by how much it inflates which scores."""
    sentences = []
    for leak, lines in trained.groupby("leak", sort=False):
        line, gains = lines.iloc[0].to_dict(), lines["inflation"]
        sentences.append(
            f"In {line['system']} the leak `{leak}` {verdict(line)}."
            if len(lines) == 1
            else f"The leak `{leak}` moves UF1 by {gains.min():+.3f} to {gains.max():+.3f} in "
            f"{len(lines)} systems. In {(lines['low'] > 0).sum() or 'none'} of them the interval "
            "is above zero."
        )
    return sentences
