"""Leave-one-subject-out: nobody on both sides, and every refusal in one sentence."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_clips import clip_table

from mer_utils.corpora import CLASSES, KEY
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol


def people(clips: pd.DataFrame, positions: np.ndarray) -> set[tuple[str, str]]:
    return set(map(tuple, clips.iloc[positions][["corpus", "subject"]].to_numpy()))


@given(subjects=st.integers(2, 12), each=st.integers(3, 6), seed=st.integers(0, 99))
def test_every_clip_is_left_out_once_with_all_of_its_subject(subjects, each, seed):
    clips = clip_table(subjects, each, seed)
    folds = protocol.folds(clips)
    assert len(folds) == subjects
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(clips)))
    for fold in folds:
        assert people(clips, fold.test) == {(fold.corpus, fold.subject)}
        assert not people(clips, fold.train) & people(clips, fold.test)
        assert len(fold.train) + len(fold.test) == len(clips)


def test_the_same_id_in_two_corpora_is_two_people():
    names = [fold.name for fold in protocol.folds(clip_table(4))]
    assert names == ["left__001", "left__002", "right__001", "right__002"]


def test_folds_do_not_depend_on_the_order_of_clips():
    clips = clip_table()
    shuffled = clips.sample(frac=1, random_state=3).reset_index(drop=True)
    for one, other in zip(protocol.folds(clips), protocol.folds(shuffled), strict=True):
        assert one.name == other.name
        there = [
            set(map(tuple, table.iloc[fold.test][KEY].to_numpy()))
            for table, fold in ((clips, one), (shuffled, other))
        ]
        assert there[0] == there[1]


def test_signs_that_no_file_name_may_hold_are_spelled_out():
    clips = clip_table().replace({"subject": {"001": "a/b"}})
    assert [fold.name for fold in protocol.folds(clips)][2] == "left__a%2Fb"


def test_subjects_are_dealt_whole_and_every_group_gets_some_of_each_corpus():
    clips = clip_table(12)
    groups = protocol.dealt(clips, 3)
    per_person = clips.assign(group=groups).groupby(["corpus", "subject"])["group"]
    assert (per_person.nunique() == 1).all()
    counts = per_person.first().groupby("corpus").value_counts().unstack(fill_value=0)
    assert counts.shape[1] == 3 and (counts.max(1) - counts.min(1)).max() <= 1
    order = np.random.default_rng(0).permutation(len(clips))
    np.testing.assert_array_equal(protocol.dealt(clips.iloc[order], 3), groups[order])
    unlabelled = clips.assign(label="negative")
    np.testing.assert_array_equal(protocol.dealt(unlabelled, 3), groups)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda c: c[(c["corpus"] == "left") & (c["subject"] == "001")], "two subjects or more"),
        (lambda c: c[c["label"] != "surprise"], "class 'surprise' has no clip"),
        (lambda c: pd.concat([c, c.iloc[[4]]], ignore_index=True), "twice"),
        (lambda c: c.replace({"label": {"surprise": "fear"}}), "label 'fear' is none of"),
        (lambda c: c.iloc[:0], "the corpus has 0"),
    ],
)
def test_refusals(spoil, words):
    with pytest.raises(StudyError, match=words):
        protocol.folds(spoil(clip_table()))


def test_refuses_a_fold_with_one_class_to_learn_from():
    clips = pd.DataFrame(
        {
            "corpus": "x",
            "subject": ["a", "a", "a", "b", "b"],
            "clip": list("12345"),
            "label": [*CLASSES, "negative", "negative"],
        }
    )
    with pytest.raises(
        StudyError, match="leaving out x a leaves 2 clips of fewer than two classes"
    ):
        protocol.folds(clips)


def test_a_class_of_one_subject_is_scored_all_the_same():
    clips = clip_table()
    clips.loc[clips["label"] == "surprise", "label"] = "positive"
    clips.loc[0, "label"] = "surprise"
    assert len(protocol.folds(clips)) == 6


def test_random_folds_put_people_on_both_sides():
    clips = clip_table(6, 20)
    folds = protocol.random_folds(clips, 10)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(clips)))
    assert all(people(clips, fold.test) & people(clips, fold.train) for fold in folds)
    again = protocol.random_folds(clips, 10)
    assert all((a.test == b.test).all() for a, b in zip(folds, again, strict=True))


def test_a_subset_of_subjects_can_be_left_out_in_turn():
    clips = clip_table(12, 4)
    subset = clips.iloc[protocol.subset(clips)].reset_index(drop=True)
    assert len(protocol.folds(subset)) == 6
    rare = clips.assign(label=["surprise", *["negative", "positive"] * 23, "negative"])
    subset = rare.iloc[protocol.subset(rare, 1)]
    assert set(subset["label"]) == set(CLASSES)


ROWS = pd.DataFrame(
    {"corpus": "x", "subject": list("aab"), "clip": list("011"), "label": "positive"}
)
PREDICTED = np.array([[0, 1, 1], [1, 1, 0], [1, 1, 1]])  # after epochs 1 to 3; 1 is right


def test_the_oracle_takes_the_last_best_epoch_of_each_subject():
    picked = protocol.oracle(ROWS, PREDICTED)
    assert picked["epoch"].tolist() == [3, 3, 3]
    assert (picked["label"] == picked["predicted"]).all()


def test_systems_without_epochs_have_no_oracle():
    assert not len(protocol.oracle(ROWS, np.empty((0, 0), int)))


def test_folds_by_name_mix_people_where_names_repeat():
    clips = pd.DataFrame(
        {
            "corpus": ["a", "a", "a", "a", "b"],
            "subject": ["1", "1", "2", "2", "1"],
            "clip": ["EP1", "EP2", "EP1", "EP3", "EP1"],
        }
    )
    folds = {fold.name: fold for fold in protocol.folds_by_name(clips)}
    assert {name: fold.test.tolist() for name, fold in folds.items()} == {
        "a__1": [1],
        "a__2": [0, 2, 3],
        "b__1": [4],
    }
    left_out = folds["a__1"]
    assert set(clips["subject"].iloc[left_out.train]) >= {"1"}  # its other clip is learned from
    alone = clips.assign(clip=["EP1", "EP2", "EP4", "EP3", "EP1"])
    assert [fold.test.tolist() for fold in protocol.folds_by_name(alone)] == [[0, 1], [2, 3], [4]]
