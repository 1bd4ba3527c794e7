"""MHSSA-GCN: attention inside six facial regions, a graph convolution between them.

"Integrating MHSSA-Transformer and GCN for Enhanced Micro-expression Recognition", submitted to The
Visual Computer; text not public.  Read from its abstract, its framework figure and the code,
leyin20/MHSSA-Tranformer-GCN at 8a8e4eef (2025), whose numbers it has.

RDPE: 7x7 patches of the onset-to-apex flow around 43 landmarks become tokens.
IRTE: multi-head spatial-aware self-attention (MHSSA) inside each region, three layers.
CRGN: a graph that mixes action-unit co-occurrence with manifold distances, three convolutions.

Ours, where the abstract leaves a choice and the code (`mhssa_gcn_as_coded`) does something else:
* spatial term -gamma log(1 + distance), gamma >= 0 learned per head, 1 at the start;
* co-occurrence of the fold's training clips by the map `regions.UNITS`, with self-loops,
  normalised; the identity where no clip has a coded unit (SMIC alone);
* manifold exp(-D^2 / sigma^2), D geodesics over 1 - cosine; the weight of the mix is sigmoid(a);
* input: signed flow over constants, LayerNorm on patches.

Input patches (B, T, 147) and positions (B, T, 2), T = 43; output (B, n_classes).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..errors import StudyError
from ..preprocessing import regions
from .inputs import SCALES, Arrays, Clips, Flow, ask, scaled_flow
from .layers import encoder_layer, normalise, outputs_of, shortest_paths

TITLE = "MHSSA-GCN"
COLOUR, MARKER = "#a3223a", "*"
VIEWS = ("flow", "landmarks")


@dataclass(frozen=True)
class Config:
    """Defaults are the published numbers; where two forms exist, the one the abstract describes."""

    flow: Flow = "auto"
    mirror: bool = True  # learn from mirror images too, and predict by the mean of both
    landmarks: Literal["own", "mean"] = "own"  # of each clip, or their mean over the corpus
    patch_norm: bool = True  # LayerNorm on each patch before the embedding
    dim: int = 256  # width of a token
    region_dim: int = 32  # width of the region embedding
    layers: int = 3  # encoder layers
    heads: int = 4
    head_dim: int = 64
    feedforward: int = 1024  # hidden width of the encoder's MLP
    dropout: float = 0.1
    spatial: Literal["logarithmic", "linear", "none"] = "logarithmic"  # term of the attention
    encoders: Literal["shared", "six"] = "shared"  # one for all regions (code), or six (figure)
    gcn_layers: int = 3  # 0: the region features are averaged without a graph
    graph: Literal["both", "action_units", "manifold", "identity"] = "both"
    combine: Literal["sum", "product"] = "sum"  # of both graphs
    epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 5e-5
    weight_decay: float = 0.0


# Chosen on 157 synthetic clips: their 24 folds take a minute on two cores.
SMALL = {"dim": 64, "region_dim": 8, "layers": 2, "heads": 2, "head_dim": 32, "feedforward": 128}
SMALL |= {"epochs": 30, "batch_size": 32, "learning_rate": 1e-3}
ABLATIONS = dict(
    no_transformer=ask("depth", "Does attention inside regions help at all?", layers=0),
    one_layer=ask("depth", "Is a deep encoder better than one layer?", layers=1),
    no_spatial_bias=ask("spatial bias", "Does attention need to know distances?", spatial="none"),
    linear_bias=ask(
        "spatial bias", "Does attention fall with distance, or with its log?", spatial="linear"
    ),
    six_encoders=ask("encoders", "One encoder for all regions, or one each?", encoders="six"),
    no_gcn=ask("graph convolution", "Does the graph convolution help at all?", gcn_layers=0),
    one_gcn_layer=ask(
        "graph convolution", "Must the graph be passed more than once?", gcn_layers=1
    ),
    no_graph=ask("graph", "Does it matter that regions hear each other?", graph="identity"),
    no_manifold=ask("graph", "Do manifold distances add to co-occurrence?", graph="action_units"),
    no_action_units=ask("graph", "Does co-occurrence add to manifold distances?", graph="manifold"),
    patches_alone=ask(
        "depth and graph", "Do attention and graph together help?", layers=0, gcn_layers=0
    ),
    product=ask("mix of the graphs", "Sum or product of the two graphs?", combine="product"),
    constant_points=ask("region map", "Do patches need this face's landmarks?", landmarks="mean"),
    no_patch_norm=ask("input scaling", "Does a patch need its own scale?", patch_norm=False),
)

COUNT, POINTS = len(regions.REGIONS), regions.POINTS
REGION = tuple(r for r, points in enumerate(POINTS) for _ in points)  # of each token
NOISE = 0.05  # in scaled units: patches that vary less than this are not blown up by LayerNorm


def features(views: Arrays, clips: Clips, config: Config, scales=SCALES, points=POINTS) -> Arrays:
    """Patches (N, 43, 147) and the positions of their landmarks (N, 43, 2), in cells."""
    landmarks = views["landmarks"]
    if config.landmarks == "mean":  # which no label enters
        landmarks = np.broadcast_to(landmarks.mean(0), landmarks.shape)
    patches, _ = regions.patches(scaled_flow(views, config, scales), landmarks, points)
    positions = np.clip(landmarks[:, np.concatenate(points)], 0, regions.GRID)
    return {"patches": patches, "positions": positions.astype(np.float32)}


def check(clips: Clips, config: Config) -> None:
    """Raises StudyError where the graph is to come from action units and no clip has any."""
    if config.graph == "action_units" and not clips["action_units"].fillna("").str.strip().any():
        raise StudyError(
            "mhssa_gcn: graph='action_units' needs coded action units, and no training clip has "
            "any; choose graph='both' or a corpus with action units (casme2, samm)"
        )


def fit_context(clips: Clips, features: Arrays, config: Config) -> Arrays:
    """The co-occurrence graph (6, 6) of the fold's training clips."""
    check(clips, config)
    return {"action_unit_graph": regions.action_unit_graph(clips).astype(np.float32)}


