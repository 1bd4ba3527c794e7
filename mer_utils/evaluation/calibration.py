"""Is a probability a confidence, and what does it help to abstain?

A temperature T turns probabilities p into p^(1/T) / sum p^(1/T) (Guo et al., ICML 2017): above 1
they become less sure, below 1 surer, and the predicted class stays.  It is chosen on clips that
neither the models nor the left-out subject have seen (`experiments.calibration`).

The certainty of a prediction is its largest probability.  Rows are those of one run; intervals
resample subjects and are widened as in `statistics`, bins and thresholds stay as they are.
"""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from . import scores, statistics

FLOOR = 1e-4  # a probability below counts as this: no clip costs more than 9.2 nats
HOTTEST = 100.0  # a temperature is between 1 / HOTTEST and HOTTEST
BINS = 10  # of equal mass
SHARES = np.arange(6, 101, 2) / 100  # of the clips, on which a system speaks


def apply(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """(n, C) probabilities at a temperature: power 1 / temperature, each row summing to 1."""
    return softmax(_logs(probabilities) / temperature, axis=1)


def fit(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of least `log_loss`. probabilities (n, C); labels (n,) class numbers."""
    best = minimize_scalar(
        lambda log: log_loss(apply(probabilities, np.exp(log)), labels).mean(),
        bounds=(-np.log(HOTTEST), np.log(HOTTEST)),
        method="bounded",
    )
    return float(np.exp(best.x))


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) negative log likelihood of every clip in nats."""
    return -_logs(probabilities)[np.arange(len(labels)), labels]


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.asarray(probabilities, float), FLOOR))


def arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(n, C) probabilities and (n,) class numbers of the labels."""
    classes = scores.classes_of(rows)
    labels = pd.Index(classes).get_indexer(rows["label"])
    return rows[[f"p_{name}" for name in classes]].to_numpy(float), labels


def _certainty(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(n,) largest probability, and 1 where the prediction is the label."""
    return arrays(rows)[0].max(axis=1), (rows["predicted"] == rows["label"]).to_numpy(float)


def _weights(rows: pd.DataFrame, seed: int) -> np.ndarray:
    """(DRAWS, n) how often each row is drawn in each bootstrap sample of subjects."""
    person = rows.groupby(scores.PERSON).ngroup().to_numpy()
    return statistics.draws(person.max() + 1, seed=seed)[:, person].astype(float)


def _limits(samples: np.ndarray, middle=None) -> np.ndarray:
    """(2, ...) 95 % of bootstrap samples, widened, about their mean or another middle."""
    mean = np.nanmean(samples, axis=0)
    wide = (mean if middle is None else middle) + statistics.RETRAINED * (samples - mean)
    return np.nanquantile(wide, [(1 - statistics.LEVEL) / 2, (1 + statistics.LEVEL) / 2], axis=0)


def interval(rows: pd.DataFrame, values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Of the mean of a value (n,) of every row."""
    weights = _weights(rows, seed)
    return tuple(_limits(weights @ values / weights.sum(axis=1)))


def bins(sure: np.ndarray) -> np.ndarray:
    """(n, BINS) 1 where a certainty is in a bin of equal mass; equal ones are in the same."""
    place = (pd.Series(sure).rank().to_numpy() - 0.5) / len(sure)
    return np.eye(BINS)[(BINS * place).astype(int)]


def reliability(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """A line per bin: clips, their mean certainty, the share that is right with its interval."""
    sure, right = _certainty(rows)
    inside = bins(sure)
    inside = inside[:, inside.any(axis=0)]
    clips, weights = inside.sum(axis=0), _weights(rows, seed)
    with np.errstate(invalid="ignore"):  # a bin may be empty in a sample
        low, high = _limits((weights * right) @ inside / (weights @ inside)).clip(0, 1)
    columns = {"clips": clips, "certainty": sure @ inside / clips, "right": right @ inside / clips}
    return pd.DataFrame(columns | {"low": low, "high": high})


def error(rows: pd.DataFrame, seed: int = 0) -> dict[str, float]:
    """Expected calibration error: mean over clips of their bin's |share right - mean certainty|.

    ECE as measured, then less its bias: gaps of few clips are never 0, and bootstrap samples have
    as much more of them again; with an interval.  floor: mean and 95 % quantile of the ECE that is
    measured where the certainties are the chances of being right; an ECE below cannot be told from
    0, where its interval then begins.
    """
    sure, right = _certainty(rows)
    inside, weights = bins(sure), _weights(rows, seed)
    chance = np.random.default_rng(seed).random(weights.shape) < sure
    gaps = (right - sure)[None], weights * (right - sure), chance - sure
    mass = len(rows), weights.sum(axis=1), len(rows)
    (ece,), drawn, floor = (
        np.abs(gap @ inside).sum(axis=1) / of for gap, of in zip(gaps, mass, strict=True)
    )
    low, high = _limits(drawn, middle := 2 * ece - drawn.mean()).clip(0)
    most = np.quantile(floor, statistics.LEVEL)
    line = {"ECE": ece, "less bias": max(middle, 0), "low": low if ece > most else 0, "high": high}
    return {k: float(v) for k, v in line.items()} | {"floor": floor.mean(), "floor 95 %": most}


def coverage(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """UF1, with its interval, of the surest clips: a line for each share of SHARES.

    least: their least certainty; clips of that certainty are all among them, so that a share may be
    larger than was asked for.  It ends where a class has no clip left: UF1 is not defined there.
    """
    sure, size = _certainty(rows)[0], len(scores.classes_of(rows))
    cells, weights = np.eye(size**2)[scores.cells_of(rows)], _weights(rows, seed)
    weights = np.concatenate((np.ones((1, len(rows))), weights))
    ranks = np.ceil(SHARES * len(rows) - 1e-9).astype(int) - 1
    lines, samples = [], []
    for least in np.unique(-np.sort(-sure)[ranks]):
        kept = sure >= least
        counts = (weights[:, kept] @ cells[kept]).T.reshape(size, size, -1)
        present = (counts.sum(axis=1) > 0).all(axis=0)
        if present[0]:
            samples.append(np.where(present, scores.score(counts, "UF1"), np.nan))
            lines.append((kept.mean(), least, samples[-1][0]))
    low, high = _limits(np.array(samples)[:, 1:].T).clip(0, 1) if lines else ((), ())
    return pd.DataFrame(lines, columns=["share", "least", "UF1"]).assign(low=low, high=high)
