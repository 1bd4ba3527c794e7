"""Intervals: from counts as from rows, wide for few subjects, honest about what is paired."""

import numpy as np
import pandas as pd
import pytest
from made_clips import official_clips, prediction_rows

from mer_utils import metrics, statistics
from mer_utils.corpora import CLASSES
from mer_utils.errors import StudyError

ROWS = prediction_rows(official_clips())


def test_scores_of_counts_are_scores_of_rows():
    pooled = statistics.scores(statistics.confusions(ROWS).sum(0))
    for name in ("UF1", "UAR", "accuracy"):
        assert pooled[name] == pytest.approx(metrics.SCORES[name](ROWS))


def test_a_class_in_neither_column_counts_nothing_in_both():
    rows = ROWS[(ROWS["label"] != "surprise") & (ROWS["predicted"] != "surprise")]
    pooled = statistics.scores(statistics.confusions(rows).sum(0))
    assert pooled["UF1"] == pytest.approx(metrics.uf1(rows))
    assert pooled["UAR"] == pytest.approx(metrics.uar(rows))


def test_a_bootstrap_sample_is_the_score_of_its_subjects_rows():
    drawn = statistics.draws(68, 3, seed=1)
    assert (drawn.sum(1) == 68).all()
    counts = np.einsum("bs,sij->bij", drawn, statistics.confusions(ROWS))
    subjects = sorted(ROWS["subject"].unique())
    for times, score in zip(drawn, statistics.scores(counts)["UF1"], strict=True):
        sample = pd.concat(
            [ROWS[ROWS["subject"] == name] for name, n in zip(subjects, times, strict=True)
             for _ in range(n)]
        )  # fmt: skip
        assert score == pytest.approx(metrics.uf1(sample))


def test_an_interval_holds_its_score_and_is_the_same_again():
    low, high = statistics.interval(ROWS, "UF1")
    assert low < metrics.uf1(ROWS) < high
    assert 0.05 < high - low < 0.2  # 68 subjects: about +-0.06
    assert statistics.interval(ROWS, "UF1") == (low, high)
    assert statistics.interval(ROWS, "UF1", seed=1) != (low, high)


def test_fewer_subjects_make_a_wider_interval():
    few = ROWS[ROWS["subject"] < "017"]
    low, high = statistics.interval(ROWS)
    few_low, few_high = statistics.interval(few)
    assert few_high - few_low > 1.4 * (high - low)


def test_clips_of_one_person_are_not_independent():
    """Ten copies of every clip are no news about anybody: the interval stays."""
    copies = pd.concat([ROWS.assign(clip=ROWS["clip"] + f"_{n}") for n in range(10)])
    assert statistics.interval(copies) == pytest.approx(statistics.interval(ROWS))


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """300 studies of 40 people whose accuracies differ: 95 % intervals of the accuracy."""
    random = np.random.default_rng(0)
    covered = []
    for study in range(300):
        skill = random.beta(6, 4, 40)  # mean 0.6
        knows = random.random((40, 6)) < skill[:, None]
        rows = pd.DataFrame(
            {
                "corpus": "x",
                "subject": np.repeat([f"{n:02}" for n in range(40)], 6),
                "label": "negative",
                "predicted": np.where(knows.ravel(), "negative", "positive"),
            }
        )
        low, high = statistics.interval(rows, "accuracy", n=400, seed=study)
        covered.append(low <= 0.6 <= high)
    assert 0.90 <= np.mean(covered) <= 0.98


def test_seeds_share_subjects_and_average_scores():
    second = prediction_rows(official_clips(), seed=1).assign(seed=1)
    both = pd.concat([ROWS, second])
    mean = (metrics.uf1(ROWS) + metrics.uf1(second)) / 2
    assert statistics.mean_score(both, "UF1") == pytest.approx(mean)
    low, high = statistics.interval(both)
    assert low < mean < high
    one = statistics.interval(ROWS)
    assert high - low < one[1] - one[0]  # independent seeds average out


def test_a_pair_is_compared_on_the_same_people():
    better = ROWS.copy()
    wrong = np.flatnonzero(better["label"] != better["predicted"])[::4]
    better.iloc[wrong, better.columns.get_loc("predicted")] = better["label"].iloc[wrong]
    gap, low, high = statistics.difference(better, ROWS)
    assert gap == pytest.approx(metrics.uf1(better) - metrics.uf1(ROWS))
    assert 0 < low < gap < high
    alone = statistics.interval(ROWS)
    assert high - low < (alone[1] - alone[0]) / 1.5
    assert statistics.difference(ROWS, ROWS) == (0, 0, 0)


def test_a_pair_on_other_clips_is_refused():
    with pytest.raises(StudyError, match="not on the same clips"):
        statistics.difference(ROWS, ROWS[ROWS["subject"] != "001"])


def test_chance_is_where_dealt_predictions_land():
    low, high = statistics.chance(ROWS, "UAR")
    assert low < 1 / 3 < high
    assert high < metrics.uar(ROWS)
    dealt = ROWS.assign(predicted=ROWS["predicted"].sample(frac=1, random_state=4).to_numpy())
    assert low - 0.03 < metrics.uar(dealt) < high + 0.03


def test_summary_has_a_line_per_system_and_selection():
    other = prediction_rows(official_clips(), right=0.2, seed=3)
    rows = pd.concat(
        [ROWS, ROWS.assign(seed=1), other.assign(system="other"), ROWS.assign(selection="inner")]
    )
    table = statistics.summary(rows)
    assert table[["system", "selection", "seeds"]].to_numpy().tolist() == [
        ["made", "last", 2],
        ["other", "last", 1],
        ["made", "inner", 1],
    ]
    assert (table["clips"] == 442).all() and (table["subjects"] == 68).all()
    first = table.iloc[0]
    assert first["UF1"] == pytest.approx(metrics.uf1(ROWS))
    assert (first["UF1 low"], first["UF1 high"]) == statistics.interval(ROWS)
    assert first["UAR low"] < first["UAR"] < first["UAR high"]
    assert set(rows["label"]) == set(CLASSES)
