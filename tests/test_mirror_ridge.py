"""Mirror ridge: the closed form against refitting, the mirror, and who may choose."""

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table
from sklearn.kernel_ridge import KernelRidge

from mer_utils import cli, corpora, experiments, paths, systems, training
from mer_utils.corpora import CLASSES
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol, scores
from mer_utils.preprocessing import centring, views
from mer_utils.preprocessing.views import Views
from mer_utils.reporting import exports, report
from mer_utils.reporting.plots import style
from mer_utils.systems import mirror_ridge
from mer_utils.systems.mirror_ridge import Config

CLIPS = clip_table(6, 5)
LABELS = CLIPS["label"].map(CLASSES.index).to_numpy()
PERSONS = CLIPS.groupby(["corpus", "subject"]).ngroup().to_numpy()
FLOW = centring.centred(np.abs(np.random.default_rng(0).normal(size=(len(CLIPS), 3, 28, 28))))


def moving(labels, height, seed=0, side=None) -> dict[str, np.ndarray]:
    """Both centred flows of clips whose patch moves at a height that tells the class.

    side: left (0) or right (1) of the face, by clip; at random if not given.
    """
    random = np.random.default_rng(seed)
    arrays = {}
    side = random.integers(0, 2, len(labels)) if side is None else side
    for name in ("flow_centred", "flow_centred_2"):
        flow = random.normal(0, 0.5, (len(labels), 3, 28, 28))
        flow[:, 2] = np.abs(flow[:, 2])
        for clip, label in enumerate(labels):
            x = 18 if side[clip] else 4
            y = height[label]
            flow[clip, 0, y : y + 6, x : x + 6] += 3 if side[clip] else -3  # outwards
        arrays[name] = centring.centred(flow)
    return arrays


def features(arrays, config=None) -> np.ndarray:
    return mirror_ridge.features(arrays, None, config or Config())["x"]


def fitted(x, labels=LABELS, persons=PERSONS, config=None) -> mirror_ridge.MirrorRidge:
    return mirror_ridge.estimator(config or Config(), 3, 0).fit(x, labels, persons)


# --- the closed form ------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.0, 0.75, 1.0])
@pytest.mark.parametrize("ridge", [0.15, 0.6])
def test_leaving_out_in_closed_form_is_refitting_without_each_person(power, ridge):
    random = np.random.default_rng(1)
    points = random.normal(size=(40, 5))
    alike = np.exp(-((points[:, None] - points) ** 2).sum(-1) / 5) + mirror_ridge.CONSTANT
    numbers, groups = random.integers(0, 3, 40), np.repeat(np.arange(8), 5)
    weights = mirror_ridge.class_weights(numbers, power)
    targets, persons = np.eye(3)[numbers], [np.flatnonzero(groups == g) for g in range(8)]
    _, parts = mirror_ridge.fit(alike, targets, weights, ridge)
    found = mirror_ridge.leave_out(targets, persons, parts)
    for s in persons:
        others = np.setdiff1d(np.arange(40), s)
        machine = KernelRidge(alpha=ridge, kernel="precomputed")
        machine.fit(alike[np.ix_(others, others)], targets[others], weights[others])
        np.testing.assert_allclose(found[s], machine.predict(alike[np.ix_(s, others)]), atol=1e-12)


def test_coefficients_are_those_of_scikit_learn():
    random = np.random.default_rng(2)
    alike = np.cov(random.normal(size=(20, 30)))
    numbers = np.arange(20) % 3
    weights = mirror_ridge.class_weights(numbers, 1.0)
    found, _ = mirror_ridge.fit(alike, np.eye(3)[numbers], weights, 0.3)
    machine = KernelRidge(alpha=0.3, kernel="precomputed").fit(alike, np.eye(3)[numbers], weights)
    np.testing.assert_allclose(found, machine.dual_coef_, atol=1e-12)


def test_balanced_weights_give_every_class_the_same_sum():
    numbers = np.array([0] * 6 + [1] * 3 + [2])
    weights = mirror_ridge.class_weights(numbers, 1.0)
    np.testing.assert_allclose([weights[numbers == c].sum() for c in range(3)], 10 / 3)
    np.testing.assert_allclose(mirror_ridge.class_weights(numbers, 0.0), 1)
    assert mirror_ridge.class_weights(numbers, 0.75).mean() == pytest.approx(1)


# --- probabilities --------------------------------------------------------------------------------


