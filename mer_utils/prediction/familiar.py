"""Does a clip look like those that the models have learned from?

A network answers whatever it is shown.  So the flow of a clip is compared with that of the clips
of a corpus in two ways: how much of it the corpus's principal components explain, and how large it
is.  What is usual is said by clips of people who were left out when the components were computed.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from ..evaluation import protocol
from ..preprocessing.views import Views

COMPONENTS = 20
GROUPS = 5  # of people, left out in turn
USUAL = 0.98  # share of left-out clips that counts as usual in each of the two ways


@dataclass(frozen=True, eq=False)
class Known:
    """The components of a corpus, and the limits of what is usual."""

    view: str  # the form of the flow
    mean: np.ndarray  # (D,)
    components: np.ndarray  # (k, D)
    limits: np.ndarray  # (3,) largest unexplained share; smallest and largest size

    @classmethod
    def of(cls, view: str, arrays: dict[str, np.ndarray]) -> "Known":
        return cls(view, *(arrays[name] for name in ("mean", "components", "limits")))

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name) for name in ("mean", "components", "limits")}

    def measure(self, flow: np.ndarray) -> np.ndarray:
        """(n, 2) unexplained share and size of (n, 3, 28, 28) flows."""
        flat = _flat(flow)
        size = np.linalg.norm(flat, axis=1)
        part = flat / np.maximum(size, 1e-9)[:, None] - self.mean
        rest = part - part @ self.components.T @ self.components
        return np.column_stack((np.linalg.norm(rest, axis=1), size))

    def strange(self, flow: np.ndarray) -> list[str]:
        """Why each clip lies outside of what was learned; "" where it does not."""
        most, least, largest = self.limits
        reasons = []
        for unexplained, size in self.measure(flow):
            if size > largest:
                reasons.append("it moves more than nearly all clips that the models learned from")
            elif size < least:
                reasons.append("it moves less than nearly all clips that the models learned from")
            elif unexplained > most:
                reasons.append("its movement has another form than the clips learned from")
            else:
                reasons.append("")
        return reasons


def _flat(flow: np.ndarray) -> np.ndarray:
    return flow.reshape(len(flow), -1).astype(np.float64)


def learn(views: Views) -> Known:
    """Components of all clips; limits from clips of left-out people."""
    view = "flow" if "flow" in views.arrays else "flow_centred"
    flow, groups = views.arrays[view], protocol.dealt(views.clips, GROUPS)
    measured = np.empty((len(flow), 2))
    for group in np.unique(groups):
        measured[groups == group] = _fitted(view, flow[groups != group]).measure(
            flow[groups == group]
        )
    few = 1 - USUAL
    sizes = np.quantile(measured[:, 1], (few / 2, 1 - few / 2))
    if view == "flow_centred":  # each clip is divided by its own spread: it has no size
        sizes = (0.0, np.inf)
    limits = [np.quantile(measured[:, 0], USUAL), *sizes]
    known = _fitted(view, flow)
    return Known(view, known.mean, known.components, np.array(limits))


def _fitted(view: str, flow: np.ndarray) -> Known:
    flat = _flat(flow)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    pca = PCA(min(COMPONENTS, len(flat) - 1), svd_solver="randomized", random_state=0).fit(flat)
    return Known(view, pca.mean_, pca.components_, np.zeros(3))
