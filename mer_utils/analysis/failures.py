"""Which clips the systems get wrong, each alone and all together."""

import numpy as np
import pandas as pd

from ..corpora.table import KEY
from ..errors import StudyError


def by_clip(rows: pd.DataFrame) -> pd.DataFrame:
    """Clips by systems: the share of a system's seeds that are wrong, hardest clip first.

    Index corpus, subject, clip, label; a column per system in the order of the rows.  Raises
    StudyError where the systems were not given the same clips.
    """
    wrong = (rows["label"] != rows["predicted"]).astype(float)
    keys = [rows[name] for name in (*KEY, "label", "system")]
    shares = wrong.groupby(keys, sort=False).mean().unstack("system")
    shares = shares[list(dict.fromkeys(rows["system"]))]
    if shares.isna().any(axis=None):
        least = shares.notna().sum().idxmin()
        raise StudyError(f"{least} was given other clips than the rest: compare runs on the same")
    order = shares.mean(axis=1).sort_values(ascending=False, kind="stable").index
    return shares.loc[order].rename_axis(columns=None)


def together(shares: pd.DataFrame) -> pd.DataFrame:
    """How many clips 0, 1, 2 ... systems get wrong, and how many if each failed on its own.

    shares: of `by_clip`; a system is wrong on a clip where most of its seeds are.  `alone` keeps
    how often each system fails on each class, and lets nothing else make a clip hard: the number of
    failures is then a sum of independent events (Poisson binomial).
    """
    wrong = shares.to_numpy() > 0.5
    labels = shares.index.get_level_values("label")
    alone = np.zeros(wrong.shape[1] + 1)
    for label in labels.unique():
        mine = wrong[labels == label]
        chances = np.ones(1)
        for rate in mine.mean(axis=0):
            chances = np.convolve(chances, (1 - rate, rate))
        alone += len(mine) * chances
    seen = np.bincount(wrong.sum(axis=1), minlength=len(alone))
    return pd.DataFrame({"systems wrong": range(len(alone)), "clips": seen, "alone": alone})


def said(rows: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """What each system says of `clips` (key columns): the class most of its seeds predict.

    A line per clip that has rows, in the order and with the index of `clips`: runs of a quick look
    predict some of them only.
    """
    chosen = rows.merge(clips[KEY], on=KEY)
    keys = [chosen[name] for name in (*KEY, "label", "system", "predicted")]
    votes = chosen.groupby(keys, sort=False).size().rename("votes").reset_index()
    votes = votes.sort_values("votes", ascending=False, kind="stable")
    votes = votes.drop_duplicates([*KEY, "system"])
    table = votes.set_index([*KEY, "label", "system"])["predicted"].unstack("system")
    table = table[list(dict.fromkeys(rows["system"]))]
    told = table.reset_index().rename_axis(columns=None)
    told = clips[KEY].reset_index(names="_place").merge(told, on=KEY)
    return told.set_index("_place").rename_axis(None)


def shares_by(shares: pd.DataFrame, level: str) -> pd.DataFrame:
    """Clips by a level of the index (label, corpus ...): how many, how many wrong for everybody."""
    wrong = shares > 0.5
    groups = wrong.groupby(level=level, sort=False)
    return pd.DataFrame(
        {
            "clips": groups.size(),
            "wrong in every system": wrong.all(axis=1).groupby(level=level, sort=False).sum(),
            "right in every system": (~wrong).all(axis=1).groupby(level=level, sort=False).sum(),
            "mean share wrong": shares.mean(axis=1).groupby(level=level, sort=False).mean(),
        }
    ).reset_index()
