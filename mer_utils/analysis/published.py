"""Published UF1 and UAR on the MEGC2019 composite, each with its source and what is in doubt.

Nothing here was measured by this study but the rows that say "scored again": those are scores of
predictions that the authors themselves have published.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..evaluation.statistics import interval, mean_uf1
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


def ours(study: "Study", runs: pd.DataFrame) -> pd.DataFrame:
    """Of each system in `runs`: honest UF1 with interval, and the oracle's."""
    lines = []
    for label, part in runs.groupby("label", sort=False):
        honest, picked = study.rows(part), oracle(part["key"])
        score = mean_uf1(picked) if len(picked) else float("nan")
        preset, seeds = part["preset"].iloc[0], part["seed"].nunique()
        lines.append((label, mean_uf1(honest), *interval(honest), score, preset, seeds))
    return pd.DataFrame(lines, columns=OURS)


def next_to(ours: pd.DataFrame) -> pd.DataFrame:
    """Published UF1 of all clips, best first, and `ours` of the same system in own columns."""
    theirs = load().query("corpus == 'Full'").rename(columns={"UF1": "published"})
    theirs = theirs.sort_values("published", ascending=False, kind="stable")
    table = theirs.merge(ours, on="system", how="left")
    alone = ours[~ours["system"].isin(theirs["system"])].assign(selection="")
    table = pd.concat([table, alone.assign(name=alone["system"] + " (nothing published)")])
    columns = ["name", "system", "published", "selection", *OURS[1:]]
    return table[columns].astype({"seeds": "Int64"}).reset_index(drop=True)
