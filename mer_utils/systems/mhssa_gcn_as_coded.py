"""MHSSA-GCN as its published code computes it, where that is not what its abstract says.

leyin20/MHSSA-Tranformer-GCN at 8a8e4eef (2025).  The code
* adds 1 / (distance + 1e-8) to the attention's logits: a landmark attends to itself with weight 1;
* takes dlib's nose for the eyes and its eyes for the nose;
* pads every region to 12 slots, attends to the padding and averages over it;
* counts the co-occurrence of action units over all CASME II clips, those of the test subject
  included, and leaves out the smile (12);
* takes the cosine for a length (alike is far), embeds the regions by MDS and uses their distance as
  affinity, and mixes the graphs with an unbounded weight;
* feeds raw grey values 0..255;
* builds a transformer between regions and never calls it.

`as_coded` has 5 110 980 parameters with that dead encoder.  One thing differs: co-occurrence is
that of the fold's CASME II *training* clips.  Its MDS stops by the rule of scikit-learn >= 1.7.

Input patches (B, T, 147) and positions (B, T, 2), T = 43, or 72 padded; output (B, n_classes).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..preprocessing import regions
from . import mhssa_gcn
from .inputs import CODED, RAW, SCALES, Arrays, Clips, ask, scaled_flow
from .layers import shortest_paths
from .mhssa_gcn import COUNT, CRGN, IRTE, MHSSAGCN, REGION, Encoder

VIEWS = mhssa_gcn.VIEWS


@dataclass(frozen=True)
class Config(mhssa_gcn.Config):
    """The numbers of the description, and the coded ingredients, which are off."""

    scale: Literal["fixed", "raw"] = "fixed"  # divide by constants, or take the values as they are
    points: Literal["dlib", "published"] = "dlib"  # landmarks of the regions, or the wrong lists
    padding: bool = False  # pad regions to 12 slots, attend to them and average over them
    spatial: Literal["logarithmic", "linear", "none", "inverse"] = "logarithmic"
    manifold: Literal["geodesic", "mds"] = "geodesic"
    combine: Literal["sum", "product", "free_sum"] = "sum"  # free_sum: of any weight
    units: Literal["extended", "published"] = "extended"  # published: CASME II only, no self-loops
    dead_encoder: bool = False  # build the encoder between regions that the code never calls


AS_CODED = {"flow": "flow_legacy", "scale": "raw", "patch_norm": False, "points": "published"}
AS_CODED |= {"padding": True, "spatial": "inverse", "manifold": "mds", "combine": "free_sum"}
AS_CODED |= {"units": "published", "dead_encoder": True, "mirror": False}
ABLATIONS = dict(
    as_coded=(*CODED, AS_CODED),
    coded_spatial_bias=ask(
        "spatial bias", "What does the published spatial term cost?", spatial="inverse"
    ),
    coded_manifold=ask("manifold distances", "What does alike-is-far cost?", manifold="mds"),
    published_regions=ask(
        "region map", "What do the wrong landmark lists cost?", points="published"
    ),
    padded=ask("region map", "What do attended and averaged empty slots cost?", padding=True),
)

SLOTS = 12  # of a padded region


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """As described; padded, regions have 12 slots, and positions are the patches' whole cells."""
    scales = RAW if config.scale == "raw" else SCALES
    points = regions.POINTS if config.points == "dlib" else regions.PUBLISHED_POINTS
    if not config.padding:
        return mhssa_gcn.features(views, clips, config, scales, points)
    flow = scaled_flow(views, config, scales)
    slots = [r * SLOTS + i for r, region in enumerate(points) for i in range(len(region))]
    padded = []
    for tokens in regions.patches(flow, views["landmarks"], points):  # patches, centres
        padded.append(np.zeros((len(flow), COUNT * SLOTS, tokens.shape[-1]), np.float32))
        padded[-1][:, slots] = tokens
    return dict(zip(("patches", "positions"), padded, strict=True))


def counted(clips: Clips, config: Config) -> Clips:
    """The clips whose action units are counted."""
    return clips[clips["corpus"].str.endswith("casme2")] if config.units == "published" else clips


def check(clips: Clips, config: Config) -> None:
    """Raises StudyError where the graph is to come from action units and no clip has any."""
    mhssa_gcn.check(counted(clips, config), config)


