"""OFF-ApexNet, RCN-A, HOOF and LBP-TOP: their sizes, and what each must see and must not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from skimage.feature import local_binary_pattern

from mer_utils import systems, training
from mer_utils.errors import StudyError
from mer_utils.evaluation.protocol import Fold
from mer_utils.preprocessing import definitions, head
from mer_utils.systems import hoof, lbp_top, off_apexnet, rcn

torch.set_num_threads(1)


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def nine_clips(seed=0):
    """Three clips a class; the class is the corner of the face that moves."""
    random = np.random.default_rng(seed)
    flow = random.normal(0, 0.05, (9, 3, 28, 28)).astype(np.float32)
    labels = np.arange(9) % 3
    for clip, label in enumerate(labels):
        rows, columns = (slice(4, 10), slice(18, 24))[label // 2], (slice(4, 10), slice(18, 24))
        flow[clip, :2, rows, columns[label % 2]] += 2.0
    return {"flow": flow, "flow_legacy": 127.5 + 40 * flow}, labels


def fit_nine(module, config):
    views, labels = nine_clips()
    batch = {k: torch.from_numpy(v) for k, v in module.features(views, None, config).items()}
    torch.manual_seed(0)
    net = module.network(config, 3, systems.fit_context(module, None, batch, config))
    rate = config.learning_rate
    choose = getattr(module, "optimizer", lambda _, p: torch.optim.Adam(p, rate))
    optimizer = choose(config, net.parameters())
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(**batch), torch.from_numpy(labels)).backward()
        optimizer.step()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    return silent, net.eval()(**batch).argmax(1).numpy(), labels


@pytest.mark.parametrize("flow", ["flow", "flow_legacy"])
@pytest.mark.parametrize("module", [off_apexnet, rcn], ids=["off_apexnet", "rcn"])
def test_networks_learn_nine_clips(module, flow):
    silent, predicted, labels = fit_nine(module, module.Config(**module.SMALL, flow=flow))
    assert silent == []
    assert predicted.tolist() == labels.tolist()


# --- OFF-ApexNet ----------------------------------------------------------------------------------


def test_off_apexnet_size():
    """2.66 M, as mini-AORCNN's README has it."""
    assert parameters(off_apexnet.network(off_apexnet.Config(), 3, {})) == 2_664_475
    shared = off_apexnet.network(off_apexnet.Config(shared=True), 3, {})
    assert parameters(shared) == 2_664_475 - (25 * 6 + 6) - (25 * 6 * 16 + 16)


def test_off_apexnet_never_sees_strain():
    views, _ = nine_clips()
    config = off_apexnet.Config()
    seen = off_apexnet.features(views, None, config)["flow"]
    views["flow"][:, 2] += 5
    np.testing.assert_array_equal(seen, off_apexnet.features(views, None, config)["flow"])


# --- RCN-A ----------------------------------------------------------------------------------------


def test_rcn_size():
    """Attention and a second use of the convolution cost no parameter."""
    full = rcn.Config()
    first, once, twice = 3 * 25 * 64 + 64, 64 * 64 + 64, 9 * 64 * 64 + 64
    expected = first + once + twice + 3 * 2 * 64 + (49 * 64 * 3 + 3)
    assert expected == 55_747
    for changes in ({}, *(rcn.ABLATIONS[name][2] for name in ("no_attention", "no_recurrence"))):
        assert parameters(rcn.network(replace(full, **changes), 3, {})) == expected


def test_rcn_reaches_seven_cells_from_sixty_pixels():
    net = rcn.network(rcn.Config(), 3, {})
    shapes = []
    net.recurrent_convolution.register_forward_hook(lambda _, __, out: shapes.append(out.shape))
    net(torch.randn(2, 3, 28, 28))
    assert shapes == [(2, 64, 28, 28)] * 2  # used twice, then halved twice: 14, 7


def test_rcn_attention_is_a_class_activation_map():
    config = rcn.Config(**rcn.SMALL)
    net = rcn.network(config, 2, {})
    x = torch.rand(1, 16, 6, 6)
    torch.nn.init.zeros_(net.head.weight)
    assert net.attend(x).eq(0).all()  # without spread, not 0/0
    with torch.no_grad():
        net.head.weight[0].view(16, 6, 6)[:, 2, 3] = 1.0
    seen = net.attend(x)[0, 0]
    assert seen[2, 3] == 0.5 and seen.sum() == 0.5  # 1 in one of two classes


