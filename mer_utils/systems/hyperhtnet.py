"""HyperHTNet: HTNet with a second head on the Poincare ball.

Code Arksuzuran/HypHTNet (2025), a graduation project at Beihang; no paper.  Read from its figures
and its branches main (9ecb8dd0) and dev (69fa7e2c).  The ball follows Ermolov et al., "Hyperbolic
Vision Transformers", CVPR 2022.  Input and trunk are in `hierarchy`, shared with HTNet.

Followed: HTNet's trunk with two heads, a linear classifier, which alone is used at test time, and a
128-d embedding on the ball of curvature -0.1, pulled together within and apart between classes
while training; (1 - alpha) cross-entropy + alpha contrastive; radius 2.3, temperature 0.2.

Ours, where the code (`hyperhtnet_as_coded`) does something else:
* distance: the hyperbolic geodesic;
* radius: a learned scale, starting near 1, and r tanh(|u| / r), so that radii vary.  Left free they
  shrink to where the ball is flat (notebook 32, `warm_contrast`);
* contrast: supervised (Khosla et al., NeurIPS 2020);
* `hyperbolic_classifier`: a Poincare multinomial regression (Ganea et al., NeurIPS 2018) on the
  points in place of the linear head.

The geometry is geoopt's (Apache-2.0); points and normals are reached from 0 by the exponential map,
so that plain Adam may train them.

Input canvas (B, 3, 28, 28); output logits (B, n_classes), in training mode with points (B, 128).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import hierarchy
from .hierarchy import attention, features, views_needed  # noqa: F401  the same for both systems
from .inputs import Arrays, ask

TITLE = "HyperHTNet"
COLOUR, MARKER = "#9d84c4", "H"
VIEWS = ("flow", "landmarks")


@dataclass(frozen=True)
class Config(hierarchy.TrunkConfig):
    """The numbers of HTNet, and those of the ball."""

    alpha: float = 0.1  # weight of the contrastive term; cross-entropy has the rest
    distance: Literal["poincare", "euclidean"] = "poincare"
    classifier: Literal["linear", "hyperbolic"] = "linear"  # hyperbolic: hyperplanes of the ball
    embedding: int = 128  # dimensions of the ball
    curvature: float = 0.1  # c: the ball's radius is 1 / sqrt(c), 3.16
    radius: float = 2.3  # longest tangent vector
    temperature: float = 0.2


# The trunk's fields are those of htnet.SMALL; the rate was chosen as there.
SMALL = {"dim": 48, "last_layers": 2, "epochs": 30, "batch_size": 32, "learning_rate": 1e-4}
SMALL |= {"embedding": 32}
ABLATIONS = dict(
    no_contrast=ask("contrastive loss", "Does the contrastive term help at all?", alpha=0.0),
    euclidean=ask(
        "hyperbolic head", "Does a ball serve better than flat space?", distance="euclidean"
    ),
    warm_contrast=ask(
        "contrastive loss", "Does a warmer contrast make use of the curvature?", temperature=1.0
    ),
    hyperbolic_classifier=ask(
        "hyperbolic head", "Should the classifier be hyperbolic?", classifier="hyperbolic"
    ),
    no_attention=hierarchy.NO_ATTENTION,
    constant_crops=hierarchy.CONSTANT_CROPS,
)


def _ball(name: str, *tensors: torch.Tensor, curvature: float, **options) -> torch.Tensor:
    """One of geoopt's functions, loaded here: who trains other systems needs no geoopt."""
    from geoopt.manifolds.stereographic import math

    # a number on the host: geoopt asks for its sign, and no device should be waited for
    k = torch.tensor(-curvature, dtype=tensors[0].dtype)
    return getattr(math, name)(*tensors, k=k, **options)


def exponential_map(tangent: torch.Tensor, curvature: float) -> torch.Tensor:
    """Tangent vectors at 0 (..., D) -> points of the ball: tanh(sqrt(c)|u|) u / (sqrt(c)|u|)."""
    points = _ball("expmap0", tangent, curvature=curvature)
    return _ball("project", points, curvature=curvature)