class RDPE(nn.Module):
    """Patches (B, T, 147) -> tokens (B, T, dim), each with the embedding of its region."""

    def __init__(self, config: Config, region: tuple[int, ...]):
        super().__init__()
        values = 3 * regions.PATCH**2
        norm = nn.LayerNorm(values, eps=NOISE**2) if config.patch_norm else nn.Identity()
        self.patch_embedding = nn.Sequential(norm, nn.Linear(values, config.dim))
        self.region_embedding = nn.Embedding(COUNT, config.region_dim)
        self.combine = nn.Linear(config.dim + config.region_dim, config.dim)
        self.register_buffer("region", torch.tensor(region))  # (T,)

    def forward(self, patches):
        x = self.patch_embedding(patches)  # (B, T, dim)
        region = self.region_embedding.weight[self.region]  # (T, region_dim)
        return self.combine(torch.cat([x, region.expand(len(x), -1, -1)], dim=-1))  # (B, T, dim)


def spatial_term(positions: torch.Tensor, form: str) -> torch.Tensor:
    """Positions (B, T, 2) -> (B, T, T): what is taken off the logits, before gamma."""
    difference = positions[:, :, None] - positions[:, None]  # (B, T, T, 2)
    distance = difference.square().sum(-1).sqrt()
    if form == "logarithmic":
        return distance.log1p()
    return distance / regions.GRID if form == "linear" else torch.zeros_like(distance)


class SpatialAttention(nn.Module):
    """MHSSA, (B, T, dim) -> (B, T, dim): each token attends to the tokens of its own region."""

    def __init__(self, config: Config):
        super().__init__()
        self.heads, width = config.heads, config.heads * config.head_dim
        self.scale = config.head_dim**-0.5
        self.qkv = nn.Linear(config.dim, 3 * width, bias=False)
        self.softmax = nn.Softmax(dim=-1)  # a module, so that a hook can read the attention
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Sequential(nn.Linear(width, config.dim), nn.Dropout(config.dropout))
        if config.spatial in ("logarithmic", "linear"):  # softplus(0.5413) = 1
            self.gamma = nn.Parameter(torch.full((config.heads,), float(np.log(np.e - 1))))

    def forward(self, x, spatial, mask):
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, head_dim)
        logits = q @ k.transpose(-1, -2) * self.scale  # (B, heads, T, T)
        spatial = spatial[:, None]  # (B, 1, T, T)
        if hasattr(self, "gamma"):
            spatial = -F.softplus(self.gamma)[:, None, None] * spatial  # (B, heads, T, T)
        # written out: the fused CPU kernel has no batching rule under vmap
        weights = self.dropout(self.softmax(logits + spatial + mask))
        return self.out((weights @ v).transpose(1, 2).flatten(2))  # (B, T, dim)


class Encoder(nn.Module):
    """Pre-norm attention and MLP, each with a residual; (B, T, dim) -> (B, T, dim)."""

    def __init__(self, config: Config):
        super().__init__()
        sizes = (config.dim, config.feedforward, config.dropout)
        layers = (encoder_layer(SpatialAttention(config), *sizes) for _ in range(config.layers))
        self.layers = nn.ModuleList(layers)

    def forward(self, x, spatial, mask):
        for norm, attention, mlp in self.layers:
            x = x + attention(norm(x), spatial, mask)
            x = x + mlp(x)
        return x


