"""MHSSA-Transformer + GCN: attention inside six facial regions, a graph convolution between them.

"Integrating MHSSA-Transformer and GCN for Enhanced Micro-expression Recognition", submitted to The
Visual Computer; text not public.  Read from its abstract, its framework figure and the code,
leyin20/MHSSA-Tranformer-GCN at 8a8e4eef (2025).

Followed: 7x7 patches of the onset-to-apex flow around 43 landmarks (RDPE); a three-layer encoder of
multi-head spatial-aware self-attention inside each region, one encoder for all six as in the code
(IRTE); a graph that mixes action-unit co-occurrence with manifold distances between the region
features, three GCN layers on it (CRGN); every number of the code's training.

Not followed, because the code does not do what the abstract says:
* spatial term: the code adds 1/(distance + 1e-8), so that every landmark attends to itself with
  weight 1.  Here -gamma * log(1 + distance), which multiplies the weights by the inverse distance
  that the code reaches for; gamma >= 0 learned per head, starting at 1.  `linear_bias` takes
  -gamma * distance / 28, which is so weak on a face that the planted case of the tests
  (`planted.gathered`) is learned late or not at all;
* regions: the code's indices take dlib's nose for the eyes and its eyes for the nose.  Here dlib's;
* padding: the code pads regions to 12 slots, attends to the padding and averages over it.  Here no
  padding exists: 43 tokens, masked to their own region;
* co-occurrence: the code counts all CASME II clips, those of the test subject included, and leaves
  out the smile (12).  Here the training clips of the fold, the map of `regions.UNITS`, self-loops,
  normalised.  Without any coded unit (SMIC alone) this graph is the identity;
* manifold: the code takes the cosine for a length (alike is far), embeds by MDS and uses the
  distance as affinity.  Here geodesics over 1 - cosine, then exp(-D^2/sigma^2), as `regions` says;
* their mix is a convex sum, weight sigmoid(a); the figure's product sign is `combine="product"`;
* input: signed flow over fixed constants, LayerNorm on patches; the code feeds raw 0..255;
* the transformer between regions is built but never called; here it is not built.

`as_coded` puts all of this back, 5 110 980 parameters with the dead encoder, with one thing that
cannot be: its co-occurrence comes from the fold's CASME II *training* clips, since the protocol
gives no one the test subject's labels.  Its MDS stops by the rule of scikit-learn >= 1.7.

Input patches (B, T, 147) and positions (B, T, 2), T = 43 or 72 padded; output (B, n_classes).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from ..errors import StudyError
from ..preprocessing import regions

TITLE = "MHSSA-Transformer + GCN"
COLOUR, MARKER = "#a3223a", "*"
VIEWS = ("flow", "landmarks")

CHOICES = {
    "flow": ("auto", "flow", "flow_legacy"),
    "scale": ("fixed", "raw"),
    "points": ("dlib", "published"),
    "spatial": ("logarithmic", "linear", "none", "inverse"),
    "encoders": ("shared", "six"),
    "graph": ("both", "action_units", "manifold", "identity"),
    "manifold": ("geodesic", "mds"),
    "combine": ("sum", "product", "free_sum"),
    "units": ("extended", "published"),
}


@dataclass(frozen=True)
class Config:
    """Defaults are the published numbers; where two forms exist, the one the abstract describes."""

    flow: str = "auto"  # the view of the flow; auto: in pixels where the corpus offers it
    scale: str = "fixed"  # divide by a fixed constant, or take the values "raw"
    patch_norm: bool = True  # LayerNorm on each patch before the embedding
    points: str = "dlib"  # landmarks of the regions; "published": the wrong lists
    padding: bool = False  # pad regions to 12 slots, attend to and average over the padding
    dim: int = 256  # width of a token
    region_dim: int = 32  # width of the region embedding
    layers: int = 3  # encoder layers
    heads: int = 4
    head_dim: int = 64
    feedforward: int = 1024  # hidden width of the encoder's MLP
    dropout: float = 0.1
    spatial: str = "logarithmic"  # -gamma log(1 + d); "linear": -gamma d/28; "none"; "inverse"
    encoders: str = "shared"  # one encoder for all regions (code), or "six" (figure)
    gcn_layers: int = 3  # 0: the region features are averaged without a graph
    graph: str = "both"  # which graphs enter; "identity": each region hears only itself
    manifold: str = "geodesic"  # affinity over geodesics; "mds": the code's distances as affinity
    combine: str = "sum"  # sigmoid(a) M + (1 - sigmoid(a)) A; "product"; "free_sum": a as it is
    units: str = "extended"  # action-unit map and graph; "published": CASME II only, no self-loops
    dead_encoder: bool = False  # build the encoder between regions that the code never calls
    epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 5e-5
    weight_decay: float = 0.0

    def __post_init__(self):
        for field, known in CHOICES.items():
            if getattr(self, field) not in known:
                raise StudyError(
                    f"mhssa_gcn: {field}={getattr(self, field)!r} is not known; "
                    f"choose one of {', '.join(known)}"
                )


# Chosen on the synthetic corpus, never on real clips: 24 folds in a minute on two cores.
SMALL = {
    "dim": 64,
    "region_dim": 8,
    "layers": 2,
    "heads": 2,
    "head_dim": 32,
    "feedforward": 128,
    "epochs": 30,
    "batch_size": 32,
    "learning_rate": 1e-3,
}

ABLATIONS = {
    "as_coded": (
        "all at once",
        "What does the published code do, under the same honest protocol?",
        {
            "flow": "flow_legacy",
            "scale": "raw",
            "patch_norm": False,
            "points": "published",
            "padding": True,
            "spatial": "inverse",
            "manifold": "mds",
            "combine": "free_sum",
            "units": "published",
            "dead_encoder": True,
        },
    ),
    "no_transformer": ("depth", "Does attention inside regions help at all?", {"layers": 0}),
    "no_spatial_bias": (
        "spatial bias",
        "Does attention need to know distances?",
        {"spatial": "none"},
    ),
    "coded_spatial_bias": (
        "spatial bias",
        "What does the published spatial term cost?",
        {"spatial": "inverse"},
    ),
    "linear_bias": (
        "spatial bias",
        "Does attention fall with distance, or with its log?",
        {"spatial": "linear"},
    ),
    "six_encoders": ("encoders", "One encoder for all regions, or one each?", {"encoders": "six"}),
    "no_gcn": ("graph convolution", "Does the graph convolution help at all?", {"gcn_layers": 0}),
    "no_graph": ("graph", "Does it matter that regions hear each other?", {"graph": "identity"}),
    "no_manifold": (
        "graph",
        "Do manifold distances add to co-occurrence?",
        {"graph": "action_units"},
    ),
    "no_action_units": (
        "graph",
        "Does co-occurrence add to manifold distances?",
        {"graph": "manifold"},
    ),
    "product": ("mix of the graphs", "Sum or product of the two graphs?", {"combine": "product"}),
    "coded_manifold": ("manifold distances", "What does alike-is-far cost?", {"manifold": "mds"}),
    "published_regions": (
        "region map",
        "What do the wrong landmark lists cost?",
        {"points": "published"},
    ),
    "padded": ("region map", "What do attended and averaged empty slots cost?", {"padding": True}),
    "no_patch_norm": ("input scaling", "Does a patch need its own scale?", {"patch_norm": False}),
    "one_layer": ("depth", "Is a deep encoder better than one layer?", {"layers": 1}),
    "one_gcn_layer": (
        "graph convolution",
        "Must the graph be passed more than once?",
        {"gcn_layers": 1},
    ),
}

LEARNED = ("logarithmic", "linear")  # spatial terms with a gamma per head
SLOTS = 12  # per region when padded
FLOW_SCALE = 2.0  # pixels of the 128-pixel face: a strong micro-movement
STRAIN_SCALE = 0.1  # pixels per pixel
LEGACY_SCALE = 255.0
NOISE = 0.05  # in scaled units: patches that vary less than this are not blown up by LayerNorm


def views_needed(config: Config) -> tuple[str, ...]:
    """The views a run reads: the flow of its choice, and landmarks."""
    return ("flow" if config.flow == "auto" else config.flow, "landmarks")


def _points(config: Config) -> tuple[tuple[int, ...], ...]:
    return regions.POINTS if config.points == "dlib" else regions.PUBLISHED_POINTS


def features(
    views: dict[str, np.ndarray], clips: pd.DataFrame, config: Config
) -> dict[str, np.ndarray]:
    """Patches (N, T, 147) and the positions of their landmarks (N, T, 2), in cells of the grid."""
    name = views_needed(config)[0]
    images = views[name].astype(np.float32)  # (N, 3, 28, 28)
    if config.scale == "fixed" and name == "flow":
        images = (
            images / np.array([FLOW_SCALE, FLOW_SCALE, STRAIN_SCALE], np.float32)[:, None, None]
        )
    elif config.scale == "fixed":
        images = images / np.float32(LEGACY_SCALE)
    points = _points(config)
    patches, centres = regions.patches(images, views["landmarks"], points)
    if config.padding:
        patches, positions = _pad(patches, points), _pad(centres, points)
    else:
        tokens = [point for region in points for point in region]
        positions = np.clip(views["landmarks"][:, tokens], 0, regions.GRID)
    return {"patches": patches, "positions": positions.astype(np.float32)}


def _pad(tokens: np.ndarray, points) -> np.ndarray:
    """(N, 43, D) -> (N, 72, D): each region filled up to 12 slots with zeros."""
    padded = np.zeros((len(tokens), len(points) * SLOTS, tokens.shape[-1]), tokens.dtype)
    real = [r * SLOTS + i for r, region in enumerate(points) for i in range(len(region))]
    padded[:, real] = tokens
    return padded


def _graph_clips(clips: pd.DataFrame, config: Config) -> pd.DataFrame:
    """The published code counts CASME II alone."""
    return clips[clips["corpus"].str.endswith("casme2")] if config.units == "published" else clips


def check(clips: pd.DataFrame, config: Config) -> None:
    """Raises StudyError where the graph is to come from action units and nobody coded any."""
    clips = _graph_clips(clips, config)
    if config.graph == "action_units" and not clips["action_units"].fillna("").str.strip().any():
        raise StudyError(
            "mhssa_gcn: graph='action_units' needs coded action units, and no training clip has "
            "any; choose graph='both' or a corpus with action units (casme2, samm)"
        )


def fit_context(
    clips: pd.DataFrame, features: dict[str, np.ndarray], config: Config
) -> dict[str, np.ndarray]:
    """The co-occurrence graph (6, 6) of the fold's training clips."""
    check(clips, config)
    clips = _graph_clips(clips, config)
    if config.units == "published":
        graph = regions.co_occurrence(clips, regions.PUBLISHED_UNITS, sides=False)
    else:
        graph = regions.action_unit_graph(clips)
    return {"action_unit_graph": graph.astype(np.float32)}


