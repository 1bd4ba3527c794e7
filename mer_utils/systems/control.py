"""What a network adds to its own inputs: a support vector machine reads them instead of it.

No paper.  C and the weights of classes are as in `svm`; the inputs are in NAME_control.py.
"""

from dataclasses import dataclass
from typing import Literal

from sklearn.svm import SVC

from ..errors import StudyError
from .inputs import ask

ARMS = tuple({"cost": cost} for cost in (0.3, 1.0, 3.0, 10.0, 30.0))
ABLATIONS = dict(
    svm=ask("network", "Is the network better than an SVM on its inputs?", reader="svm"),
    linear=ask("network", "Is it better than a linear map of its inputs?", reader="linear"),
)


@dataclass(frozen=True)
class Machine:
    """What is added to the Config of the network."""

    reader: Literal["network", "svm", "linear"] = "network"  # svm: radial kernel
    cost: float = 10.0  # C, the price of a clip on the wrong side


def estimator(config: Machine, n_classes: int, seed: int) -> SVC:
    """Both kernels divide by the variance of x and its length, so that C means the same.

    Raises StudyError for the network, which is no machine.
    """
    if config.reader == "network":
        raise StudyError("reader=network is the system itself: choose svm or linear")
    kernel = {"kernel": "poly", "degree": 1} if config.reader == "linear" else {}
    return SVC(C=config.cost, gamma="scale", class_weight="balanced", **kernel)
