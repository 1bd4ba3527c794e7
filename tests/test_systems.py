"""What every system of the study promises, whoever wrote it."""

import dataclasses
import re
import typing

import made_system
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from made_clips import clip_table

from mer_utils import systems, training
from mer_utils.corpora import CLASSES
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol

torch.set_num_threads(1)
CLIPS = clip_table(4, 3)
LABELS = CLIPS["label"].map(CLASSES.index).to_numpy()
ALL = list(systems.SYSTEMS)
NETWORKS = [name for name in ALL if systems.neural(systems.SYSTEMS[name])]
SIZES = {"dim": 16, "stem": 12, "size": 64}  # fields that make a network quick, where it has them


def views_of_noise() -> dict[str, np.ndarray]:
    random, count = np.random.default_rng(0), len(CLIPS)
    return {
        "flow": random.normal(0, 1, (count, 3, 28, 28)).astype(np.float32),
        "flow_legacy": random.uniform(0, 255, (count, 3, 28, 28)).astype(np.float32),
        "flow_centred": random.uniform(0, 4, (count, 3, 28, 28)).astype(np.float32),
        "flow_centred_2": random.uniform(0, 4, (count, 3, 28, 28)).astype(np.float32),
        "landmarks": random.uniform(2, 26, (count, 68, 2)).astype(np.float32),
        "frames": random.integers(0, 256, (count, 2, 128, 128)).astype(np.uint8),
        "video": random.integers(0, 256, (count, 10, 128, 128)).astype(np.uint8),
        "keyframes": random.integers(0, 256, (count, 11, 128, 128)).astype(np.uint8),
        "keyframe_points": random.uniform(10, 118, (count, 11, 68, 2)).astype(np.float32),
        "rise": random.integers(0, 256, (count, 11, 128, 128)).astype(np.uint8),
        "rise_points": random.uniform(10, 118, (count, 11, 68, 2)).astype(np.float32),
        "points": random.uniform(100, 300, (count, 2, 68, 2)).astype(np.float32),
    }


VIEWS = views_of_noise()


def every_name() -> list[str]:
    return [
        f"{name}/{variant}" if variant else name
        for name in ALL
        for variant in ("", *systems.ablations(name))
    ]


def test_no_two_systems_look_alike_in_a_figure():
    looks = [(module.COLOUR, module.MARKER) for module in systems.SYSTEMS.values()]
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("name", ALL)
def test_a_file_holds_what_a_system_is(name):
    module = systems.SYSTEMS[name]
    assert module.__name__.endswith(f".{name}")
    assert module.TITLE and module.__doc__
    assert dataclasses.is_dataclass(module.Config) and module.Config.__dataclass_params__.frozen
    assert hasattr(module, "network") != hasattr(module, "estimator")
    assert re.fullmatch("#[0-9a-f]{6}", module.COLOUR) and module.MARKER
    assert callable(module.features)
    fields = {field.name for field in dataclasses.fields(module.Config)}
    assert set(module.SMALL) <= fields
    for ablation, (owner, ingredient, question, changes) in systems.ablations(name).items():
        assert ingredient and question.endswith("?"), ablation
        known = {field.name for field in dataclasses.fields(owner.Config)}
        assert changes and fields <= known and set(changes) <= known, ablation
    if systems.neural(module):
        assert {"epochs", "batch_size", "learning_rate", "weight_decay"} <= fields


@pytest.mark.parametrize("name", every_name())
@pytest.mark.parametrize("preset", systems.PRESETS)
def test_every_name_resolves_to_values_of_their_types(name, preset):
    module, config = systems.resolve(name, {}, preset)
    hints = typing.get_type_hints(module.Config)
    for field in dataclasses.fields(config):
        value, kind = getattr(config, field.name), hints[field.name]
        if typing.get_origin(kind) is typing.Literal:
            assert value in typing.get_args(kind), f"{name}.{field.name} = {value!r}"
            continue
        wanted = typing.get_origin(kind) or kind
        assert isinstance(value, wanted), f"{name}.{field.name} = {value!r}"
        assert type(value) is wanted or not isinstance(value, (int, float)), field.name
    assert set(systems.views_needed(module, config)) <= set(VIEWS)


