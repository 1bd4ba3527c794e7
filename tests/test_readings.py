"""What finished runs say beyond a score: leaks priced, published scores, failures by clip."""

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


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readings")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RUNS", "KEPT"):
            patch.setattr(paths, name, folder / name)
        for system, seed, fields in (
            ("svm", 0, {}),
            *(("ststnet", n, {"epochs": 4}) for n in (0, 1)),
        ):
            declared = experiments.declare(system, "made", VIEWS, seed=seed, **fields)
            experiments.run(declared, VIEWS, jobs=1, device="cpu", progress=False)
        groups = [{"systems": ["svm"]}, {"systems": ["ststnet"], "seeds": [0, 1], "epochs": 4}]
        yield experiments.study("made", groups)


def keys(study, label: str) -> list[str]:
    return study.runs.loc[study.runs["label"] == label, "key"].tolist()


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


def test_a_leak_has_the_price_that_the_slow_way_finds(study):
    table = leaks.prices(study, study.results).set_index("system")
    assert table["seeds"].to_dict() == {"ststnet": 2, "svm": 1}
    picked = [slow_oracle(experiments.epochs(key)) for key in keys(study, "ststnet")]
    line = table.loc["ststnet"]
    assert line["oracle"] == pytest.approx(np.mean([scores.uf1(rows) for rows in picked]))
    rule = "mean of folds, classes present"
    folds = [scores.fold_means(rows).set_index("rule").loc[rule, "UF1"] for rows in picked]
    assert line["both"] == pytest.approx(np.mean(folds))
    honest = [scores.uf1(experiments.load(key)) for key in keys(study, "ststnet")]
    assert line["honest"] == pytest.approx(np.mean(honest)) and line["honest"] < line["oracle"]
    assert table.loc["svm", ["oracle", "both", "inflation"]].isna().all()


def test_the_picked_rows_are_the_run_at_other_epochs(study):
    key = keys(study, "ststnet")[0]
    picked, own = leaks.oracle([key]), experiments.load(key)
    slow = slow_oracle(experiments.epochs(key)).set_index(KEY)
    pd.testing.assert_frame_equal(picked[KEY], own[KEY])
    again = slow.loc[list(picked[KEY].itertuples(index=False, name=None))]
    assert picked["predicted"].tolist() == again["predicted"].tolist()
    assert picked["epoch"].tolist() == again["epoch"].tolist()
    assert not len(leaks.oracle(keys(study, "svm")))


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


def test_ours_are_next_to_and_never_among_the_published(study):
    ours = published.ours(study, study.results)
    table = published.next_to(ours)
    theirs = published.load().query("corpus == 'Full'")
    assert sorted(table["published"].dropna()) == sorted(theirs["UF1"])
    own = table[table["system"] == "ststnet"]
    assert len(own) == 3 and own["honest"].nunique() == 1
    prices = leaks.prices(study, study.results).set_index("system")
    assert own["honest"].iloc[0] == pytest.approx(prices.loc["ststnet", "honest"])
    assert own["oracle"].iloc[0] == pytest.approx(prices.loc["ststnet", "oracle"])
    alone = table[table["name"] == "svm (nothing published)"].iloc[0]
    assert np.isnan(alone["published"]) and alone["low"] <= alone["honest"] <= alone["high"]


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
    shared = failures.overlap(failures.by_clip(two_systems(shared=True)))
    apart = failures.overlap(failures.by_clip(two_systems(shared=False)))
    for table in (shared, apart):
        assert table["clips"].sum() == 442 and table["independent"].sum() == pytest.approx(442)
    assert (
        shared["clips"].iloc[2] > 2 * shared["independent"].iloc[2] and shared["clips"].iloc[1] == 0
    )
    assert apart["clips"].iloc[2] == pytest.approx(apart["independent"].iloc[2], rel=0.25)


def test_a_system_predicts_what_most_seeds_predict():
    rows = pd.concat([ROWS.assign(seed=seed) for seed in range(3)], ignore_index=True)
    own = rows["clip"] == "3"
    rows.loc[own, "predicted"] = ["surprise", "negative", "surprise"]
    clips = ROWS[["corpus", "subject", "clip"]]
    predicted = failures.predictions(rows, clips)
    assert predicted["clip"].tolist() == clips["clip"].tolist()
    assert predicted.set_index("clip").loc["3", "made"] == "surprise"
    table = failures.shares_by(failures.by_clip(ROWS), "label")
    counts = dict(zip(CLASSES, (250, 109, 83), strict=True))
    assert table.set_index("label")["clips"].to_dict() == counts


def test_labels_are_named_by_their_selection():
    assert statistics.label("svm", "last") == "svm"
    assert statistics.label("svm", "inner") == "svm (inner)"


def test_epochs_of_a_run_are_its_predictions(study):
    key = keys(study, "ststnet")[0]
    every = experiments.epochs(key)
    predicted = experiments.read(key).predicted
    assert predicted.shape == (4, 30)
    last = every[every["epoch"] == 4]["predicted"].map(list(CLASSES).index)
    assert predicted[-1].tolist() == last.tolist()
    assert len(experiments.curves(key)) == 4 * 6


def test_flow_is_looked_at_only_where_there_are_images(tmp_path):
    assert failures.flow_views("megc2019_flow", str(tmp_path / "none")) is None
