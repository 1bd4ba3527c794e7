"""The SVM of a run: distances computed once, and the decisions of scikit-learn's machine on x."""

import dataclasses

import numpy as np
import pytest
from made_clips import clip_table, made_views
from sklearn.svm import SVC

from mer_utils import experiments, paths, training
from mer_utils.corpora import CLASSES
from mer_utils.evaluation import protocol
from mer_utils.experiments import budget
from mer_utils.experiments.run import features_of
from mer_utils.systems import svm
from mer_utils.training.task import sharing

CLIPS = clip_table(12, 8)
VIEWS = made_views(CLIPS, strength=0.3)
LABELS = CLIPS["label"].map(CLASSES.index).to_numpy()
FOLDS = protocol.folds(CLIPS)


def task(labels=LABELS, views=VIEWS, **fields) -> training.Task:
    config = svm.Config(**{"flow": "flow", **fields})
    x = features_of(svm, config, views)
    return training.Task(svm, config, x, CLIPS, labels, n_classes=len(set(labels)))


@pytest.mark.parametrize("mirror", [True, False])
@pytest.mark.parametrize("classes", [3, 2])
@pytest.mark.parametrize("cost", [0.3, 1.0, 30.0])
def test_a_fold_decides_as_the_machine_on_x(cost, classes, mirror):
    labels = LABELS % classes
    given, fold = sharing(task(labels, cost=cost, mirror=mirror)), FOLDS[3]
    x, count = given.features["x"], len(CLIPS)
    copies = [fold.train, fold.train + count][: 1 + mirror]
    plain = SVC(C=cost, gamma="scale", class_weight="balanced", tol=1e-6)
    plain.fit(x[np.concatenate(copies)], np.tile(labels[fold.train], 1 + mirror))
    assert svm.scale(given.shared, fold.train) == pytest.approx(plain._gamma, rel=1e-9)

    machine, alike = svm.fit_shared(given.config, given.shared, labels, fold.train, fold.test)
    decision = machine.decision_function(alike)
    for copy in (0, count)[: 1 + mirror]:  # which cannot tell a clip from its mirror image
        expected = plain.decision_function(x[fold.test + copy])
        np.testing.assert_allclose(decision, expected, atol=2e-3)
    assert np.ptp(decision) > 0.1


@pytest.mark.parametrize("mirror", [True, False])
def test_a_run_predicts_as_folds_that_share_nothing(mirror):
    given = task(mirror=mirror)
    for result in training.train_folds(given, FOLDS, jobs=1):
        (plain,) = (training.train_fold(given, fold) for fold in FOLDS if fold is result.fold)
        np.testing.assert_array_equal(result.probabilities, plain.probabilities)


@pytest.mark.parametrize("flow", ["flow", "flow_centred", "flow_legacy"])
def test_mirror_images_are_as_far_apart_as_clips(flow):
    values = VIEWS.arrays["flow"] if flow != "flow_legacy" else 128 + 9 * VIEWS.arrays["flow"]
    given = task(views=dataclasses.replace(VIEWS, arrays={flow: values}), flow=flow)
    x, count = given.features["x"], len(CLIPS)
    ours, (mirrored,) = (svm.shared(part, count)["distances"] for part in (x, x[count:]))
    np.testing.assert_allclose(mirrored, ours[0], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(ours[1], ours[1].T, rtol=1e-5, atol=1e-3)
    expected = np.square(x[count + 5].astype(float) - x[7]).sum()
    assert ours[1][5, 7] == pytest.approx(expected, rel=1e-5)


def test_the_left_out_clips_have_no_say():
    fold, (flow,) = FOLDS[0], [VIEWS.arrays["flow"].copy()]
    flow[fold.test] = np.random.default_rng(1).normal(0, 50, flow[fold.test].shape)
    spoiled = dataclasses.replace(VIEWS, arrays={"flow": flow})
    labels = LABELS.copy()
    labels[fold.test] = (labels[fold.test] + 1) % 3
    machines = []
    for given in (sharing(task()), sharing(task(labels, spoiled))):
        shared = given.config, given.shared, given.labels, fold.train, fold.test
        machines.append(svm.fit_shared(*shared)[0])
    np.testing.assert_array_equal(*(machine.dual_coef_ for machine in machines))
    np.testing.assert_array_equal(*(machine.support_ for machine in machines))


def test_distances_are_computed_once_for_all_folds_and_choices(monkeypatch, tmp_path):
    for name in ("RUNS", "KEPT"):
        monkeypatch.setattr(paths, name, tmp_path / name)
    calls = {"shared": 0, "fit_shared": 0, "estimator": 0}

    def counted(name):
        function = getattr(svm, name)

        def count(*given):
            calls[name] += 1
            return function(*given)

        monkeypatch.setattr(svm, name, count)

    for name in calls:
        counted(name)
    run = experiments.declare("svm", "made", VIEWS, selection="inner")
    rows = experiments.run(run, VIEWS, jobs=1, device="cpu", progress=False)
    fitted = len(FOLDS) + len(svm.ARMS) * budget.GROUPS * budget.INNER
    assert calls == {"shared": 1, "fit_shared": fitted, "estimator": fitted}
    assert len(rows) == len(CLIPS)
