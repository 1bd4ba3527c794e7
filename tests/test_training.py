"""A fold's result is its own: not of its neighbours, of processes, or of the person left out."""

import dataclasses

import made_system
import numpy as np
import pytest
import torch
from made_clips import clip_table, made_views

from mer_utils import systems, training
from mer_utils.corpora import CLASSES
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol
from mer_utils.systems import svm
from mer_utils.training.task import draw

CLIPS = clip_table()
VIEWS = made_views(CLIPS)
LABELS = CLIPS["label"].map(CLASSES.index).to_numpy()
FOLDS = protocol.folds(CLIPS)
SMALL = {"flow": "flow", "epochs": 3, "batch_size": 8}


def train(module=None, folds=FOLDS, labels=LABELS, features=None, **options):
    """Results by fold name; STSTNet unless another module is given."""
    if module is None:
        module, config = systems.resolve("ststnet", SMALL, "small")
    else:
        config = options.pop("config", module.Config())
    if features is None:
        features = module.features(VIEWS.arrays, CLIPS, config)
    jobs = options.pop("jobs", 1)
    task = training.Task(module, config, features, CLIPS, labels, n_classes=3, **options)
    return {result.fold.name: result for result in training.train_folds(task, folds, jobs=jobs)}


@pytest.fixture(scope="module")
def reference():
    return train()


def same(one, other) -> bool:
    return (
        (one.predicted == other.predicted).all()
        and (one.losses == other.losses).all()
        and (one.probabilities == other.probabilities).all()
        and one.epoch == other.epoch
    )


def test_results_have_the_shapes_they_say(reference):
    assert sorted(reference) == sorted(fold.name for fold in FOLDS)
    for result in reference.values():
        assert result.predicted.shape == (3, len(result.fold.test))
        assert result.predicted.dtype == np.uint8
        assert result.probabilities.shape == (len(result.fold.test), 3)
        assert result.probabilities.dtype == np.float32
        np.testing.assert_allclose(result.probabilities.sum(-1), 1, atol=1e-6)
        assert result.losses.shape == (3,)
        assert result.errors.shape == (3, len(result.fold.test))
        assert result.epoch == 3
        assert (result.probabilities.argmax(1) == result.predicted[-1]).all()
        assert result.seconds > 0


def test_any_order_and_any_neighbours_give_the_same_bits(reference):
    torch.manual_seed(99)  # whatever was drawn before
    for name, result in train(folds=FOLDS[4:1:-1]).items():
        assert same(result, reference[name])


def test_processes_give_the_same_bits(reference):
    for name, result in train(jobs=2).items():
        assert same(result, reference[name])


def test_the_caller_keeps_its_threads():
    before = torch.get_num_threads()
    train(folds=FOLDS[:1])
    assert torch.get_num_threads() == before


def test_another_seed_or_subject_is_another_network(reference):
    other = train(folds=FOLDS[:1], seed=1)
    name = FOLDS[0].name
    assert not same(other[name], reference[name])
    renamed = dataclasses.replace(FOLDS[0], subject="other")
    (moved,) = train(folds=[renamed]).values()
    assert (moved.probabilities != reference[name].probabilities).any()


def test_draws_depend_on_every_word_and_on_nothing_else():
    words = (0, "casme2", "sub01", 3, 7)
    assert draw(*words) == draw(*words)
    others = [(1, *words[1:]), (*words[:4], 8), (0, "samm", *words[2:])]
    assert len({draw(*each) for each in [words, *others]}) == 4
    assert 0 <= draw(*words) < 2**63


# --- the left-out subject chooses nothing ---------------------------------------------------------


def test_labels_of_the_left_out_subject_move_nothing():
    fold = FOLDS[2]
    spoiled = LABELS.copy()
    spoiled[fold.test] = (spoiled[fold.test] + 1) % 3
    true = train(folds=[fold])[fold.name]
    wrong = train(folds=[fold], labels=spoiled)[fold.name]
    assert same(true, wrong)


