"""Dual-branch 3D-CNN: sizes of both forms, what sees what, and where its GRU is needed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from mer_utils import experiments, systems, training
from mer_utils.checks import planted
from mer_utils.errors import StudyError
from mer_utils.evaluation.protocol import Fold
from mer_utils.preprocessing.views import Views
from mer_utils.systems import dual_branch_3dcnn as dual
from mer_utils.systems import dual_branch_3dcnn_as_coded as coded_dual
from mer_utils.systems import dual_branch_3dcnn_parts as parts

torch.set_num_threads(1)

TINY = {**dual.SMALL, "size": 18, "dropout": 0.0}


def variant(name, **changes):
    if not name:
        return dual.Config(**changes)
    line = systems.ablations("dual_branch_3dcnn")[name]
    return line.module.Config(**{**line.changes, **changes})


def changed(sizes, name):
    """A variant at other sizes: what it changes comes last."""
    line = systems.ablations("dual_branch_3dcnn")[name] if name else None
    return variant(name, **{**sizes, **(line.changes if line else {})})


def module_of(config):
    return coded_dual if isinstance(config, coded_dual.Config) else dual


def network(config, n_classes, context):
    return module_of(config).network(config, n_classes, context)


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def inputs(config, count=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    shape = (count, config.frames, config.size, config.size)
    names = ("face",) if config.second == "face" else ("face", "regions")
    return {name: torch.randn(shape, generator=random) for name in names}


# --- sizes ----------------------------------------------------------------------------------------


def test_parameter_counts():
    """The script's network, layer by layer, and the one described."""
    coded = network(variant("as_coded"), 3, {})
    assert {name: parameters(part) for name, part in coded.named_children()} == {
        "branches": 12_032 + 2_624,
        "both": 55_328,
        "channel_attention": 584,
        "spatial_attention": 1_760,
        "dense": 921_728 + 8_256,
        "gru": 887_808,
        "attention": 872_780,
        "head": 65_408 + 8_256 + 195,
    }
    assert parameters(coded) == 2_836_759
    described = network(dual.Config(), 3, {})
    # one grey channel instead of three, one spatial map instead of 32; more steps cost nothing
    spared = 32 * 2 * (5**3 + 3**3) + 31 * (2 * 27 + 1)
    assert parameters(described) == 2_836_759 - spared


def test_shapes_of_the_published_size():
    """10 frames of 128 pixels: 4 x 43 x 43 after the branches, then 2 x 15 x 15, 510 numbers."""
    config = variant("as_coded")
    net = network(config, 3, {}).eval()
    face = inputs(config, 1)["face"]
    with torch.no_grad():
        assert net.branches[0](face[:, None].expand(-1, 3, -1, -1, -1)).shape == (1, 32, 4, 43, 43)
        assert net.convolve(face).shape == (1, 32, 2, 15, 15)
        steps = net.steps(face)
        assert steps.shape == (1, 2, 512)
        assert net.attention(steps).shape == (1, 510)
        assert net.attention.weights(steps).shape == (1, 8, 2)
        assert net(face).shape == (1, 3)


def test_pooling_pads_as_keras_does():
    """Of missing cells the odd one stands at the end, and padding never wins a maximum."""
    block = parts.Block(1, 2, 1, 1).eval()
    block.pool = (3, 3, 3)
    x = torch.randn(1, 1, 10, 13, 18) - 5
    before_after = (0, 0, 1, 1, 1, 1)  # of columns, rows, frames: 18 fit, 13 and 10 lack two
    padded = F.pad(block.convolution(x), before_after, value=-torch.inf)
    expected = F.leaky_relu(F.max_pool3d(padded, 3), parts.SLOPE)
    torch.testing.assert_close(block(x), expected)
    assert block(torch.randn(1, 1, 2, 128, 128)).shape[2:] == (1, 43, 43)


# --- what sees what -------------------------------------------------------------------------------


