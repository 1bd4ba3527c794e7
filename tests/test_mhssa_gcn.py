"""MHSSA-GCN: what the header claims of the code and of the description, proven on small cases."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_face import landmarks
from scipy.sparse.csgraph import floyd_warshall
from sklearn.manifold import MDS
from torch.nn import functional

from mer_utils import systems, training
from mer_utils.checks import planted
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol
from mer_utils.preprocessing import regions
from mer_utils.systems import mhssa_gcn, mhssa_gcn_as_coded
from mer_utils.systems.layers import normalise, shortest_paths
from mer_utils.systems.mhssa_gcn import Config, attention
from mer_utils.systems.mhssa_gcn_as_coded import Smacof

ABLATIONS = {
    name: line
    for name, line in systems.ablations("mhssa_gcn").items()
    if systems.neural(line.module)
}
DESCRIBED = Config()
AS_CODED = systems.resolve("mhssa_gcn/as_coded")[1]
TINY = {
    "dim": 32,
    "region_dim": 8,
    "layers": 1,
    "heads": 2,
    "head_dim": 16,
    "feedforward": 64,
    "dropout": 0.0,
}
UNITS = ["1+2", "4+7", "12", "4+9", "R2+25", "6+12", "", "10", "4"]


def changed(name: str = "", **fields) -> Config:
    """The Config of an ablation, its own change before the given fields; as described without."""
    config = systems.resolve(f"mhssa_gcn/{name}" if name else "mhssa_gcn", {"flow": "auto"})[1]
    changes = ABLATIONS[name].changes if name else {}
    return replace(config, **(fields | changes))


def module_of(config: Config):
    """The file whose Config it is."""
    return mhssa_gcn if type(config) is Config else mhssa_gcn_as_coded


def coded_clips(units=UNITS, corpus="casme2") -> pd.DataFrame:
    return pd.DataFrame({"corpus": corpus, "action_units": units})


def tiny_views(count: int = 9, seed: int = 0) -> dict[str, np.ndarray]:
    """Flow in both forms on drawn faces that differ by up to a cell."""
    random = np.random.default_rng(seed)
    points = landmarks() + random.uniform(-1, 1, (count, 1, 2))
    flow = random.normal(0, 1, (count, 3, 28, 28))
    return {
        "flow": flow.astype(np.float32),
        "flow_legacy": np.round(255 * random.random((count, 3, 28, 28))).astype(np.float32),
        "landmarks": points.astype(np.float32),
    }


def batch(config: Config, views=None) -> dict[str, torch.Tensor]:
    views = tiny_views() if views is None else views
    found = module_of(config).features(views, coded_clips(), config)
    return {name: torch.tensor(values) for name, values in found.items()}


def fresh(config: Config, n_classes: int = 3, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    module = module_of(config)
    return module.network(config, n_classes, module.fit_context(coded_clips(), {}, config))


# --- it is the published architecture -------------------------------------------------------------


def count(config: Config) -> int:
    return sum(parameter.numel() for parameter in fresh(config).parameters())


def test_as_coded_has_the_published_number_of_parameters():
    assert count(AS_CODED) == 5_110_980
    assert count(replace(AS_CODED, dead_encoder=False)) == 2_744_004


def test_as_described_adds_the_patch_norm_and_a_gamma_per_head():
    assert count(DESCRIBED) == 2_744_004 + 2 * 147 + 3 * 4


def test_as_coded_is_the_published_computation_step_by_step():
    """The same weights, restated region by region and clip by clip as the published file does."""
    config = replace(AS_CODED, dim=32, heads=2, head_dim=16, feedforward=64, layers=2)
    net = fresh(config).double().eval()
    inputs = {name: values.double() for name, values in batch(config).items()}
    with torch.no_grad():
        linear = net.embed.patch_embedding[1]
        tokens = inputs["patches"] @ linear.weight.T + linear.bias
        region = net.embed.region_embedding(torch.arange(6).repeat_interleave(12)).expand(9, -1, -1)
        tokens = net.embed.combine(torch.cat([tokens, region], dim=-1)).reshape(54, 12, 32)
        keypoints = inputs["positions"].reshape(54, 12, 2)
        spatial = 1.0 / (torch.cdist(keypoints, keypoints) + 1e-8)
        valid = (keypoints.sum(-1) != 0).double()
        spatial = spatial * valid[:, :, None] * valid[:, None]
        for norm, block, feedforward in net.encode.encoders[0].layers:
            query, key, value = block.qkv(norm(tokens)).chunk(3, dim=-1)
            heads = []
            for head in range(2):
                part = slice(16 * head, 16 * head + 16)
                logits = query[..., part] @ key[..., part].mT / 4.0 + spatial
                heads.append(logits.softmax(-1) @ value[..., part])
            tokens = tokens + block.out(torch.cat(heads, dim=-1))
            tokens = tokens + feedforward(tokens)
        features = net.encode.aggregate(tokens.mean(dim=1)).reshape(9, 6, 32)
        cosine = functional.cosine_similarity(features[:, :, None], features[:, None], dim=-1)
        found = np.array([published_manifold(one) for one in cosine.numpy()])
        weight, known = net.relate.weight, net.relate.action_unit_graph
        graph = weight * torch.tensor(found) + (1 - weight) * known
        for layer in net.relate.layers:
            features = (graph @ layer(features)).relu()
        expected = net.head(features.mean(dim=1))
        torch.testing.assert_close(net(**inputs), expected, rtol=0, atol=1e-9)


def published_manifold(cosine: np.ndarray) -> np.ndarray:
    """(6, 6) cosines -> Floyd-Warshall -> scikit-learn's MDS -> distances, each row's largest 1."""
    lengths = np.maximum((cosine + cosine.T) / 2, 0.1)
    paths = floyd_warshall(lengths * (1 - np.eye(6)), directed=False)
    apart = scikit_mds(paths, eps=1e-3)
    return apart / apart.max(axis=1, keepdims=True)


def scikit_mds(paths: np.ndarray, eps: float) -> np.ndarray:
    """(6, 6) distances between the points that scikit-learn finds."""
    points = MDS(
        n_components=2,
        metric="precomputed",
        n_init=4,
        init="random",
        max_iter=300,
        eps=eps,
        random_state=42,
        normalized_stress=False,
    ).fit_transform(paths)
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


# --- the graph as batched tensors -----------------------------------------------------------------


def random_lengths(count: int, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 6, 16)) + random.uniform(0, 2, (count, 1, 1))
    unit = features / np.linalg.norm(features, axis=-1, keepdims=True)
    return torch.tensor(np.clip(unit @ unit.swapaxes(1, 2), 0.1, None))


def test_batched_min_plus_is_floyd_warshall():
    lengths = random_lengths(50)
    expected = [
        floyd_warshall(one * (1 - np.eye(6)), directed=False) for one in (lengths**4).numpy()
    ]
    found = shortest_paths(lengths**4)  # the power makes ways round shorter than edges
    np.testing.assert_allclose(found, np.array(expected), atol=1e-15)
    assert (found < lengths**4 - 1e-6).any(), "no way round was ever shorter: nothing was tested"


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_batched_scaling_is_scikit_learns(tolerance):
    paths = shortest_paths(random_lengths(20, seed=1))
    starts = fresh(AS_CODED).relate.starts
    points = Smacof.apply(paths, starts, 300, tolerance)
    expected = np.array([scikit_mds(one, tolerance) for one in paths.numpy()])
    apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    np.testing.assert_allclose(apart, expected, atol=1e-9)


def test_scaling_under_vmap_is_the_same():
    paths = shortest_paths(random_lengths(12, seed=2))
    starts = fresh(AS_CODED).relate.starts
    folded = torch.func.vmap(lambda one: Smacof.apply(one, starts, 300, 1e-3))(
        paths.unflatten(0, (3, 4))
    )
    torch.testing.assert_close(
        folded.flatten(0, 1), Smacof.apply(paths, starts, 300, 1e-3), rtol=0, atol=0
    )


def test_the_manifold_graph_holds_affinities_over_shortest_paths():
    relate = fresh(replace(DESCRIBED, **TINY)).double().relate
    features = torch.randn(7, 6, 32, dtype=torch.float64)
    graphs = relate.manifold_graph(features)
    for graph, one in zip(graphs.numpy(), features.numpy(), strict=True):
        unit = one / np.linalg.norm(one, axis=1, keepdims=True)
        squared = floyd_warshall((1 - unit @ unit.T) * (1 - np.eye(6))) ** 2
        affinity = np.exp(-squared / squared[~np.eye(6, dtype=bool)].mean())
        np.testing.assert_allclose(graph, regions.normalise(affinity), atol=1e-12)
        np.testing.assert_allclose(graph, graph.T, atol=1e-12)
    torch.testing.assert_close(relate.manifold_graph(7 * features), graphs)
    alike = relate.manifold_graph(torch.ones(1, 6, 32, dtype=torch.float64))
    torch.testing.assert_close(alike, torch.full_like(alike, 1 / 6), atol=1e-6, rtol=0)


def test_the_graph_is_the_mix_it_is_said_to_be():
    features = torch.randn(5, 6, 32)
    parts = {
        kind: fresh(replace(DESCRIBED, **TINY, graph=kind)).relate.graph(features).detach()
        for kind in ("both", "action_units", "manifold", "identity")
    }
    half = (parts["action_units"] + parts["manifold"]) / 2  # sigmoid(0) is a half
    torch.testing.assert_close(parts["both"], half)
    torch.testing.assert_close(parts["identity"], torch.eye(6).expand(5, -1, -1))
    product = fresh(replace(DESCRIBED, **TINY, combine="product")).relate.graph(features)
    expected = normalise(parts["action_units"] * parts["manifold"])
    torch.testing.assert_close(product, expected)


# --- what the spatial term does -------------------------------------------------------------------


def test_as_coded_every_landmark_attends_to_itself_alone():
    inputs = batch(AS_CODED)
    inputs["positions"] = spread(inputs["positions"])
    seen = attention(fresh(AS_CODED), **inputs)  # (layers, B, heads, 72, 72)
    real = inputs["positions"][0].sum(-1) != 0
    own = seen.diagonal(dim1=-2, dim2=-1)[..., real]
    assert real.sum() == 43
    assert own.mean() > 0.9999 and own.min() > 0.99
    padding = seen.diagonal(dim1=-2, dim2=-1)[..., ~real]
    assert padding.mean() < 0.5, "empty slots are the only ones that look around"


def spread(positions: torch.Tensor) -> torch.Tensor:
    """No two landmarks in one cell, which would share the weight between them."""
    jitter = torch.arange(positions.shape[1]) % 12 * 0.013
    return torch.where(positions != 0, positions + jitter[None, :, None], 0.0)


def test_as_described_landmarks_look_around_but_only_in_their_region():
    net = fresh(DESCRIBED)
    seen = attention(net, **batch(DESCRIBED))  # (3, 9, 4, 43, 43)
    assert seen.shape == (3, 9, 4, 43, 43)
    torch.testing.assert_close(seen.sum(-1), torch.ones(3, 9, 4, 43))
    elsewhere = net.embed.region[:, None] != net.embed.region[None]
    assert not seen[..., elsewhere].any()
    assert seen.diagonal(dim1=-2, dim2=-1).mean() < 0.5


def test_near_landmarks_are_heard_more_than_far_ones():
    net = fresh(replace(DESCRIBED, **TINY))
    inputs = batch(replace(DESCRIBED, **TINY))
    inputs["patches"] = torch.zeros_like(inputs["patches"])  # content says nothing
    seen = attention(net, **inputs)[0, 0, 0]
    distance = torch.cdist(inputs["positions"][0], inputs["positions"][0])
    mouth = net.embed.region == regions.MOUTH
    row = seen[mouth][:, mouth][0]
    expected = 1 / (1 + distance[mouth][:, mouth][0])
    torch.testing.assert_close(row, expected / expected.sum(), rtol=1e-4, atol=1e-6)


def swapped(inputs, first: int, second: int):
    patches = inputs["patches"].clone()
    patches[:, [first, second]] = patches[:, [second, first]]
    return inputs | {"patches": patches}


@pytest.mark.parametrize(
    ("name", "blind"),
    [
        ("", False),
        ("linear_bias", False),
        ("no_spatial_bias", True),
        ("coded_spatial_bias", True),
        ("no_transformer", True),
        ("as_coded", True),
    ],
)
def test_who_sees_which_landmark_of_a_region_moved(name, blind):
    """Two landmarks of the mouth exchange what they see: without distances nothing changes."""
    config = changed(name, **TINY)
    net = fresh(config).double().eval()
    inputs = {key: values.double() for key, values in batch(config).items()}
    inputs["positions"] = spread(inputs["positions"])
    corner, middle = (60, 63) if name == "as_coded" else (31, 34)
    with torch.no_grad():
        change = (net(**swapped(inputs, corner, middle)) - net(**inputs)).abs().max()
    assert change < 1e-9 if blind else change > 1e-6


# --- gradients and learning -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", *ABLATIONS])
def test_gradients_reach_every_parameter_that_is_meant_to_learn(name):
    config = changed(name, **TINY)
    net = fresh(config)
    logits = net(**batch(config))
    assert logits.shape == (9, 3) and logits.isfinite().all()
    functional.cross_entropy(logits, torch.arange(9) % 3).backward()
    without = {
        parameter_name
        for parameter_name, parameter in net.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }
    dead = {n for n, _ in net.named_parameters() if n.startswith("encode.inter_encoder")}
    assert without == dead and bool(dead) == (name == "as_coded")


def test_nine_clips_are_learned():
    config = replace(DESCRIBED, **TINY)
    net, inputs, labels = fresh(config), batch(config), torch.arange(9) % 3
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(**inputs), labels)
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    assert (net(**inputs).argmax(1) == labels).all()


def accuracy(case: str, steps: int, name: str = "") -> float:
    """Of 500 unseen clips of a planted case, after training on 1500."""
    config = changed(name, **TINY)
    module = module_of(config)
    views, labels, clips = getattr(planted, case)(2000)
    labels = torch.tensor(labels)
    inputs = {
        key: torch.tensor(values) for key, values in module.features(views, clips, config).items()
    }
    torch.manual_seed(0)
    net = module.network(config, 2, module.fit_context(clips[:1500], {}, config))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    for _ in range(steps):
        chosen = torch.randint(1500, (64,))
        optimizer.zero_grad()
        logits = net(**{name: values[chosen] for name, values in inputs.items()})
        functional.cross_entropy(logits, labels[chosen]).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        logits = net(**{name: values[1500:] for name, values in inputs.items()})
    return (logits.argmax(1) == labels[1500:]).double().mean().item()


def test_where_in_a_region_it_moves_is_learned_by_distances_alone():
    assert accuracy("gathered", 350) > 0.9
    for blind in ("no_spatial_bias", "coded_spatial_bias"):
        assert 0.4 < accuracy("gathered", 150, blind) < 0.6, "half are right by chance"


def test_which_regions_move_together_is_learned_by_the_graph_alone():
    assert accuracy("regions_together", 200) > 0.95
    for name in ("no_graph", "no_gcn"):
        # what no sum over regions can tell, a LayerNorm of the sum can for one pair of the four
        assert accuracy("regions_together", 200, name) < 0.85


# --- what a fold may learn from -------------------------------------------------------------------


@pytest.mark.parametrize("config", [DESCRIBED, AS_CODED])
def test_the_graph_knows_nothing_of_the_left_out_subject(config):
    clips = coded_clips().assign(subject=[*"aaabbbccc"])
    other = clips.copy()
    other.loc[clips["subject"] == "c", "action_units"] = "1+7+9+25"
    train = np.flatnonzero(clips["subject"] != "c")
    first, second = (
        module_of(config).fit_context(table.iloc[train], {}, config)["action_unit_graph"]
        for table in (clips, other)
    )
    np.testing.assert_array_equal(first, second)
    everyone = module_of(config).fit_context(other, {}, config)["action_unit_graph"]
    assert not np.array_equal(first, everyone), "the change would have been seen"


@pytest.mark.parametrize("variant", ["", "as_coded"])
def test_predictions_do_not_move_with_the_left_out_subjects_units(variant):
    config = changed(variant, **TINY, epochs=2, batch_size=4)
    module = module_of(config)
    clips = coded_clips().assign(subject=[*"aaabbbccc"], clip=[*"123456789"])
    fold = protocol.Fold("casme2", "c", np.arange(6), np.arange(6, 9))
    other, others = clips.copy(), clips.copy()
    other.loc[fold.test, "action_units"] = "1+7+9+25"
    others.loc[fold.train, "action_units"] = "1+7+9+25"
    first, second, third = (
        training.train_fold(
            training.Task(
                module,
                config,
                module.features(tiny_views(), table, config),
                table,
                np.arange(9) % 3,
                n_classes=3,
            ),
            fold,
        ).probabilities
        for table in (clips, other, others)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third), "the training clips' units do count"


def test_as_coded_counts_casme2_alone():
    mixed = pd.concat([coded_clips(), coded_clips(["1+7"] * 9, corpus="samm")], ignore_index=True)
    for corpus in ("casme2", "synthetic_casme2"):
        clips = mixed.replace({"corpus": {"casme2": corpus}})
        found = mhssa_gcn_as_coded.fit_context(clips, {}, AS_CODED)["action_unit_graph"]
        expected = regions.co_occurrence(coded_clips(), regions.PUBLISHED_UNITS, sides=False)
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_without_action_units_regions_are_told_nothing():
    smic = coded_clips([""] * 9, corpus="smic")
    found = mhssa_gcn.fit_context(smic, {}, DESCRIBED)["action_unit_graph"]
    np.testing.assert_array_equal(found, np.eye(6))
    with pytest.raises(StudyError, match="no training clip has any"):
        mhssa_gcn.fit_context(smic, {}, replace(DESCRIBED, graph="action_units"))


# --- inputs and options ---------------------------------------------------------------------------


def test_inputs_are_scaled_by_constants():
    views = tiny_views()
    pixels = batch(DESCRIBED, views)["patches"].reshape(9, 43, 7, 7, 3)
    cut, centres = regions.patches(views["flow"], views["landmarks"])
    scales = np.array(systems.inputs.SCALES["flow"])
    np.testing.assert_allclose(pixels, cut.reshape(9, 43, 7, 7, 3) / scales, rtol=1e-6)
    one = {name: values[:1] for name, values in views.items()}
    np.testing.assert_array_equal(batch(DESCRIBED, one)["patches"][0], pixels[0].reshape(43, 147))
    legacy = batch(replace(DESCRIBED, flow="flow_legacy"), views)["patches"]
    assert legacy.min() >= 0 and 0.9 < legacy.max() <= 1
    raw = batch(AS_CODED, views)
    assert raw["patches"].max() == 255 and raw["patches"].shape == (9, 72, 147)
    real = raw["positions"].sum(-1) != 0
    assert real.sum(1).tolist() == [43] * 9 and not raw["patches"][~real].any()
    assert raw["positions"][real].frac().abs().max() == 0, "whole cells, as published"
    assert centres.shape == (9, 43, 2)


def test_the_views_needed_follow_the_flow():
    assert systems.views_needed(mhssa_gcn, DESCRIBED) == ("flow", "landmarks")
    assert systems.views_needed(mhssa_gcn_as_coded, AS_CODED) == ("flow_legacy", "landmarks")


def test_unknown_choices_are_refused_with_the_known_ones():
    with pytest.raises(StudyError, match="nearest is 'none': choose one of logarithmic, linear"):
        systems.resolve("mhssa_gcn", {"spatial": "non"})
    with pytest.raises(StudyError, match="belongs to the published code.*mhssa_gcn/padded"):
        systems.resolve("mhssa_gcn", {"padding": True})
    assert systems.resolve("mhssa_gcn/padded", {"spatial": "inverse"})[1].spatial == "inverse"


@pytest.mark.parametrize("name", ["", "as_coded", "six_encoders"])
def test_folds_trained_together_are_the_folds_trained_alone(name):
    """Gradients of two folds stacked under vmap, in float64, against one after the other."""
    config = changed(name, **TINY)
    nets = [fresh(config, seed=seed).double() for seed in (0, 1)]
    inputs = {key: values.double() for key, values in batch(config).items()}
    labels = torch.arange(9) % 3
    parameters, buffers = torch.func.stack_module_state(nets)

    def loss(parameters, buffers):
        logits = torch.func.functional_call(nets[0], (parameters, buffers), kwargs=inputs)
        return functional.cross_entropy(logits, labels)

    stacked = torch.func.vmap(torch.func.grad(loss), randomness="different")(parameters, buffers)
    for fold, net in enumerate(nets):
        functional.cross_entropy(net(**inputs), labels).backward()
        for key, parameter in net.named_parameters():
            if parameter.grad is not None:
                torch.testing.assert_close(stacked[key][fold], parameter.grad, rtol=0, atol=1e-10)