def test_clips_of_the_left_out_subject_move_no_weight(tmp_path):
    fold = FOLDS[2]
    module, config = systems.resolve("ststnet", SMALL, "small")
    features = module.features(VIEWS.arrays, CLIPS, config)
    spoiled = {name: values.copy() for name, values in features.items()}
    spoiled["flow"][fold.test] = 1e3
    weights = []
    for name, given in (("true", features), ("spoiled", spoiled)):
        train(folds=[fold], features=given, keep_weights=tmp_path / name)
        weights.append((tmp_path / name / f"{fold.name}.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_a_system_is_shown_training_clips_only():
    made_system.SHOWN.clear()
    fold = FOLDS[1]
    train(made_system, folds=[fold])
    training_clips = set(fold.train.tolist())
    for where, what in made_system.SHOWN:
        if where in ("fit_context", "targets"):
            assert set(what.tolist()) == training_clips
        elif where == "counts":
            assert what.tolist() == np.bincount(LABELS[fold.train], minlength=3).tolist()
        elif where == "batch":
            assert set(what.tolist()) <= training_clips
    assert {where for where, _ in made_system.SHOWN} == {
        "fit_context", "targets", "counts", "batch", "rate"
    }  # fmt: skip


# --- batches and epochs ---------------------------------------------------------------------------


def test_every_epoch_shows_every_clip_once_in_another_order():
    made_system.SHOWN.clear()
    fold = FOLDS[0]
    train(made_system, folds=[fold], config=made_system.Config(batch_size=5))
    batches = [what for where, what in made_system.SHOWN if where == "batch"]
    steps = len(fold.train) // 5
    epochs = [
        np.concatenate(batches[start : start + steps]) for start in range(0, 4 * steps, steps)
    ]
    for epoch in epochs:
        assert sorted(epoch) == sorted(fold.train)
    assert (epochs[0] != epochs[1]).any()
    assert [what for where, what in made_system.SHOWN if where == "rate"] == [1, 2, 3, 4]


def test_a_last_batch_of_one_clip_is_left_to_the_next_epoch():
    made_system.SHOWN.clear()
    fold = FOLDS[0]  # 25 training clips
    train(made_system, folds=[fold], config=made_system.Config(batch_size=8))
    sizes = [len(what) for where, what in made_system.SHOWN if where == "batch"]
    assert sizes == [8, 8, 8] * 4


def test_batches_of_one_clip_train_where_they_are_asked_for():
    module, config = systems.resolve("ststnet", SMALL | {"batch_size": 1, "epochs": 1}, "small")
    features = module.features(VIEWS.arrays, CLIPS, config)
    task = training.Task(module, config, features, CLIPS, LABELS, n_classes=3)
    (result,) = training.train_folds(task, FOLDS[:1], jobs=1)
    assert result.losses[0] > 0


def test_the_brier_score_of_every_epoch_is_kept(reference):
    for result in reference.values():
        truth = np.eye(3)[LABELS[result.fold.test]]
        assert result.errors.shape == (3, len(result.fold.test))
        expected = ((result.probabilities - truth) ** 2).sum(1)
        np.testing.assert_allclose(result.errors[-1], expected, rtol=1e-5)


@pytest.mark.parametrize("system", ["ststnet", "svm"])
def test_a_mirrored_clip_is_learned_from_and_its_prediction_is_the_mean_of_both(system):
    module, config = systems.resolve(system, SMALL if system == "ststnet" else {"flow": "flow"})
    features = module.features(VIEWS.arrays, CLIPS, config)
    (name,) = features
    both = {name: np.concatenate((features[name], features[name][..., ::-1]))}
    swapped = {name: np.concatenate((features[name][..., ::-1], features[name]))}
    plain, one, other = (
        training.Task(module, config, values, CLIPS, LABELS, n_classes=3)
        for values in (features, both, swapped)
    )
    assert one.mirrored and not plain.mirrored
    alone, mirrored, twin = (next(training.train_folds(t, FOLDS[:1])) for t in (plain, one, other))
    assert np.abs(alone.probabilities - mirrored.probabilities).max() > 1e-3
    assert mirrored.probabilities.shape == alone.probabilities.shape
    np.testing.assert_allclose(mirrored.probabilities.sum(1), 1, atol=1e-5)
    if system == "svm":  # fitted on both, in whatever order
        np.testing.assert_allclose(mirrored.probabilities, twin.probabilities)


def test_training_learns_what_is_there_to_learn():
    views = made_views(CLIPS, strength=3.0)
    module, config = systems.resolve("ststnet", SMALL | {"epochs": 30}, "small")
    features = module.features(views.arrays, CLIPS, config)
    task = training.Task(module, config, features, CLIPS, LABELS, n_classes=3)
    results = training.train_folds(task, FOLDS, jobs=1)
    right = [each.probabilities.argmax(1) == LABELS[each.fold.test] for each in results]
    assert np.concatenate(right).mean() > 0.9


def test_a_run_that_diverges_says_where():
    with pytest.raises(StudyError, match="made_system diverged in epoch 2 when left 001 was left"):
        train(made_system, folds=FOLDS[:1], config=made_system.Config(diverge_at=2))


# --- weights --------------------------------------------------------------------------------------


def test_kept_weights_predict_what_the_rows_say(tmp_path):
    config = made_system.Config(epochs=6)
    found = train(made_system, config=config, keep_weights=tmp_path)
    features = made_system.features(VIEWS.arrays, CLIPS, config)
    for result in found.values():
        blank = made_system.network(config, 3, {"mean": np.zeros((3, 7, 7), np.float32)})
        net = training.load_weights(blank, tmp_path / f"{result.fold.name}.safetensors")
        again = training.predict(net, {"flow": torch.as_tensor(features["flow"])}, result.fold.test)
        assert (again == result.probabilities).all()


def test_weights_that_were_not_kept_are_missed_by_name(tmp_path):
    net = made_system.network(made_system.Config(), 3, {"mean": np.zeros((3, 7, 7), np.float32)})
    with pytest.raises(StudyError, match="none.safetensors does not exist"):
        training.load_weights(net, tmp_path / "none.safetensors")


# --- estimators and refusals ----------------------------------------------------------------------


def test_estimators_go_through_the_same_call():
    for result in train(svm, config=svm.Config(flow="flow")).values():
        assert result.epoch == 0
        assert result.predicted.shape == (0, len(result.fold.test))
        assert (result.probabilities.sum(1) == 1).all()
    shares = train(systems.SYSTEMS["majority"])[FOLDS[0].name].probabilities
    known = np.bincount(LABELS[FOLDS[0].train], minlength=3) / len(FOLDS[0].train)
    np.testing.assert_allclose(shares, np.tile(known, (len(shares), 1)), rtol=1e-6)


def test_unknown_devices_are_refused():
    with pytest.raises(StudyError, match="device 'gpu' is not known"):
        training.choose_device("gpu")
    with pytest.raises(StudyError, match="epochs=0 trains nothing"):
        train(made_system, config=made_system.Config(epochs=0))
    if not torch.cuda.is_available():
        with pytest.raises(StudyError, match="finds no GPU here"):
            training.choose_device("cuda")
