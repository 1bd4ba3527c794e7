"""Published UF1 and UAR on the MEGC2019 composite, each with its source and what is in doubt.

Nothing here was measured by this study but the rows that say "scored again": those are scores of
predictions that the authors themselves have published.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..evaluation.statistics import interval, mean_score
from .leaks import oracle

if TYPE_CHECKING:
    from ..experiments import Study

FILE = Path(__file__).with_name("published.csv")
PARTS = {"Full": "the composite", "smic": "SMIC", "casme2": "CASME II", "samm": "SAMM"}
PICKED = "picked on the test subject"
COMPOSITE = ("megc2019", "megc2019_flow")  # corpora that these scores are about
OURS = ["system", "honest", "low", "high", "oracle", "preset", "seeds"]


def load() -> pd.DataFrame:
    """name, system (of this study, else empty), corpus (of PARTS), UF1, UAR, selection, source,
    doubt."""
    text = {name: str for name in ("name", "system", "corpus", "selection", "source", "doubt")}
    return pd.read_csv(FILE, dtype=text, keep_default_na=False, na_values={"UF1": "", "UAR": ""})


def ours(
    study: "Study", runs: pd.DataFrame, part: str = "Full", metric: str = "UF1"
) -> pd.DataFrame:
    """Of each system in `runs`: honest score with interval, and oracle score, of one part.

    A part is scored with its own clips of the same predictions, as the published tables do.
    """
    lines = []
    for label, own in runs.groupby("label", sort=False):
        honest, picked = study.rows(own), oracle(own["key"])
        if part != "Full":
            honest, picked = (rows[rows["corpus"] == part] for rows in (honest, picked))
        score = mean_score(picked, metric) if len(picked) else float("nan")
        limits = interval(honest, metric)
        preset, seeds = own["preset"].iloc[0], own["seed"].nunique()
        lines.append((label, mean_score(honest, metric), *limits, score, preset, seeds))
    return pd.DataFrame(lines, columns=OURS)


def next_to(ours: pd.DataFrame, part: str = "Full", metric: str = "UF1") -> pd.DataFrame:
    """Published scores of a part, and `ours` of the same system in columns of their own.

    Best published first; systems of this study without a published score last.
    """
    theirs = load().query("corpus == @part").rename(columns={metric: "published"})
    theirs = theirs.sort_values("published", ascending=False, kind="stable")
    table = theirs.merge(ours, on="system", how="left")
    alone = ours[~ours["system"].isin(theirs["system"])].assign(selection="")
    table = pd.concat([table, alone.assign(name=alone["system"] + " (nothing published)")])
    columns = ["name", "system", "published", "selection", *OURS[1:]]
    return table[columns].astype({"seeds": "Int64"}).reset_index(drop=True)
