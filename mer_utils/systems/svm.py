"""SVM: a support vector machine with a radial kernel on the pixels of the flow image.

No paper: the plain baseline that published networks are seldom compared with.  scikit-learn's SVC,
C = 10, classes weighted by their frequency in the training clips.

Input x (N, 3 * 28 * 28).
"""

from dataclasses import dataclass

from sklearn.svm import SVC

from .inputs import Arrays, Clips, Flow, ask, scaled_flow

TITLE = "SVM on flow"
COLOUR, MARKER = "#1f3b63", "s"
VIEWS = ("flow",)

# The kernel's width follows the variance of x, so that only the ratio of channels matters.
SCALES = {"flow": (1.0, 1.0, 0.05), "flow_legacy": (255.0, 255.0, 255.0)}


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
