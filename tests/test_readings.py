"""What finished runs say beyond a score: leaks priced, published scores, failures by clip."""

import json

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views, official_clips, prediction_rows

from mer_utils import experiments, paths
from mer_utils.analysis import failures, leaks, published
from mer_utils.corpora import CLASSES, KEY
from mer_utils.errors import StudyError
from mer_utils.evaluation import scores, statistics

CLIPS = clip_table()
VIEWS = made_views(CLIPS)
ROWS = prediction_rows(official_clips())


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    for system, fields in (("svm", {}), ("ststnet", {"epochs": 4}), ("ststnet", {"epochs": 4})):
        seed = len(experiments.find(system=system))
        declared = experiments.declare(system, "made", VIEWS, seed=seed, **fields)
        experiments.run(declared, VIEWS, jobs=1, device="cpu", progress=False)
    return experiments.comparable("made", CLIPS)


def slow_oracle(epochs: pd.DataFrame) -> pd.DataFrame:
    """Of every subject the rows of its best epoch, the later one of equals."""
    best = [
        max(
            part.groupby("epoch"),
            key=lambda epoch: ((epoch[1]["label"] == epoch[1]["predicted"]).mean(), epoch[0]),
        )[1]
        for _, part in epochs.groupby(["corpus", "subject"])
    ]
    return pd.concat(best, ignore_index=True)


def test_a_leak_has_the_price_that_the_slow_way_finds(runs):
    table = leaks.prices(runs).set_index("system")
    assert table["seeds"].to_dict() == {"ststnet": 2, "svm": 1}
    keys = runs.loc[runs["system"] == "ststnet", "key"]
    picked = [slow_oracle(experiments.epochs(key)) for key in keys]
    line = table.loc["ststnet"]
    assert line["test-picked"] == pytest.approx(np.mean([scores.uf1(rows) for rows in picked]))
    rule = "mean of folds, classes present"
    folds = [scores.fold_means(rows).set_index("rule").loc[rule, "UF1"] for rows in picked]
    assert line["both"] == pytest.approx(np.mean(folds))
    honest = [scores.uf1(experiments.load(key)) for key in keys]
    assert line["honest"] == pytest.approx(np.mean(honest)) and line["honest"] < line["test-picked"]
    assert table.loc["svm", ["test-picked", "both"]].isna().all()


def test_the_picked_rows_are_the_run_at_other_epochs(runs):
    key = runs.loc[runs["system"] == "ststnet", "key"].iloc[0]
    picked, own = leaks.oracle([key]), experiments.load(key)
    slow = slow_oracle(experiments.epochs(key)).set_index(KEY)
    pd.testing.assert_frame_equal(picked[KEY], own[KEY])
    again = slow.loc[list(picked[KEY].itertuples(index=False, name=None))]
    assert picked["predicted"].tolist() == again["predicted"].tolist()
    assert picked["epoch"].tolist() == again["epoch"].tolist()
    assert not len(leaks.oracle(runs.loc[runs["system"] == "svm", "key"]))


# --- published ------------------------------------------------------------------------------------


def test_every_published_score_has_a_source_and_lies_between_0_and_1():
    table = published.load()
    assert (table["source"] != "").all() and (table["selection"] != "").all()
    assert not table.duplicated(["name", "corpus"]).any()
    assert set(table["corpus"]) == set(published.PARTS)
    scores = table[["UF1", "UAR"]]
    assert scores.notna().all(axis=None) and scores.min().min() > 0 and scores.max().max() < 1


def test_the_known_error_is_named_and_recomputed():
    table = published.load().set_index(["name", "corpus"])
    printed = table.loc[("STSTNet (2019), as published", "Full")]
    scored = table.loc[("STSTNet (2019), recomputed from its log", "Full")]
    assert (printed["UF1"], printed["UAR"]) == (0.7353, 0.7605)
    assert "macro-precision" in printed["doubt"] and scored["UAR"] == 0.7186