@pytest.mark.parametrize("name", ALL)
def test_features_are_of_each_clip_alone(name):
    """A clip's inputs are the same beside other clips: nothing is fitted to them."""
    module, config = systems.resolve(name, {}, "small")
    whole = module.features(VIEWS, CLIPS, config)
    assert all(len(values) == len(CLIPS) for values in whole.values())
    some = np.array([7, 2, 5])
    part = module.features(
        {view: array[some] for view, array in VIEWS.items()},
        CLIPS.iloc[some].reset_index(drop=True),
        config,
    )
    for field, values in part.items():
        np.testing.assert_allclose(values, whole[field][some], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_features_know_no_labels(name):
    module, config = systems.resolve(name, {}, "small")
    true = module.features(VIEWS, CLIPS, config)
    other = CLIPS.assign(label=CLIPS["label"].sample(frac=1, random_state=1).to_numpy())
    other = other.assign(action_units="4", emotion="fear")
    for field, values in module.features(VIEWS, other, config).items():
        assert (values == true[field]).all()


@pytest.mark.parametrize("name", ALL)
def test_a_system_trains_and_predicts(name):
    module, config = systems.resolve(name, {}, "small")
    fields = {field.name for field in dataclasses.fields(config)}
    quick = {field: value for field, value in SIZES.items() if field in fields}
    if "epochs" in fields:
        quick["epochs"] = 1
    config = dataclasses.replace(config, **quick)
    features = module.features(VIEWS, CLIPS, config)
    task = training.Task(module, config, features, CLIPS, LABELS, n_classes=3)
    (result,) = training.train_folds(task, protocol.folds(CLIPS)[:1], jobs=1)
    assert result.probabilities.shape == (3, 3)
    assert np.isfinite(result.probabilities).all()
    np.testing.assert_allclose(result.probabilities.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("reader", ["svm", "linear"])
@pytest.mark.parametrize("name", list(systems.CONTROLS))
def test_a_control_reads_the_inputs_of_its_network_and_nothing_else(name, reader):
    module, config = systems.resolve(f"{name}/{reader}", {}, "small")
    described, own = systems.resolve(name, {}, "small")
    inputs = described.features(VIEWS, CLIPS, own)
    (x,) = module.features(VIEWS, CLIPS, config).values()
    (read,) = (v for v in inputs.values() if v[0].size == x[0].size)
    assert (x == read.reshape(x.shape)).all()
    task = training.Task(module, config, {"x": x}, CLIPS, LABELS, n_classes=3)
    (result,) = training.train_folds(task, protocol.folds(CLIPS)[:1], jobs=1)
    assert result.probabilities.shape == (3, 3)


def test_a_control_is_no_network():
    module, config = systems.resolve("htnet/svm", {"reader": "network"})
    with pytest.raises(StudyError, match="choose svm or linear"):
        module.estimator(config, 3, 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_features_and_forward_name_the_inputs_alike(name):
    module, config = systems.resolve(name, {}, "small")
    features = module.features(VIEWS, CLIPS, config)
    net = module.network(config, 3, systems.fit_context(module, CLIPS, features, config))
    systems.inputs.check_names(net, features)


def test_inputs_of_other_names_are_refused_before_the_first_step(monkeypatch):
    monkeypatch.setattr(made_system, "fit_context", lambda *_: {"mean": np.zeros((3, 7, 7), "f4")})
    features = {"flows": VIEWS["flow"][:, :, ::4, ::4]}
    task = training.Task(made_system, made_system.Config(), features, CLIPS, LABELS, n_classes=3)
    words = r"features\(\) returns flows, but Net.forward takes flow: give the inputs the same"
    with pytest.raises(StudyError, match=words):
        list(training.train_folds(task, protocol.folds(CLIPS)[:1], jobs=1))


@pytest.mark.parametrize(
    ("returned", "wanted", "words"),
    [
        ("alone", "pair", "forward returns logits alone, which the loss cannot read"),
        ("pair", None, "forward returns a tuple of 2, which the loss cannot read"),
        ("three", "pair", "forward returns a tuple of 3, which the loss cannot read"),
        ("pair", "alone", "forward returns a tuple of 2, which the loss cannot read"),
    ],
)
def test_a_loss_that_does_not_fit_what_forward_returns_is_refused(
    monkeypatch, returned, wanted, words
):
    monkeypatch.setattr(made_system, "fit_context", lambda *_: {"mean": np.zeros((3, 7, 7), "f4")})
    plain = made_system.Net.forward

    def forward(self, flow):
        logits = plain(self, flow)
        return {"alone": logits, "pair": (logits, logits), "three": (logits,) * 3}[returned]

    def loss(config, class_counts):
        def criterion(output, labels, position):
            if wanted == "pair":
                output, _ = output
            return F.cross_entropy(output, labels)

        return criterion

    monkeypatch.setattr(made_system.Net, "forward", forward)
    if wanted is None:
        monkeypatch.delattr(made_system, "loss")
        monkeypatch.delattr(made_system, "targets")
    else:
        monkeypatch.setattr(made_system, "loss", loss)
    features = {"flow": VIEWS["flow"][:, :, ::4, ::4]}
    task = training.Task(made_system, made_system.Config(), features, CLIPS, LABELS, n_classes=3)
    with pytest.raises(StudyError, match=words):
        training.train_fold(task, protocol.folds(CLIPS)[0])


# --- names, fields, values ------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "wanted"), [("1e-3", 0.001), (1, 1.0), ("1", 1.0), (0.5, 0.5)])
def test_numbers_are_typed_like_the_default(value, wanted):
    _, config = systems.resolve("ststnet", {"learning_rate": value})
    assert config.learning_rate == wanted and type(config.learning_rate) is float


@pytest.mark.parametrize("value", [(3, 5), [3, 5], "[3, 5]", "(3, 5)", (3.0, "5")])
def test_lists_become_tuples(value):
    _, config = systems.resolve("ststnet", {"widths": value})
    assert config.widths == (3, 5) and all(type(width) is int for width in config.widths)


def test_one_number_alone_is_a_tuple_of_one():
    assert systems.resolve("ststnet", {"widths": "8"})[1].widths == (8,)


def test_text_stays_text_and_words_become_truth():
    _, config = systems.resolve("unified", {"vit_weights": "006"})
    assert config.vit_weights == "006"
    _, config = systems.resolve("svm", {"balanced": "False"})
    assert config.balanced is False


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 2.5), ("epochs", True), ("epochs", "ten"), ("dropout", "half"), ("widths", "wide")],
)
def test_values_of_another_type_are_refused(field, value):
    with pytest.raises(StudyError, match=rf"ststnet\.{field}=.* is not possible"):
        systems.resolve("ststnet", {field: value})


