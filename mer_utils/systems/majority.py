"""Majority: every clip gets the most frequent class of the training clips, which is what chance is.

Input x (N, 1), ignored.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.dummy import DummyClassifier

from .inputs import Arrays, Clips

TITLE = "Majority class"
COLOUR, MARKER = "#9a9a9a", "_"
VIEWS = ()


@dataclass(frozen=True)
class Config:
    """Nothing to choose."""


SMALL, ABLATIONS = {}, {}


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """x (N, 1): zeros."""
    return {"x": np.zeros((len(clips), 1), np.float32)}


def estimator(config: Config, n_classes: int, seed: int) -> DummyClassifier:
    """scikit-learn's; probabilities are the shares of the training labels."""
    return DummyClassifier(strategy="prior")