def test_rcn_halves_its_rate_and_training_heeds_it():
    rates = [rcn.rate(rcn.Config(), epoch) for epoch in (1, 10, 11, 100)]
    np.testing.assert_allclose(rates, 5e-4 * 0.5 ** np.array([0, 0, 1, 9]))
    views, labels = nine_clips()
    positions = np.arange(9)
    fold = Fold("planted", "s1", positions[:6], positions[6:])
    losses = []
    for halving in (0, 1):
        fields = rcn.SMALL | {"epochs": 4, "rate_halving": halving, "dropout": 0.0}
        config = rcn.Config(**fields)
        features = rcn.features(views, None, config)
        clips = pd.DataFrame({"clip": positions})
        task = training.Task(rcn, config, features, clips, labels, n_classes=3)
        run = training.train_folds(task, [fold], jobs=1)
        losses.append(next(run).losses)
    assert losses[0][0] == losses[1][0] and losses[0][1] == losses[1][1]
    assert losses[0][2] != losses[1][2]  # the second epoch's step was half as long


# --- HOOF -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("u", "v", "bins"), [(1, 0, {0: 1}), (0, 1, {2: 1}), (-1, 0, {4: 1})])
def test_hoof_orientation(u, v, bins):
    cells = np.ones((1, 28, 28))
    found = hoof.orientation_histograms(u * cells, v * cells, 1, 8)[0, 0]
    expected = np.zeros(8)
    for place, share in bins.items():
        expected[place] = share * 28 * 28
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_hoof_shares_between_neighbouring_bins_and_wraps():
    angle = np.full((1, 28, 28), -2 * np.pi / 32)  # a quarter of a bin before bin 0
    found = hoof.orientation_histograms(np.cos(angle), np.sin(angle), 1, 8)[0, 0]
    np.testing.assert_allclose(found[[7, 0]], [196, 588])
    assert found[1:7].sum() == 0


def test_hoof_blocks_are_where_they_are():
    flow = np.zeros((1, 3, 28, 28))
    flow[0, 1, 24:28, 0:4] = 1.0  # down, lowest row, leftmost column
    x = hoof.features({"flow": flow}, None, hoof.Config())["x"].reshape(7, 7, 8)
    assert x[6, 0, 2] == 1.0 and x.sum() == 1.0


def test_bi_woof_weighs_blocks_by_strain():
    flow = np.zeros((1, 3, 28, 28))
    flow[0, 0] = 1.0
    flow[0, 2, :, :4] = 0.3
    x = hoof.features({"flow": flow}, None, hoof.Config(strain=True))["x"].reshape(7, 7, 8)
    np.testing.assert_allclose(x[:, 0, 0], 1 / 7)
    assert x[:, 1:].sum() == 0


def test_hoof_finds_the_same_in_stretched_flow():
    """A stretch and a shift of u and v alike change nothing, as long as most of the face rests."""
    views, _ = nine_clips()
    rest = np.abs(views["flow"][:, :2]) < 1
    views["flow"][:, :2][rest] = 0
    views["flow_legacy"] = 100 + 30 * views["flow"]
    found = [
        hoof.features(views, None, hoof.Config(flow=flow))["x"] for flow in ("flow", "flow_legacy")
    ]
    np.testing.assert_allclose(*found, atol=1e-6)


def test_hoof_refuses_blocks_that_do_not_fit():
    with pytest.raises(StudyError, match="blocks=5 does not divide"):
        hoof.Config(blocks=5)


@pytest.mark.parametrize("variant", ["", *hoof.ABLATIONS])
def test_hoof_svm(variant):
    views, labels = nine_clips()
    views["flow"][:, 2] = np.abs(views["flow"][:, 0])
    config = hoof.Config(**(hoof.ABLATIONS[variant][2] if variant else {}))
    x = hoof.features(views, None, config)["x"]
    machine = hoof.estimator(config, 3, seed=0).fit(x, labels)
    assert (machine.predict(x) == labels).all() == (variant != "whole_face")


