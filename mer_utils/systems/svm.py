"""SVM: a support vector machine with a radial kernel on the pixels of the flow image.

No paper: the plain baseline that published networks are seldom compared with.  scikit-learn's SVC,
C = 10, classes weighted by their frequency in the training clips.

Input x (N, 3 * 28 * 28).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.svm import SVC

TITLE = "SVM on flow"
COLOUR, MARKER = "#1f3b63", "s"
VIEWS = ("flow",)

# `flow`: pixels of the 128-pixel face and strain in pixels per pixel; `flow_legacy`: 0..255.
# The kernel's width follows the variance of x, so that only the ratio of channels matters.
SCALES = {"flow": (1.0, 1.0, 0.05), "flow_legacy": (255.0, 255.0, 255.0)}


@dataclass(frozen=True)
class Config:
    """Two numbers of the machine and the view it sees."""

    flow: str = "auto"  # the view of the flow; auto: in pixels where the corpus offers it
    cost: float = 10.0  # C, the price of a clip on the wrong side
    balanced: bool = True  # weigh classes by 1 / frequency


SMALL: dict = {}
ABLATIONS: dict[str, tuple[str, str, dict]] = {
    "cost_1": ("margin", "Does a softer margin do better?", {"cost": 1.0}),
    "unbalanced": ("class weights", "Must rare classes be weighted?", {"balanced": False}),
}


def views_needed(config: Config) -> tuple[str, ...]:
    """The flow of its choice."""
    return ("flow" if config.flow == "auto" else config.flow,)


def features(
    views: dict[str, np.ndarray], clips: pd.DataFrame, config: Config
) -> dict[str, np.ndarray]:
    """x (N, 2352): every pixel over a fixed constant of its channel."""
    name = views_needed(config)[0]
    scale = np.array(SCALES[name], np.float32)[:, None, None]
    return {"x": (views[name] / scale).reshape(len(clips), -1)}


def fit_context(
    clips: pd.DataFrame, features: dict[str, np.ndarray], config: Config
) -> dict[str, np.ndarray]:
    """Nothing is learned beforehand."""
    return {}


def estimator(config: Config, n_classes: int, seed: int) -> SVC:
    """Platt's probabilities are not asked for: scikit-learn fits them by a cross-validation that
    mixes the clips of one subject, and they may contradict the prediction.
    """
    weight = "balanced" if config.balanced else None
    return SVC(C=config.cost, gamma="scale", class_weight=weight)
