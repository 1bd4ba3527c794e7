"""What a leak or another average would have bought: never a result.

Two kinds.  `prices` reads finished honest runs in other ways.  `trained` reads runs that were
trained wrong on purpose (`experiments.LEAKS`), each beside the honest run that it equals in all
else, so that their difference over the same subjects is the price of the leak alone:

    ./run_all.sh train mhssa_gcn --leak graph
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from .. import experiments
from ..corpora.table import CLASSES
from ..evaluation import protocol, scores, statistics

if TYPE_CHECKING:
    from ..preprocessing.views import Views

COLUMNS = ["system", "selection", "seeds", "honest", "test-picked", "fold mean", "both"]
PRICED = ["system", "selection", "leak", "seeds", "honest", "leaky", "bought", "low", "high"]
TWINS = ["system", "corpus", "preset", "selection", "seed", "labels", "config", "data"]
SPLITS = 5  # random divisions into folds: one alone is a matter of luck
HOW = "./run_all.sh train mhssa_gcn --corpus {corpus} --leak graph"


def oracle(
    keys: Sequence[str], classes: Sequence[str] | None = None, ties: str = "last"
) -> pd.DataFrame:
    """`protocol.oracle` of runs, rows of all in one table; none of systems without epochs."""
    found = [
        protocol.oracle(experiments.load(key), experiments.predicted(key), classes, ties)
        for key in keys
    ]
    return pd.concat(found, ignore_index=True)


def prices(
    runs: pd.DataFrame, metric: str = "UF1", classes: Sequence[str] | None = None
) -> pd.DataFrame:
    """Per system and selection of `runs`: the same training, read in four ways; means over seeds.

    `honest`: pooled, at the epoch that the left-out subject did not choose.  `test-picked`: pooled,
    at the epoch best on each left-out subject.  `fold mean`: honest predictions, the score of every
    fold averaged.  `both` together, as several published codes report.  Where every seed was also
    trained with a leak, a column more says what that scores: `leak: graph`.
    """
    found, wrong = [], _twins(runs)
    for (system, selection), own in runs.groupby(["system", "selection"], sort=False):
        honest = experiments.gather(own)
        line = {"system": system, "selection": selection, "seeds": own["seed"].nunique()}
        line["honest"] = statistics.mean_score(honest, metric, classes)
        line["fold mean"] = _fold_mean(honest, metric, classes)
        picked = oracle(own["key"], classes)
        if len(picked):
            line["test-picked"] = statistics.mean_score(picked, metric, classes)
            line["both"] = _fold_mean(picked, metric, classes)
        for leak, pairs in wrong[wrong["key"].isin(own["key"])].groupby("leak"):
            if set(pairs["seed"]) == set(own["seed"]):
                rows = experiments.gather(pairs[["leaky"]].set_axis(["key"], axis=1))
                line[f"leak: {leak}"] = statistics.mean_score(rows, metric, classes)
        found.append(line)
    more = sorted({name for line in found for name in line if name not in COLUMNS})
    table = pd.DataFrame(found, columns=COLUMNS + more)
    return table.astype({name: float for name in COLUMNS[3:] + more})


def _fold_mean(rows: pd.DataFrame, metric: str, classes: Sequence[str] | None) -> float:
    return scores.fold_means(rows, classes).set_index("rule").loc[scores.PRESENT, metric]


def _twins(runs: pd.DataFrame) -> pd.DataFrame:
    """Finished leaky runs (`leaky`) of honest `runs` (`key`) that they equal in all but `leak`."""
    same = [*TWINS, "precision", "version"]
    every = experiments.find()
    wrong = every[(every["leak"] != "") & (every["folds"] == every["of"])]
    wrong = wrong[["key", "leak", *same]].rename(columns={"key": "leaky"})
    return runs[["key", *same]].merge(wrong, on=same)


def trained(
    runs: pd.DataFrame, metric: str = "UF1", classes: Sequence[str] | None = None
) -> pd.DataFrame:
    """One line per system, selection and leak of which a run was trained wrong on purpose.

    `bought` is leaky minus honest score over the seeds that both have, paired over subjects, with
    its 95 % interval.  Empty where no leaky run of `runs` is there: `HOW` trains one.
    """
    found = []
    for what, pairs in _twins(runs).groupby(["system", "selection", "leak"], sort=False):
        honest = experiments.gather(pairs)
        wrong = experiments.gather(pairs[["leaky"]].set_axis(["key"], axis=1))
        line = dict(zip(PRICED, (*what, pairs["seed"].nunique()), strict=False))
        found.append(line | price(wrong, honest, metric, classes))
    return pd.DataFrame(found, columns=PRICED)


def price(
    wrong: pd.DataFrame,
    honest: pd.DataFrame,
    metric: str = "UF1",
    classes: Sequence[str] | None = None,
) -> dict[str, float]:
    """honest, leaky, bought and its 95 % interval: the same clips, paired over subjects."""
    gap, low, high = statistics.difference(wrong, honest, metric, classes=classes)
    return {
        "honest": statistics.mean_score(honest, metric, classes),
        "leaky": statistics.mean_score(wrong, metric, classes),
        "bought": gap,
        "low": low,
        "high": high,
    }


def random_folds(
    system: str,
    views: "Views",
    seeds: Sequence[int] = range(SPLITS),
    jobs: int | None = None,
    classes: Sequence[str] = CLASSES,
) -> pd.DataFrame:
    """Rows of a quick classifier in ten random folds, dealt anew for every seed; kept nowhere."""
    found = [
        experiments.try_folds(
            system,
            views,
            protocol.random_folds(views.clips, seed=seed),
            seed=seed,
            jobs=jobs,
            classes=classes,
        )
        for seed in seeds
    ]
    return pd.concat(found, ignore_index=True)


def verdict(line: dict) -> str:
    """What an interval of `price` allows to say, in words."""
    between = f"{line['bought']:+.3f} UF1 ({line['low']:+.3f} to {line['high']:+.3f})"
    if line["low"] > 0:
        return f"buys {between}"
    return f"does harm: {between}" if line["high"] < 0 else f"buys nothing measurable: {between}"


def told(trained: pd.DataFrame) -> list[str]:
    """A sentence for each leak of `trained`: what it buys whom, and of whom that is sure."""
    sentences = []
    for leak, lines in trained.groupby("leak", sort=False):
        if len(lines) == 1:
            line = lines.iloc[0].to_dict()
            sentences.append(f"In {line['system']} the leak `{leak}` {verdict(line)}.")
            continue
        sure = (lines["low"] > 0).sum()
        sentences.append(
            f"The leak `{leak}` moves UF1 by {lines['bought'].min():+.3f} to "
            f"{lines['bought'].max():+.3f} in {len(lines)} systems; "
            f"in {sure or 'none'} of them its interval lies above zero."
        )
    return sentences
