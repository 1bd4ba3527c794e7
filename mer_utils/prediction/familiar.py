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
ARRAYS = ("mean", "components", "limits")  # of Known, as a file keeps them
STRANGE = (
    "it moves more than nearly all clips that the models learned from",
    "it moves less than nearly all clips that the models learned from",
    "its movement has another form than the clips learned from",
)
USUAL = 0.98  # share of left-out clips that counts as usual in each of the two ways


@dataclass(frozen=True, eq=False)
class Known:
    """The components of a corpus, and the limits of what is usual."""

    view: str  # the form of the flow
    mean: np.ndarray  # (D,)
    components: np.ndarray  # (k, D)
    limits: np.ndarray  # (3,) largest unexplained share; smallest and largest size

    def measure(self, flow: np.ndarray) -> np.ndarray:
        """(n, 2) unexplained share and size of (n, 3, 28, 28) flows."""
        directions, size = _directions(flow)
        part = directions - self.mean
        rest = part - part @ self.components.T @ self.components
        return np.column_stack((np.linalg.norm(rest, axis=1), size))

    def strange(self, flow: np.ndarray) -> list[str]:
        """Why each clip lies outside of what was learned; "" where it does not."""
        most, least, largest = self.limits
        unexplained, size = self.measure(flow).T
        return np.select([size > largest, size < least, unexplained > most], STRANGE, "").tolist()


def _directions(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, D) flows of length 1, and (n,) their lengths."""
    flat = flow.reshape(len(flow), -1).astype(np.float64)
    size = np.linalg.norm(flat, axis=1)
    return flat / np.maximum(size, 1e-9)[:, None], size


def learn(views: Views) -> Known:
    """Components of all clips; limits from clips of left-out people."""
    view = "flow" if "flow" in views.arrays else "flow_centred"
    flow, groups = views.arrays[view], protocol.dealt(views.clips, GROUPS)
    measured = np.empty((len(flow), 2))
    for group in np.unique(groups):
        out = groups == group
        measured[out] = _fitted(view, flow[~out]).measure(flow[out])
    few = 1 - USUAL
    sizes = np.quantile(measured[:, 1], (few / 2, 1 - few / 2))
    if view == "flow_centred":  # each clip is divided by its own spread: it has no size
        sizes = (0.0, np.inf)
    return _fitted(view, flow, (np.quantile(measured[:, 0], USUAL), *sizes))


def _fitted(view: str, flow: np.ndarray, limits: tuple = ()) -> Known:
    count = min(COMPONENTS, len(flow) - 1)
    pca = PCA(count, svd_solver="randomized", random_state=0).fit(_directions(flow)[0])
    return Known(view, pca.mean_, pca.components_, np.array(limits))
