"""The unified framework: key frames, patterns, graph autoencoder, streams; what the code loses."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from made_clips import clip_table, made_views
from safetensors.torch import save_file

from mer_utils import experiments, systems, training
from mer_utils.checks import planted
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol
from mer_utils.systems import unified, unified_as_coded, unified_graph

QUICK = unified.SMALL | {"maps": 3, "side": 32}


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads that wait for each other on a busy core are ten times slower than one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(variant=None, seed=0, n_classes=3, **fields):
    module, changes = unified, {}
    if variant:
        line = systems.ablations("unified")[variant]
        module, changes = line.module, line.changes
    config = module.Config(**{**changes, **QUICK, **fields})
    torch.manual_seed(seed)
    return config, module.network(config, n_classes, {})


def inputs(config, count=4, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return {
        "patches": torch.rand(count, config.maps * 51, 7, 7, generator=draw),
        "maps": torch.rand(count, config.maps, config.side, config.side, generator=draw),
    }


def trained_once(config, net, seed=0):
    labels = torch.tensor([0, 1, 2, 0])
    net.train()
    unified.loss(config, np.array([2, 1, 1]))(net(**inputs(config, 4, seed)), labels).backward()
    return {name: parameter.grad for name, parameter in net.named_parameters()}


# --- sizes ----------------------------------------------------------------------------------------


def count(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_as_coded_has_the_published_parameters():
    module, config = systems.resolve("unified/as_coded")
    with torch.device("meta"):  # shapes without memory
        net = module.network(config, 3, {})
    graph, visual = net.graph_stream, net.visual_stream
    assert count(net) - count(visual.vit) == 7_619_718
    assert count(graph.appearance) == 216_648
    assert count(graph.autoencoder) == 3_850_129
    assert count(graph.blocks) + count(graph.project) == 2_974_888
    assert count(visual.project) == 131_200
    assert count(visual.lstm) + count(visual.out) == 445_568
    assert count(net.weigh) == 514 and count(net.classify) == 771
    assert count(visual.vit) == 303_166_464 - 196 * 1024 + 64 * 1024 + (196 - 64) * 1024


def test_as_described_sizes():
    assert count(unified.network(unified.Config(), 3, {})) == 9_701_805
    assert count(unified.network(unified.Config(**unified.SMALL), 3, {})) < 400_000


# --- patterns -------------------------------------------------------------------------------------


def test_kirsch_masks_are_eight_turns_of_one():
    masks = unified.kirsch_masks()
    assert masks.shape == (8, 3, 3) and (masks.sum((1, 2)) == 0).all()
    assert masks[0].tolist() == [[-3, -3, 5], [-3, 0, 5], [-3, -3, 5]]
    assert masks[1].tolist() == [[-3, 5, 5], [-3, 0, 5], [-3, -3, -3]]
    assert masks[2].tolist() == [[5, 5, 5], [-3, 0, -3], [-3, -3, -3]]
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) == 8


def edge(direction: int) -> np.ndarray:
    """A frame whose brightest side lies in Kirsch's direction: 0 right, then against the clock."""
    rows, columns = np.mgrid[:128, :128] - 63.5
    angle = np.deg2rad(45 * direction)
    side = columns * np.cos(angle) - rows * np.sin(angle)
    return np.clip(128 + 40 * side, 20, 220).astype(np.uint8)


@pytest.mark.parametrize("direction", range(8))
def test_a_pattern_names_frame_and_direction_of_both_extremes(direction):
    """Only the middle frame of the three has an edge: both extremes are among its eight numbers."""
    frames = np.full((11, 128, 128), 128, np.uint8)
    frames[5] = edge(direction)
    config = unified.Config(smoothing=0.0)
    code = unified.patterns(frames, config)[4, 63, 63] * unified.HIGHEST
    largest, smallest = divmod(round(float(code)), 32)
    assert largest == 8 + direction
    assert smallest - 8 in {(direction + turn) % 8 for turn in (3, 4, 5)}


