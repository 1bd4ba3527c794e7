"""A fold trained in a stack is the fold trained alone, for every system."""

from dataclasses import replace

import made_system
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from drawn_face import landmarks
from made_clips import clip_table
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mer_utils import systems, training
from mer_utils.corpora import CLASSES
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol
from mer_utils.preprocessing.mirror import mirrored
from mer_utils.systems import cost
from mer_utils.training import stacked
from mer_utils.training.noise import Noise, keep, stacked_batch_norm
from mer_utils.training.numerics import numerics
from mer_utils.training.task import on_device

UNITS = ("1+2", "4+7", "12", "R2+25", "6+12", "", "10", "4")


def uneven_clips() -> pd.DataFrame:
    """Five subjects with 6, 2, 5, 3 and 4 of 20 clips: 14 to 18 are left to train on."""
    clips = clip_table(4, 5)
    subjects = np.repeat(["001", "002", "003", "004", "005"], (6, 2, 5, 3, 4))
    units = [UNITS[number % len(UNITS)] for number in range(len(clips))]
    return clips.assign(
        corpus="casme2",
        subject=subjects,
        clip=[f"clip{number}" for number in range(len(clips))],
        action_units=units,
    )


CLIPS = uneven_clips()
LABELS = CLIPS["label"].map(CLASSES.index).to_numpy()
FOLDS = protocol.folds(CLIPS)


def views() -> dict[str, np.ndarray]:
    """Every view a system may read; another view moves no number of these."""
    found = {}
    for name, (shape, kind, (low, high)) in cost.BLANK.items():
        random = np.random.default_rng(list(name.encode()))
        values = random.uniform(low, high, (len(CLIPS), *shape))
        found[name] = (np.round(values) if kind == np.uint8 else values).astype(kind)
    points = landmarks() + np.random.default_rng(1).uniform(-1, 1, (len(CLIPS), 1, 2))
    found["landmarks"] = points.astype(np.float32)
    return found


VIEWS = views()


def arguments(name: str, **fields):
    """Module, config, features and the rest, as `training.Task` takes them."""
    module, config = systems.resolve(name, {"epochs": 2, "batch_size": 8, **fields}, "small")
    config = systems.inputs.resolved(config, VIEWS)
    return module, config, module.features(VIEWS, CLIPS, config), CLIPS, LABELS


def train(given, folds=FOLDS, **options):
    ways = {name: options.pop(name) for name in ("schedule", "stack", "jobs") if name in options}
    task = training.Task(*given, n_classes=3, seed=3, **options)
    results = training.train_folds(task, folds, **{"jobs": 1} | ways)
    return {result.fold.name: result for result in results}


def apart(one, other) -> float:
    """Largest difference between the numbers of the same folds."""
    assert one.keys() == other.keys()
    gaps = [0.0]
    for name, result in one.items():
        twin = other[name]
        assert result.epoch == twin.epoch and result.predicted.shape == twin.predicted.shape
        assert result.probabilities.dtype == twin.probabilities.dtype
        for field in ("probabilities", "losses"):
            mine, theirs = getattr(result, field), getattr(twin, field)
            assert mine.shape == theirs.shape
            gaps.append(np.abs(mine - theirs).max(initial=0.0))
    return max(gaps)


NEURAL = [name for name, module in systems.SYSTEMS.items() if systems.neural(module)]
CODED = [f"{name}/as_coded" for name in NEURAL if "as_coded" in systems.ablations(name)]


# Systems whose recurrent layer cannot be stacked; `auto` gives them to the loop and says so.
RECURRENT = {"dual_branch_3dcnn": "GRU", "unified": "LSTM"}
STACKED = [name for name in (*NEURAL, *CODED) if name.partition("/")[0] not in RECURRENT]


# --- the same fold --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STACKED)
def test_stacked_is_the_loop_to_rounding(name):
    """Ragged last batches (14 to 18 clips in batches of 8), dropout, own losses and contexts."""
    given = arguments(name)
    alone = train(given, precision="fp64", schedule="loop")
    together = train(given, precision="fp64", schedule="stacked")
    assert apart(alone, together) < 1e-10
    for fold, result in alone.items():
        assert (result.predicted == together[fold].predicted).all()


