"""Published UF1 and UAR on the MEGC2019 composite, each with its source and what is in doubt.

Nothing here was measured by this study but the rows that say "scored again": those are scores of
predictions that the authors themselves have published.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..evaluation import statistics
from . import leaks

if TYPE_CHECKING:
    from ..experiments import Study

PARTS = {"Full": "the composite", "smic": "SMIC", "casme2": "CASME II", "samm": "SAMM"}
PICKED = "picked on the test subject"
COMPOSITE = ("megc2019", "megc2019_flow")  # corpora that these scores are about
OURS = ["system", "honest", "low", "high", "oracle", "preset", "seeds"]


def load() -> pd.DataFrame:
    """name, system (of this study, else empty), corpus (of PARTS), UF1, UAR, selection, source,
    doubt."""
    file = Path(__file__).with_name("published.csv")
    text = {name: str for name in ("name", "system", "corpus", "selection", "source", "doubt")}
    return pd.read_csv(file, dtype=text, keep_default_na=False, na_values={"UF1": "", "UAR": ""})


def ours(study: "Study", runs: pd.DataFrame) -> pd.DataFrame:
    """Of each system in `runs`: honest UF1 with interval, and the oracle's."""
    prices, presets = (
        leaks.prices(study, runs),
        dict(zip(runs["label"], runs["preset"], strict=True)),
    )
    scored = statistics.summary(study.rows(runs)).drop(columns="seeds")
    table = prices.merge(scored, on=["system", "selection"])
    table = table.rename(columns={"UF1 low": "low", "UF1 high": "high"})
    return table.assign(preset=table["system"].map(presets))[OURS]


def next_to(ours: pd.DataFrame) -> pd.DataFrame:
    """Published UF1 of all clips, best first, and `ours` of the same system in own columns."""
    theirs = load().query("corpus == 'Full'").rename(columns={"UF1": "published"})
    theirs = theirs.sort_values("published", ascending=False, kind="stable")
    table = theirs.merge(ours, on="system", how="left")
    alone = ours[~ours["system"].isin(theirs["system"])].assign(selection="")
    table = pd.concat([table, alone.assign(name=alone["system"] + " (nothing published)")])
    columns = ["name", "system", "published", "selection", *OURS[1:]]
    return table[columns].astype({"seeds": "Int64"}).reset_index(drop=True)
