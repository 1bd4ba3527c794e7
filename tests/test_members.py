"""A fold's model gives again what its run holds, and reads a clip alone as among others."""

import numpy as np
import pytest
from made_clips import clip_table, made_views

from mer_utils import environment, experiments, paths
from mer_utils.errors import StudyError
from mer_utils.prediction import members

CLIPS = clip_table()
VIEWS = made_views(CLIPS)
QUICK = {"ststnet": {"epochs": 2}, "mhssa_gcn": {"epochs": 2, "dim": 16}, "svm": {}}


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    for name in ("RUNS", "KEPT", "WEIGHTS"):
        monkeypatch.setattr(paths, name, tmp_path / name)


def trained(system: str, keep_weights: bool = True, **fields):
    experiment = experiments.declare(system, "made", VIEWS, **QUICK[system], **fields)
    rows = experiments.run(
        experiment, VIEWS, jobs=1, device="cpu", progress=False, keep_weights=keep_weights
    )
    return experiment, rows


@pytest.mark.parametrize("system", QUICK)
@pytest.mark.parametrize("selection", ["last", "inner"])
def test_left_out_clips_are_predicted_as_in_the_run(system, selection):
    experiment, rows = trained(system, selection=selection)
    found = np.empty((len(CLIPS), len(experiment.classes)))
    for fold, member in members.members(experiment, VIEWS):
        own = {name: values[fold.test] for name, values in VIEWS.arrays.items()}
        found[fold.test] = member.probabilities(own, CLIPS.iloc[fold.test])
    columns = [f"p_{name}" for name in experiment.classes]
    expected = CLIPS.merge(rows, on=["corpus", "subject", "clip"])[columns]
    np.testing.assert_allclose(found, expected.to_numpy(), atol=1e-5)


@pytest.mark.parametrize("system", QUICK)
def test_a_clip_alone_is_read_as_among_others(system):
    experiment, _ = trained(system)
    _, member = next(members.members(experiment, VIEWS))
    every = member.probabilities(VIEWS.arrays, CLIPS)
    alone = [
        member.probabilities({n: v[i : i + 1] for n, v in VIEWS.arrays.items()}, CLIPS[i : i + 1])
        for i in range(len(CLIPS))
    ]
    np.testing.assert_allclose(np.concatenate(alone), every, atol=1e-6)


def test_weights_that_were_not_kept_are_asked_for():
    experiment, _ = trained("ststnet", keep_weights=False)
    with pytest.raises(
        StudyError, match="ststnet.* does not exist: train that run again with --keep"
    ):
        list(members.members(experiment, VIEWS))


def read(rows, fold, member):
    own = {name: values[fold.test] for name, values in VIEWS.arrays.items()}
    return fold.name, member.probabilities(own, CLIPS.iloc[fold.test])


@pytest.mark.parametrize("system, cores", [("svm", 1), ("svm", 2), ("ststnet", 2)])
def test_those_alone_are_asked_who_have_not_seen_a_clip(system, cores, monkeypatch):
    experiment, _ = trained(system)
    monkeypatch.setattr(environment, "cores", lambda: cores)
    places, found = np.array([5, 0, 4, 5]), {}
    for rows, (name, chances) in members.ask(experiment, VIEWS, places, read):
        found[name] = chances
        clips = CLIPS.iloc[places[rows]]
        assert set(clips["corpus"] + "__" + clips["subject"]) == {name}
    expected = {fold.name: member for fold, member in members.members(experiment, VIEWS, places)}
    assert set(found) == set(expected) and len(found) == len(CLIPS.iloc[places]["subject"].unique())
    for fold, member in members.members(experiment, VIEWS):
        if fold.name in found:
            np.testing.assert_allclose(found[fold.name], read(None, fold, member)[1], atol=1e-6)