def test_a_stack_learns():
    """What the others compare is no standstill."""
    first, last = (
        train(arguments("ststnet", epochs=epochs), schedule="stacked")[FOLDS[0].name]
        for epochs in (1, 10)
    )
    assert last.losses[-1] < 0.9 * last.losses[0] == 0.9 * first.losses[0]
    assert np.abs(first.probabilities - last.probabilities).max() > 0.01


@pytest.mark.parametrize("name", [name for name in STACKED if name in NEURAL])
def test_in_float32_and_in_bfloat16_as_near_as_their_digits_allow(name):
    """Two epochs: probabilities in float32 to 1e-4; in bfloat16 losses and most numbers to 5 %.

    At a rate at which no system throws itself about: what is asked is how numbers are rounded.
    """
    given = arguments(name, learning_rate=1e-3)
    found = {
        (precision, schedule): train(given, precision=precision, schedule=schedule)
        for precision in ("fp32", "bf16")
        for schedule in ("loop", "stacked")
    }
    fine, coarse = found["fp32", "loop"], found["bf16", "loop"]
    for name_of_fold, result in found["fp32", "stacked"].items():
        twin = fine[name_of_fold]
        np.testing.assert_allclose(result.probabilities, twin.probabilities, atol=1e-4)
        np.testing.assert_allclose(result.losses, twin.losses, rtol=5e-4)  # am_gcn's is 5, not 1
    for other in (found["bf16", "stacked"], fine):
        for name, result in coarse.items():
            np.testing.assert_allclose(result.losses, other[name].losses, rtol=0.05)
        gaps = [
            np.abs(result.probabilities - other[name].probabilities)
            for name, result in coarse.items()
        ]
        assert np.mean(np.concatenate(gaps)) < 0.05
    assert apart(fine, coarse) > 1e-6, "nothing was rounded"


@pytest.fixture(scope="module")
def reference():
    """STSTNet alone: BatchNorm, dropout."""
    return train(arguments("ststnet"), precision="fp64", schedule="loop")


@pytest.mark.parametrize(
    ("order", "stack"), [([4, 0, 2, 1, 3], None), ([0, 1, 2, 3, 4], 2), ([3, 1], 5), ([2], 1)]
)
def test_any_order_any_size_and_any_rest_give_the_same_fold(reference, order, stack):
    folds = [FOLDS[number] for number in order]
    found = train(arguments("ststnet"), folds, precision="fp64", schedule="stacked", stack=stack)
    assert apart({fold.name: reference[fold.name] for fold in folds}, found) < 1e-10


def test_processes_share_the_stacks(reference):
    found = train(arguments("ststnet"), precision="fp64", schedule="stacked", stack=2, jobs=2)
    assert apart(reference, found) < 1e-10


@pytest.fixture
def fusing():
    """TorchScript fuses operations on the CPU too, as it does on a GPU."""
    options = {
        torch._C._jit_override_can_fuse_on_cpu: (True, torch._C._jit_can_fuse_on_cpu()),
        torch._C._jit_set_te_must_use_llvm_cpu: (False, torch._C._jit_get_te_must_use_llvm_cpu()),
        torch._C._jit_set_texpr_fuser_enabled: (True, torch._C._jit_texpr_fuser_enabled()),
    }
    for option, (during, _) in options.items():
        option(during)
    yield
    for option, (_, after) in options.items():
        option(after)


def test_scripted_functions_that_a_gpu_fuses_are_stacked(fusing):
    """geoopt's: fused after some calls, they would ask for the memory of a tensor under vmap."""
    given = arguments("hyperhtnet/hyperbolic_classifier", alpha=0.0, batch_size=4)
    task = training.Task(*given, n_classes=3)
    folds = max(stacked.alike(task, FOLDS), key=len)[:2]
    stack = stacked.Stack(task, folds, on_device(task, task.features))
    for epoch in range(1, 5):
        stack.epoch(epoch)
    for _ in range(4):
        stack.predict(stack.labels[:, :2])


def test_kept_weights(tmp_path):
    given, options = arguments("ststnet", epochs=3), {"precision": "fp64"}
    train(given, schedule="loop", keep_weights=tmp_path / "alone", **options)
    found = train(given, schedule="stacked", keep_weights=tmp_path / "stacked", **options)
    module, config, features, *_ = given
    data = {name: torch.as_tensor(values).double() for name, values in features.items()}
    for name, result in found.items():
        net = module.network(config, 3, {}).double()
        training.load_weights(net, tmp_path / "stacked" / f"{name}.safetensors")
        again = training.predict(net, data, result.fold.test)
        np.testing.assert_allclose(again, result.probabilities, atol=1e-12)
        twin = module.network(config, 3, {}).double()
        training.load_weights(twin, tmp_path / "alone" / f"{name}.safetensors")
        for field, values in net.state_dict().items():
            torch.testing.assert_close(values, twin.state_dict()[field], rtol=0, atol=1e-10)


