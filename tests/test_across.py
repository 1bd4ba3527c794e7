"""A whole corpus is left out and chooses nothing; fewer training people, the same left-out ones."""

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views

from mer_utils import training
from mer_utils.analysis import across
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol
from mer_utils.evaluation.scores import PERSON
from mer_utils.experiments import budget

CLIPS = clip_table(16, 6)
VIEWS = made_views(CLIPS, 2.0)
CLASSES = ("negative", "positive", "surprise")


def test_every_corpus_is_left_out_once_with_all_its_clips():
    folds = protocol.corpus_folds(CLIPS)
    assert [fold.name for fold in folds] == ["left__all", "right__all"]
    for fold in folds:
        assert set(CLIPS["corpus"].iloc[fold.test]) == {fold.corpus}
        assert fold.corpus not in set(CLIPS["corpus"].iloc[fold.train])
        assert len(fold.test) + len(fold.train) == len(CLIPS)


def test_a_corpus_without_others_and_a_class_of_one_corpus_are_refused():
    with pytest.raises(StudyError, match="no other corpus than left"):
        protocol.corpus_folds(CLIPS[CLIPS["corpus"] == "left"])
    lone = CLIPS[(CLIPS["corpus"] == "left") | (CLIPS["label"] != "surprise")]
    with pytest.raises(StudyError, match="'surprise' is in left alone"):
        protocol.corpus_folds(lone)


def test_the_left_out_corpus_chooses_and_teaches_nothing(monkeypatch):
    """Its labels may be any: every prediction of its clips stays the same, and so does C."""
    seen, original = [], budget.choose

    def choose(task, train, **options):
        chosen = original(task, train, **options)
        seen.append(chosen)
        return chosen

    monkeypatch.setattr(budget, "choose", choose)
    left = CLIPS["corpus"] == "left"
    turned = np.roll(CLIPS.loc[left, "label"], 1)
    other = made_views(CLIPS, 2.0)
    other.clips.loc[left, "label"] = turned
    parts = []
    for views in (VIEWS, other):
        rows = across.left_out("svm", views, CLASSES)
        parts.append(rows[rows["corpus"] == "left"].drop(columns="label"))
    pd.testing.assert_frame_equal(*parts)
    assert seen[0][0] == seen[1][0]  # the budget for `left`
    assert set(parts[0]["selection"]) == {"inner"}


def test_inner_folds_of_a_corpus_hold_none_of_its_clips():
    groups = pd.Categorical(CLIPS["corpus"]).codes
    inner = budget.inner_folds(CLIPS, groups)
    assert [len(folds) for folds in inner.values()] == [budget.INNER] * 2
    for group, fold in [(group, fold) for group, folds in inner.items() for fold in folds]:
        assert group not in set(groups[fold.train]) | set(groups[fold.test])
        people = [set(protocol.person_of(CLIPS.iloc[part])) for part in (fold.train, fold.test)]
        assert not people[0] & people[1]


def test_a_loss_is_paired_with_one_subject_left_out_on_the_same_clips():
    rows = across.left_out("hoof", VIEWS, CLASSES)
    lines = pd.DataFrame(across.gaps(rows, rows))
    assert list(lines["corpus"]) == ["all", "left", "right"]
    assert (lines[["lost", "lost low", "lost high"]] == 0).all(axis=None)
    assert np.allclose(lines["LOSO"], lines["UF1"]) and list(lines["clips"]) == [96, 48, 48]
    alone = pd.DataFrame(across.gaps(rows, None))
    assert alone["LOSO"].isna().all() and (alone["UF1"] == lines["UF1"]).all()


def test_subsets_of_training_people_are_nested_and_leave_out_the_same():
    folds = protocol.subject_folds(CLIPS, count=4)
    found = list(across.fewer(CLIPS, folds, draws=2))
    assert [size for size, *_ in found] == 4 * [4, 8, 4, 8, 12]  # 16 people, 4 left out
    for start in range(0, len(found), 5):
        whole = found[start + 4][2]
        for small, large in ((0, 1), (1, 4), (2, 3), (3, 4)):
            inside, outside = (set(found[start + i][2].train) for i in (small, large))
            assert inside < outside
            assert (found[start + small][2].test == whole.test).all()
        for size, _, fold in found[start : start + 5]:
            train = CLIPS.iloc[fold.train]
            assert len(train.groupby(PERSON)) == size and set(train["label"]) == set(CLASSES)
    assert len({fold.name for *_, fold in found}) == len(found)


def test_a_curve_scores_every_clip_once_per_draw(monkeypatch):
    monkeypatch.setattr(training, "_processes", lambda *_: 1)
    rows = across.curve("hoof", VIEWS, CLASSES, draws=2)
    sizes = rows.groupby(["people", "seed"]).size().to_dict()
    assert sizes == {(4, 0): 96, (4, 1): 96, (8, 0): 96, (8, 1): 96, (14, 0): 96}
