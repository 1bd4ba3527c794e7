"""Intervals: from counts as from rows, wide for few subjects, honest about what is paired."""

import numpy as np
import pandas as pd
import pytest
from made_clips import official_clips, prediction_rows
from scipy import stats

from mer_utils.corpora import CLASSES
from mer_utils.errors import StudyError
from mer_utils.evaluation import scores, statistics

ROWS = prediction_rows(official_clips())
PEOPLE = scores.tally(ROWS).counts[0]  # (subjects, C, C)


def test_scores_of_counts_are_scores_of_rows():
    assert scores.of(PEOPLE.sum(0)) == scores.of(scores.confusion(ROWS))


def test_a_class_in_neither_column_counts_nothing_in_both():
    rows = ROWS[(ROWS["label"] != "surprise") & (ROWS["predicted"] != "surprise")]
    pooled = scores.of(scores.tally(rows).counts[0].sum(0))
    assert pooled["UF1"] == pytest.approx(scores.uf1(rows))
    assert pooled["UAR"] == pytest.approx(scores.uar(rows))


def test_a_bootstrap_sample_is_the_score_of_its_subjects_rows():
    drawn = statistics.draws(68, 3, seed=1)
    assert (drawn.sum(1) == 68).all()
    counts = np.einsum("bs,sij->bij", drawn, PEOPLE)
    subjects = sorted(ROWS["subject"].unique())
    for times, score in zip(drawn, scores.of(counts)["UF1"], strict=True):
        sample = pd.concat(
            [ROWS[ROWS["subject"] == name] for name, n in zip(subjects, times, strict=True)
             for _ in range(n)]
        )  # fmt: skip
        assert score == pytest.approx(scores.uf1(sample))


def test_an_interval_holds_its_score_and_is_the_same_again():
    low, high = statistics.interval(ROWS, "UF1")
    assert low < scores.uf1(ROWS) < high
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


def test_the_interval_of_uf1_covers_the_truth_of_a_population_of_subjects():
    """300 studies of 68 people drawn from those of ROWS; a little narrow, as percentiles are."""
    random = np.random.default_rng(0)
    truth = scores.of(PEOPLE.sum(0))["UF1"]
    covered = []
    for study in range(300):
        sample = PEOPLE[random.integers(0, 68, 68)]
        samples = statistics.resampled(sample[None], "UF1", 400, seed=study, widen=1)
        low, high = np.quantile(samples, [0.025, 0.975])
        covered.append(low <= truth <= high)
    assert 0.90 <= np.mean(covered) <= 0.98


def test_seeds_share_subjects_and_average_scores():
    second = prediction_rows(official_clips(), seed=1).assign(seed=1)
    both = pd.concat([ROWS, second])
    mean = (scores.uf1(ROWS) + scores.uf1(second)) / 2
    assert statistics.mean_uf1(both) == pytest.approx(mean)
    low, high = statistics.interval(both)
    assert low < mean < high
    one = statistics.interval(ROWS)
    assert high - low < one[1] - one[0]  # independent seeds average out


def test_a_pair_is_compared_on_the_same_people():
    better = ROWS.copy()
    wrong = np.flatnonzero(better["label"] != better["predicted"])[::4]
    better.iloc[wrong, better.columns.get_loc("predicted")] = better["label"].iloc[wrong]
    gap, low, high = statistics.difference(better, ROWS)
    assert gap == pytest.approx(scores.uf1(better) - scores.uf1(ROWS))
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
    assert high < scores.uar(ROWS)
    dealt = ROWS.assign(predicted=ROWS["predicted"].sample(frac=1, random_state=4).to_numpy())
    assert low - 0.03 < scores.uar(dealt) < high + 0.03


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
    assert first["UF1"] == pytest.approx(scores.uf1(ROWS))
    assert (first["UF1 low"], first["UF1 high"]) == statistics.interval(ROWS)
    assert first["UAR low"] < first["UAR"] < first["UAR high"]
    assert set(rows["label"]) == set(CLASSES)


# --- tests between systems ------------------------------------------------------------------------