def test_codes_fill_the_range_that_the_divisor_says():
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (11, 128, 128)).astype(np.uint8)
    codes = np.unique(np.rint(unified.patterns(frames, unified.Config(smoothing=0.0)) * 758))
    assert codes.min() >= 1 and codes.max() <= 758  # the two extremes are never one response
    assert len(codes) > 400
    assert not set(codes) & {32 * number + number for number in range(24)}


def test_as_coded_seven_values_occur_and_zero_means_three_equal_numbers():
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (11, 128, 128)).astype(np.uint8)
    config = unified_as_coded.Config(pattern="codes", smoothing=0.0)
    codes = np.rint(unified_as_coded.patterns(frames, config) * 986)
    assert set(np.unique(codes)) == {0, 1, 2, 32, 34, 64, 65}
    still = np.repeat(frames[:1], 11, axis=0)
    assert not unified_as_coded.patterns(still, config).any()


def test_patches_lie_around_their_landmarks():
    maps = np.arange(2 * 128 * 128, dtype=np.float32).reshape(2, 128, 128)
    points = np.full((2, 51, 2), (40.4, 70.6))
    points[1, 3] = (-5, 130)  # beyond the border: the last pixel again
    found = unified.patches(maps, points)
    assert found.shape == (2, 51, 7, 7)
    assert np.array_equal(found[0, 0], maps[0, 68:75, 37:44])
    assert (found[1, 3] == maps[1, 127, 0]).all()


def test_features_are_what_the_streams_ask_for():
    shown, _, clips = planted.first_and_second(2)
    config = unified.Config(**unified.SMALL)
    whole = unified.features(shown, clips, config)
    assert whole["patches"].shape == (2, 5 * 51, 7, 7) and whole["maps"].shape == (2, 5, 64, 64)
    assert (
        whole["maps"].dtype == np.float32 and 0 <= whole["maps"].min() <= whole["maps"].max() <= 1
    )
    for streams, name in (("graph", "patches"), ("visual", "maps")):
        alone = unified.features(shown, clips, dataclasses.replace(config, streams=streams))
        assert list(alone) == [name] and np.array_equal(alone[name], whole[name])
    assert unified.views_needed(dataclasses.replace(config, streams="visual")) == ("keyframes",)
    assert unified.views_needed(unified.Config(frames="rise")) == ("rise", "rise_points")


# --- the graph ------------------------------------------------------------------------------------


def test_the_face_is_one_connected_graph():
    reach = np.linalg.matrix_power(unified_graph.EDGES + np.eye(51), 50)
    assert (reach > 0).all()
    assert (unified_graph.EDGES == unified_graph.EDGES.T).all() and not np.diag(
        unified_graph.EDGES
    ).any()


def test_a_clip_has_a_graph_of_its_own_whatever_stands_beside_it():
    config, net = build()
    net.eval()
    stream, x = net.graph_stream, inputs(config)["patches"]
    graphs, _ = stream.graph(stream.nodes(x))
    alone, _ = stream.graph(stream.nodes(x[:1]))
    torch.testing.assert_close(graphs[:1], alone)
    assert (graphs[0] - graphs[1]).abs().max() > 1e-3
    torch.testing.assert_close(graphs, graphs.mT)
    assert (graphs >= 0).all() and torch.linalg.eigvalsh(graphs).max() < 1 + 1e-5


def test_normalised_as_defined():
    graph = torch.rand(3, 51, 51, dtype=torch.float64)
    graph = (graph + graph.mT) * (1 - torch.eye(51, dtype=torch.float64))
    loops = graph + torch.eye(51, dtype=torch.float64)
    root = torch.diag_embed(loops.sum(-1) ** -0.5)
    torch.testing.assert_close(unified_graph.normalise(graph), root @ loops @ root)