# --- inside a region: MHSSA -----------------------------------------------------------------------


class SpatialAttention(nn.Module):
    """(B, T, dim) -> (B, T, dim): each token attends to the tokens of its own region."""

    def __init__(self, config: Config):
        super().__init__()
        self.heads, width = config.heads, config.heads * config.head_dim
        self.scale = config.head_dim**-0.5
        self.qkv = nn.Linear(config.dim, 3 * width, bias=False)
        self.softmax = nn.Softmax(dim=-1)  # a module, so that a hook can read the attention
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Sequential(nn.Linear(width, config.dim), nn.Dropout(config.dropout))
        if config.spatial in LEARNED:  # softplus(0.5413) = 1
            self.gamma = nn.Parameter(torch.full((config.heads,), float(np.log(np.e - 1))))

    def forward(self, x, spatial, mask):
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, head_dim)
        logits = q @ k.transpose(-1, -2) * self.scale  # (B, heads, T, T)
        spatial = spatial[:, None]  # (B, 1, T, T)
        if hasattr(self, "gamma"):
            spatial = -F.softplus(self.gamma)[:, None, None] * spatial  # (B, heads, T, T)
        # written out: the fused CPU kernel has no batching rule under vmap
        weights = self.dropout(self.softmax(logits + spatial + mask))
        return self.out((weights @ v).transpose(1, 2).reshape(batch, tokens, -1))  # (B, T, dim)