def study_of(right, subjects, clips, random):
    """(seeds, subjects, 2, 2) counts: labels half and half, right with chance `right`."""
    counts = np.zeros((*right.shape, 2, 2))
    for label in (0, 1):
        hits = random.binomial(clips // 2, right)
        counts[..., label, label], counts[..., label, 1 - label] = hits, clips // 2 - hits
    return counts


def test_the_exchange_test_is_scipys_where_all_exchanges_can_be_listed():
    random = np.random.default_rng(3)
    ours = study_of(np.full((1, 8), 0.8), 8, 6, random)
    theirs = study_of(np.full((1, 8), 0.6), 8, 6, random)
    every = np.array([[number >> bit & 1 for bit in range(8)] for number in range(256)], float)
    both = np.concatenate([ours[0], theirs[0]])

    def gap(one, two, axis):
        sides = (both[np.moveaxis(side, axis, -1).astype(int)].sum(-3) for side in (one, two))
        return np.subtract(*(scores.of(side)["UF1"] for side in sides))

    numbers = (np.arange(8), np.arange(8, 16))
    exact = stats.permutation_test(
        numbers, gap, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    found = statistics.exchange_test(ours, theirs, "UF1", every, widen=1)
    assert 0 < exact.pvalue < 0.2
    assert found == pytest.approx((1 + 256 * exact.pvalue) / 257)


def test_equal_systems_differ_significantly_in_one_study_of_twenty():
    """300 studies of 30 people; each system suits other people, neither suits more of them.

    The same test on single clips, as a McNemar test is one, calls far more of them different.
    """
    random = np.random.default_rng(0)
    flips = statistics.exchanges(30, 500)
    single = statistics.exchanges(30 * 6, 500)
    called, wrongly = [], []
    for _ in range(300):
        right = random.beta(1.2, 0.8, (2, 30))  # mean 0.6, of either system for each person
        ours = study_of(np.tile(right[0], (3, 1)), 30, 6, random)  # three seeds
        theirs = study_of(right[1][None], 30, 6, random)  # one
        called.append(statistics.exchange_test(ours, theirs, "UF1", flips, widen=1) < 0.05)
        clips = [as_clips(side[0]) for side in (ours, theirs)]
        wrongly.append(statistics.exchange_test(*clips, "UF1", single, widen=1) < 0.05)
    assert 0.02 <= np.mean(called) <= 0.085
    assert np.mean(wrongly) > 0.15


def as_clips(counts):
    """(subjects, 2, 2) -> (1, clips, 2, 2): every clip its own subject, in the order of labels."""
    found = []
    for subject in counts:
        for label in (0, 1):
            for predicted in (0, 1):
                cell = np.zeros((2, 2))
                cell[label, predicted] = 1
                found += [cell] * int(subject[label, predicted])
    return np.array(found)[None]


def test_a_gap_of_the_size_that_could_be_shown_is_shown_four_times_in_five():
    random = np.random.default_rng(1)
    skill = random.beta(6, 4, 40)

    def estimated(gap):
        ours, theirs = (study_of(each[None], 40, 20, random) for each in (skill, skill - gap))
        samples = [
            statistics.resampled(side, "accuracy", 300, widen=1).mean(0) for side in (ours, theirs)
        ]
        return np.subtract(*samples).std(), ours, theirs

    skill = skill.clip(0.2, 0.9)
    sd = np.mean([estimated(0.0)[0] for _ in range(20)])
    gap = statistics.detectable(sd)
    assert gap == pytest.approx(2.80 * sd, rel=0.01)
    flips = statistics.exchanges(40, 400)
    p = [
        statistics.exchange_test(ours, theirs, "accuracy", flips, widen=1)
        for _, ours, theirs in (estimated(gap) for _ in range(200))
    ]
    assert 0.70 <= np.mean(np.less(p, 0.05)) <= 0.90
    assert statistics.subjects_needed(gap, sd, 40) == 40
    assert 158 <= statistics.subjects_needed(gap / 2, sd, 40) <= 161
    assert statistics.detectable(sd, tests=10) > statistics.detectable(sd)


def test_pairs_are_compared_as_one_by_one():
    other = prediction_rows(official_clips(), right=0.3, seed=3).assign(system="other")
    again = prediction_rows(official_clips(), right=0.57, seed=4).assign(system="again")
    rows = pd.concat([ROWS, ROWS.assign(seed=1), other, again], ignore_index=True)
    table = statistics.compare(rows, count=2000)
    assert list(zip(table["system"], table["against"], strict=True)) == [
        ("made", "again"),
        ("made", "other"),
        ("again", "other"),
    ]
    line = table.iloc[0]
    gap = statistics.difference(ROWS, again)
    assert (line["difference"], line["low"], line["high"]) == pytest.approx(gap)
    assert table["significant"].tolist() == [False, True, True] and (table["difference"] > 0).all()
    ranked = table.sort_values("p", kind="stable")  # Holm's: the smallest p times 3, 2, 1
    raised = np.maximum.accumulate(ranked["p"] * [3, 2, 1]).clip(upper=1)
    assert ranked["p Holm"].tolist() == pytest.approx(raised.tolist())
    assert table["p"].iloc[1] == pytest.approx(1 / 2001)
    assert statistics.stretches(table, ["made", "again", "other"]) == [(0, 1)]
    with pytest.raises(StudyError, match="not on the same clips"):
        statistics.compare(pd.concat([ROWS, other[other["subject"] != "001"]]))


def test_bars_join_what_is_not_significantly_different_and_nothing_else():
    pairs = pd.DataFrame(
        {"system": ["a", "a", "b"], "against": ["c", "d", "d"], "significant": True}
    )
    assert statistics.stretches(pairs, "abcd") == [(0, 1), (1, 2), (2, 3)]
    assert statistics.stretches(pairs[:0], "abcd") == [(0, 3)]
    all_pairs = pd.DataFrame({"system": ["b", "a"], "against": ["c", "b"], "significant": True})
    assert statistics.stretches(all_pairs, "abc") == []


def test_the_spread_of_people_is_not_that_of_seeds():
    """Many studies made with known spreads of people, of seeds, and of both together."""
    random = np.random.default_rng(2)
    seeds, people, clips = 12, 60, 40
    found = []
    for _ in range(40):
        right = 0.6 + random.normal(0, 0.12, people) + random.normal(0, 0.03, (seeds, 1))
        right = (right + random.normal(0, 0.10, (seeds, people))).clip(0, 1)
        known = random.random((clips, seeds, people)) < right
        rows = pd.DataFrame(
            {
                "system": "made",
                "selection": "last",
                "seed": np.tile(np.repeat(np.arange(seeds), people), clips),
                "corpus": "x",
                "subject": np.tile(np.arange(people).astype(str), clips * seeds),
                "label": "negative",
                "predicted": np.where(known.ravel(), "negative", "positive"),
            }
        )
        found.append(statistics.spread(rows, "accuracy", n=300).iloc[0])
    squares = (pd.DataFrame(found)[["sd of subjects", "sd of seeds"]].astype(float) ** 2).mean()
    noise = (0.24 - 0.12**2 - 0.10**2) / clips  # of single clips, about
    expected = statistics.RETRAINED * 0.12 / np.sqrt(people)
    assert np.sqrt(squares["sd of subjects"]) == pytest.approx(expected, rel=0.15)
    expected = np.sqrt(0.03**2 + (0.10**2 + noise) / people)
    assert np.sqrt(squares["sd of seeds"]) == pytest.approx(expected, rel=0.15)


def test_one_seed_says_nothing_about_seeds():
    line = statistics.spread(ROWS).iloc[0]
    assert np.isnan(line["sd of seeds"])
    low, high = statistics.interval(ROWS)
    assert line["sd of one run"] == pytest.approx((high - low) / 3.92, rel=0.1)


def test_unknown_classes_and_no_rows_are_refused():
    with pytest.raises(StudyError, match="'anger'"):
        scores.tally(ROWS.assign(predicted="anger"))
    with pytest.raises(StudyError, match="no prediction rows"):
        scores.tally(ROWS[:0])
