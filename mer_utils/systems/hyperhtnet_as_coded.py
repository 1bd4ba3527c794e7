"""HyperHTNet as its published code computes it, where that is not what its name says.

Arksuzuran/HypHTNet (2025), branches main (9ecb8dd0) and dev (69fa7e2c).  Its input and trunk are
those of HTNet's code (`htnet_as_coded`).  The code
* takes arccos(1 - 2c|x-y|^2 / ((1+c|x|^2)(1+c|y|^2))) for the distance in the branch of the best
  results, the geodesic of a *sphere*, and the straight line in the other;
* gives every vector a length of about 11 by its BatchNorm, so that the clip at 2.3 always binds:
  all points are on one sphere, and every distance is a function of the angle alone;
* sums the distances over all pairs (main) or divides the sums by the batch (dev), so that a class
  weighs by its size.

`as_coded` is the branch of the best results, 139 716 486 parameters; `as_coded_main` is the other.
Both lack the code's + 1e-3 inside the arccos.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from . import hierarchy, htnet_as_coded, hyperhtnet
from .htnet_as_coded import AS_CODED, features  # noqa: F401
from .inputs import CODED, Arrays, ask

views_needed = hyperhtnet.views_needed


@dataclass(frozen=True)
class Config(htnet_as_coded.Config, hyperhtnet.Config):
    """The numbers of the description, and the coded ingredients."""

    distance: Literal["poincare", "spherical", "euclidean"] = "poincare"  # spherical: dev
    average: Literal["counts", "batch", "sum"] = "counts"  # over positives; dev; main
    radii: Literal["free", "batch_norm"] = "free"  # batch_norm: and a hard clip


DEV = {"radii": "batch_norm", "distance": "spherical", "average": "batch"}
MAIN = {"radii": "batch_norm", "distance": "euclidean", "average": "sum", "alpha": 0.002}
ABLATIONS = dict(
    as_coded=(*CODED, AS_CODED | DEV),
    as_coded_main=(
        "all at once",
        "What does the main branch do, under the same honest protocol?",
        AS_CODED | MAIN,
    ),
    spherical=ask(
        "hyperbolic head", "Does the code's spherical distance serve as well?", distance="spherical"
    ),
    coded_radii=ask(
        "hyperbolic head", "What does one radius for all points cost?", radii="batch_norm"
    ),
    coded_average=ask(
        "contrastive loss", "What does a term that grows with the class cost?", average="batch"
    ),
)


def distances(points, curvature: float, kind: str = "poincare", others=None) -> torch.Tensor:
    """As described, or spherical: the points as a stereographic map of a sphere of curvature +c."""
    signed = -curvature if kind == "spherical" else curvature
    return hyperhtnet.distances(points, signed, kind, others)


class ClippedBall(nn.Module):
    """Tokens (B, T, dim) -> points (B, embedding): BatchNorm, then a hard bound on the length."""

    def __init__(self, dim: int, config: Config):
        super().__init__()
        self.head = hierarchy.Head(dim, config.embedding)
        self.curvature, self.radius = config.curvature, config.radius
        self.norm = nn.BatchNorm1d(config.embedding)

    def forward(self, tokens):
        tangent = self.norm(self.head(tokens))  # (B, embedding)
        length = torch.linalg.vector_norm(tangent, dim=-1, keepdim=True).clamp(min=1e-6)
        tangent = tangent * (self.radius / length).clamp(max=1.0)
        return hyperhtnet.exponential_map(tangent, self.curvature)


def network(config: Config, n_classes: int, context: Arrays) -> nn.Module:
    """The network of one fold."""
    if config.radii == "free":
        return hyperhtnet.HyperHTNet(config, n_classes, context)
    net = hyperhtnet.HyperHTNet(config, n_classes, context, ClippedBall)
    if not net.on_ball:  # the code's start
        nn.init.orthogonal_(net.head.linear.weight)
    return net


def contrast(points: torch.Tensor, labels: torch.Tensor, config: Config) -> torch.Tensor:
    """The contrastive term of a batch: points (B, D), labels (B,) -> a scalar."""

    def summed(similarity, others, same):
        divisor = len(points) if config.average == "batch" else 1
        pull = (same * similarity).sum(dim=1) / divisor
        push = ((others - same) * similarity).sum(dim=1) / divisor
        return F.softplus(push - pull).mean()  # cross-entropy of (pull, push) against pull

    term = hyperhtnet.supervised if config.average == "counts" else summed
    return hyperhtnet.contrast(points, labels, config, distances, term)


loss = partial(hyperhtnet.loss, contrast=contrast)