def test_outputs_become_the_nearest_probabilities():
    random = np.random.default_rng(3)
    outputs = random.normal(0.3, 0.5, (50, 3))
    found = mirror_ridge.on_simplex(outputs)
    assert (found >= 0).all() and np.allclose(found.sum(1), 1)
    assert (found.argmax(1) == outputs.argmax(1)).all()
    others = random.dirichlet(np.ones(3), 4000)
    away = ((outputs[:, None] - others) ** 2).sum(-1).min(axis=1)
    assert (((outputs - found) ** 2).sum(1) <= away + 1e-12).all()
    np.testing.assert_allclose(mirror_ridge.on_simplex(found), found, atol=1e-12)


def test_criteria_by_hand():
    probabilities = np.array([[1.0, 0, 0], [0, 1, 0], [0.5, 0.5, 0], [0, 0, 1]])
    numbers = np.array([0, 0, 1, 2])
    assert mirror_ridge.balanced_brier(probabilities, numbers) == pytest.approx((1 + 0.5 + 0) / 3)
    lost = 1 - (2 / 4 + 0 + 1) / 3
    assert mirror_ridge.lost_uf1(probabilities, numbers) == pytest.approx(lost)


# --- the kernel -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["whole", "windows", "histograms", "mean"])
def test_the_kernel_is_blind_to_left_and_right(form):
    x = features({"flow_centred": FLOW})[:, 0, 0]
    flipped = features({"flow_centred": mirror_ridge.mirror(FLOW)})[:, 0, 0]
    alike = mirror_ridge.kernels(x, x, (form,))[form]
    np.testing.assert_allclose(mirror_ridge.kernels(x, flipped, (form,))[form], alike, atol=1e-9)
    np.testing.assert_allclose(alike, alike.T, atol=1e-9)
    assert np.linalg.eigvalsh(alike).min() > -1e-9  # a kernel: ridge regression has one solution
    plain = mirror_ridge.kernels(x, x, (form,), mirrored=False)[form]
    other = mirror_ridge.kernels(x, flipped, (form,), mirrored=False)[form]
    assert np.abs(plain - other).max() > 0.01
    np.testing.assert_allclose(np.diag(plain), 1)


def test_the_kernel_of_whole_faces_by_hand():
    x = features({"flow_centred": FLOW}, Config(affine=False))[:, 0, 0]
    flat = FLOW.reshape(len(FLOW), -1).astype(float)
    image = mirror_ridge.mirror(FLOW).reshape(len(FLOW), -1)
    gamma = 1 / (2352 * flat[:20].var())
    expected = np.mean(
        [np.exp(-gamma * ((one[3] - flat[:20]) ** 2).sum(1)) for one in (flat, image)], axis=0
    )
    found = mirror_ridge.kernels(x[:20], x, ("whole",))["whole"]
    assert found.shape == (len(FLOW), 20)
    np.testing.assert_allclose(found[3], expected, atol=1e-6)


def test_histograms_by_hand():
    flow = np.zeros((3, 28, 28))
    flow[0, 2, 3] = 2  # to the right, in the first block of 6 by 6 cells
    flow[1, 27, 27] = -4  # up, in the last
    flow[2, 13, 13] = 1  # strain, in the middle block
    found = mirror_ridge.histograms(flow)
    assert found.shape == (9, 5, 5)
    assert found[0, 0, 0] == pytest.approx(np.sqrt(2 / 36))
    assert found[6, 4, 4] == pytest.approx(np.sqrt(4 / 36))
    assert found[8, 2, 2] == pytest.approx(np.sqrt(1 / 36))
    assert (found > 0).sum() == 3
    flow[:2, 2, 3] = np.sqrt(2)  # halfway between right and down, which is bin 1 of 8
    assert mirror_ridge.histograms(flow)[1, 0, 0] == pytest.approx(np.sqrt(2 / 36))


# --- what it learns, planted ----------------------------------------------------------------------


HEIGHT = {0: 2, 1: 11, 2: 20}


def test_what_moved_on_the_left_is_known_on_the_right():
    """Trained on the left half of faces alone, tested on the right: only the mirror can know."""
    numbers = np.tile(np.arange(3), 20)
    side = np.repeat([0, 1], 30)
    x = features(moving(numbers, HEIGHT, side=side))
    groups = np.repeat(np.arange(10), 3)
    right = {}
    for mirrored in (True, False):
        machine = fitted(x[:30], numbers[:30], groups, Config(mirrored=mirrored))
        right[mirrored] = (machine.predict(x[30:]) == numbers[30:]).mean()
    assert right[True] > 0.95 and right[False] < 0.6