class Encoder(nn.Module):
    """Pre-norm attention and MLP, each with a residual; (B, T, dim) -> (B, T, dim)."""

    def __init__(self, config: Config):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.LayerNorm(config.dim),
                    SpatialAttention(config),
                    nn.Sequential(
                        nn.LayerNorm(config.dim),
                        nn.Linear(config.dim, config.feedforward),
                        nn.GELU(),
                        nn.Dropout(config.dropout),
                        nn.Linear(config.feedforward, config.dim),
                        nn.Dropout(config.dropout),
                    ),
                ]
            )
            for _ in range(config.layers)
        )

    def forward(self, x, spatial, mask):
        for norm, attention, feedforward in self.layers:
            x = x + attention(norm(x), spatial, mask)
            x = x + feedforward(x)
        return x


def spatial_term(positions: torch.Tensor, form: str) -> torch.Tensor:
    """(B, T, 2) positions -> (B, T, T): distance / 28, or the term that the code adds to logits."""
    difference = positions[:, :, None] - positions[:, None]  # (B, T, T, 2)
    distance = difference.square().sum(-1).sqrt()
    if form == "linear":
        return distance / regions.GRID
    if form == "logarithmic":
        return distance.log1p()
    if form == "none":
        return torch.zeros_like(distance)
    valid = (positions.sum(-1) != 0).to(distance)  # (B, T); a padded slot lies at (0, 0)
    return valid[:, :, None] * valid[:, None] / (distance + 1e-8)