def seen_frames(config) -> np.ndarray:
    """(steps, frames) whether the convolutions of a step see a frame."""
    net = network(config, 3, {}).double().eval()
    pictures = {name: values.double().requires_grad_() for name, values in inputs(config).items()}
    x = net.convolve(**pictures)
    found = []
    for step in range(x.shape[2]):
        grads = torch.autograd.grad(x[:, :, step].sum(), list(pictures.values()), retain_graph=True)
        found.append(sum(grad.abs().sum((0, 2, 3)) for grad in grads) > 0)
    return torch.stack(found).numpy()


def test_each_of_the_two_steps_as_coded_has_seen_every_frame():
    seen = seen_frames(variant("as_coded", **{**TINY, "frames": 10}))
    assert seen.shape == (2, 10)
    assert seen.all()


def test_as_described_every_step_has_its_own_frames():
    seen = seen_frames(variant(None, **{**TINY, "frames": 10}))
    apart = np.abs(np.arange(10)[:, None] - np.arange(10))
    np.testing.assert_array_equal(seen, apart <= 3)


def test_heads_do_not_know_the_order_of_the_steps():
    """The scores' maximum over queries is the same whatever order the queries come in."""
    torch.manual_seed(0)
    config = dual.Config(width=32, scales=(2, 4, 8))
    heads = parts.MultiScaleMultiHead(6, config).double()
    x = torch.randn(2, 10, 6, dtype=torch.float64)
    other = torch.randperm(10)
    torch.testing.assert_close(heads.weights(x)[:, :, other], heads.weights(x[:, other]))
    torch.testing.assert_close(heads(x), heads(x[:, other]))
    sums = heads.weights(x).sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize("name", ["no_gru", None])
def test_only_the_gru_knows_the_order_when_kernels_see_one_frame(name):
    config = changed(planted.ORDER_SIZES, name)
    torch.manual_seed(0)
    net = network(config, 2, {}).double().eval()
    pictures = {name: values.double() for name, values in inputs(config).items()}
    turned = {name: values.flip(1) for name, values in pictures.items()}
    same = torch.allclose(net(**pictures), net(**turned), rtol=1e-9)
    assert same == (name == "no_gru")


@pytest.mark.parametrize("name", [None, "as_coded", "attention_pooling", "cam_none", "no_gru"])
def test_gradient_reaches_everything(name):
    """The bias of keys aside: where one query has the maximum for all of them, it shifts nothing"""
    config = changed({**TINY, "frames": 10}, name)
    torch.manual_seed(0)
    net = network(config, 3, {}).double().train()
    pictures = {name: values.double() for name, values in inputs(config).items()}
    criterion = dual.loss(config, np.array([1, 1, 1]))
    criterion(net(**pictures), torch.tensor([0, 1, 2])).backward()
    for parameter_name, parameter in net.named_parameters():
        if not parameter_name.endswith("key.bias"):
            assert parameter.grad.abs().max() > 1e-9, parameter_name


def test_channel_attention_by_difference_and_by_sum():
    """A map without spread has its mean as maximum: of this the difference says 1/2, not the sum"""
    flat = torch.full((1, 8, 2, 3, 3), 2.0)
    for form, half in (("difference", True), ("sum", False)):
        torch.manual_seed(0)
        attention = parts.ChannelAttention(dual.Config(maps=8, channel_attention=form))
        attention.of_maximum.load_state_dict(attention.of_mean.state_dict())
        shares = attention(flat)
        assert shares.shape == (1, 8, 1, 1, 1)
        assert torch.equal(shares, torch.full_like(shares, 0.5)) == half


# --- what is known of a clip ----------------------------------------------------------------------


