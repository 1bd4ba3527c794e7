"""What AM-GCN adds to its blocks: where on the face each cell is, and a graph of action units.

The position branch is the authors'; the graph is ours, after Lei, Chen, Li, Li, Wang,
"Micro-expression recognition based on facial graph representation learning and facial action unit
fusion", CVPRW 2021.  A node per action unit pools the map around the landmarks of the regions that
the unit moves and gives a score, which the training clips' coded units teach.  No forward pass is
given an action unit.
"""

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..preprocessing import regions
from .inputs import Arrays, Clips

NEAR = 2.0  # cells of the 28x28 grid: standard deviation of the pooling around a landmark
NINE = (1, 2, 4, 10, 12, 14, 15, 17, 25)  # the units of Lei et al.
SLOPE = 0.2  # of LeakyReLU, as Lei et al.


def cells(config) -> int:
    """Cells a side of the last map: four times halved, rounded up."""
    return -(-config.size // 16)


class Layer(nn.Module):
    """Pre-norm attention and MLP, whole paths dropped at random; (B, T, dim) -> (B, T, dim)."""

    def __init__(self, dim: int, heads: int, ratio: float, drop: float):
        super().__init__()
        self.heads, self.drop, hidden = heads, drop, int(dim * ratio)
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def keep(self, x):
        return F.dropout(torch.ones_like(x[:, :1, :1]), self.drop, self.training)  # one per clip

    def forward(self, x):
        keep = self.keep(x)
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        weights = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)
        x = x + keep * self.out((weights @ v).transpose(1, 2).flatten(2))
        return x + self.keep(x) * self.mlp(self.norm2(x))


class Position(nn.Module):
    """(B, C, cells, cells) small onset -> (B, dim, cells, cells): a transformer, a token a cell."""

    def __init__(self, config):
        super().__init__()
        dim = config.widths[-1]
        self.patch = nn.Conv2d(config.channels, dim, 1)
        self.places = nn.Parameter(torch.empty(1, cells(config) ** 2, dim))
        drops = np.linspace(0, config.drop_path, config.position_layers).tolist()
        layers = (Layer(dim, config.heads, config.mlp_ratio, drop) for drop in drops)
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        nn.init.trunc_normal_(self.places, std=0.02)
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, face):
        x = self.patch(face).flatten(2).mT + self.places  # (B, cells^2, dim)
        return self.norm(self.layers(x)).mT.unflatten(2, face.shape[2:])


def region_pools(landmarks: np.ndarray, count: int) -> np.ndarray:
    """(N, 68, 2) -> (N, 6, count^2) weights of a map's cells, sum 1: bells around landmarks."""
    centres = (np.arange(count) + 0.5) * regions.GRID / count
    spread = max(NEAR, 0.5 * regions.GRID / count)
    near = np.exp(-0.5 * ((landmarks[..., None] - centres) / spread) ** 2)  # (N, 68, 2, count)
    parts = [near[:, points] for points in regions.POINTS]
    pools = [np.einsum("npx,npy->nyx", part[:, :, 0], part[:, :, 1]) for part in parts]
    weights = np.stack(pools, axis=1).reshape(len(landmarks), len(pools), -1)
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def targets(clips: Clips, config) -> Arrays:
    """For the loss: (N, units) 1 where a clip is coded with the unit, 0 where not, -1 uncoded.

    Of alternatives (`R14 or R12`) only a number that all agree on counts, and no unit that is in
    the onset frame already.
    """
    coded = np.full((len(clips), len(config.units)), -1.0, np.float32)
    for row, sheet in enumerate(clips["action_units"].fillna("").astype(str)):
        groups = regions.parse_action_units(sheet).groups
        if groups:
            alternatives = [{u.number for u in group if not u.reference} for group in groups]
            agreed = {number for numbers in alternatives if len(numbers) == 1 for number in numbers}
            coded[row] = [unit in agreed for unit in config.units]
    return {"action_units": coded}


def fit_context(clips: Clips, features: Arrays, config) -> Arrays:
    """The graph (units, units) of the fold's training clips: D^-1/2 (P(j|i) + I) D^-1/2."""
    if config.graph == "none":
        return {}
    loops = np.eye(len(config.units))
    if config.graph == "identity":
        return {"unit_graph": loops.astype(np.float32)}
    present = np.maximum(targets(clips, config)["action_units"], 0.0)  # uncoded clips add nothing
    together = present.T @ present  # (units, units) clips
    np.fill_diagonal(together, 0.0)
    conditional = together / np.maximum(present.sum(axis=0), 1.0)[:, None]
    return {"unit_graph": regions.normalise(conditional + loops).astype(np.float32)}


class UnitGraph(nn.Module):
    """Last map (B, dim, cells, cells), pool (B, 6, cells^2) -> readout (B, width), scores (B, U)"""

    def __init__(self, config, graph: np.ndarray):
        super().__init__()
        moved = torch.zeros(len(config.units), len(regions.REGIONS))
        for row, unit in enumerate(config.units):
            moved[row, list(regions.UNITS[unit])] = 1 / len(regions.UNITS[unit])
        self.register_buffer("moved", moved)  # (U, 6) takes means
        self.register_buffer("graph", torch.as_tensor(graph, dtype=torch.float32))
        self.project = nn.Linear(config.widths[-1], config.node_dim)
        self.embedding = nn.Parameter(torch.randn(len(config.units), config.node_dim))
        self.score = nn.Parameter(torch.zeros(len(config.units), config.node_dim))
        self.offset = nn.Parameter(torch.zeros(len(config.units)))
        dims = pairwise((config.node_dim, *config.gcn_dims))
        self.gcn = nn.ModuleList(nn.Linear(*pair) for pair in dims)

    def nodes(self, x, pool):
        pooled = self.moved @ pool @ x.flatten(2).mT  # (B, U, dim)
        return F.leaky_relu(self.project(pooled) + self.embedding, SLOPE)  # (B, U, node_dim)

    def scores(self, nodes):
        return (nodes * self.score).sum(-1) + self.offset  # (B, U)

    def forward(self, x, pool):
        nodes = self.nodes(x, pool)
        scores = self.scores(nodes)
        for layer in self.gcn:
            nodes = F.leaky_relu(self.graph @ layer(nodes), SLOPE)  # (B, U, width)
        return nodes.mean(dim=1), scores


def multi_label_loss(scores: torch.Tensor, coded: torch.Tensor) -> torch.Tensor:
    """(B, U) each: log(1 + sum of absent e^s) + log(1 + sum of present e^-s), over coded clips."""
    zero = torch.zeros_like(scores[:, :1])
    absent = torch.where(coded == 0, scores, -torch.inf)
    present = torch.where(coded == 1, -scores, -torch.inf)
    costs = sum(torch.cat([part, zero], 1).logsumexp(1) for part in (absent, present))  # (B,)
    return costs.sum() / (coded[:, 0] >= 0).sum().clamp(min=1)
