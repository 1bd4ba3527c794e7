"""HTNet and HyperHTNet: crops, nested blocks, the ball, and the parts of the code that are dead."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, stack_module_state, vmap

from mer_utils import corpora, systems
from mer_utils.checks import planted
from mer_utils.corpora import megc2019_flow
from mer_utils.errors import StudyError
from mer_utils.systems import (
    hierarchy,
    htnet,
    htnet_as_coded,
    hyperhtnet,
    hyperhtnet_as_coded,
)

TINY = htnet.SMALL | {"dim": 24}


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads that wait for each other on a busy core are ten times slower than one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(system="htnet", seed=0, n_classes=3, sizes=TINY, **fields):
    """Module, config and network; an ablation's change stands above `sizes`."""
    name, _, ablation = system.partition("/")
    module, config = systems.resolve(system)
    changes = systems.ablations(name)[ablation].changes if ablation else {}
    config = dataclasses.replace(config, **{**sizes, **changes, **fields})
    torch.manual_seed(seed)
    return module, config, module.network(config, n_classes, {})


def parameters(system, preset="paper"):
    module, config = systems.resolve(system, {}, preset)
    with torch.device("meta"):  # shapes without memory
        net = module.network(config, 3, {})
    return sum(p.numel() for p in net.parameters()), net


def queries_and_keys(net):
    return [m.qkv for m in net.modules() if isinstance(m, hierarchy.Attention)]


def fit(module, config, canvas, labels, seed=0):
    """A few epochs of plain training; returns the network in eval mode."""
    torch.manual_seed(seed)
    net = module.network(config, int(labels.max()) + 1, {})
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    criterion = getattr(module, "loss", lambda *_: F.cross_entropy)(config, None)
    for _ in range(config.epochs):
        for batch in torch.randperm(len(labels)).split(config.batch_size):
            optimizer.zero_grad()
            criterion(net(canvas[batch]), labels[batch]).backward()
            optimizer.step()
    return net.eval()


# --- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "published"),
    [
        ("htnet/as_coded", 139_582_982),
        ("hyperhtnet/as_coded", 139_716_486),
        ("hyperhtnet/as_coded_main", 139_716_486),
    ],
)
def test_as_coded_has_the_published_parameters(system, published):
    assert parameters(system)[0] == published