def test_the_regions_are_found_by_landmarks_alone():
    views, _, table = planted.order_of_movements(2)
    config = variant(None, **TINY)
    told = dual.features(views, table, config)
    assert {name: values.shape for name, values in told.items()} == {
        "face": (2, 6, 18, 18),
        "regions": (2, 6, 18, 18),
    }
    bare = dual.features(views, table[["corpus", "clip"]], config)  # no label, no action unit
    for name in told:
        np.testing.assert_array_equal(bare[name], told[name])
    moved = dual.features({**views, "landmarks": views["landmarks"] + 2}, table, config)
    np.testing.assert_array_equal(moved["face"], told["face"])
    assert not np.array_equal(moved["regions"], told["regions"])


@pytest.mark.parametrize(
    ("points", "row", "columns"),
    [
        (range(36, 42), slice(16, 64), slice(0, 64)),
        (range(42, 48), slice(16, 64), slice(64, 128)),
        (range(48, 68), slice(64, 128), slice(32, 96)),
    ],
)
def test_eyes_lie_above_and_the_mouth_below(points, row, columns):
    landmarks = planted.order_of_movements(1)[0]["landmarks"][0]
    centre = landmarks[list(points)].mean(axis=0) * (dual.FACE / 28)
    rows, across = np.mgrid[:128, :128] + 0.5
    spot = np.exp(-((across - centre[0]) ** 2 + (rows - centre[1]) ** 2) / 30)
    crop = dual.regions(torch.from_numpy(spot)[None].float(), landmarks)[0].numpy()
    assert crop.shape == (128, 128)
    assert crop.max() > 0.9
    assert crop[row, columns].sum() > 0.95 * crop.sum()


def test_a_moving_head_and_a_changing_light_are_taken_off():
    video = planted.order_of_movements(1)[0]["video"][0, :1]
    still = torch.from_numpy(video).float()
    place = F.affine_grid(
        torch.tensor([[[1.002, 0.002, 0.004], [-0.002, 1.0, -0.004]]]),
        (1, 1, 128, 128),
        align_corners=False,
    )  # a quarter of a pixel, a little nearer, a little turned
    shifted = F.grid_sample(still[None], place, padding_mode="border", align_corners=False)[0]
    raised = still.clone()
    raised[:, 30:36, 40:60] += 20
    found = dual.movement(torch.cat([still, 1.1 * shifted - 5, raised]))
    size = found.square().mean((1, 2)).sqrt()
    raw = (1.1 * shifted - 5 - still).square().mean().sqrt() / (still.std() * dual.CHANGE)
    assert size[0] == 0
    assert size[1] < 0.2 * raw
    inside = found[2, 31:35, 42:58].abs().mean()
    assert inside > 10 * found[2, 60:].abs().mean()


def test_grey_values_by_the_clips_own_mean_and_maximum():
    views, _, table = planted.order_of_movements(2)
    face = dual.features(views, table, variant("as_coded", size=32))["face"]
    np.testing.assert_allclose(face.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(face.max((1, 2, 3)), 1, rtol=1e-5)
    assert dual.views_needed(variant("as_coded")) == ("video",)
    assert dual.views_needed(dual.Config()) == ("video", "landmarks")


# --- loss, rate, errors ---------------------------------------------------------------------------


def test_loss_weights_classes_and_adds_the_penalty():
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    labels = torch.tensor([0, 2])
    each = F.cross_entropy(logits, labels, reduction="none")
    output, counts = (logits, torch.tensor(0.25)), np.array([6, 3, 1])
    for weighting, weights in (
        ("paper", (0.30, 0.35)),
        ("inverse", (10 / 18, 10 / 3)),
        ("none", (1, 1)),
    ):
        cost = dual.loss(dual.Config(weighting=weighting), counts)(output, labels)
        expected = (each * torch.tensor(weights)).mean() + 0.25
        assert cost.item() == pytest.approx(expected.item(), rel=1e-5), weighting
    net = network(variant("cam_none", **{**TINY, "channel_attention": "none"}), 3, {})
    squares = sum(layer.weight.square().sum() for layer in net.dense)
    assert net.penalty().item() == pytest.approx(0.001 * squares.item(), rel=1e-5)


def test_weights_for_three_classes_are_refused_for_five():
    with pytest.raises(
        StudyError, match="class_weights=.*3 classes, but here are 5: set weighting"
    ):
        dual.loss(dual.Config(), np.ones(5))
    dual.loss(dual.Config(weighting="inverse"), np.ones(5))
    dual.loss(dual.Config(class_weights=(1.0,) * 5), np.ones(5))


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"channel_attention": "product"}, "choose one of difference, sum, none"),
        ({"attention": "max"}, "choose one of msmh"),
        ({"second": "eyes"}, "choose one of regions, face"),
        ({"width": 32}, "choose smaller scales"),
    ],
)
def test_unknown_values_are_refused(change, remedy):
    with pytest.raises(StudyError, match=f"dual_branch_3dcnn.*{remedy}"):
        systems.resolve("dual_branch_3dcnn", change)