def test_mirror_images_are_stacked():
    module, config, features, clips, labels = arguments("ststnet", epochs=3)
    seen = module.features(mirrored(VIEWS), clips, config)
    both = {name: np.concatenate((features[name], seen[name])) for name in features}
    given = (module, config, both, clips, labels)
    alone = train(given, precision="fp64", schedule="loop")
    assert apart(alone, train(given, precision="fp64", schedule="stacked")) < 1e-10
    plain = train(arguments("ststnet", epochs=3), precision="fp64", schedule="loop")
    assert apart(alone, plain) > 1e-3


def test_only_folds_with_as_many_steps_are_stacked():
    """14, 15, 16, 17 and 18 clips in batches of 8: two steps, one clip left over, three steps."""
    task = training.Task(*arguments("ststnet"), n_classes=3)
    groups = stacked.alike(task, FOLDS)
    sizes = [[len(fold.train) for fold in group] for group in groups]
    assert sorted(sizes) == [[17, 16, 15, 14], [18]]


def test_a_system_of_its_own_is_stacked_with_context_targets_and_rate(monkeypatch):
    monkeypatch.setattr(stacked, "trial", lambda *_: "")  # which would show clips too
    config = made_system.Config(batch_size=5)
    features = made_system.features(VIEWS, CLIPS, config)
    given = (made_system, config, features, CLIPS, LABELS)
    alone = train(given, precision="fp64", schedule="loop")
    made_system.SHOWN.clear()
    found = train(given, precision="fp64", schedule="stacked")
    assert apart(alone, found) < 1e-10
    shown = [what for where, what in made_system.SHOWN if where == "batch"]
    assert {len(what) for what in shown} <= {5, 4, 3, 2}, "no clip is shown twice to fill a batch"
    assert sum(map(len, shown)) == sum(
        config.epochs * sum(training.batch_sizes(len(fold.train), 5)) for fold in FOLDS
    )


def test_a_fold_that_diverges_is_named():
    config = made_system.Config(diverge_at=2)
    features = made_system.features(VIEWS, CLIPS, config)
    with pytest.raises(StudyError, match="made_system diverged in epoch 2 when casme2 00"):
        train((made_system, config, features, CLIPS, LABELS), schedule="stacked")


def test_what_does_not_fit_is_halved_and_tried_again(reference, monkeypatch):
    tried = []
    real = stacked.Stack.train

    def small_memory(stack, tick):
        tried.append(len(stack.starts))
        if len(stack.starts) > 1:
            raise torch.OutOfMemoryError("made")
        return real(stack, tick)

    monkeypatch.setattr(stacked.Stack, "train", small_memory)
    given = arguments("ststnet")
    found = train(given, precision="fp64", schedule="stacked")
    assert apart(reference, found) < 1e-10
    assert sorted(tried) == [1, 1, 1, 1, 1, 2, 4]

    def no_memory(*_):
        raise torch.OutOfMemoryError("made")

    monkeypatch.setattr(stacked.Stack, "train", no_memory)
    with pytest.raises(StudyError, match="ststnet does not fit the memory of cpu"):
        train(given, schedule="stacked")


# --- which schedule -------------------------------------------------------------------------------


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.GRU(28, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, flow):
        return self.head(self.layer(flow[:, 0])[0][:, -1])


class RecurrentSystem:
    """A system with a layer that torch.func cannot stack."""

    __name__ = "mer_utils.systems.recurrent"
    Config = made_system.Config

    def fit_context(self, clips, features, config):
        return {}

    def network(self, config, n_classes, context):
        return Recurrent()


class Reading(nn.Module):
    """Decides by a number of the batch, which a stack cannot; it has no batching rule."""

    def forward(self, flow):
        return flow.mean((2, 3))[:, :1].expand(-1, 3) * self.weight * float(flow.mean() > 0)

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))


def chosen(module, config, device: str, schedule: str = "auto") -> training.Schedule:
    features = {"flow": VIEWS["flow"]}
    task = training.Task(module, config, features, CLIPS, LABELS, n_classes=3, device=device)
    return training.choose_schedule(task, FOLDS, schedule)