def test_ours_stand_beside_and_never_among_the_published(runs):
    mine = published.ours(runs)
    beside = published.beside(mine)
    theirs = published.load().query("corpus == 'Full'")
    assert sorted(beside["published"].dropna()) == sorted(theirs["UF1"])
    own = beside[beside["system"] == "ststnet"]
    assert len(own) == 3 and own["honest"].nunique() == 1
    assert own["honest"].iloc[0] == pytest.approx(leaks.prices(runs)["honest"].iloc[0])
    alone = beside[beside["name"] == "svm (nothing published)"].iloc[0]
    assert np.isnan(alone["published"]) and alone["low"] <= alone["honest"] <= alone["high"]
    part = published.ours(runs, "left")
    rows = experiments.gather(runs[runs["system"] == "svm"])
    left = rows[rows["corpus"] == "left"]
    assert part.set_index("system").loc["svm", "honest"] == pytest.approx(scores.uf1(left))


# --- failures -------------------------------------------------------------------------------------


def two_systems(shared):
    """Two systems with the same errors, or with errors of their own."""
    other = ROWS if shared else prediction_rows(official_clips(), seed=5)
    return pd.concat([ROWS, other.assign(system="other"), ROWS.assign(seed=1)], ignore_index=True)


def test_a_clip_is_as_hard_as_its_seeds_say():
    rows = two_systems(shared=False)
    rows.loc[(rows["seed"] == 1) & (rows["clip"] == "7"), "predicted"] = "positive"
    shares = failures.by_clip(rows)
    assert shares.shape == (442, 2)
    seven = rows[(rows["clip"] == "7") & (rows["system"] == "made")]
    expected = (seven["label"] != seven["predicted"]).mean()
    assert shares.xs("7", level="clip")["made"].iloc[0] == expected
    assert shares.mean(axis=1).is_monotonic_decreasing
    with pytest.raises(StudyError, match="other clips"):
        failures.by_clip(rows.drop(rows.index[rows["system"] == "other"][:1]))


def test_shared_errors_are_more_than_independent_ones():
    shared = failures.together(failures.by_clip(two_systems(shared=True)))
    apart = failures.together(failures.by_clip(two_systems(shared=False)))
    for table in (shared, apart):
        assert table["clips"].sum() == 442 and table["alone"].sum() == pytest.approx(442)
    assert shared["clips"].iloc[2] > 2 * shared["alone"].iloc[2] and shared["clips"].iloc[1] == 0
    assert apart["clips"].iloc[2] == pytest.approx(apart["alone"].iloc[2], rel=0.25)


def test_what_is_said_is_what_most_seeds_say():
    rows = pd.concat([ROWS.assign(seed=seed) for seed in range(3)], ignore_index=True)
    own = rows["clip"] == "3"
    rows.loc[own, "predicted"] = ["surprise", "negative", "surprise"]
    clips = ROWS[["corpus", "subject", "clip"]]
    said = failures.said(rows, clips)
    assert said["clip"].tolist() == clips["clip"].tolist()
    assert said.set_index("clip").loc["3", "made"] == "surprise"
    table = failures.shares_by(failures.by_clip(ROWS), "label")
    counts = dict(zip(CLASSES, (250, 109, 83), strict=True))
    assert table.set_index("label")["clips"].to_dict() == counts


def test_labels_are_named_by_their_selection():
    assert statistics.label("svm", "last") == "svm"
    assert statistics.label("svm", "inner") == "svm (inner)"


def test_curves_of_a_run_are_its_calls(runs):
    key = runs.loc[runs["system"] == "ststnet", "key"].iloc[0]
    every = experiments.epochs(key)
    called = experiments.calls(key)
    assert called.shape == (4, 30)
    last = every[every["epoch"] == 4]["predicted"].map(list(CLASSES).index)
    assert called[-1].tolist() == last.tolist()
    config = json.loads(runs["config"].iloc[0])
    assert config["epochs"] == 4