def fit_context(clips: Clips, features: Arrays, config: Config) -> Arrays:
    """The co-occurrence graph (6, 6) of the fold's training clips."""
    if config.units == "extended":
        return mhssa_gcn.fit_context(clips, features, config)
    check(clips, config)
    units = regions.PUBLISHED_UNITS
    graph = regions.co_occurrence(counted(clips, config), units, sides=False)
    return {"action_unit_graph": graph.astype(np.float32)}


def spatial_term(positions: torch.Tensor, form: str) -> torch.Tensor:
    """As described, or 1 / distance, which is added to the logits; a padded slot is at (0, 0)."""
    if form != "inverse":
        return mhssa_gcn.spatial_term(positions, form)
    difference = positions[:, :, None] - positions[:, None]  # (B, T, T, 2)
    distance = difference.square().sum(-1).sqrt()
    valid = (positions.sum(-1) != 0).to(distance)  # (B, T)
    return valid[:, :, None] * valid[:, None] / (distance + 1e-8)


class CodedIRTE(IRTE):
    """The described one with the coded spatial term, padding, and the encoder that is not called.

    Padded regions have one size.  They are next to each other in the batch, unless each has an
    encoder of its own: that takes a sixth of the logits.
    """

    term = staticmethod(spatial_term)

    def __init__(self, config: Config, region: tuple[int, ...]):
        super().__init__(config, region)
        self.abreast = COUNT if config.padding and len(self.encoders) == 1 else 1
        self.spans = [span // self.abreast for span in self.spans]
        if config.dead_encoder:
            self.inter_encoder = Encoder(config)

    def attend(self, tokens, positions):
        split = (x.unflatten(1, (self.abreast, -1)).flatten(0, 1) for x in (tokens, positions))
        return super().attend(*split).reshape(tokens.shape)


class Smacof(torch.autograd.Function):
    """Metric multidimensional scaling of a whole batch; (B, n, n) distances -> (B, n, 2) points.

    starts (S, n, 2): every clip is tried from each, the one of least stress is kept.  With those of
    RandomState(42) this is scikit-learn's MDS(n_components=2, metric="precomputed", n_init=S,
    init="random", random_state=42) with the same `max_iter` and `eps`.  A GPU runs all rounds, so
    that it never waits for the host; a CPU stops when nothing moves any more, after 10 to 50.  For
    that this is a Function with its own rule for vmap, inside which no plain code sees a value.
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
    def vmap(info, in_dims, distances, starts, rounds, tolerance):
        if in_dims[1] is not None:  # the starts are the same for all folds
            starts = starts.select(in_dims[1], 0)
        distances = distances.movedim(in_dims[0], 0)  # (F, B, n, n)
        points = Smacof.apply(distances.flatten(0, 1), starts, rounds, tolerance)
        return points.unflatten(0, distances.shape[:2]), 0


class CodedCRGN(CRGN):
    """The described one with distances of an embedding as weights, and a free weight of the mix."""

    def __init__(self, config: Config, action_unit_graph: np.ndarray):
        super().__init__(config, action_unit_graph)
        if config.manifold == "mds":
            starts = np.random.RandomState(42).uniform(size=(4, COUNT, 2))
            self.register_buffer("starts", torch.as_tensor(starts))
        if hasattr(self, "weight") and config.combine == "free_sum":
            nn.init.constant_(self.weight, 0.5)

    def manifold_graph(self, features):
        if not hasattr(self, "starts"):
            return super().manifold_graph(features)
        unit = F.normalize(features.detach(), dim=-1)
        cosine = unit @ unit.transpose(-1, -2)
        paths = shortest_paths(cosine.clamp(min=0.1).to(self.starts))
        points = Smacof.apply(paths, self.starts, 300, 1e-3)
        apart = (points[:, :, None] - points[:, None]).square().sum(-1).sqrt()
        return (apart / apart.amax(-1, keepdim=True)).to(features)

    def share(self):
        return self.weight if self.combine == "free_sum" else super().share()


def network(config: Config, n_classes: int, context: Arrays) -> nn.Module:
    """The network of one fold; context as `fit_context` gives it."""
    padded = tuple(number for number in range(COUNT) for _ in range(SLOTS))
    region = padded if config.padding else REGION
    return MHSSAGCN(config, n_classes, context, region, CodedIRTE, CodedCRGN)