def test_graph_convolution_sums_walks_of_no_one_and_two_steps():
    layer = unified_graph.GraphConvolution(4, 4).double().eval()
    x = torch.rand(2, 4, 3, 51, dtype=torch.float64)
    graph = unified_graph.normalise(torch.rand(2, 51, 51, dtype=torch.float64))
    weights = layer.steps.weight[:, :, 0, 0].chunk(3)
    walked = sum(
        torch.einsum("oc,bctv,bvw->botw", weight, x, torch.linalg.matrix_power(graph, length))
        for length, weight in enumerate(weights)
    )
    torch.testing.assert_close(layer(x, graph), torch.relu(layer.norm(walked) + x))


def test_the_network_hears_the_graph_and_as_coded_it_does_not():
    for variant, hears in ((None, True), ("as_coded_small_vit", False)):
        config, net = build(variant)
        net.eval()
        stream = net.graph_stream
        x = stream.nodes(inputs(config)["patches"])
        graph, _ = stream.graph(x)
        other = torch.rand_like(graph)
        if not hears:  # its diagonal is overwritten anyway
            eye = torch.eye(51)
            other = other * (1 - eye) + eye
        change = (stream.blocks(x, graph) - stream.blocks(x, other)).abs().max()
        assert (change > 0.01) == hears and (hears or change == 0)


def test_a_landmark_reaches_others_only_as_described():
    for variant, hears in ((None, True), ("as_coded_small_vit", False)):
        # the attention pools over landmarks: without it, only the graph joins them
        config, net = build(variant, attention="none")
        stream = net.graph_stream.eval()
        x = stream.nodes(inputs(config)["patches"])
        graph, _ = stream.graph(x)
        moved = x.clone()
        moved[:, :, :, 0] += 1
        change = (stream.blocks(x, graph) - stream.blocks(moved, graph)).abs().amax((0, 1, 2))
        assert change[0] > 0 and (change[1:] > 0).any() == hears


def test_the_reconstruction_is_learned():
    config, net = build(reconstruction=1.0)
    autoencoder = net.graph_stream.autoencoder
    x = torch.rand(8, 49, config.maps, 51)
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=1e-2)
    costs = []
    for _ in range(80):
        cost = unified_graph.reconstruction_loss(autoencoder(x)[1])
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        costs.append(cost.item())
    assert costs[0] > 0.6 and costs[-1] < 0.45
    scores = autoencoder(x)[1].detach().mean(0)
    edges = torch.from_numpy(unified_graph.EDGES) > 0
    others = ~edges & ~torch.eye(51, dtype=bool)
    assert scores[edges].mean() > scores[others].mean() + 1


def test_reconstruction_loss_is_log_2_for_who_knows_nothing_and_0_for_who_knows_all():
    edges = torch.from_numpy(unified_graph.EDGES)
    nothing = unified_graph.reconstruction_loss(torch.zeros(2, 51, 51))
    assert nothing.item() == pytest.approx(np.log(2), abs=1e-5)
    everything = unified_graph.reconstruction_loss((100 * (2 * edges - 1)).expand(2, -1, -1))
    assert everything.item() == pytest.approx(0, abs=1e-6)


def test_layouts_differ_and_only_one_keeps_frames_apart():
    config, net = build(maps=9)
    described = net.graph_stream.eval()
    patches = inputs(config)["patches"]
    nodes = described.nodes(patches)
    flat = described.appearance(patches).flatten(2)  # (B, 459, 49)
    assert torch.equal(nodes[0, :, 4, 7], flat[0, 4 * 51 + 7])
    config, net = build("as_coded_small_vit", maps=9)
    scrambled = net.graph_stream.eval()
    flat = scrambled.appearance(patches).flatten(2)
    assert not torch.equal(scrambled.nodes(patches)[0, :, 4, 7], flat[0, 4 * 51 + 7])


# --- gradients ------------------------------------------------------------------------------------


def test_as_described_every_weight_gets_a_gradient():
    config, net = build(dropout=0.0)
    found = {}
    for seed in range(3):  # a unit that is off for one batch is on for another
        for name, grad in trained_once(config, net, seed).items():
            found[name] = found.get(name, 0) + grad.abs()
        net.zero_grad()
    # the softmax over keys does not change with a constant added to all queries' scores
    dead = [name for name, grad in found.items() if not grad.any() and ".key.bias" not in name]
    assert not dead