def test_queries_and_keys_are_22_million_of_them():
    _, net = parameters("htnet/as_coded")
    assert sum(m.weight.numel() * 2 // 3 for m in queries_and_keys(net)) == 22_195_200


def test_as_described_sizes():
    assert parameters("htnet")[0] == 34_268_163
    assert parameters("htnet", "small")[0] < 400_000
    assert parameters("hyperhtnet", "small")[0] < 400_000


def test_small_presets_share_the_trunk():
    ball = {"embedding"}
    assert {k: v for k, v in hyperhtnet.SMALL.items() if k not in ball} == htnet.SMALL


# --- the input ------------------------------------------------------------------------------------


def face(right_eye, left_eye, right_corner, left_corner):
    landmarks = np.zeros((1, 68, 2), np.float32)
    landmarks[:, 36:42], landmarks[:, 42:48] = right_eye, left_eye
    landmarks[:, 48], landmarks[:, 54] = right_corner, left_corner
    return landmarks


def centres(landmarks):
    return hierarchy.centres({"landmarks": landmarks}, htnet.Config())


def test_crops_are_centred_on_eyes_and_mouth_corners():
    image = np.arange(3 * 28 * 28, dtype=np.float32).reshape(1, 3, 28, 28)
    # x then y; the last lies too near the border and is moved inside
    points = centres(face((8, 9), (19, 10), (11, 20), (27, 26)))
    canvas = hierarchy.canvas(image, hierarchy.edges(points))[0]
    assert np.array_equal(canvas[:, :14, :14], image[0, :, 2:16, 1:15])
    assert np.array_equal(canvas[:, :14, 14:], image[0, :, 3:17, 12:26])
    assert np.array_equal(canvas[:, 14:, :14], image[0, :, 13:27, 4:18])
    assert np.array_equal(canvas[:, 14:, 14:], image[0, :, 14:28, 14:28])


def test_swapped_axes_are_the_published_cut():
    image = np.random.default_rng(0).normal(size=(1, 3, 28, 28)).astype(np.float32)
    landmarks = face((8.7, 9.2), (19.1, 10.6), (9.4, 20.9), (20.3, 21.8))
    crops = []
    for x, y in centres(landmarks)[0]:  # restated: int, kept in 7..21, rows by x
        x, y = (min(max(int(v), 7), 21) for v in (x, y))
        crops.append(image[0, :, x - 7 : x + 7, y - 7 : y + 7])
    right_eye, left_eye, right_corner, left_corner = crops
    first, second = [right_eye, right_corner], [left_eye, left_corner]
    restated = np.concatenate([np.concatenate(row, axis=2) for row in (first, second)], axis=1)
    views = {"flow_legacy": image, "landmarks": landmarks}
    config = htnet_as_coded.Config(flow="flow_legacy", scale="raw", axes="swapped")
    assert np.array_equal(htnet_as_coded.features(views, None, config)["canvas"][0], restated)


def test_scales_are_fixed_and_need_no_other_clip():
    views, _ = planted.marked_twin(6)
    for flow in ("flow", "flow_legacy"):
        config = htnet.Config(flow=flow)
        all_clips = htnet.features(views, None, config)["canvas"]
        one = htnet.features({k: v[2:3] for k, v in views.items()}, None, config)["canvas"]
        assert all_clips.dtype == np.float32 and all_clips.shape == (6, 3, 28, 28)
        assert np.array_equal(all_clips[2:3], one)
        assert np.abs(all_clips).max() < 3


def test_constant_crops_need_no_landmarks():
    config = htnet.Config(flow="flow_legacy", points="constant")
    assert systems.views_needed(htnet, config) == ("flow_legacy",)
    assert htnet.features({"flow_legacy": np.ones((2, 3, 28, 28))}, None, config)["canvas"].any()


def test_real_faces_give_whole_canvases(megc2019_folder):
    corpus = corpora.load("megc2019_flow", megc2019_folder)
    landmarks = np.stack(list(megc2019_flow.landmarks(corpus).values()))
    points = centres(landmarks)
    assert len(points) == 442
    assert (points[:, 0, 0] < points[:, 1, 0]).all()  # the person's right eye is on the left
    assert (points[:, :2, 1] < points[:, 2:, 1]).all()  # eyes above mouth
    # the corrected and the coded crops differ by cells, not by a mirror: on the real mean face
    mean = points.mean(axis=0)
    assert np.abs(mean[[0, 2, 1, 3], ::-1] - mean).max() < 2


@pytest.mark.parametrize(
    "fields", [{"points": "mtcnn"}, {"patch": 5}, {"levels": 4}, {"levels": 0}, {"patch": 0}]
)
def test_what_cannot_be_is_refused_in_one_sentence(fields):
    for system in ("htnet", "hyperhtnet", "htnet/as_coded"):
        with pytest.raises(StudyError, match=next(iter(fields))):
            systems.resolve(system, fields)


def test_an_unknown_distance_is_refused():
    with pytest.raises(StudyError, match="poincare"):
        systems.resolve("hyperhtnet", {"distance": "d"})


# --- attention ------------------------------------------------------------------------------------


def test_as_coded_attends_over_one_token_and_its_queries_never_learn():
    *_, net = build("htnet/as_coded")
    canvas = torch.rand(4, 3, 28, 28) * 255
    for level, blocks in zip(htnet.attention(net, canvas), (16, 4, 1), strict=True):
        for weights in level:
            assert weights.shape[1] == blocks and weights.shape[-2:] == (1, 1)
            assert (weights == 1).all()
    F.cross_entropy(net(canvas), torch.tensor([0, 1, 2, 0])).backward()
    for module in queries_and_keys(net):
        q, k, v = module.weight.grad.chunk(3)
        assert not q.any() and not k.any()
        assert v.any()


@pytest.mark.parametrize("system", ["htnet", "hyperhtnet"])
def test_as_described_every_weight_gets_a_gradient(system):
    module, config, net = build(system)
    criterion = getattr(module, "loss", lambda *_: F.cross_entropy)(config, None)
    criterion(net(torch.randn(8, 3, 28, 28)), torch.arange(8) % 3).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name
    for attention in queries_and_keys(net):
        assert all(part.any() for part in attention.weight.grad.chunk(3))


def test_as_described_attends_over_the_four_tokens_of_an_area():
    *_, net = build()
    first, last = htnet.attention(net, torch.randn(2, 3, 28, 28))
    assert {tuple(w.shape) for w in first} == {(2, 4, 3, 4, 4)}
    assert {tuple(w.shape) for w in last} == {(2, 1, 6, 4, 4)}
    assert torch.allclose(first[0].sum(-1), torch.ones(2, 4, 3, 4))
    assert first[0].std() > 0


@pytest.mark.parametrize(("attention", "reach"), [("local", 4), ("own", 1), ("global", 16)])
def test_a_token_is_heard_where_the_blocks_say(attention, reach):
    *_, net = build(attention=attention)
    canvas = torch.randn(1, 3, 28, 28)
    moved = canvas.clone()
    moved[:, :, 7:14, 14:21] += 1  # the lower left token of the left eye's area: row 1, column 2
    level = net.trunk.levels[0]
    with torch.no_grad():
        change = (level(net.trunk.tokens(moved)) - level(net.trunk.tokens(canvas)))[0]
    heard = change.abs().amax(-1) > 1e-6  # (4, 4) tokens
    assert heard.sum() == reach
    if attention == "local":
        assert heard[:2, 2:].all()


def test_the_coded_position_is_dead_in_the_last_level():
    canvas = torch.randn(3, 3, 28, 28, dtype=torch.float64)
    for system, moves in (("htnet/scalar_position", False), ("htnet", True)):
        net = build(system)[2].double().eval()
        with torch.no_grad():
            before = net(canvas)
            net.trunk.levels[-1].position += torch.randn_like(net.trunk.levels[-1].position)
            assert torch.allclose(net(canvas), before, atol=1e-6) is not moves


# --- learning -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "system", ["htnet", "htnet/as_coded", "hyperhtnet", "hyperhtnet/hyperbolic_classifier"]
)
def test_learns_nine_clips(system):
    scale = {"scale": "fixed"} if system == "htnet/as_coded" else {}
    module, config, _ = build(system, epochs=40, learning_rate=2e-3, **scale)
    torch.manual_seed(1)
    canvas, labels = torch.randn(9, 3, 28, 28), torch.arange(9) % 3
    net = fit(module, config, canvas, labels)
    assert (net(canvas).argmax(1) == labels).all()