# --- between regions: the graph -------------------------------------------------------------------


def shortest_paths(lengths: torch.Tensor) -> torch.Tensor:
    """(..., n, n) edge lengths -> all-pairs shortest paths: Floyd-Warshall, a batch at once."""
    count = lengths.shape[-1]
    paths = lengths * (1 - torch.eye(count, dtype=lengths.dtype, device=lengths.device))
    for via in range(count):
        paths = torch.minimum(paths, paths[..., :, via, None] + paths[..., None, via, :])
    return paths


class Smacof(torch.autograd.Function):
    """Metric multidimensional scaling of a whole batch; (B, n, n) distances -> (B, n, 2) points.

    starts (S, n, 2): every clip is tried from each, the one of least stress is kept.  With the
    starts of RandomState(42) this is scikit-learn's MDS(n_components=2, metric="precomputed",
    n_init=S, init="random", random_state=42) with the same `max_iter` and `eps`.  A start that
    has met the tolerance stands still.  A GPU runs all rounds, so that it never waits for the
    host; a CPU stops when nothing moves any more, after 10 to 50 rounds.  For that this is a
    Function with its own rule for vmap: inside vmap no plain code may look at a value.
    """

    @staticmethod
    def forward(distances, starts, rounds, tolerance):
        count = distances.shape[-1]
        # each pair of points once, 15 of 36 distances, and the clips last, where they lie together
        first, second = torch.triu_indices(count, count, 1, device=distances.device)
        target = distances[:, first, second].T[:, :, None]  # (pairs, B, 1)
        points = starts.permute(2, 1, 0)[:, :, None].expand(-1, -1, len(distances), -1)
        moving = torch.ones_like(points[0, 0], dtype=torch.bool)  # (B, S)
        stress = torch.full_like(points[0, 0], torch.inf)
        difference = points[:, first] - points[:, second]  # (2, pairs, B, S)
        squared = (difference * difference).sum(0)
        for _ in range(rounds):
            apart = squared.sqrt()  # (pairs, B, S)
            pull = difference * (target / torch.where(apart == 0, 1e-5, apart) / count)
            step = torch.zeros_like(points)  # (2, n, B, S)
            step = step.index_add(1, first, pull).index_add_(1, second, pull, alpha=-1)
            points = torch.where(moving, step, points)  # Guttman transform
            difference = points[:, first] - points[:, second]
            squared = (difference * difference).sum(0)
            off = squared.sqrt() - target
            now = (off * off).sum(0)  # (B, S)
            moving = moving & ((stress - now) / squared.sum(0) >= tolerance)
            stress = now
            if moving.device.type == "cpu" and not moving.any():
                break
        best = stress.argmin(dim=1)[None, None, :, None].expand(2, count, -1, 1)
        return points.gather(3, best)[..., 0].permute(2, 1, 0)  # (B, n, 2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx, gradient):
        return None, None, None, None

    @staticmethod
    def vmap(info, in_dims, distances, starts, rounds, tolerance):
        if in_dims[1] is not None:  # the starts are the same for all folds
            starts = starts.select(in_dims[1], 0)
        if in_dims[0] is None:
            return Smacof.apply(distances, starts, rounds, tolerance), None
        distances = distances.movedim(in_dims[0], 0)  # (F, B, n, n)
        points = Smacof.apply(distances.flatten(0, 1), starts, rounds, tolerance)
        return points.unflatten(0, distances.shape[:2]), 0