def test_as_coded_encoder_and_decoder_never_learn():
    config, net = build("as_coded_small_vit")
    grads = trained_once(config, net)
    encoder = [grad for name, grad in grads.items() if ".autoencoder." in name]
    assert all(grad is None or not grad.any() for grad in encoder)
    assert any(grad is not None for grad in encoder)  # they are reached, by zeros
    assert all(grads[name] is None for name in grads if ".dead." in name)
    assert grads["graph_stream.project.weight"].any()


def test_as_coded_the_vit_sees_a_constant():
    config, net = build("as_coded_small_vit")
    seen = []
    net.visual_stream.vit.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    net.eval()(**inputs(config))
    assert seen[0].min() >= -1 and seen[0].max() < -0.99


def test_as_coded_a_clip_depends_on_the_others_of_its_batch():
    """The decoder sums over the batch; only its zeros keep that from mattering."""
    config, net = build("as_coded_small_vit")
    autoencoder = net.graph_stream.autoencoder.eval()
    torch.nn.init.normal_(autoencoder.bilinear)
    x = torch.rand(3, 49, config.maps, 51)
    assert (autoencoder(x)[0][0] - autoencoder(x[:1])[0][0]).abs().max() > 0.01


def test_as_coded_the_attention_map_replaces_what_it_weighs():
    config, net = build("as_coded_small_vit")
    x = torch.randn(2, config.network[0], 3, 51) * 100
    graph = torch.eye(51).expand(2, -1, -1)
    out = net.graph_stream.blocks[-1](x, graph)
    assert out.min() >= 0 and out.max() <= 1


# --- learning -------------------------------------------------------------------------------------


def test_nine_clips_are_learned():
    config, net = build(dropout=0.0, n_classes=3)
    x, labels = inputs(config, 9), torch.arange(9) % 3
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    criterion = unified.loss(config, np.array([3, 3, 3]))
    for _ in range(30):
        optimizer.zero_grad()
        criterion(net(**x), labels).backward()
        optimizer.step()
    assert (net.eval()(**x).argmax(1) == labels).all()


def accuracy(case, name, train=96, test=48) -> float:
    shown, labels, clips = case(train + test)
    module, config = systems.resolve(name, planted.FILM_SIZES | {"side": 32, "vit_patch": 8})
    given = module.features(shown, clips, config)
    fold = protocol.Fold("planted", "unseen", np.arange(train), np.arange(train, train + test))
    task = training.Task(module, config, given, clips, labels, n_classes=2)
    (result,) = training.train_folds(task, [fold], jobs=1)
    return (result.probabilities.argmax(1) == labels[fold.test]).mean()


def test_order_is_known_to_the_bilstm_alone():
    assert accuracy(planted.first_and_second, "unified") > 0.9
    assert accuracy(planted.first_and_second, "unified/no_bilstm") < 0.7


def test_what_comes_after_the_apex_is_in_the_key_frames_alone():
    assert accuracy(planted.after_the_apex, "unified") > 0.9
    assert accuracy(planted.after_the_apex, "unified/even_frames") < 0.7


# --- a pretrained ViT -----------------------------------------------------------------------------


def published(config, places: int) -> dict[str, torch.Tensor]:
    """Weights of a ViT in Hugging Face's naming, all different."""
    draw, dim = torch.Generator().manual_seed(1), config.vit_dim

    def of(*shape):
        return torch.randn(*shape, generator=draw) * 0.02

    stored = {
        "embeddings.cls_token": of(1, 1, dim),
        "embeddings.position_embeddings": of(1, 1 + places, dim),
        "embeddings.patch_embeddings.projection.weight": of(dim, 3, 16, 16),
        "embeddings.patch_embeddings.projection.bias": of(dim),
        "layernorm.weight": of(dim),
        "layernorm.bias": of(dim),
        "pooler.dense.weight": of(dim, dim),  # there, and not wanted
    }
    wide = {"intermediate.dense": (4 * dim, dim), "output.dense": (dim, 4 * dim)}
    parts = [f"attention.attention.{part}" for part in ("query", "key", "value")]
    for number in range(config.vit_depth):
        layer = f"encoder.layer.{number}."
        for part in (*parts, "attention.output.dense", *wide):
            shape = wide.get(part, (dim, dim))
            stored |= {f"{layer}{part}.weight": of(*shape), f"{layer}{part}.bias": of(shape[0])}
        for part in ("layernorm_before", "layernorm_after"):
            stored |= {f"{layer}{part}.weight": of(dim), f"{layer}{part}.bias": of(dim)}
    return stored


