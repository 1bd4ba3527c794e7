"""The table that the README opens with is that of the committed tables and rows."""

import re
import zipfile

import pandas as pd
import pytest

from mer_utils import paths
from mer_utils.corpora import KEY
from mer_utils.evaluation import logs, statistics

REPORTS = paths.ROOT / "reports"  # what is committed, wherever MER_REPORTS points
CORPUS = "megc2019_flow"
README = (paths.ROOT / "README.md").read_text(encoding="utf-8")
LINE = re.compile(
    r"\| .*?`(?P<system>\w+)`.*? \| (?P<UF1>[\d.]+) \((?P<low>[\d.]+) to (?P<high>[\d.]+)\) "
    r"\| (?P<UAR>[\d.]+)[^|]*\| (?P<seeds>\d+) \| (?P<picked>[^|]+) \|"
)


@pytest.fixture(scope="module")
def printed() -> list[dict]:
    part = README.split("## What it finds")[1].split("\n## ")[0]
    return [line.groupdict() for line in LINE.finditer(part)]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return logs.read_rows(REPORTS / "predictions" / f"{CORPUS}.csv.gz")


@pytest.fixture(scope="module")
def scored(rows) -> pd.DataFrame:
    assert not rows.duplicated(["run", *KEY]).any()
    return statistics.summary(rows).set_index(["system", "selection"])


def test_the_committed_rows_are_those_of_the_committed_runs(rows):
    for key, printed in rows.groupby("run"):
        with zipfile.ZipFile(REPORTS / "runs" / CORPUS / f"{key}.zip") as kept:
            own = pd.read_csv(kept.open("rows.csv"), dtype=logs.TEXT, keep_default_na=False)
        both = printed.merge(own, on=KEY, validate="one_to_one")
        assert len(both) == len(own) == len(printed)
        assert (both["label_x"] == both["label_y"]).all()
        assert (both["predicted_x"] == both["predicted_y"]).all()


def test_the_committed_table_is_that_of_the_committed_rows(scored):
    kept = pd.read_csv(REPORTS / "tables" / f"{CORPUS}_results.csv")
    kept = kept.set_index(["system", "selection"])
    assert list(kept.index) == list(scored.index) and set(kept["preset"]) == {"small"}
    columns = ["UF1", "UF1 low", "UF1 high", "UAR", "UAR low", "UAR high"]
    assert (kept[columns] - scored[columns]).abs().max().max() < 1e-4
    assert kept[["clips", "subjects", "seeds"]].equals(scored[["clips", "subjects", "seeds"]])


def test_the_readme_says_what_the_table_says(printed, scored):
    prices = pd.read_csv(REPORTS / "tables" / f"{CORPUS}_prices.csv").set_index("name")
    scored = scored.xs("last", level="selection")
    assert {line["system"] for line in printed} == set(scored.index)
    for line in printed:
        own = scored.loc[line["system"]]
        assert line["UF1"] == f"{own['UF1']:.3f}" and line["UAR"] == f"{own['UAR']:.3f}"
        assert line["low"] == f"{own['UF1 low']:.2f}" and line["high"] == f"{own['UF1 high']:.2f}"
        assert int(line["seeds"]) == own["seeds"]
        picked = prices.loc[line["system"], "test-picked"]
        assert line["picked"] == ("has no epochs" if pd.isna(picked) else f"{picked:.3f}")
    assert f"{int(own['clips'])} flow images" in README
    assert f"{int(own['subjects'])} subjects" in README


def kept(name: str) -> pd.DataFrame:
    return pd.read_csv(REPORTS / "tables" / f"{CORPUS}_{name}.csv")


def test_the_committed_comparison_is_that_of_the_committed_rows(scored):
    shown = kept("comparison").set_index("name")
    own = scored.set_axis([statistics.label(*pair) for pair in scored.index])
    columns = ["UF1", "UF1 low", "UF1 high", "UAR", "UAR low", "UAR high", "seeds"]
    assert set(shown.index) == set(own.index)
    assert (shown[columns] - own.loc[shown.index, columns]).abs().max().max() < 1e-4