def test_more_frames_than_there_are_is_refused():
    views, _, table = planted.order_of_movements(1)
    with pytest.raises(StudyError, match="frames=30 cannot be taken from a video of 10"):
        dual.features(views, table, dual.Config(frames=30))


def test_learning_rate_falls_as_coded():
    rates = [dual.rate(dual.Config(), epoch) for epoch in (1, 40, 41, 81)]
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 9e-4, 8.1e-4])


# --- trained --------------------------------------------------------------------------------------


def train(config, given, labels, table, learned, asked):
    """Class probabilities of the clips at `asked`."""
    task = training.Task(
        module_of(config), config, given, table, labels, n_classes=labels.max() + 1
    )
    run = training.train_folds(task, [Fold("planted", "unseen", learned, asked)], jobs=1)
    return next(run).probabilities


@pytest.mark.parametrize("form", ["difference", "sum"])
def test_nine_clips_are_learned_by_heart(form):
    config = variant(None, **{**TINY, "channel_attention": form, "epochs": 30})
    config = replace(config, batch_size=9, learning_rate=5e-3, penalty=0.0)
    given = {name: values.numpy() for name, values in inputs(config, 9).items()}
    nine, labels = np.arange(9), np.arange(9) % 3
    table = pd.DataFrame({"corpus": ["planted"] * 9})
    found = train(config, given, labels, table, nine, nine)
    assert (found.argmax(1) == labels).all()


def right(rounds, *names):
    """Shares of 50 clips nobody has seen, chance 0.5 +- 0.07; the inputs of the forms are alike."""
    views, labels, table = planted.order_of_movements(140, rounds=rounds)
    learned, asked = np.arange(90), np.arange(90, 140)
    given = dual.features(views, table, changed(planted.ORDER_SIZES, names[0]))
    for name in names:
        config = changed(planted.ORDER_SIZES, name)
        found = train(config, given, labels, table, learned, asked)
        yield (found.argmax(1) == labels[asked]).mean()


def test_order_needs_the_gru_and_more_than_two_steps():
    """Kernels see one frame each."""
    described, no_gru = right(1, None, "no_gru")
    assert described > 0.9 and no_gru < 0.7
    described, time_pooled = right(2, None, "time_pooled")
    assert described > 0.9 and time_pooled < 0.7


def test_features_of_pictures_are_computed_once_and_kept_for_the_last_config(monkeypatch):
    arrays, _, clips = planted.order_of_movements(2)
    views, calls = Views(clips, clips, arrays), []

    def counted(*given):
        calls.append(1)
        return dual_features(*given)

    dual_features = dual.features
    monkeypatch.setattr(dual, "features", counted)
    _, config = systems.resolve("dual_branch_3dcnn", {"mirror": False}, "small")
    first, again = (experiments.kept_features(dual, config, views) for _ in range(2))
    assert len(calls) == 1 and list(first) == list(again) == ["face", "regions"]
    assert all(np.array_equal(first[name], again[name]) for name in first)
    fewer = experiments.kept_features(dual, replace(config, frames=5), views)
    assert fewer["face"].shape[1] == 5
    experiments.kept_features(dual, config, views)
    assert len(calls) == 3