def test_a_mirrored_clip_gets_the_same_probabilities():
    arrays = moving(LABELS, HEIGHT)
    machine = fitted(features(arrays))
    flipped = {name: mirror_ridge.mirror(flow) for name, flow in arrays.items()}
    np.testing.assert_allclose(
        machine.predict_proba(features(flipped)),
        machine.predict_proba(features(arrays)),
        atol=1e-4,
    )


def test_a_second_flow_is_chosen_where_the_first_says_nothing():
    config = Config(second_flow=True)
    arrays = moving(LABELS, HEIGHT) | {"flow_centred": FLOW}
    machine = fitted(features(arrays, config), config=config)
    assert machine.choice_.flows == (1,)
    assert (machine.predict(features(arrays, config)) == LABELS).mean() > 0.9
    with pytest.raises(StudyError, match="there is no second flow=flow_legacy"):
        systems.resolve("mirror_ridge", {"flow": "flow_legacy", "second_flow": True})


def test_the_choice_is_by_persons_and_not_by_clips():
    """Where every person has one class and a face of its own, a left-out clip is known by its
    person's other clips and a left-out person is not known at all.
    """
    labels = np.repeat(np.arange(3), 10)
    persons = np.repeat(np.arange(6), 5)
    faces = np.random.default_rng(1).normal(size=(6, 3, 28, 28))
    noise = np.random.default_rng(2).normal(0, 0.3, (30, 3, 28, 28))
    x = features({"flow_centred": centring.centred(np.abs(faces[persons] + noise))})
    by_clip = fitted(x, labels, np.arange(30)).choice_.loss
    by_person = fitted(x, labels, persons).choice_.loss
    assert by_clip < 0.3 < 0.6 < by_person


def test_without_centring_grey_stands_for_zero():
    _, config = systems.resolve("mirror_ridge/no_centre")
    grey = {"flow_legacy": np.full((2, 3, 28, 28), 127.5, np.float32)}
    x = features(grey, config)
    assert x.shape == (2, 1, 1, 2, 6465) and not x[..., : 2 * 784].any()


# --- the left-out subject chooses nothing ---------------------------------------------------------


@pytest.mark.parametrize("name", ["mirror_ridge", "mirror_ridge/two_flows", "mirror_ridge/by_uf1"])
def test_the_left_out_subject_chooses_nothing(name, monkeypatch):
    """Its labels and inputs may be anything: the same choice, the same machine."""
    module, config = systems.resolve(name)
    arrays = moving(LABELS, HEIGHT)
    machines = []

    def kept(*arguments):
        machines.append(mirror_ridge.MirrorRidge(config))
        return machines[-1]

    monkeypatch.setattr(mirror_ridge, "estimator", kept)
    for fold in protocol.folds(CLIPS)[:2]:
        random = np.random.default_rng(5)
        poisoned, labels, clips = {}, LABELS.copy(), CLIPS.copy()
        labels[fold.test] = (labels[fold.test] + 1) % 3
        clips.loc[fold.test, "label"] = "surprise"
        for view, array in arrays.items():
            poisoned[view] = array.copy()
            poisoned[view][fold.test] = random.uniform(0, 50, array[fold.test].shape)
        for given, table, numbers in ((arrays, CLIPS, LABELS), (poisoned, clips, labels)):
            inputs = module.features(given, table, config)
            task = training.Task(module, config, inputs, table, numbers, n_classes=3)
            training.train_fold(task, fold)
        clean, other = machines[-2:]
        assert clean.choice_ == other.choice_
        np.testing.assert_array_equal(clean.coefficients_, other.coefficients_)
        x = module.features(arrays, CLIPS, config)["x"][fold.test]
        np.testing.assert_array_equal(clean.predict_proba(x), other.predict_proba(x))
    assert len(machines) == 4


def test_training_subjects_do_choose():
    """The twin of the test above: the same poison in a training subject changes the machine."""
    arrays = moving(LABELS, HEIGHT)
    poisoned = LABELS.copy()
    poisoned[PERSONS == 0] = (poisoned[PERSONS == 0] + 1) % 3
    clean, other = fitted(features(arrays)), fitted(features(arrays), poisoned)
    assert clean.choice_.loss != other.choice_.loss