def smacof(distances, starts, rounds: int = 300, tolerance: float = 1e-3) -> torch.Tensor:
    """`Smacof` as a function."""
    return Smacof.apply(distances, starts, rounds, tolerance)


def normalise(graph: torch.Tensor) -> torch.Tensor:
    """D^-1/2 A D^-1/2 over (B, n, n)."""
    root = graph.sum(-1).sqrt()
    return graph / (root[..., :, None] * root[..., None, :])


class RegionGraph(nn.Module):
    """Region features (B, 6, dim) -> the graph (B, 6, 6) that the GCN multiplies with."""

    def __init__(self, config: Config, action_unit_graph: np.ndarray):
        super().__init__()
        self.kind, self.manifold, self.combine = config.graph, config.manifold, config.combine
        graph = torch.as_tensor(action_unit_graph, dtype=torch.float32)
        self.register_buffer("action_unit_graph", graph)
        if config.manifold == "mds":
            starts = np.random.RandomState(42).uniform(size=(4, len(regions.REGIONS), 2))
            self.register_buffer("starts", torch.as_tensor(starts))
        if config.gcn_layers and config.graph == "both" and config.combine != "product":
            # both graphs weigh the same at the start, in either form of the weight
            start = 0.5 if config.combine == "free_sum" else 0.0
            self.weight = nn.Parameter(torch.tensor(start))

    def manifold_graph(self, features: torch.Tensor) -> torch.Tensor:
        """(B, 6, dim) -> (B, 6, 6); carries no gradient, in the code as here."""
        unit = F.normalize(features.detach(), dim=-1)
        cosine = unit @ unit.transpose(-1, -2)
        if self.manifold == "geodesic":
            squared = shortest_paths((1 - cosine).clamp(min=0)).square()
            count = squared.shape[-1]
            scale = squared.sum((-1, -2), keepdim=True) / (count * (count - 1))
            return normalise(torch.exp(-squared / (scale + 1e-12)))
        paths = shortest_paths(cosine.clamp(min=0.1).to(self.starts))
        points = smacof(paths, self.starts)
        apart = (points[:, :, None] - points[:, None]).square().sum(-1).sqrt()
        return (apart / apart.amax(-1, keepdim=True)).to(features)

    def forward(self, features):
        known = self.action_unit_graph.expand(len(features), -1, -1)  # (B, 6, 6)
        if self.kind == "identity":
            return torch.eye(known.shape[-1]).to(features).expand_as(known)
        if self.kind == "action_units":
            return known
        found = self.manifold_graph(features)
        if self.kind == "manifold":
            return found
        if self.combine == "product":
            return normalise(found * known)
        weight = torch.sigmoid(self.weight) if self.combine == "sum" else self.weight
        return weight * found + (1 - weight) * known


# --- the whole ------------------------------------------------------------------------------------