def test_variant_and_override_stand_above_the_preset():
    _, small = systems.resolve("ststnet/no_strain", {"epochs": 7}, "small")
    assert (small.channels, small.epochs, small.learning_rate) == (("u", "v"), 7, 1e-3)
    _, paper = systems.resolve("ststnet")
    assert (paper.epochs, paper.learning_rate, paper.batch_size) == (800, 5e-5, 256)


def test_names_without_any_to_choose_from():
    with pytest.raises(StudyError, match="field of majority 'depth' is not known: there is none"):
        systems.resolve("majority", {"depth": 1})
    with pytest.raises(StudyError, match="there is none"):
        systems.resolve("majority/deep")


def test_the_table_names_what_a_corpus_lacks():
    table = systems.table(["flow_centred", "flow_legacy"]).set_index("system")
    assert table.loc["svm", "lacks"] == ""
    assert table.loc["mhssa_gcn", "lacks"] == "landmarks"
    assert table.loc["svm", "reads"] == "flow_centred"
    both = systems.table(["flow", "flow_centred"]).set_index("system")
    assert both.loc["svm", "reads"] == "flow"
    assert isinstance(table, pd.DataFrame) and list(table.index) == ALL


@pytest.mark.parametrize(
    "name, field, value, words",
    [
        ("ststnet", "dropout", 1.5, "drops everything: give a share below 1"),
        ("ststnet", "epochs", "inf", "is not possible: give a whole number"),
        ("ststnet", "epochs", 0, "give numbers above 0"),
        (
            "ststnet",
            "channels",
            "('u', 'w')",
            "ststnet.channels 'w' is not known, the nearest is 'v': choose one of u, v, strain",
        ),
        ("svm", "flow", "flows", "nearest is 'flow': choose one of auto, flow, flow_legacy"),
        ("svm", "cost", -1, "is not possible: give numbers above 0"),
        ("lbp_top", "radius", 5, "leaves no frame of 10 with neighbours"),
        ("lbp_top", "planes", "('zz',)", "lbp_top.planes 'zz' is not known"),
        ("hoof", "orientations", 0, "give numbers above 0"),
    ],
)
def test_numbers_and_words_that_a_field_cannot_be_are_refused(name, field, value, words):
    with pytest.raises(StudyError, match=re.escape(words)):
        systems.resolve(name, {field: value})


def test_a_zero_that_means_something_is_let_through():
    zeros = {"ststnet": "dropout", "rcn": "rate_halving", "am_gcn/flat": "outputs"}
    for name, field in zeros.items():
        assert getattr(systems.resolve(name, {field: 0})[1], field) == 0
