"""Is a probability a confidence? One temperature for the probabilities of a system.

A temperature T turns probabilities p into p^(1/T) / sum p^(1/T) (Guo et al., ICML 2017): above 1
they become less sure, below 1 surer, and the predicted class stays.  It is chosen on clips that
neither the models nor the left-out subject have seen (`experiments.calibration`).
"""

import numpy as np
from scipy.optimize import minimize_scalar

FLOOR = 1e-4  # a probability below counts as this: no clip costs more than 9.2 nats
HOTTEST = 100.0  # a temperature is between 1 / HOTTEST and HOTTEST


def apply(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """(n, C) probabilities at a temperature: power 1 / temperature, each row summing to 1."""
    logits = _logs(probabilities) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of least `log_loss`. probabilities (n, C); labels (n,) class numbers."""
    found = minimize_scalar(
        lambda log: log_loss(apply(probabilities, np.exp(log)), labels).mean(),
        bounds=(-np.log(HOTTEST), np.log(HOTTEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) negative log likelihood of every clip in nats."""
    return -_logs(probabilities)[np.arange(len(labels)), labels]


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.asarray(probabilities, float), FLOOR))