class MHSSAGCN(nn.Module):
    """patches (B, T, 147), positions (B, T, 2) -> logits (B, n_classes)"""

    def __init__(self, config: Config, n_classes: int, action_unit_graph: np.ndarray):
        super().__init__()
        points = _points(config)
        sizes = [SLOTS if config.padding else len(region) for region in points]
        region = torch.arange(len(points)).repeat_interleave(torch.tensor(sizes))  # (T,)
        same = region[:, None] == region[None]  # (T, T)
        # One flat sequence, no padding: as fast on a CPU as region by region, and fewer launches.
        # Regions padded to one size stand side by side in the batch instead: a sixth of the logits.
        self.register_buffer("region", region)
        self.register_buffer("mask", torch.where(same, 0.0, -torch.inf))
        pool = (region[None] == torch.arange(len(points))[:, None]).float()
        self.register_buffer("pool", pool / pool.sum(1, keepdim=True))  # (6, T) takes means
        self.spatial = config.spatial

        values = 3 * regions.PATCH**2
        norm = nn.LayerNorm(values, eps=NOISE**2) if config.patch_norm else nn.Identity()
        self.patch_embedding = nn.Sequential(norm, nn.Linear(values, config.dim))
        self.region_embedding = nn.Embedding(len(points), config.region_dim)
        self.combine = nn.Linear(config.dim + config.region_dim, config.dim)
        encoders = len(points) if config.encoders == "six" else 1
        self.encoders = nn.ModuleList(Encoder(config) for _ in range(encoders))
        self.beside = len(points) if config.padding and encoders == 1 else 1
        self.spans = sizes if encoders > 1 else [len(region) // self.beside]
        self.aggregate = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, config.dim))
        if config.dead_encoder:
            self.inter_encoder = Encoder(config)
        self.graph = RegionGraph(config, action_unit_graph)
        self.gcn = nn.ModuleList(
            nn.Linear(config.dim, config.dim) for _ in range(config.gcn_layers)
        )
        self.head = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, n_classes))

    def embed(self, patches):
        """RDPE: patches (B, T, 147) -> tokens (B, T, dim), each told its region."""
        x = self.patch_embedding(patches)  # (B, T, dim)
        region = self.region_embedding.weight[self.region]  # (T, region_dim)
        return self.combine(torch.cat([x, region.expand(len(x), -1, -1)], dim=-1))  # (B, T, dim)

    def encode(self, tokens, positions):
        """IRTE: tokens (B, T, dim) -> region features (B, 6, dim)."""
        shape = tokens.shape
        tokens, positions = (  # B and T below: those of regions side by side, where they are
            given.reshape(shape[0] * self.beside, -1, given.shape[-1])
            for given in (tokens, positions)
        )
        spatial = spatial_term(positions, self.spatial)  # (B, T, T)
        encoded, start = [], 0
        for encoder, size in zip(self.encoders, self.spans, strict=True):
            span = slice(start, start + size)
            encoded.append(encoder(tokens[:, span], spatial[:, span, span], self.mask[span, span]))
            start += size
        return self.aggregate(self.pool @ torch.cat(encoded, dim=1).reshape(shape))  # (B, 6, dim)

    def relate(self, features):
        """CRGN: region features (B, 6, dim) -> (B, 6, dim), each having heard the others."""
        graph = self.graph(features)  # (B, 6, 6)
        for layer in self.gcn:
            features = F.relu(graph @ layer(features))
        return features

    def forward(self, patches, positions):
        features = self.encode(self.embed(patches), positions)  # (B, 6, dim)
        if len(self.gcn):
            features = self.relate(features)
        return self.head(features.mean(dim=1))  # (B, n_classes)


def network(config: Config, n_classes: int, context: dict[str, np.ndarray]) -> nn.Module:
    """The network of one fold; context as `fit_context` gives it."""
    return MHSSAGCN(config, n_classes, context["action_unit_graph"])


def attention(net: MHSSAGCN, patches: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """(layers, B, heads, T, T) attention weights of one forward pass, without dropout.

    A row that attends to its own token alone has its whole weight on the diagonal.
    """
    seen: list[list[torch.Tensor]] = [[] for _ in net.encoders[0].layers]
    hooks = []
    for encoder in net.encoders:
        for layer, (_, module, _) in enumerate(encoder.layers):
            keep = seen[layer]
            hooks.append(
                module.softmax.register_forward_hook(lambda _, __, out, keep=keep: keep.append(out))
            )
    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            net(patches, positions)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    joined = []
    for outputs in seen:  # one block (shared encoder) or six along the diagonal
        blocks = [b for out in outputs for b in out.unflatten(0, (-1, net.beside)).unbind(1)]
        whole = blocks[0].new_zeros(*blocks[0].shape[:2], len(net.region), len(net.region))
        start = 0
        for block in blocks:
            end = start + block.shape[-1]
            whole[..., start:end, start:end] = block
            start = end
        joined.append(whole)
    return torch.stack(joined)
