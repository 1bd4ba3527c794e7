"""Published UF1 and UAR on the MEGC2019 composite, each with its source and what is in doubt.

Nothing here was measured by this study but the rows that say "scored again": those are scores of
predictions that the authors themselves have published.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .. import experiments
from ..evaluation.statistics import interval, mean_score
from .leaks import oracle

FILE = Path(__file__).with_name("published.csv")
PARTS = {"Full": "the composite", "smic": "SMIC", "casme2": "CASME II", "samm": "SAMM"}
PICKED = "picked on the test subject"
COMPOSITE = ("megc2019", "megc2019_flow")  # corpora that these scores are about


def load() -> pd.DataFrame:
    """name, system (of this study, else empty), corpus (of PARTS), UF1, UAR, selection, source,
    doubt."""
    text = {name: str for name in ("name", "system", "corpus", "selection", "source", "doubt")}
    frame = pd.read_csv(FILE, dtype=text, keep_default_na=False, na_values={"UF1": "", "UAR": ""})
    return frame


def ours(
    runs: pd.DataFrame,
    part: str = "Full",
    metric: str = "UF1",
    classes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Of each system in `runs`: honest score with interval, and picked on the test, of one part.

    runs: as `experiments.comparable` lists them.  A part is scored with its own clips of the same
    predictions, as the published tables do.
    """
    found = []
    for system, own in runs.groupby("system", sort=False):
        honest = pd.concat([experiments.load(key) for key in own["key"]])
        picked = oracle(own["key"], classes)
        if part != "Full":
            honest, picked = (rows[rows["corpus"] == part] for rows in (honest, picked))
        low, high = interval(honest, metric, classes=classes)
        line = {"system": system, "honest": mean_score(honest, metric, classes)}
        line |= {"low": low, "high": high}
        line["test-picked"] = mean_score(picked, metric, classes) if len(picked) else float("nan")
        found.append(line | {"preset": own["preset"].iloc[0], "seeds": own["seed"].nunique()})
    columns = ["system", "honest", "low", "high", "test-picked", "preset", "seeds"]
    return pd.DataFrame(found, columns=columns)


def beside(mine: pd.DataFrame, part: str = "Full", metric: str = "UF1") -> pd.DataFrame:
    """Published scores of a part and `ours` of the same system in columns of their own.

    Best published first; systems of this study that publish nothing stand last.
    """
    theirs = load().query("corpus == @part").rename(columns={metric: "published"})
    theirs = theirs[["name", "system", "published", "selection"]]
    table = theirs.merge(mine, on="system", how="left")
    alone = mine[~mine["system"].isin(theirs["system"])].assign(selection="")
    table = table.sort_values("published", ascending=False, kind="stable")
    alone = alone.assign(name=alone["system"] + " (nothing published)")
    every = pd.concat([table, alone], ignore_index=True)[
        ["name", "system", "published", "selection", "honest", "low", "high", "test-picked",
         "preset", "seeds"]
    ]  # fmt: skip
    return every.astype({"seeds": "Int64"})  # none where nothing of ours stands beside