def test_only_attention_inside_areas_finds_the_marked_twin():
    views, labels = planted.marked_twin(1100)
    labels = torch.as_tensor(labels)
    correct = {}
    for system in ("htnet", "htnet/one_token"):
        _, config, _ = build(system, epochs=14, learning_rate=1e-3)
        canvas = torch.as_tensor(htnet.features(views, None, config)["canvas"])
        net = fit(htnet, config, canvas[:800], labels[:800])
        with torch.no_grad():
            found = net(canvas[800:]).argmax(1)
        correct[system] = (found == labels[800:]).double().mean().item()
    assert correct["htnet"] > 0.95
    assert (
        correct["htnet/one_token"] < 0.8
    )  # the majority of the three directions is right in 3 of 4


# --- the ball -------------------------------------------------------------------------------------


def points_and_labels(count=12, dim=5, seed=0):
    torch.manual_seed(seed)
    tangent = torch.randn(count, dim, dtype=torch.float64)
    return tangent, hyperhtnet.exponential_map(tangent, 0.1), torch.arange(count) % 3


def test_distances_are_those_of_their_names():
    c = 0.1
    tangent, z, _ = points_and_labels()
    squared = (z[:, None] - z[None]).square().sum(-1)
    norms = z.square().sum(-1)
    poincare = torch.arccosh(
        1 + 2 * c * squared / ((1 - c * norms)[:, None] * (1 - c * norms)[None])
    ) / math.sqrt(c)
    spherical = torch.arccos(
        1 - 2 * c * squared / ((1 + c * norms)[:, None] * (1 + c * norms)[None])
    ) / math.sqrt(c)
    for kind, expected in (
        ("poincare", poincare),
        ("spherical", spherical),
        ("euclidean", squared.sqrt()),
    ):
        assert torch.allclose(hyperhtnet_as_coded.distances(z, c, kind), expected, atol=1e-6), kind
    zero = torch.zeros(1, 5, dtype=torch.float64)
    from_zero = hyperhtnet.distances(torch.cat([zero, z]), c)[0, 1:]
    assert torch.allclose(from_zero, 2 * tangent.norm(dim=-1))
    assert (z.norm(dim=-1) < 1 / math.sqrt(c)).all()


def test_coded_radii_are_one_and_ours_vary():
    canvas = torch.randn(64, 3, 28, 28)
    radii = {}
    for system in ("hyperhtnet/as_coded", "hyperhtnet"):
        *_, net = build(system, sizes=TINY | {"embedding": 128})
        radii[system] = net(canvas)[1].norm(dim=-1)
    assert torch.allclose(radii["hyperhtnet/as_coded"], torch.tensor(1.9651), atol=1e-4)
    assert radii["hyperhtnet"].std() / radii["hyperhtnet"].mean() > 0.02
    assert radii["hyperhtnet"].max() < 1.9651


def test_contrast_averages_over_positives():
    config = hyperhtnet.Config()
    _, z, labels = points_and_labels(7)
    labels[6] = 9  # a class with one clip has nothing to be pulled to
    similarity = -hyperhtnet.distances(z, config.curvature) / config.temperature
    terms = []
    for i in range(6):
        others = [j for j in range(7) if j != i]
        positives = [j for j in others if labels[j] == labels[i]]
        total = torch.logsumexp(similarity[i, others], 0)
        terms.append(sum(total - similarity[i, j] for j in positives) / len(positives))
    assert torch.allclose(hyperhtnet.contrast(z, labels, config), sum(terms) / 6)
    alone = hyperhtnet.contrast(z[:1], labels[:1], config)
    assert alone == 0