# --- LBP-TOP --------------------------------------------------------------------------------------


def test_planes_are_those_of_each_slice_alone():
    """One tall picture gives the patterns that slice by slice gives, rims apart."""
    video = np.random.default_rng(0).integers(0, 256, (7, 12, 15)).astype(np.uint8)
    for plane in ("xy", "xt", "yt"):
        axes = lbp_top.AXES[plane]
        slices = np.stack([local_binary_pattern(s, 4, 1) for s in video.transpose(axes)])
        expected = slices.transpose(np.argsort(axes))[1:-1, 1:-1, 1:-1]
        found = lbp_top.plane_patterns(video, axes, 4, 1)
        np.testing.assert_array_equal(found, expected)


def test_lbp_top_knows_how_many_frames_a_video_has():
    assert lbp_top.FRAMES == definitions.VIDEO_FRAMES


def test_lbp_top_tells_movement_from_its_reverse():
    """Brightening and darkening clips look alike in XY and differ in the planes with time."""
    face = np.random.default_rng(0).integers(60, 120, (40, 40))
    rising = np.stack([face + 5 * frame for frame in range(10)]).astype(np.uint8)
    clips = {"video": np.stack([rising, rising[::-1]])}
    plain = lbp_top.Config(smoothing=0.0, still_head=False, roots=False)
    both = lbp_top.features(clips, None, plain)["x"]
    space, time = np.split(both.reshape(2, 3, -1), [1], axis=1)
    np.testing.assert_array_equal(space[0], space[1])
    assert np.abs(time[0] - time[1]).max() > 0.2
    np.testing.assert_allclose(both.reshape(2, 75, 16).sum(-1), 1, rtol=1e-5)
    flat = lbp_top.features(clips, None, replace(plain, planes=("xy",)))["x"]
    assert flat.shape == (2, 25 * 16)
    roots = lbp_top.features(clips, None, replace(plain, roots=True))["x"]
    np.testing.assert_allclose(roots**2, both, atol=1e-6)


def nodding(frames=4, noise=0.0):
    """A smooth face that shifts, grows and gets brighter, and one corner that moves by itself."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64].astype(float)
    waves = random.uniform(0.1, 0.35, (6, 2)), random.uniform(0, 6, 6)
    video = []
    for t in range(frames):
        down = 0.25 * t + 0.004 * t * (y - 32)
        own = 0.8 * t * np.exp(-((y - 45) ** 2 + (x - 20) ** 2) / 30)
        rows = y - down - own
        face = sum(np.sin(a * rows + b * x + c) for (a, b), c in zip(*waves, strict=True))
        video.append((1 + 0.02 * t) * (120 + 12 * face) + t)
    return np.array(video), (y - 45) ** 2 + (x - 20) ** 2 < 64


def test_a_head_is_taken_off_and_what_moves_of_its_own_is_not():
    video, corner = nodding()
    left = head.without_head(video)[-1]
    before = (video[-1] - video[0]) ** 2
    assert left.dtype == np.float32 and not head.without_head(video)[0].any()
    assert (left[~corner] ** 2).mean() < 0.1 * before[~corner].mean()
    assert (left[corner] ** 2).mean() > 5 * (left[~corner] ** 2).mean()
    np.testing.assert_allclose(head.stilled(video), video[0] + head.without_head(video), rtol=1e-5)


def test_lbp_top_steadies_before_it_looks():
    video, _ = nodding()
    plain = lbp_top.Config(smoothing=0.0, still_head=False)
    np.testing.assert_array_equal(lbp_top.steadied(video, plain), np.rint(video * 16))
    still = lbp_top.steadied(video, replace(plain, still_head=True))
    assert np.abs(still - still[0]).mean() < 0.5 * np.abs(np.rint(16 * (video - video[0]))).mean()
    rough = video + np.random.default_rng(1).normal(0, 3, video.shape)
    smooth = lbp_top.steadied(rough, replace(plain, smoothing=1.0))
    assert np.abs(smooth / 16 - video).mean() < np.abs(rough - video).mean()
