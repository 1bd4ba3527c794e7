"""HOOF: histograms of oriented optical flow over blocks of the face, and a linear SVM.

Chaudhry, Ravichandran, Hager, Vidal, CVPR 2009, for the histogram: the orientations of the flow,
weighted by its length.  `bi_woof` is Liong, See, Wong, Phan, "Less is more: micro-expression
recognition from video using apex frame", Signal Processing: Image Communication 62, 2018 (arXiv
1606.01721): onset to apex, each block's histogram also weighted by the block's mean strain.

Followed: eight orientations, length as weight, linear SVM.  Not followed: their block grids are
for larger faces; here 7x7 blocks of 4x4 cells.  HOOF folds left onto right; here both are kept, as
in Bi-WOOF: lip corners go apart.  Stretched flow (`flow_legacy`) has no value for "still", so the
median of each clip is taken for it, and its lengths cannot be compared between clips: histograms
are divided by their sum, clip by clip.

Input x (N, 7 * 7 * 8).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ..errors import StudyError
from ..preprocessing.regions import GRID
from .inputs import Arrays, Clips, Flow, ask, flow_view

TITLE = "HOOF + SVM"
COLOUR, MARKER = "#8fa9c9", "v"
VIEWS = ("flow",)


@dataclass(frozen=True)
class Config:
    """One histogram per block."""

    flow: Flow = "auto"
    mirror: bool = True  # learn from mirror images too, and predict by the mean of both
    blocks: int = 7  # a side; 28 cells must divide by it
    orientations: int = 8
    strain: bool = False  # weight each block by its mean strain (Bi-WOOF)
    cost: float = 1.0  # C, the price of a clip on the wrong side

    def __post_init__(self):
        if self.blocks < 1 or GRID % self.blocks:
            raise StudyError(
                f"hoof: blocks={self.blocks} does not divide the {GRID} cells of the flow; "
                "choose one of 1, 2, 4, 7, 14, 28"
            )


SMALL = {}
ARMS = tuple({"cost": cost} for cost in (0.1, 0.3, 1.0, 3.0, 10.0))
ABLATIONS = dict(
    bi_woof=ask("strain", "Does weighting blocks by strain help?", strain=True),
    whole_face=ask("region map", "Does it matter where the face moves?", blocks=1),
)


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """x (N, blocks * blocks * orientations), rows summing to 1."""
    flow = views[flow_view(config)].astype(np.float64)  # (N, 3, 28, 28)
    if config.flow == "flow_legacy":
        flow[:, :2] -= np.median(flow[:, :2], axis=(2, 3), keepdims=True)
    histograms = orientation_histograms(flow[:, 0], flow[:, 1], config.blocks, config.orientations)
    if config.strain:
        histograms = histograms * _blocks(flow[:, 2], config.blocks).mean(-1, keepdims=True)
    x = histograms.reshape(len(flow), -1)
    return {"x": (x / np.maximum(x.sum(1, keepdims=True), 1e-12)).astype(np.float32)}


def _blocks(cells: np.ndarray, blocks: int) -> np.ndarray:
    """(N, 28, 28) -> (N, blocks^2, cells of a block)"""
    side = GRID // blocks
    cut = cells.reshape(-1, blocks, side, blocks, side)
    return cut.swapaxes(2, 3).reshape(-1, blocks**2, side**2)


def orientation_histograms(u: np.ndarray, v: np.ndarray, blocks: int, count: int) -> np.ndarray:
    """(N, 28, 28) twice -> (N, blocks^2, count) flow length by orientation.

    Bin 0 is centred on +u (towards the right of the picture), bins go on towards +v (downwards).
    Each vector is shared between the two nearest bins, so that a small turn is a small change.
    """
    length = _blocks(np.hypot(u, v), blocks)
    place = _blocks(np.arctan2(v, u), blocks) / (2 * np.pi) * count  # in bins
    low = np.floor(place)
    share, low = place - low, low.astype(int) % count
    bins = np.arange(count)
    near = (low[..., None] == bins) * (length * (1 - share))[..., None]
    near += ((low + 1)[..., None] % count == bins) * (length * share)[..., None]
    return near.sum(axis=2)


def estimator(config: Config, n_classes: int, seed: int) -> Pipeline:
    """Linear SVM on standardised histograms, classes weighted by how rare they are."""
    machine = SVC(kernel="linear", C=config.cost, class_weight="balanced", random_state=seed)
    return make_pipeline(StandardScaler(), machine)
