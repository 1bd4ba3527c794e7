"""Mirror ridge: kernel ridge regression on centred flow, blind to left and right.

No paper: the study's own reference, what plain means reach on 442 clips.  Flow is centred clip by
clip (`preprocessing.centring`), as it is and less its affine motion.  The RBF kernel is averaged
over a clip and its mirror image, so that a clip and its mirror image get one prediction.  Its form
(the whole face, 3x3 windows, histograms by block, or their mean), the ridge and the class weights
are chosen in every outer fold by leaving each training subject out once more, in closed form (the
block version of PRESS: Cawley and Talbot, Neural Networks 17, 2004).  Nothing is random.

Probabilities: outputs for one-hot targets nearly sum to 1, but may be below 0.  They are moved to
the nearest point of the probability simplex (Duchi et al., ICML 2008), which keeps the largest the
largest.  Classes are weighted, so that they are those of equally frequent classes.

Input x (N, flows, copies, 2, 6465).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import scipy.linalg
from sklearn.base import BaseEstimator, ClassifierMixin

from ..errors import StudyError
from ..evaluation import scores
from ..preprocessing import centring
from ..preprocessing.regions import GRID
from .inputs import Arrays, Clips, Flow, ask, scaled_flow

TITLE = "Mirror ridge"
NOTE = (
    "Mirror ridge was designed on the 442 clips of MEGC2019: 119 configurations had been scored on "
    "these subjects before it was fixed, and 6 more while it was written. On new people expect a "
    "UF1 of 0.77 to 0.78 where it has two flows."
)
COLOUR, MARKER = "#b8860b", "d"
VIEWS = ("flow",)

Form = Literal["whole", "windows", "histograms", "mean"]
SIDE, STRIDE = 12, 8  # cells of a window, and from one to the next
BLOCKS, ORIENTATIONS = 5, 8  # of the histograms
LAYOUT = {  # form -> its parts, and the values of one
    "whole": (1, 3 * GRID**2),
    "windows": (9, 3 * SIDE**2),
    "histograms": (1, (ORIENTATIONS + 1) * BLOCKS**2),
}
CONSTANT = 0.1  # in the kernel, instead of an intercept


@dataclass(frozen=True)
class Config:
    """What may be chosen inside a training set, and by what."""

    flow: Flow = "flow_centred"
    affine: bool = True  # a second copy of each centred flow, less its affine motion
    second_flow: bool = False  # also the flow of another algorithm: one, the other, or both
    mirrored: bool = True
    forms: tuple[Form, ...] = ("whole", "windows", "histograms", "mean")
    ridges: tuple[float, ...] = (0.15, 0.3, 0.6)
    powers: tuple[float, ...] = (0.75, 1.0)  # of the class weights; 1 balances the classes
    criterion: Literal["brier", "uf1"] = "brier"

    def __post_init__(self):
        if self.second_flow and self.flow != "flow_centred":
            raise StudyError(
                f"mirror_ridge: there is no second flow={self.flow}: set second_flow=False"
            )


SMALL: dict = {}
ABLATIONS = dict(
    no_centre=ask(
        "centring", "Does giving each clip its own zero and spread help?", flow="flow_legacy"
    ),  # which has no copy less affine motion either
    no_affine=ask("affine motion", "Does a copy less affine motion help?", affine=False),
    no_mirror=ask("mirror", "Must a clip and its mirror image be alike?", mirrored=False),
    whole_face=ask("windows", "Do windows and block histograms help?", forms=("whole",)),
    two_flows=ask("second flow", "Does a second flow of each clip help?", second_flow=True),
    by_uf1=ask("criterion", "Is UF1 as good a criterion as Brier's?", criterion="uf1"),
)


def views_needed(config: Config) -> tuple[str, ...]:
    return ("flow", "flow_centred_2") if config.second_flow else VIEWS


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """x (N, flows, copies, 2, 6465): `describe` of a clip and of its mirror image."""
    flows = [scaled_flow(views, config)]
    if config.second_flow:
        flows.append(views["flow_centred_2"])
    flow = np.stack(flows, axis=1)[:, :, None]  # (N, flows, 1, 3, 28, 28)
    if config.flow == "flow_legacy":
        flow[..., :2, :, :] -= 0.5  # middle grey for zero, or a mirror image would mean nothing
    if config.flow == "flow_centred" and config.affine:
        flow = np.concatenate((flow, centring.without_affine(flow)), axis=2)
    return {"x": np.stack((describe(flow), describe(mirror(flow))), axis=3).astype(np.float32)}


def mirror(flow: np.ndarray) -> np.ndarray:
    """(..., 3, 28, 28) -> left and right exchanged: columns in reverse, u with the other sign."""
    return flow[..., ::-1] * np.array([-1, 1, 1])[:, None, None]


def describe(flow: np.ndarray) -> np.ndarray:
    """(..., 3, 28, 28) -> (..., 6465): the values of every part of LAYOUT, one after the other."""
    starts = range(0, GRID - SIDE + 1, STRIDE)
    pieces = [flow, *(flow[..., y : y + SIDE, x : x + SIDE] for y in starts for x in starts)]
    pieces.append(histograms(flow))
    flat = [piece.reshape(*flow.shape[:-3], -1) for piece in pieces]
    return np.concatenate(flat, axis=-1)


def histograms(flow: np.ndarray) -> np.ndarray:
    """(..., 3, 28, 28) -> (..., 9, 5, 5): roots of length by direction, and of strain, by block.

    A vector is shared between the two nearest directions.  Bin 0 is centred on +u and blocks are 6,
    5, 6, 5 and 6 cells wide, so that a mirror image has the same numbers in another order.
    """
    u, v, strain = np.moveaxis(flow, -3, 0)
    place = np.arctan2(v, u) / (2 * np.pi) * ORIENTATIONS
    away = np.abs(place[..., None, :, :] - np.arange(ORIENTATIONS)[:, None, None]) % ORIENTATIONS
    share = np.maximum(0, 1 - np.minimum(away, ORIENTATIONS - away))  # (..., 8, 28, 28)
    length = np.hypot(u, v)[..., None, :, :]
    maps = np.concatenate((length * share, strain[..., None, :, :]), axis=-3)
    edges = np.rint(np.linspace(0, GRID, BLOCKS + 1)).astype(int)
    cells = np.diff(edges)
    for axis in (-2, -1):
        maps = np.add.reduceat(maps, edges[:-1], axis)
    return np.sqrt(maps / np.outer(cells, cells))


def kernels(
    train: np.ndarray, clips: np.ndarray, forms: Sequence[Form], mirrored: bool = True
) -> dict[Form, np.ndarray]:
    """(n, 2, 6465) and (m, 2, 6465) -> (m, n) of every form: how alike clips are to training clips.

    exp(-distance^2 / (values of a part * variance of the training clips' values)), the mean over
    parts, and over a clip and its mirror image.
    """
    alike, start = {}, 0
    for form, (parts, size) in LAYOUT.items():
        values = slice(start, start := start + parts * size)
        if form in forms or "mean" in forms:
            images = clips[:, : 1 + mirrored, values].reshape(len(clips), -1, parts, size)
            given = train[:, 0, values].reshape(len(train), parts, size).swapaxes(0, 1)
            alike[form] = np.mean([rbf(image, given) for image in images.swapaxes(0, 1)], axis=0)
    if "mean" in forms:
        alike["mean"] = np.mean(list(alike.values()), axis=0)
    return {form: alike[form] for form in forms}


def rbf(clips: np.ndarray, train: np.ndarray) -> np.ndarray:
    """(m, parts, size) and (parts, n, size) -> (m, n), the mean over parts."""
    scale = train.shape[2] * train.astype(float).var()  # of all parts: left and right are alike
    alike = 0.0
    for here, given in zip(clips.swapaxes(0, 1), train, strict=True):  # one by one: less memory
        here, given = here.astype(float), given.astype(float)
        lengths = (here**2).sum(-1)[:, None] + (given**2).sum(-1)
        squared = np.maximum(lengths - 2 * here @ given.T, 0)
        alike += np.exp(-squared / max(scale, 1e-12))
    return alike / len(train)


def class_weights(numbers: np.ndarray, power: float) -> np.ndarray:
    """(n,) (1 / share of the clip's class) ** power, 1 on average."""
    weights = (len(numbers) / np.bincount(numbers)[numbers]) ** power
    return weights / weights.mean()


def fit(alike: np.ndarray, targets: np.ndarray, weights: np.ndarray, ridge: float):
    """(n, n), (n, C), (n,) -> coefficients (n, C), and what `leave_out` needs.

    With R = diag(sqrt(weights)): M = (R K R + ridge I)^-1, a = M R Y; the outputs of clips are
    K(clips, train) R a.
    """
    root = np.sqrt(weights)[:, None]
    weighted = root * alike * root.T
    inverse = scipy.linalg.inv(weighted + ridge * np.eye(len(root)), assume_a="pos")
    dual = inverse @ (root * targets)
    return root * dual, (inverse, dual, root)


def leave_out(targets: np.ndarray, persons: list[np.ndarray], fitted: tuple) -> np.ndarray:
    """(n, C) outputs of every person's clips by the machine that was fitted without that person.

    Leaving out the clips s leaves them the weighted residual M_ss^-1 a_s: no machine is refitted.
    """
    inverse, dual, root = fitted
    outputs = np.empty_like(targets)
    for s in persons:
        outputs[s] = targets[s] - np.linalg.solve(inverse[np.ix_(s, s)], dual[s]) / root[s]
    return outputs


def on_simplex(outputs: np.ndarray) -> np.ndarray:
    """(n, C) -> the nearest probabilities: less a constant, cut at 0, so that they sum to 1."""
    ordered = -np.sort(-outputs, axis=1)
    constants = (np.cumsum(ordered, axis=1) - 1) / np.arange(1, outputs.shape[1] + 1)
    kept = (ordered > constants).sum(axis=1, keepdims=True)  # the largest ones stay above 0
    return np.maximum(outputs - np.take_along_axis(constants, kept - 1, axis=1), 0)


def balanced_brier(probabilities: np.ndarray, numbers: np.ndarray) -> float:
    """Squared distance between probabilities and the label's one-hot, the mean over classes."""
    targets = np.eye(probabilities.shape[1])[numbers]
    errors = ((probabilities - targets) ** 2).sum(axis=1)
    return float(((targets.T @ errors) / targets.sum(axis=0)).mean())


def lost_uf1(probabilities: np.ndarray, numbers: np.ndarray) -> float:
    size = probabilities.shape[1]
    cells = size * numbers + probabilities.argmax(axis=1)
    return 1 - float(scores.score(np.bincount(cells, minlength=size**2).reshape(size, size), "UF1"))


CRITERIA = {"brier": balanced_brier, "uf1": lost_uf1}


class Choice(NamedTuple):
    """What the training subjects chose."""

    loss: float  # by the criterion, of training subjects left out in turn
    form: Form
    flows: tuple[int, ...]
    power: float
    ridge: float


class MirrorRidge(ClassifierMixin, BaseEstimator):
    """x as `features` gives it; `fit` also takes the person of each clip."""

    def __init__(self, config: Config):
        self.config = config

    def fit(self, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> "MirrorRidge":
        self.x_, (self.classes_, numbers) = x, np.unique(y, return_inverse=True)
        targets, best, config = np.eye(len(self.classes_))[numbers], np.inf, self.config
        persons = [np.flatnonzero(groups == person) for person in np.unique(groups)]
        flows = range(x.shape[1])
        by_flow = [self._kernels(x, flow, config.forms) for flow in flows]
        choices = [one for size in flows for one in itertools.combinations(flows, size + 1)]
        for form, flows in itertools.product(config.forms, choices):
            alike = np.mean([by_flow[flow][form] for flow in flows], axis=0) + CONSTANT
            for power, ridge in itertools.product(config.powers, config.ridges):
                weights = class_weights(numbers, power)
                coefficients, fitted = fit(alike, targets, weights, ridge)
                left_out = on_simplex(leave_out(targets, persons, fitted))
                loss = CRITERIA[config.criterion](left_out, numbers)
                if loss < best:
                    best, self.choice_ = loss, Choice(loss, form, flows, power, ridge)
                    self.coefficients_ = coefficients
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(N, C) probabilities, in the order of `classes_`."""
        form, flows = self.choice_.form, self.choice_.flows
        alike = np.mean([self._kernels(x, flow, (form,))[form] for flow in flows], axis=0)
        return on_simplex((alike + CONSTANT) @ self.coefficients_)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.classes_[self.predict_proba(x).argmax(axis=1)]

    def _kernels(self, x: np.ndarray, flow: int, forms: Sequence[Form]) -> dict[Form, np.ndarray]:
        """Kernels of clips and training clips by one flow, the mean over its copies."""
        copies, total = range(x.shape[2]), dict.fromkeys(forms, 0.0)
        for copy in copies:
            both = self.x_[:, flow, copy], x[:, flow, copy]
            for form, alike in kernels(*both, forms, self.config.mirrored).items():
                total[form] += alike
        return {form: alike / len(copies) for form, alike in total.items()}


def estimator(config: Config, n_classes: int, seed: int) -> MirrorRidge:
    """Nothing in it depends on the seed."""
    return MirrorRidge(config)