@pytest.fixture
def tried(monkeypatch):
    """A GPU's trial is made on the CPU."""
    real = stacked.trial
    there = lambda task, folds: real(replace(task, device="cpu"), folds)  # noqa: E731
    monkeypatch.setattr(stacked, "trial", there)


def test_what_a_device_cannot_stack_goes_to_the_loop_with_the_reason(tried, monkeypatch):
    reading = RecurrentSystem()
    monkeypatch.setattr(reading, "network", lambda *_: Reading(), raising=False)
    found = chosen(reading, reading.Config(), "cuda")
    assert found.name == "loop"
    assert found.why.startswith("recurrent cannot be stacked: a step on cpu failed: vmap: ")
    assert "\n" not in found.why
    with pytest.raises(StudyError, match="a step on cpu failed: vmap: .*: use --schedule loop"):
        chosen(reading, reading.Config(), "cpu", "stacked")

    def small_memory(*_):
        raise torch.OutOfMemoryError("made")

    monkeypatch.setattr(stacked.Stack, "epoch", small_memory)
    assert chosen(reading, reading.Config(), "cuda").name == "stacked", "train_all takes fewer"


def test_auto_says_which_and_why(tried, monkeypatch):
    module, config, *_ = arguments("ststnet")
    assert chosen(module, config, "cpu").name == "loop"
    assert "one process per core" in chosen(module, config, "cpu").why
    assert chosen(module, config, "cuda").name == "stacked"
    assert "idle" in chosen(module, config, "cuda").why
    recurrent = RecurrentSystem()
    found = chosen(recurrent, recurrent.Config(), "cuda")
    assert found.name == "loop"
    assert found.why == (
        "recurrent cannot be stacked: GRU has no rule for a stack of weights in torch.func"
    )
    with pytest.raises(StudyError, match="recurrent cannot be stacked .*: use --schedule loop"):
        chosen(recurrent, recurrent.Config(), "cpu", "stacked")
    monkeypatch.setattr(module, "LOOP_ONLY", "it says so", raising=False)
    assert chosen(module, config, "cuda").why == "ststnet cannot be stacked: it says so"
    monkeypatch.delattr(module, "LOOP_ONLY")
    monkeypatch.setattr(
        module,
        "optimizer",
        lambda config, parameters: torch.optim.LBFGS(parameters),
        raising=False,
    )
    assert "LBFGS looks at all weights" in chosen(module, config, "cuda").why
    assert "estimator" in chosen(systems.SYSTEMS["svm"], None, "cuda").why
    with pytest.raises(StudyError, match="schedule 'stack' is not known"):
        chosen(module, config, "cpu", "stack")


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_systems_are_given_to_the_loop_in_one_sentence(name):
    given = arguments(name)
    task = training.Task(*given, n_classes=3, device="cuda")
    found = training.choose_schedule(task, FOLDS)
    assert found.name == "loop"
    layer = RECURRENT[name]
    assert found.why == (
        f"{name} cannot be stacked: {layer} has no rule for a stack of weights in torch.func"
    )


def test_a_recurrent_system_is_trained_by_the_loop():
    recurrent = RecurrentSystem()
    features = {"flow": VIEWS["flow"]}
    given = (recurrent, recurrent.Config(epochs=1), features, CLIPS, LABELS)
    assert len(train(given, FOLDS[:2])) == 2


def test_unknown_precisions_are_refused():
    given = arguments("ststnet")
    with pytest.raises(StudyError, match="precision 'half' is not known"):
        train(given, precision="half")
    with pytest.raises(StudyError, match="precision tf32 is a GPU's"):
        train(given, precision="tf32")


# --- noise ----------------------------------------------------------------------------------------