def distances(points, curvature: float, kind: str = "poincare", others=None) -> torch.Tensor:
    """Points (B, D) -> (B, B) distances to each other, or (B, M) to `others` (M, D).

    poincare: 2 artanh(sqrt(c) |-x + y|) / sqrt(c) with Moebius addition; euclidean: |x - y|.
    """
    x, y = points[:, None], (points if others is None else others)[None]
    if kind == "euclidean":
        return torch.linalg.vector_norm(x - y, dim=-1)
    return _ball("dist", x, y, curvature=curvature)


class Ball(nn.Module):
    """Tokens (B, T, dim) -> points (B, embedding) of the Poincare ball."""

    def __init__(self, dim: int, config: Config):
        super().__init__()
        self.head = hierarchy.Head(dim, config.embedding)
        self.curvature, self.radius = config.curvature, config.radius
        self.scale = nn.Parameter(torch.tensor(config.embedding**-0.5))

    def forward(self, tokens):
        tangent = self.head(tokens) * self.scale  # (B, embedding)
        length = torch.linalg.vector_norm(tangent, dim=-1, keepdim=True).clamp(min=1e-6)
        tangent = tangent * (self.radius / length * torch.tanh(length / self.radius))
        return exponential_map(tangent, self.curvature)


class HyperbolicClassifier(nn.Module):
    """Points (B, D) -> logits (B, n_classes): signed distances to one hyperplane of each class.

    Ganea et al., equation 25: that of class k passes through p_k, normal to a_k; the logit is the
    distance times the length of a_k at p_k, which is twice that at 0.
    """

    def __init__(self, dim: int, n_classes: int, curvature: float):
        super().__init__()
        self.curvature = curvature
        self.normals = nn.Parameter(torch.randn(n_classes, dim) * dim**-0.5)
        self.offsets = nn.Parameter(torch.zeros(n_classes, dim))  # p_k, as tangent vectors at 0

    def forward(self, points):
        through = exponential_map(self.offsets, self.curvature)  # (C, D)
        options = {"curvature": self.curvature, "signed": True, "scaled": True}
        return 2 * _ball("dist2plane", points[:, None], through, self.normals, **options)


class HyperHTNet(nn.Module):
    """canvas (B, 3, 28, 28) -> logits (B, n_classes); while training also points (B, embedding)"""

    def __init__(self, config: Config, n_classes: int, context: Arrays, ball=Ball):
        super().__init__()
        self.trunk = hierarchy.Trunk(config)
        self.ball = ball(self.trunk.width, config)
        self.on_ball = config.classifier == "hyperbolic"
        if self.on_ball:
            self.head = HyperbolicClassifier(config.embedding, n_classes, config.curvature)
        else:
            self.head = hierarchy.Head(self.trunk.width, n_classes)

    def forward(self, canvas):
        tokens = self.trunk(canvas)
        if not self.training and not self.on_ball:
            return self.head(tokens)  # the ball has no part at test time
        points = self.ball(tokens)
        logits = self.head(points if self.on_ball else tokens)
        return (logits, points) if self.training else logits


network = HyperHTNet


def supervised(similarity, others, same) -> torch.Tensor:
    """Mean over each clip's positives, then over the clips that have one; all (B, B).

    A clip whose class has no second clip in the batch has nothing to be pulled to: 0.
    """
    against = torch.where(others > 0, similarity, -1e9).logsumexp(dim=1, keepdim=True)
    positives = same.sum(dim=1)
    pull = (same * (against - similarity)).sum(dim=1) / positives.clamp(min=1)
    return pull.sum() / (positives > 0).sum().clamp(min=1)


def contrast(points, labels, config: Config, distances=distances, term=supervised) -> torch.Tensor:
    """The contrastive term of a batch: points (B, D), labels (B,) -> a scalar."""
    similarity = -distances(points, config.curvature, config.distance) / config.temperature
    others = 1 - torch.eye(len(points), dtype=points.dtype, device=points.device)
    same = (labels[:, None] == labels[None]).to(points) * others  # two clips of one class: 1
    return term(similarity, others, same)


def loss(config: Config, class_counts: np.ndarray, contrast=contrast):
    """(output of the network in training mode, labels) -> the loss of a batch."""

    def total(output, labels):
        logits, points = output
        classification = F.cross_entropy(logits, labels)
        if config.alpha == 0:
            return classification
        pull = contrast(points, labels, config)
        return config.alpha * pull + (1 - config.alpha) * classification

    return total
