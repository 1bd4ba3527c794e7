"""The graph of action units that AM-GCN's title names and its code lacks; ours, after Lei et al.

Lei, Chen, Li, Li, Wang, "Micro-expression recognition based on facial graph representation learning
and facial action unit fusion", CVPRW 2021.

* One node per action unit: the map, pooled around the landmarks of the regions that the unit moves
  (`regions.UNITS`), plus a learned embedding of the unit.
* A score per unit from its node, taught by the authors' multi-label loss on the training clips
  alone.  No forward pass is given an action unit; uncoded clips (SMIC) add nothing.
* P(unit j | unit i) over the training clips of the fold, self-loops, normalised; two graph
  convolutions, the mean of the nodes, and a linear layer added to the authors' one.
"""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from ..preprocessing import regions

NEAR = 2.0  # cells of the 28x28 grid: standard deviation of the pooling around a landmark
NINE = (1, 2, 4, 10, 12, 14, 15, 17, 25)  # the units of Lei et al.
SLOPE = 0.2  # of LeakyReLU, as Lei et al.


def region_pools(landmarks: np.ndarray, count: int) -> np.ndarray:
    """(N, 68, 2) landmarks -> (N, 6, count^2) weights over the cells of a map, each row sums to 1.

    A bell around each landmark of a region; wide enough to reach a cell of the coarsest map.
    """
    centres = (np.arange(count) + 0.5) * regions.GRID / count
    spread = max(NEAR, 0.5 * regions.GRID / count)
    pools = []
    for points in regions.POINTS:
        apart = landmarks[:, points, :, None] - centres  # (N, points, 2, count)
        near = np.exp(-0.5 * (apart / spread) ** 2)
        pools.append(np.einsum("npx,npy->nyx", near[:, :, 0], near[:, :, 1]))
    weights = np.stack(pools, axis=1).reshape(len(landmarks), len(pools), -1)
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def targets(clips: pd.DataFrame, config) -> dict[str, np.ndarray]:
    """(N, units) 1 where a clip is coded with the unit, 0 where not, -1 where it is not coded.

    For the loss of training clips; no forward pass receives it.  Of alternatives (`R14 or R12`)
    only a number that all agree on counts; units already there in the onset frame do not.
    """
    coded = np.full((len(clips), len(config.units)), -1.0, np.float32)
    for row, sheet in enumerate(clips["action_units"].fillna("").astype(str)):
        groups = regions.parse_action_units(sheet).groups
        if groups:
            alternatives = [{u.number for u in group if not u.reference} for group in groups]
            agreed = {number for numbers in alternatives if len(numbers) == 1 for number in numbers}
            coded[row] = [unit in agreed for unit in config.units]
    return {"action_units": coded}


def fit_context(clips: pd.DataFrame, features: dict, config) -> dict[str, np.ndarray]:
    """The graph (units, units) of the fold's training clips: D^-1/2 (P(j|i) + I) D^-1/2."""
    if config.graph == "none":
        return {}
    count = len(config.units)
    if config.graph == "identity":
        return {"unit_graph": np.eye(count, dtype=np.float32)}
    present = np.maximum(targets(clips, config)["action_units"], 0.0)  # uncoded clips add nothing
    together = present.T @ present  # (units, units) clips
    np.fill_diagonal(together, 0.0)
    conditional = together / np.maximum(present.sum(axis=0), 1.0)[:, None]
    return {"unit_graph": regions.normalise(conditional + np.eye(count)).astype(np.float32)}


class UnitGraph(nn.Module):
    """Last map (B, dim, cells, cells), pool (B, 6, cells^2) -> readout (B, width), scores (B, U)"""

    def __init__(self, config, graph: np.ndarray):
        super().__init__()
        moved = np.zeros((len(config.units), len(regions.REGIONS)), np.float32)
        for row, unit in enumerate(config.units):
            moved[row, list(regions.UNITS[unit])] = 1 / len(regions.UNITS[unit])
        self.register_buffer("moved", torch.from_numpy(moved))  # (U, 6) takes means
        self.register_buffer("graph", torch.as_tensor(graph, dtype=torch.float32))
        self.project = nn.Linear(config.widths[-1], config.node_dim)
        self.embedding = nn.Parameter(torch.randn(len(config.units), config.node_dim))
        self.score = nn.Parameter(torch.zeros(len(config.units), config.node_dim))
        self.offset = nn.Parameter(torch.zeros(len(config.units)))
        dims = (config.node_dim, *config.gcn_dims)
        self.gcn = nn.ModuleList(nn.Linear(*pair) for pair in zip(dims, dims[1:], strict=False))

    def nodes(self, x, pool):
        pooled = self.moved @ pool @ x.flatten(2).transpose(1, 2)  # (B, U, dim)
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
    """log(1 + sum over absent e^s) + log(1 + sum over present e^-s), mean over coded clips.

    scores and coded (B, U); a clip without coded units (-1) costs nothing.
    """
    zero = torch.zeros_like(scores[:, :1])
    absent = torch.where(coded == 0, scores, -torch.inf)
    present = torch.where(coded == 1, -scores, -torch.inf)
    costs = sum(torch.cat([part, zero], 1).logsumexp(1) for part in (absent, present))  # (B,)
    return costs.sum() / (coded[:, 0] >= 0).sum().clamp(min=1)