def key(number: int) -> torch.Tensor:
    return torch.tensor(number, dtype=torch.int32)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_noise_is_noise(p):
    """Share of the kept, and no row, column, key or call that resembles another."""
    shape = (24, 500)
    drawn = torch.stack([keep(key(number), 0, shape, p, "cpu") for number in range(100)])
    drawn = (drawn.double() - (1 - p)) / (p * (1 - p)) ** 0.5
    assert abs(drawn.mean()) < 4.5 / drawn.numel() ** 0.5
    by_row, by_column = drawn.transpose(0, 1).flatten(1), drawn.flatten(0, 1).T  # one line each
    by_key = drawn.flatten(1)
    calls = torch.stack([keep(key(7), call, shape, p, "cpu") for call in range(50)]).double()
    calls = ((calls - (1 - p)) / (p * (1 - p)) ** 0.5).flatten(1)
    for lines in (by_row, by_column, by_key, calls):
        alike = lines @ lines.T / lines.shape[1] ** 0.5  # standard normal off the diagonal
        alike = alike[~torch.eye(len(lines), dtype=torch.bool)]
        assert abs(alike.std() - 1) < 0.1
        assert alike.abs().max() < 6


def test_noise_is_the_same_beside_any_others():
    """A clip drops the same in a longer batch and under vmap; another key, another noise."""
    x = torch.ones(6, 5, 7)

    def drop(number, x):
        with Noise(number):
            return F.dropout(x, 0.5), F.dropout(x, 0.5)

    first, second = drop(key(1), x)
    assert (first != second).any()
    torch.testing.assert_close(drop(key(1), x[:4])[0], first[:4], rtol=0, atol=0)
    numbers = torch.tensor([9, 1], dtype=torch.int32)
    together = torch.func.vmap(drop, in_dims=(0, None), randomness="error")(numbers, x)[0]
    torch.testing.assert_close(together[1], first, rtol=0, atol=0)
    assert (together[0] != first).any()
    assert set(first.unique().tolist()) == {0.0, 2.0}


def test_dropout_keeps_its_meaning():
    x = torch.randn(8, 3, 4, 4, requires_grad=True)
    with Noise(key(1)):
        assert F.dropout(x, 0.5, False) is x
        assert not F.dropout(x, 1.0).any()
        dropped = nn.Dropout2d(0.5)(x)
        mean = nn.Dropout(0.3)(torch.ones(1000, 100)).mean()
    per_channel = (dropped != 0).flatten(2)
    assert (per_channel.all(2) | ~per_channel.any(2)).all()
    assert abs(mean - 1) < 0.01
    dropped.sum().backward()
    torch.testing.assert_close(x.grad, (dropped / x).detach(), rtol=1e-5, atol=0)


class Layouts(TorchDispatchMode):
    """Refuses what cuDNN's BatchNorm does, of what vmap hands down to it."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.native_batch_norm.default:
            x, weight = args[:2]
            assert x.is_contiguous() and x.dtype == weight.dtype
        return function(*args, **kwargs or {})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["ststnet", "rcn", "am_gcn", "hyperhtnet/as_coded"])
def test_batchnorm_of_a_stack_is_given_a_layout_that_a_gpu_takes(name, precision, monkeypatch):
    """cuDNN asks a tensor under vmap for no other layout, and takes contiguous ones alone."""
    given, real = [], torch.batch_norm

    def batch_norm(x, *rest):
        given.append(x.ndim)
        return real(x, *rest)

    monkeypatch.setattr(torch, "batch_norm", batch_norm)
    task = training.Task(*arguments(name, batch_size=4), n_classes=3, precision=precision)
    folds = max(stacked.alike(task, FOLDS), key=len)
    stack = stacked.Stack(task, folds, on_device(task, task.features))
    with Layouts(), numerics(precision, "cpu"):
        stack.epoch(1)
        stack.predict(stack.labels[:, :2])
    assert len(folds) > 1 and set(given) == {3}, "three dimensions have no layout but one"


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5, 3)])
def test_masked_statistics_are_those_of_the_clips_that_count(shape):
    torch.manual_seed(0)
    layer = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(4).double()
    nn.init.normal_(layer.weight)
    statistics = [layer.running_mean.clone(), layer.running_var.clone()]
    x = torch.randn(shape, dtype=torch.float64)
    expected = layer(x[:4])
    real = torch.tensor([1, 1, 1, 1, 0, 0], dtype=torch.bool)
    found = stacked_batch_norm(x, *statistics, layer.weight, layer.bias, training=True, real=real)
    torch.testing.assert_close(found[:4], expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(statistics[0], layer.running_mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(statistics[1], layer.running_var, rtol=0, atol=1e-12)
    twice = torch.cat([x[:3], x[:3]])  # two parts a clip
    with pytest.raises(StudyError, match="BatchNorm sees 6 rows of 4 clips"):
        stacked_batch_norm(twice, *statistics, training=True, real=real[:4])
