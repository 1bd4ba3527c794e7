"""What a leak or another average would have bought, from runs that are finished: never a result."""

import numpy as np
import pandas as pd

from . import experiments, statistics
from .corpora.table import CLASSES

COLUMNS = ["system", "selection", "seeds", "honest", "test-picked", "fold mean", "both"]


def test_picked(key: str, classes: tuple[str, ...] = CLASSES) -> pd.DataFrame:
    """Rows of a run at the epoch that is best on each left-out subject, the later one of equals.

    As `protocol.test_picked` of `experiments.epochs`, without a row for every epoch.  Empty for a
    system without epochs.
    """
    rows, called = experiments.load(key), experiments.calls(key)  # called (E, clips)
    if not called.size:
        return rows[:0]
    person = rows.groupby(["corpus", "subject"]).ngroup().to_numpy()
    right = called == pd.Categorical(rows["label"], categories=classes).codes
    hits = np.zeros((len(called), person.max() + 1))
    np.add.at(hits.T, person, right.T)
    best = len(called) - 1 - hits[::-1].argmax(0)  # of each person
    picked = called[best[person], np.arange(len(rows))]
    return rows.assign(predicted=np.array(classes)[picked], epoch=best[person] + 1)


test_picked.__test__ = False  # not one of pytest's


def prices(
    runs: pd.DataFrame, metric: str = "UF1", classes: tuple[str, ...] = CLASSES
) -> pd.DataFrame:
    """Per system and selection of `runs`: the same training, read in four ways; means over seeds.

    `honest`: pooled, at the epoch that the left-out subject did not choose.  `test-picked`: pooled,
    at the epoch best on each left-out subject.  `fold mean`: honest predictions, the score of every
    fold averaged.  `both` together, as several published codes report.
    """
    found = []
    for (system, selection), own in runs.groupby(["system", "selection"], sort=False):
        honest = experiments.gather(own)
        line = {"system": system, "selection": selection, "seeds": own["seed"].nunique()}
        line["honest"] = statistics.mean_score(honest, metric, classes)
        line["fold mean"] = statistics.fold_mean(honest, metric, classes)
        picked = pd.concat([test_picked(key, classes) for key in own["key"]], ignore_index=True)
        if len(picked):
            line["test-picked"] = statistics.mean_score(picked, metric, classes)
            line["both"] = statistics.fold_mean(picked, metric, classes)
        found.append(line)
    table = pd.DataFrame(found, columns=COLUMNS)
    return table.astype({name: float for name in COLUMNS[3:]})
