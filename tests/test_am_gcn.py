"""AM-GCN: sizes of both forms, what is dead as coded, and where its graph is needed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from mer_utils import systems, training
from mer_utils.checks import planted
from mer_utils.errors import StudyError
from mer_utils.evaluation.protocol import Fold
from mer_utils.preprocessing import regions
from mer_utils.systems import am_gcn, am_gcn_as_coded, am_gcn_parts

torch.set_num_threads(1)

TINY = planted.UNITS_TOGETHER_SIZES


def variant(name, **changes):
    if not name:
        return am_gcn.Config(**changes)
    line = systems.ablations("am_gcn")[name]
    return line.module.Config(**{**line.changes, **changes})


def module_of(config):
    return am_gcn_as_coded if isinstance(config, am_gcn_as_coded.Config) else am_gcn


def network(config, n_classes, context):
    return module_of(config).network(config, n_classes, context)


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def graph(config) -> dict[str, np.ndarray]:
    count = len(config.units)
    return {"unit_graph": np.full((count, count), 1 / count, np.float32)}


def inputs(config, count=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    side = am_gcn.cells(config)
    batch = {"motion": torch.randn(count, 1, config.size, config.size, generator=random)}
    if config.position:
        batch["face"] = torch.randn(count, 1, side, side, generator=random)
    if config.graph != "none":
        pool = torch.rand(count, 6, side**2, generator=random)
        batch["pool"] = pool / pool.sum(-1, keepdim=True)
    return batch


def test_parameter_counts():
    """The published network of the script for three classes, and the one described, at full size"""
    coded = network(variant("as_coded"), 3, {})
    assert parameters(coded) == 9_974_531
    assert parameters(coded) - parameters(coded.dead) == 3_030_649
    assert parameters(coded.dead["position"]) == 6_415_366
    assert parameters(coded.dead["unit_head"]) == 476_672
    assert parameters(coded.dead["time"]) == 49_284
    assert parameters(coded.head) == 501_765  # five outputs, in the script for three classes
    config = am_gcn.Config()
    described = network(config, 3, graph(config))
    # + position branch without its unused head, mask and class token; + ours; the head shrinks
    ours = parameters(described.units) + parameters(described.unit_head) + 2 * 512  # BatchNorm
    position = 6_415_366 - 512 - 2_565 - 513
    assert parameters(described) == 3_030_649 - 501_765 + 513 * 3 + position + ours


def backward(config, n_classes=3):
    torch.manual_seed(0)
    net = network(config, n_classes, graph(config))
    known = torch.zeros(3, len(config.units))
    known[:, ::2] = 1
    criterion = am_gcn.loss(config, None)
    criterion(net(**inputs(config)), torch.tensor([0, 1, 2]), known).backward()
    return net


def test_gradient_reaches_everything_as_described():
    net = backward(variant(None, **TINY))
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_dead_parts_get_no_gradient_as_coded():
    tiny = {key: value for key, value in TINY.items() if key != "position_layers"}
    net = backward(variant("as_coded", **tiny))
    for name, parameter in net.named_parameters():
        assert (parameter.grad is None) == name.startswith("dead."), name
    live = sum(p.numel() for p in net.parameters() if p.grad is not None)
    assert live == parameters(net) - parameters(net.dead)


def test_outputs_beyond_the_classes_are_trained_but_never_predicted():
    config = variant("as_coded", **TINY)
    net = network(config, 3, {})
    assert net(**inputs(config)).shape == (3, 5)
    assert net.eval()(**inputs(config)).shape == (3, 3)


def test_a_cell_of_the_last_map_sees_39_pixels():
    config = variant("as_coded", **{**TINY, "size": 160})
    net = network(config, 3, {}).double().eval()
    motion = torch.randn(1, 1, 160, 160, dtype=torch.float64, requires_grad=True)
    last, _ = net.trunk(motion)
    last[0, :, 5, 5].sum().backward()
    rows = motion.grad[0, 0].any(dim=1).nonzero()
    assert rows.max() - rows.min() + 1 == 39


def test_attention_is_carried_on():
    """A block's map is never above what the block before it let through."""
    config = variant(None, **TINY)
    net = network(config, 3, graph(config)).eval()
    maps = net.trunk(inputs(config)["motion"])[1]
    for before, after in zip(maps, maps[1:], strict=False):
        limit = torch.nn.functional.max_pool2d(before, 3, 2, padding=1)
        assert (after <= limit).all()
    alone = network(replace(config, continuous=False), 3, graph(config)).eval()
    alone.load_state_dict(net.state_dict())
    assert torch.equal(alone.trunk(inputs(config)["motion"])[1][0], maps[0])
    assert not torch.equal(alone.trunk(inputs(config)["motion"])[1][1], maps[1])


