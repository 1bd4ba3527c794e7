"""SVM: a support vector machine with a radial kernel on the pixels of the flow image.

No paper: the plain baseline that published networks are seldom compared with.  scikit-learn's SVC,
C = 10, classes weighted by their frequency in the training clips.

A run computes the distances between clips once (`shared`); a fold takes its kernel from them.  A
mirror image is as far from a mirror image as a clip from a clip, so that the weight of a clip is
that of its mirror image: one machine on the sum of both kernels is the machine that learns from
both, in a quarter of the memory.  Its decisions are those of SVC on x to the solver's tolerance.

Input x (N, 3 * 28 * 28).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.svm import SVC

from .inputs import Arrays, Clips, Flow, ask, scaled_flow

TITLE = "SVM on flow"
COLOUR, MARKER = "#1f3b63", "s"
VIEWS = ("flow",)

# The kernel's width follows the variance of x, so that only the ratio of channels matters.
SCALES = {"flow": (1.0, 1.0, 0.05), "flow_legacy": (255.0, 255.0, 255.0)}
ROWS = 64  # of a kernel that are computed at a time, in the processor's cache


@dataclass(frozen=True)
class Config:
    """One number of the machine, and whether rare classes weigh more."""

    flow: Flow = "auto"
    mirror: bool = True  # learn from mirror images too, and predict by the mean of both
    cost: float = 10.0  # C, the price of a clip on the wrong side
    balanced: bool = True  # weigh classes by 1 / frequency


SMALL = {}
ARMS = tuple({"cost": cost} for cost in (0.3, 1.0, 3.0, 10.0, 30.0))
ABLATIONS = dict(
    cost_1=ask("margin", "Does a softer margin do better?", cost=1.0),
    unbalanced=ask("class weights", "Must rare classes be weighted?", balanced=False),
)


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """x (N, 2352): every pixel over a fixed constant of its channel."""
    return {"x": scaled_flow(views, config, SCALES).reshape(len(clips), -1)}


def estimator(config: Config, n_classes: int, seed: int) -> SVC:
    """Platt's probabilities are not asked for: scikit-learn fits them by a cross-validation that
    mixes the clips of one subject, and they may contradict the prediction.
    """
    weight = "balanced" if config.balanced else None
    return SVC(C=config.cost, gamma="scale", class_weight=weight)


# --- the same machine for many folds --------------------------------------------------------------


def shared(x: np.ndarray, clips: int) -> Arrays:
    """What all folds read of x (N, 2352), or (2 N, 2352) with the mirror images behind the clips.

    distances (1 or 2, N, N) float32: squared, from clip to clip and from mirror image to clip.
    sums (N, 3): how many values a clip and its mirror image have, their sum, that of their squares.
    """
    images = x.reshape(-1, clips, x.shape[1])
    distances = np.empty((len(images), clips, clips), np.float32)
    given = images[0].astype(float)
    lengths = np.square(given).sum(1)
    for image, places in zip(images, distances, strict=True):
        for start in range(0, clips, 512):  # rows at once: more would be as much memory again
            rows = image[start : start + 512].astype(float)
            squared = np.square(rows).sum(1)[:, None] + lengths - 2 * rows @ given.T
            places[start : start + 512] = np.maximum(squared, 0)
    values = images.swapaxes(0, 1).reshape(clips, -1)
    sums = [(len(row), row.sum(dtype=float), np.square(row, dtype=float).sum()) for row in values]
    return {"distances": distances, "sums": np.array(sums)}


def fit_shared(
    config: Config, shared: Arrays, labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[SVC, np.ndarray]:
    """The machine of the training clips, and what it reads of the test clips.

    labels: of all clips; train (n,), test (m,): positions.  Nothing but their distances from the
    training clips is read of the test clips.
    """
    machine = estimator(config, 0, 0).set_params(kernel="precomputed")
    width = scale(shared, train)
    machine.fit(kernel(shared, width, train, train), labels[train])
    return machine, kernel(shared, width, test, train)


def scale(shared: Arrays, train: np.ndarray) -> float:
    """gamma="scale" of SVC: 1 / (values of a clip * variance of the training clips' values)."""
    count, total, squares = shared["sums"][train].sum(0)
    values = count / (len(train) * len(shared["distances"]))
    variance = squares / count - (total / count) ** 2
    return 1 / (values * variance) if variance > 0 else 1.0


def kernel(shared: Arrays, gamma: float, clips: np.ndarray, train: np.ndarray) -> np.ndarray:
    """(m, n) float64: exp(-gamma * squared distance), the sum over a clip and its mirror image."""
    alike = np.empty((len(clips), len(train)))
    for start in range(0, len(clips), ROWS):
        rows = shared["distances"][:, clips[start : start + ROWS]]
        both = np.exp(np.multiply(rows, np.float32(-gamma), out=rows), out=rows).sum(0)
        alike[start : start + ROWS] = both[:, train]
    return alike