def test_the_readme_says_what_the_pairs_and_prices_say(rows):
    pairs, prices = kept("pairs"), kept("prices").set_index("name")
    contenders = rows[(rows["system"] != "majority") & (rows["selection"] == "last")]
    again = statistics.compare(contenders)
    for name in ("system", "against", "difference", "low", "high", "p Holm", "significant"):
        if pairs[name].dtype == float:
            assert (pairs[name] - again[name]).abs().max() < 1e-4
        else:
            assert pairs[name].tolist() == again[name].tolist()
    words, apart = " ".join(README.split()), pairs[pairs["significant"]]
    assert f"{len(apart)} of {len(pairs)} pairs are told apart" in words
    assert set(apart["against"]) == {"mhssa_gcn"}  # "as the lower one"
    one, all_ = (statistics.detectable(again["sd"].median(), n) for n in (1, len(pairs)))
    assert f"a gap of about {one:.2f} in UF1 where one pair is asked about, {all_:.2f} as" in words
    bought = prices.loc[~prices.index.str.contains("inner"), "bought"].dropna()
    assert f"would have added {bought.min():.2f} to {bought.max():.2f}" in words


def test_the_readme_says_what_the_benchmarks_say():
    timed = pd.read_csv(REPORTS / "tables" / "training_cpu.csv").set_index("what")["ratio"]
    words = " ".join(README.split())
    for system, title in (("ststnet", "STSTNet"), ("mhssa_gcn", "MHSSA-GCN")):
        assert f"{timed[f'{system}: study, 2 processes']:.1f} times ({title})" in words


def test_the_readme_says_what_the_ablations_say():
    answered, not_shown, leaks = kept("ablations"), kept("ablations_not_shown"), kept("leaks")
    (earned,) = answered[answered["answer"] == "it earns its place"].itertuples()
    assert set(answered["seeds"]) == {3} and earned.ablation == "hoof/whole_face"
    words = " ".join(README.split())
    coded = answered["ablation"].str.endswith("/as_coded")
    single = (~coded).sum()
    assert f"Of {single} single ingredients asked about so far, three seeds each, one" in words
    for line in answered[coded].itertuples():
        assert f"{line.described - line.worth:.3f}" in words and f"{line.described:.3f}" in words
    (worse,) = answered[answered["answer"] == "better as described"].itertuples()
    assert worse.ablation == "mhssa_gcn/as_coded"
    assert f"{worse.worth:.2f} less ({worse.low:.2f} to {worse.high:.2f}, three seeds)" in words
    assert f"(+{earned.worth:.2f} UF1 in HOOF)" in words
    assert set(not_shown["answer"]) == {"no difference shown"}
    assert {name.partition("/")[0] for name in not_shown["ablation"]} == {
        *("mhssa_gcn", "htnet", "hyperhtnet", "ststnet", "hoof", "svm")
    }
    least, most = not_shown["detectable"].min(), not_shown["detectable"].max()
    assert f"an effect of {least:.2f} to {most:.2f} UF1" in words
    dealt = leaks[leaks["leak"] == "random_folds"]
    low, high = dealt["bought"].min(), dealt["bought"].max()
    assert f"move UF1 by {low + 0.0:.2f} to {high:.2f} (one seed)".replace("-0.00", "0.00") in words
    assert set(dealt["seeds"]) == {1}
    picked = kept("honest_rules")
    low, high = picked["difference"].min(), picked["difference"].max()
    assert f"moves UF1 by {low:.3f} to {high:.3f} in six networks (one seed" in words
    assert len(picked) == 6 and set(picked["seeds"]) == {1} and not picked["significant"].any()
    (graph,) = leaks[leaks["leak"] == "graph"].itertuples()
    assert graph.low < 0 < graph.high  # "nothing measurable"