def test_position_weighs_the_motion_and_as_in_mmnet_is_added_to_it():
    for fusion, expected in (("product", lambda x, p: x * (1 + p)), ("sum", lambda x, p: x + p)):
        config = variant(None, **TINY, fusion=fusion)
        net = network(config, 3, graph(config)).eval()
        batch = inputs(config)
        x = net.trunk(batch["motion"])[0]
        position = net.position(batch["face"].expand(-1, config.channels, -1, -1))
        fused = net.locate(x, batch["face"])
        torch.testing.assert_close(fused, expected(net.balance(x), position))


def test_motion_enters_as_strong_as_position():
    config = variant(None, **TINY)
    torch.manual_seed(0)
    net = network(config, 3, graph(config)).train()
    x = net.trunk(inputs(config, 8)["motion"])[0]
    assert x.std() < 0.3
    assert net.balance(x).std().item() == pytest.approx(1, abs=0.1)


def test_displacement_is_what_moved_and_not_the_head():
    random = np.random.default_rng(0)
    face = gaussian_filter(random.normal(size=(128, 128)), 2.5)
    face = 128 + 25 * face / face.std()
    y, x = np.mgrid[:128, :128].astype(float)
    near = np.exp(-((y - 90) ** 2 + (x - 40) ** 2) / 200)
    apex = map_coordinates(face, [y - 0.3 - 0.9 * near, x + 0.6 * near], order=3, mode="nearest")
    right, down = am_gcn.displacement(np.stack([face, apex]))
    assert 0.5 < down[90, 40] < 1.2 and -0.9 < right[90, 40] < -0.3
    far = (slice(20, 60), slice(70, 110))
    assert np.abs(down[far]).mean() < 0.1 and np.abs(right[far]).mean() < 0.1
    assert not am_gcn.displacement(np.stack([face, face])).round(9).any()


def test_displacement_has_two_channels():
    with pytest.raises(StudyError, match="set channels=2, or motion='difference'"):
        am_gcn.Config(motion="displacement")
    views, _, table = planted.units_together(2)
    small = am_gcn.Config(**am_gcn.SMALL)
    assert am_gcn.features(views, table, small)["motion"].shape == (2, 2, 48, 48)


# --- action units ---------------------------------------------------------------------------------


def clips(*texts):
    return pd.DataFrame({"action_units": list(texts)})


def test_targets_keep_unknown_apart_from_absent():
    config = am_gcn.Config(units=(1, 2, 12, 14))
    found = am_gcn.targets(clips("R2+12", "", "14 or 12", "43", "ref(12)+1", "?"), config)
    assert found["action_units"].tolist() == [
        [0, 1, 1, 0],
        [-1, -1, -1, -1],  # nobody coded it
        [0, 0, 0, 0],  # one of two, and nobody knows which
        [0, 0, 0, 0],  # coded, but with a unit that is no node
        [1, 0, 0, 0],  # 12 was there before
        [-1, -1, -1, -1],
    ]


def test_graph_is_conditional_frequency_of_the_clips_given():
    config = am_gcn.Config(units=(1, 2, 12, 14))
    found = am_gcn.fit_context(clips("1+2", "1+2", "1", "12", ""), {}, config)["unit_graph"]
    raw = np.eye(4)
    raw[0, 1], raw[1, 0] = 2 / 3, 1.0  # P(2 | 1), P(1 | 2)
    np.testing.assert_allclose(found, regions.normalise(raw), rtol=1e-6)
    without = am_gcn.fit_context(clips("", ""), {}, config)["unit_graph"]
    np.testing.assert_array_equal(without, np.eye(4))