@pytest.mark.parametrize("places", [4, 196])
def test_a_local_vit_is_read_and_its_places_fit(tmp_path, places):
    config = unified.Config(**QUICK | {"vit_depth": 2})
    stored = published(config, places)
    save_file(
        {f"vit.{name}": value for name, value in stored.items()}, tmp_path / "vit.safetensors"
    )
    config = dataclasses.replace(config, vit_weights=str(tmp_path / "vit.safetensors"))
    vit = unified.network(config, 3, {}).visual_stream.vit
    assert torch.equal(
        vit.layers[1].value.weight, stored["encoder.layer.1.attention.attention.value.weight"]
    )
    assert torch.equal(vit.layers[0].mlp[2].bias, stored["encoder.layer.0.output.dense.bias"])
    assert torch.equal(vit.patch.weight, stored["embeddings.patch_embeddings.projection.weight"])
    assert torch.equal(vit.places[:, 0], stored["embeddings.position_embeddings"][:, 0])
    if places == 4:
        assert torch.equal(vit.places, stored["embeddings.position_embeddings"])


def test_pretrained_weights_are_part_of_a_runs_name_and_of_what_it_refuses(tmp_path):
    """By what is in the file: the same path with other weights is another run."""
    clips, file = clip_table(), tmp_path / "vit.safetensors"
    frames = np.random.default_rng(0).integers(0, 256, (len(clips), 11, 128, 128), np.uint8)
    views = dataclasses.replace(made_views(clips), arrays={"keyframes": frames})
    fields = QUICK | {"streams": "visual", "vit_weights": str(file)}
    stored, found = published(unified.Config(**fields), 4), []
    for change in (0, 1, 0):
        save_file({name: value + change for name, value in stored.items()}, file)
        found.append(experiments.declare("unified", "made", views, **fields))
    assert found[0] == found[2] != found[1]
    save_file({name: value + 1 for name, value in stored.items()}, file)
    with pytest.raises(StudyError, match="declared on other data"):
        experiments.run(found[0], views, progress=False)
    file.unlink()
    with pytest.raises(StudyError, match=re.escape(f"unified: {file} cannot be read")):
        experiments.run(found[0], views, progress=False)


def test_a_vit_that_does_not_fit_is_refused_by_name(tmp_path):
    file = tmp_path / "vit.safetensors"
    config = unified.Config(**QUICK | {"vit_weights": str(file)})
    with pytest.raises(StudyError, match=re.escape(f"{file} cannot be read")):
        unified.network(config, 3, {})
    file.write_bytes(b"no tensors")
    with pytest.raises(StudyError, match="cannot be read"):
        unified.network(config, 3, {})
    save_file(published(config, 4), file)
    with pytest.raises(StudyError, match="vit_depth=1"):
        unified.network(dataclasses.replace(config, vit_depth=2), 3, {})
    with pytest.raises(StudyError, match="vit_dim=32"):
        unified.network(dataclasses.replace(config, vit_dim=64), 3, {})


@pytest.mark.parametrize(
    "fields",
    [
        {"pattern": "codes"},
        {"frames": "apex"},
        {"maps": 10},
        {"maps": 0},
        {"side": 48},
        {"side": 8},
        {"encoder": (8,)},
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(fields):
    with pytest.raises(StudyError, match=f"unified(: |\\.){next(iter(fields))}"):
        systems.resolve("unified", fields)
