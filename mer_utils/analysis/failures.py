"""Which clips the systems get wrong, one by one and all together."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd

from .. import corpora
from ..corpora.table import KEY
from ..errors import StudyError
from ..preprocessing import views
from ..preprocessing.views import Views


def by_clip(rows: pd.DataFrame) -> pd.DataFrame:
    """Clips (corpus, subject, clip, label) by systems: share of wrong seeds, hardest first.

    Raises StudyError where the systems were not given the same clips.
    """
    wrong = (rows["label"] != rows["predicted"]).astype(float)
    keys = [rows[name] for name in (*KEY, "label", "system")]
    shares = wrong.groupby(keys, sort=False).mean().unstack("system")
    shares = shares[rows["system"].unique()]
    if shares.isna().any(axis=None):
        least = shares.notna().sum().idxmin()
        raise StudyError(f"{least} was given other clips than the rest: compare runs on the same")
    order = shares.mean(axis=1).sort_values(ascending=False, kind="stable").index
    return shares.loc[order].rename_axis(columns=None)


def overlap(shares: pd.DataFrame) -> pd.DataFrame:
    """How many clips 0, 1, 2 ... systems get wrong, and how many if failures were independent.

    shares: of `by_clip`; a system is wrong on a clip where most of its seeds are.  `independent`
    keeps how often each system fails on each class, and lets nothing else make a clip hard: the
    number of failures is then a sum of independent events (Poisson binomial).
    """
    wrong = shares.to_numpy() > 0.5
    labels = shares.index.get_level_values("label")
    independent = np.zeros(wrong.shape[1] + 1)
    for label in labels.unique():
        of_class = wrong[labels == label]
        factors = [(1 - rate, rate) for rate in of_class.mean(axis=0)]
        independent += len(of_class) * functools.reduce(np.convolve, factors, np.ones(1))
    counts = np.bincount(wrong.sum(axis=1), minlength=len(independent))
    columns = {"systems wrong": range(len(counts)), "clips": counts, "independent": independent}
    return pd.DataFrame(columns)


def predictions(rows: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """The class that most seeds of each system predict, for those of `clips` that have rows."""
    votes = rows.merge(clips[KEY], on=KEY).groupby([*KEY, "system", "predicted"], sort=False).size()
    votes = votes.sort_values(ascending=False, kind="stable").reset_index()
    votes = votes.drop_duplicates([*KEY, "system"])
    table = votes.pivot(index=KEY, columns="system", values="predicted")
    return clips[KEY].join(table[rows["system"].unique()], on=KEY, how="inner")


def shares_by(shares: pd.DataFrame, level: str) -> pd.DataFrame:
    """Clips by a level of the index (label, corpus ...), and how many all systems get wrong."""
    wrong, right = (shares > 0.5).all(axis=1), (shares <= 0.5).all(axis=1)
    columns = {"clips": 1, "wrong in every system": wrong}
    columns |= {"right in every system": right, "mean share wrong": shares.mean(axis=1)}
    sums = dict.fromkeys(columns, "sum") | {"mean share wrong": "mean"}
    return pd.DataFrame(columns).groupby(level=level, sort=False).agg(sums).reset_index()


def flow_views(corpus: str, data: str = "") -> Views | None:
    """Clips and flow of a corpus, to look at single clips; None where its images are not here."""
    if not (Path(data) if data else corpora.default_folder(corpus.partition("-")[0])).exists():
        return None
    loaded = corpora.load(corpus, data or None)
    forms = tuple(name for name in ("flow", "flow_legacy") if name in loaded.views)
    return views.compute(loaded, forms, progress=False)
