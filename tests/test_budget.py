"""A budget is chosen inside the training folds: what is left out has no say in it."""

import dataclasses
from functools import partial

import made_system
import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views

from mer_utils import experiments, paths, systems, training
from mer_utils.corpora import CLASSES
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol
from mer_utils.experiments import budget, store
from mer_utils.experiments.run import features_of

CLIPS = clip_table(12)
LABELS = CLIPS["label"].map(CLASSES.index).to_numpy()
QUICK = {"flow": "flow", "epochs": 4, "batch_size": 8}


def task(views, labels=LABELS, system="ststnet", **fields) -> training.Task:
    fields = (QUICK if system == "ststnet" else {"flow": "flow"}) | fields
    module, config = systems.resolve(system, fields, "small")
    features = features_of(module, config, views)
    return training.Task(module, config, features, CLIPS, labels, n_classes=3)


train = partial(training.train_folds, jobs=1)


def test_inner_folds_hold_no_subject_of_their_group_and_no_subject_twice():
    groups, inner = protocol.dealt(CLIPS, budget.GROUPS), budget.inner_folds(CLIPS)
    person = np.array(["/".join(each) for each in protocol.person_of(CLIPS)])
    assert sorted(inner) == list(range(budget.GROUPS))
    for group, folds in inner.items():
        for fold in folds:
            assert not set(person[fold.train]) & set(person[fold.test])
            both = np.concatenate([fold.train, fold.test])
            np.testing.assert_array_equal(np.sort(both), np.flatnonzero(groups != group))
        tests = [fold.test for fold in folds]
        assert len(tests) == budget.INNER
        np.testing.assert_array_equal(
            np.sort(np.concatenate(tests)), np.flatnonzero(groups != group)
        )


def test_the_choice_of_a_group_does_not_see_its_subjects():
    """Their labels dealt anew and their clips made noise: the choice, to the last digit, stays."""
    views, random = made_views(CLIPS), np.random.default_rng(0)
    groups = protocol.dealt(CLIPS, budget.GROUPS)
    true = budget.choose(task(views, epochs=2), train)
    for group in (0, 3):
        own = groups == group
        labels, flow = LABELS.copy(), views.arrays["flow"].copy()
        labels[own] = (labels[own] + 1) % 3
        flow[own] = random.normal(0, 50, flow[own].shape)
        spoiled = dataclasses.replace(views, arrays=views.arrays | {"flow": flow})
        found = budget.choose(task(spoiled, labels, epochs=2), train)
        assert found[group] == true[group]
        assert found != true, "other groups do see these subjects"


def test_the_lowest_smoothed_balanced_brier_score_is_chosen():
    labels = np.array([0, 0, 0, 1, 0, 1, 2, 2])
    folds = [
        protocol.Fold("group 0", str(number), np.array([]), test)
        for number, test in enumerate((np.arange(4), np.arange(4, 8)))
    ]
    errors = [np.array([[1.0, 1, 1, 0]]), np.array([[1.0, 0, 2, 2]])]
    assert budget.balanced(labels, folds, errors) == pytest.approx([(1 + 0 + 2) / 3])
    curve = budget.smoothed(np.array([5.0, 5, 5, 0, 5, 5, 1, 1, 1, 1, 5]))
    assert curve.argmin() == 7  # one lucky epoch is none
    assert len(budget.smoothed(np.ones(2))) == 2


def test_arms_are_rates_as_described_and_regularised():
    module, config = systems.resolve("htnet", {}, "small")
    found = budget.arms(module, config)
    rates = sorted({arm["learning_rate"] / config.learning_rate for arm in found})
    assert rates == pytest.approx(sorted(budget.RATES)) and len(found) == 6
    assert {arm["epochs"] for arm in found} == {round(budget.LONGER * config.epochs)}
    strong = [arm for arm in found if "weight_decay" in arm]
    assert len(strong) == 3 and all(arm["dropout"] >= 0.3 for arm in strong)
    for arm in found:
        dataclasses.replace(config, **arm)  # every field is one of the Config