def test_features_hold_no_action_unit():
    """Whatever a clip is coded with, what the network is given of it stays the same."""
    views, _, table = planted.units_together(4)
    config = am_gcn.Config(**TINY)
    told = am_gcn.features(views, table, config)
    other = am_gcn.features(views, clips("1", "", "12+14", "?"), config)
    assert set(told) == {"motion", "face", "pool"}
    for name in told:
        np.testing.assert_array_equal(told[name], other[name])


def test_multi_label_loss():
    scores = torch.tensor([[2.0, -1.0, 0.5], [9.0, 9.0, 9.0]], requires_grad=True)
    known = torch.tensor([[1.0, 0.0, 0.0], [-1.0, -1.0, -1.0]])
    expected = np.log1p(np.exp(-2.0)) + np.log(1 + np.exp(-1.0) + np.exp(0.5))
    cost = am_gcn_parts.multi_label_loss(scores, known)
    assert cost.item() == pytest.approx(expected, rel=1e-5)
    cost.backward()
    assert scores.grad[1].eq(0).all() and scores.grad[0].ne(0).all()
    assert am_gcn_parts.multi_label_loss(scores, torch.full_like(known, -1)).item() == 0


def test_pools_lie_on_their_regions():
    pool = am_gcn_parts.region_pools(planted.units_together(2)[0]["landmarks"], 14)
    assert pool.shape == (2, 6, 196)
    np.testing.assert_allclose(pool.sum(-1), 1, rtol=1e-5)
    rows, columns = np.divmod(pool[0].argmax(-1), 14)
    names = dict(zip(regions.REGIONS, zip(rows, columns, strict=True), strict=True))
    assert names["right brow"][0] < names["right eye"][0] < names["nose"][0] < names["mouth"][0]
    assert names["right brow"][1] < 7 <= names["left brow"][1]  # the person's right is ours left


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("am_gcn", {"graph": "units"}),
        ("am_gcn/flat", {"head": "mean"}),
        ("am_gcn", {"units": (1, 46)}),
    ],
)
def test_unknown_values_are_refused(name, change):
    with pytest.raises(StudyError, match="am_gcn.*choose"):
        systems.resolve(name, change)


# --- trained --------------------------------------------------------------------------------------


def train(config, views, labels, table, train_count, seed=0):
    """Class probabilities (n, 2) of the clips after the first `train_count`."""
    positions = np.arange(len(labels))
    fold = Fold("planted", "unseen", positions[:train_count], positions[train_count:])
    features = am_gcn.features(views, table, config)
    task = training.Task(module_of(config), config, features, table, labels, n_classes=2, seed=seed)
    run = training.train_folds(task, [fold], jobs=1)
    return next(run).probabilities


def test_action_units_of_the_left_out_clips_change_nothing():
    views, labels, table = planted.units_together(24)
    config = am_gcn.Config(**{**TINY, "size": 32, "epochs": 2})
    before = train(config, views, labels, table, 16)
    other = table.copy()
    other.loc[16:, "action_units"] = "1+9+28"
    np.testing.assert_array_equal(train(config, views, labels, other, 16), before)
    other.loc[0, "action_units"] = "1+9+28"  # but those it learns from do
    assert not np.array_equal(train(config, views, labels, other, 16), before)


@pytest.mark.slow
def test_only_the_graph_sees_units_that_move_together():
    """Brows and mouth, each half of the time up in either class; 80 clips nobody has seen."""
    views, labels, table = planted.units_together(240)
    right = {}
    coded = systems.ablations("am_gcn")["as_coded"].changes | {"dead_parts": False}
    for name, changes in {"": {}, "no_graph": {"graph": "identity"}, "as_coded": coded}.items():
        config = variant(name, **TINY | changes)
        predicted = train(config, views, labels, table, 160).argmax(1)
        right[name or "described"] = (predicted == labels[160:]).mean()
    assert right["described"] > 0.95
    assert right["no_graph"] < 0.7 and right["as_coded"] < 0.7  # chance: 0.5 +- 0.06


def test_learning_rate_falls_as_coded():
    config = am_gcn.Config()
    rates = [am_gcn.rate(config, epoch) for epoch in (1, 2, 51, 99)]
    np.testing.assert_allclose(rates, 8e-4 * 0.987 ** np.array([0, 1, 50, 50]))