def test_a_run_says_whose_clips_are_whose(monkeypatch):
    """001 of one corpus is not 001 of another."""
    given = []

    class Machine(mirror_ridge.MirrorRidge):
        def fit(self, x, y, groups):
            given.append(np.asarray(groups))
            return super().fit(x, y, groups)

    monkeypatch.setattr(mirror_ridge, "estimator", lambda config, *_: Machine(config))
    config = Config(forms=("whole",))
    inputs = mirror_ridge.features(moving(LABELS, HEIGHT), CLIPS, config)
    task = training.Task(mirror_ridge, config, inputs, CLIPS, LABELS, n_classes=3)
    fold = protocol.folds(CLIPS)[0]
    training.train_fold(task, fold)
    same = PERSONS[fold.train][:, None] == PERSONS[fold.train]
    np.testing.assert_array_equal(given[0][:, None] == given[0], same)


# --- what has to be said with its scores ----------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        {"system": ["svm", "mirror_ridge"], "UF1": [0.7, 0.8]},
        {"ablation": ["mirror_ridge/two_flows"], "effect": [0.1]},
        {"label": ["mirror_ridge (inner)"], "UF1": [0.8]},
        {"clip": ["a"], "mirror_ridge": [0.8]},
    ],
)
def test_every_table_with_its_score_says_how_it_was_designed(frame, capsys):
    report.table(pd.DataFrame(frame), "Scores", name="made")
    shown = capsys.readouterr().out
    assert "119 configurations" in shown and "6 more while it was written" in shown
    kept = exports.table(pd.DataFrame(frame), "made", exports.noted(pd.DataFrame(frame), ""), 3)
    assert "119 configurations" in kept["files"][".tex"]


def test_a_figure_marks_its_name_and_says_below_what_the_mark_means(monkeypatch):
    shown = []
    monkeypatch.setattr(report, "display", lambda *data, **kept: shown.append(kept["metadata"]))
    for names in (["svm", "mirror_ridge (inner)"], ["svm", "htnet"]):
        fig, axis = style.item_rows(names, "UF1")
        report.show(fig, alt="One system is above the other.")
        labels = [label.get_text() for label in axis.get_yticklabels()]
        marked = [label for label in labels if label.endswith(style.MARK)]
        below = " ".join(text.get_text().replace("\n", " ") for text in fig.texts)
        explained = "mirror_ridge (inner)" in names
        assert marked == (["Mirror ridge (inner)*"] if explained else [])
        assert below == (f"* {mirror_ridge.NOTE}" if explained else "")
        assert (mirror_ridge.NOTE in shown[-1]["image/png"]["alt"]) is explained


def test_other_tables_and_other_systems_say_nothing(capsys):
    report.table(pd.DataFrame({"system": ["svm", "htnet/shallow"], "UF1": [0.7, 0.8]}), "Scores")
    report.table(pd.DataFrame({"UF1": [0.7]}), "Scores")
    assert "119" not in capsys.readouterr().out
    assert systems.notes(["svm", "mirror_ridge/no_mirror", "mirror_ridge"]) == mirror_ridge.NOTE


def test_training_says_it_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    given = Views(CLIPS, CLIPS.head(0), moving(LABELS, HEIGHT))
    file = views.save(given, tmp_path / "views.npz", "made")
    words = ["train", "mirror_ridge", "--data", str(file), "--jobs", "1"]
    assert cli.main([*words, "--set", "forms=('whole',)"]) == 0
    assert mirror_ridge.NOTE in capsys.readouterr().out


# --- the real clips -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(tmp_path_factory, megc2019_folder, causal_folder):
    """The folder where both pipelines' images are next to each other."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "megc2019_flow").symlink_to(megc2019_folder)
    (folder / "megc2019_flow_causal").symlink_to(causal_folder)
    return folder


VIEWS = ("flow_centred", "flow_centred_2")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "corpus", "uf1", "uar"),
    [
        ("mirror_ridge", "megc2019_flow", 0.763, 0.780),
        ("mirror_ridge", "megc2019_flow_causal", 0.783, 0.799),
        ("mirror_ridge/two_flows", "megc2019_flow", 0.779, 0.794),
    ],
)
def test_real_scores_are_what_was_measured(both, name, corpus, uf1, uar):
    given = views.compute(corpora.load(corpus, both / corpus), VIEWS, progress=False)
    rows = experiments.try_folds(name, given, protocol.folds(given.clips))
    assert scores.uf1(rows) == pytest.approx(uf1, abs=0.01)
    assert scores.uar(rows) == pytest.approx(uar, abs=0.01)