def test_an_arm_that_diverges_is_no_choice(monkeypatch):
    features = made_system.features(made_views(CLIPS).arrays, CLIPS, None)
    config = made_system.Config()
    given = training.Task(made_system, config, features, CLIPS, LABELS, n_classes=3)
    arms = ({"diverge_at": 2}, {"diverge_at": 0})
    monkeypatch.setattr(made_system, "ARMS", arms, raising=False)
    assert all(each["changes"]["diverge_at"] == 0 for each in budget.choose(given, train))
    monkeypatch.setattr(made_system, "ARMS", arms[:1])
    with pytest.raises(StudyError, match="made_system diverges at every learning rate tried"):
        budget.choose(given, train)


def test_an_estimator_chooses_among_its_own_arms():
    chosen = budget.choose(task(made_views(CLIPS), system="svm"), train)
    costs = {arm["cost"] for arm in systems.SYSTEMS["svm"].ARMS}
    assert {each["changes"]["cost"] for each in chosen} <= costs
    assert all("epochs" not in each["changes"] for each in chosen)


def test_a_run_trains_every_subject_with_the_budget_of_its_group(monkeypatch, tmp_path):
    for name in ("RUNS", "WEIGHTS", "KEPT"):
        monkeypatch.setattr(paths, name, tmp_path / name)
    views = made_views(CLIPS, strength=0.2)
    declare = partial(experiments.declare, "ststnet", "made", views, selection="inner", **QUICK)
    first = declare()
    rows = experiments.run(first, views, jobs=1, device="cpu", progress=False)
    chosen = {each["group"]: each["changes"] for each in store.chosen(first.key, "budgets")}
    assert sorted(chosen) == list(range(budget.GROUPS))
    assert len({str(changes) for changes in chosen.values()}) > 1
    groups = CLIPS.assign(group=protocol.dealt(CLIPS, budget.GROUPS))
    merged = rows.merge(groups, on=["corpus", "subject", "clip"])
    assert len(merged) == len(CLIPS)
    expected = [chosen[group]["epochs"] for group in merged["group"]]
    assert merged["epoch"].tolist() == expected
    assert len(store.read(first.key).losses[0]) == max(expected)

    # one subject, trained alone with that budget, is what the run holds
    fold = protocol.folds(CLIPS)[2]
    changes = chosen[protocol.dealt(CLIPS, budget.GROUPS)[fold.test[0]]]
    given = task(views)
    given = dataclasses.replace(given, config=dataclasses.replace(given.config, **changes))
    (alone,) = train(given, [fold])
    own = rows[(rows["corpus"] == fold.corpus) & (rows["subject"] == fold.subject)]
    np.testing.assert_allclose(
        own[[f"p_{name}" for name in CLASSES]], alone.probabilities, atol=1e-6
    )

    # other seeds take the choice over and train anew
    monkeypatch.setattr(budget, "choose", None)
    second = declare(seed=1)
    other = experiments.run(second, views, jobs=1, device="cpu", progress=False)
    assert store.chosen(second.key, "budgets") == store.chosen(first.key, "budgets")
    assert (other["p_negative"] != rows["p_negative"]).any()


def test_a_stopped_choice_goes_on_where_it_was(monkeypatch, tmp_path):
    for name in ("RUNS", "WEIGHTS", "KEPT"):
        monkeypatch.setattr(paths, name, tmp_path / name)
    views, asked, original = made_views(CLIPS, strength=0.2), [], training.train_task
    quick = QUICK | {"epochs": 1}
    experiment = experiments.declare("ststnet", "made", views, selection="inner", **quick)
    run = partial(experiments.run, experiment, views, jobs=1, device="cpu", progress=False)

    def stopped(arm, *rest):
        asked.append(arm.config)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return original(arm, *rest)

    monkeypatch.setattr(training, "train_task", stopped)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(store.chosen(experiment.key, "tried")) == 2
    rows, arms = run(), len(budget.arms(*systems.resolve("ststnet", quick, "small")))
    assert [*asked[:2], *asked[3 : arms + 1]] == list(dict.fromkeys(asked))[:arms]

    first, choices = store.chosen(experiment.key, "tried"), store.chosen(experiment.key, "budgets")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "anew")
    pd.testing.assert_frame_equal(run(), rows)
    assert store.chosen(experiment.key, "tried") == first
    assert store.chosen(experiment.key, "budgets") == choices