def test_coded_contrast_is_restated():
    _, z, labels = points_and_labels(8)
    for average, divisor in (("batch", 8), ("sum", 1)):
        config = hyperhtnet_as_coded.Config(distance="spherical", average=average)
        s = -hyperhtnet_as_coded.distances(z, 0.1, "spherical") / 0.2
        same = labels[:, None] == labels[None]
        own = torch.eye(8, dtype=torch.bool)
        pairs = torch.stack(
            [
                torch.where(same & ~own, s, 0.0).sum(1) / divisor,
                torch.where(~same, s, 0.0).sum(1) / divisor,
            ],
            dim=1,
        )
        expected = F.cross_entropy(pairs, torch.zeros(8, dtype=torch.long))
        assert torch.allclose(hyperhtnet_as_coded.contrast(z, labels, config), expected)


def test_coded_contrast_hears_the_large_class_only():
    """All points are equally far apart, and the small class has as much to learn as the large."""
    many = torch.arange(32) >= 8
    pull = {}
    for average in ("batch", "counts"):
        points = hyperhtnet.exponential_map(2 * torch.eye(32), 0.1).requires_grad_()
        hyperhtnet_as_coded.contrast(
            points, many.long(), hyperhtnet_as_coded.Config(average=average)
        ).backward()
        each = points.grad.norm(dim=1)
        pull[average] = (each[~many].mean() / each[many].mean()).item()
    assert pull["batch"] < 0.7 and pull["counts"] > 1


def test_loss_weighs_both_terms():
    _, z, labels = points_and_labels(6)
    logits = torch.randn(6, 3, dtype=torch.float64)
    config = hyperhtnet.Config(alpha=0.25)
    expected = 0.25 * hyperhtnet.contrast(z, labels, config) + 0.75 * F.cross_entropy(
        logits, labels
    )
    assert torch.allclose(hyperhtnet.loss(config, None)((logits, z), labels), expected)
    plain = hyperhtnet.loss(hyperhtnet.Config(alpha=0.0), None)((logits, z), labels)
    assert torch.equal(plain, F.cross_entropy(logits, labels))


def test_hyperbolic_classifier_is_ganeas():
    c, torch_double = 0.1, torch.float64
    _, z, _ = points_and_labels(6)
    head = hyperhtnet.HyperbolicClassifier(5, 3, c).to(torch_double)
    with torch.no_grad():
        head.offsets.copy_(torch.randn(3, 5))
    p = hyperhtnet.exponential_map(head.offsets, c)
    for k in range(3):
        x, y, a = -p[k], z, head.normals[k]
        xy, x2, y2 = (x * y).sum(-1, keepdim=True), x @ x, y.square().sum(-1, keepdim=True)
        moved = ((1 + 2 * c * xy + c * y2) * x + (1 - c * x2) * y) / (
            1 + 2 * c * xy + c**2 * x2 * y2
        )
        length = 2 * a.norm()  # at p_k, carried there from 0
        inner = (moved * a).sum(-1)
        squared = moved.square().sum(-1)
        argument = 2 * math.sqrt(c) * inner / ((1 - c * squared) * a.norm())
        expected = length / math.sqrt(c) * torch.arcsinh(argument)
        assert torch.allclose(head(z)[:, k], expected)


def test_the_ball_speaks_while_training_only():
    canvas = torch.randn(4, 3, 28, 28)
    for system in ("hyperhtnet", "hyperhtnet/hyperbolic_classifier"):
        *_, net = build(system)
        logits, points = net(canvas)
        assert logits.shape == (4, 3) and points.shape == (4, 128)
        assert net.eval()(canvas).shape == (4, 3)


# --- folds side by side ---------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize(
    "system", ["htnet", "hyperhtnet", "hyperhtnet/hyperbolic_classifier", "hyperhtnet/as_coded"]
)
def test_stacked_folds_train_as_one_by_one(system):
    module, config, net = build(system)
    criterion = getattr(module, "loss", lambda *_: F.cross_entropy)(config, None)
    nets = [build(system, seed=seed)[2].double() for seed in range(2)]
    canvas = torch.randn(2, 6, 3, 28, 28, dtype=torch.float64)
    labels = torch.arange(12).reshape(2, 6) % 3
    stacked, buffers = stack_module_state(nets)

    def one(weights, kept, x, y):
        return criterion(functional_call(nets[0], (weights, kept), (x,)), y)

    together = vmap(grad(one), randomness="different")(stacked, buffers, canvas, labels)
    for fold, single in enumerate(nets):
        criterion(single(canvas[fold]), labels[fold]).backward()
        for name, parameter in single.named_parameters():
            assert torch.allclose(together[name][fold], parameter.grad, atol=1e-9), name