class IRTE(nn.Module):
    """Tokens (B, T, dim) and positions (B, T, 2) -> region features (B, 6, dim); one sequence."""

    term = staticmethod(spatial_term)

    def __init__(self, config: Config, region: tuple[int, ...]):
        super().__init__()
        of = torch.tensor(region)
        self.register_buffer("mask", torch.where(of[:, None] == of, 0.0, -torch.inf))  # (T, T)
        pool = (of == torch.arange(COUNT)[:, None]).float()
        self.register_buffer("pool", pool / pool.sum(1, keepdim=True))  # (6, T) takes means
        self.form = config.spatial
        six = [region.count(number) for number in range(COUNT)]
        self.spans = six if config.encoders == "six" else [len(region)]  # tokens of each encoder
        self.encoders = nn.ModuleList(Encoder(config) for _ in self.spans)
        self.aggregate = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, config.dim))

    def attend(self, tokens, positions):
        """Tokens (B, T, dim) after the encoders."""
        spatial = self.term(positions, self.form)  # (B, T, T)
        parts, start = [], 0
        for encoder, size in zip(self.encoders, self.spans, strict=True):
            span = slice(start, start := start + size)
            parts.append(encoder(tokens[:, span], spatial[:, span, span], self.mask[span, span]))
        return torch.cat(parts, dim=1)

    def forward(self, tokens, positions):
        return self.aggregate(self.pool @ self.attend(tokens, positions))  # (B, 6, dim)


class CRGN(nn.Module):
    """Region features (B, 6, dim) -> (B, 6, dim), each after hearing the others."""

    def __init__(self, config: Config, action_unit_graph: np.ndarray):
        super().__init__()
        self.kind, self.combine = config.graph, config.combine
        graph = torch.as_tensor(action_unit_graph, dtype=torch.float32)
        self.register_buffer("action_unit_graph", graph)
        if config.gcn_layers and config.graph == "both" and config.combine != "product":
            self.weight = nn.Parameter(torch.tensor(0.0))  # both graphs weigh the same at the start
        layers = (nn.Linear(config.dim, config.dim) for _ in range(config.gcn_layers))
        self.layers = nn.ModuleList(layers)

    def manifold_graph(self, features: torch.Tensor) -> torch.Tensor:
        """(B, 6, dim) -> (B, 6, 6), affinities over geodesics; carries no gradient, as coded."""
        unit = F.normalize(features.detach(), dim=-1)
        cosine = unit @ unit.transpose(-1, -2)
        squared = shortest_paths((1 - cosine).clamp(min=0)).square()
        scale = squared.sum((-1, -2), keepdim=True) / (COUNT * (COUNT - 1))
        return normalise(torch.exp(-squared / (scale + 1e-12)))

    def share(self):
        """Weight of the manifold graph in the sum."""
        return torch.sigmoid(self.weight)

    def graph(self, features):
        """Region features (B, 6, dim) -> the graph (B, 6, 6) of the convolution."""
        co_occurrence = self.action_unit_graph.expand(len(features), -1, -1)  # (B, 6, 6)
        if self.kind == "identity":
            return torch.eye(COUNT).to(features).expand_as(co_occurrence)
        if self.kind == "action_units":
            return co_occurrence
        manifold = self.manifold_graph(features)
        if self.kind == "manifold":
            return manifold
        if self.combine == "product":
            return normalise(manifold * co_occurrence)
        share = self.share()
        return share * manifold + (1 - share) * co_occurrence

    def forward(self, features):
        graph = self.graph(features) if len(self.layers) else None
        for layer in self.layers:
            features = F.relu(graph @ layer(features))
        return features


class MHSSAGCN(nn.Module):
    """patches (B, T, 147), positions (B, T, 2) -> logits (B, n_classes)"""

    def __init__(self, config, n_classes, context: Arrays, region=REGION, irte=IRTE, crgn=CRGN):
        super().__init__()
        self.embed, self.encode = RDPE(config, region), irte(config, region)
        self.relate = crgn(config, **context)
        self.head = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, n_classes))

    def forward(self, patches, positions):
        features = self.encode(self.embed(patches), positions)  # (B, 6, dim)
        return self.head(self.relate(features).mean(dim=1))  # (B, n_classes)


network = MHSSAGCN


def attention(net: MHSSAGCN, patches: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """(layers, B, heads, T, T) attention in evaluation mode, the regions along the diagonal."""
    encoders = net.encode.encoders
    softmaxes = [block.softmax for encoder in encoders for _, block, _ in encoder.layers]
    outputs = outputs_of(net, softmaxes, patches=patches, positions=positions)
    depth, heads, (batch, count, _) = len(encoders[0].layers), outputs[0].shape[1], patches.shape
    maps = patches.new_zeros(depth, batch, heads, count, count)
    for number in range(depth):
        start = 0
        for out in outputs[number::depth]:
            for block in out.unflatten(0, (batch, -1)).unbind(1):  # (B, heads, t, t)
                span = slice(start, start := start + block.shape[-1])
                maps[number, :, :, span, span] = block
    return maps
