"""Landmarks that came with flow images, moved to where the flow says that the face is.

Flow images and landmarks circulate apart, and do not always show the same crop of the face: in the
images of STSTNet the landmarks of SAMM have the eyes six rows too low. No label is needed to see
it: over many clips the skin moves most at the eyelids, the brows and the mouth, and least on the
bridge of the nose. The map that puts the mean landmarks there is fitted once per corpus, on all of
its clips: four numbers, like the calibration of a camera.
"""

import cv2
import numpy as np
import pandas as pd
from scipy.optimize import minimize, nnls

from .regions import GRID

SPREAD = 1.5  # cells, standard deviation of the movement around a landmark
STIFF = 0.2  # R^2 that a change of size by a factor of e costs, squared: keeps a face a face
STARTS = [(size, shift) for size in np.linspace(-0.3, 0.6, 7) for shift in range(-7, 8)]
EDGE = 2  # cells along the edge of the image, where flow is unreliable
FINE = 8  # of a cell, to draw the nose and the outline
EYES, BROWS, MOUTH = range(36, 48), range(17, 27), range(48, 68)
NOSE, OUTLINE = (27, 31, 33, 35), (*range(17), 24, 19)
COLUMNS = ("corpus", "clips", "fit before", "fit after", "eyes", "width", "height")
FEWEST = 10  # clips whose mean strain shows a face
FITS = 0.35  # a fit below this is no face; the two sets of public images have 0.60 to 0.81


def registered(points: np.ndarray, flow: np.ndarray, corpus: np.ndarray):
    """Landmarks (N, 68, 2) moved to the flow images (N, 3, 28, 28), and a table of what was done.

    points in cells of the grid; corpus: (N,), each of its values is registered by itself, where it
    has at least FEWEST clips. Columns of the table: fit before and after (see `explained`), eyes
    (cells that they move down), width, height (factors).
    """
    moved, lines = points.copy(), []
    for name in dict.fromkeys(corpus):
        of_corpus = corpus == name
        if of_corpus.sum() < FEWEST:
            continue
        face, strain = points[of_corpus].mean(0), mean_strain(flow[of_corpus])
        size_shift = fit(face, strain)
        moved[of_corpus] = move(points[of_corpus], size_shift)
        after = move(face, size_shift)
        fits = explained(face, strain), explained(after, strain)
        down = float((after - face)[list(EYES), 1].mean())
        lines.append((name, int(of_corpus.sum()), *fits, down, *np.exp(size_shift[:2]).tolist()))
    return moved.astype(np.float32), pd.DataFrame(lines, columns=COLUMNS)


def mean_strain(flow: np.ndarray) -> np.ndarray:
    """(N, 3, H, W) -> (H, W): mean over clips of the root of strain, each clip by its own mean."""
    root = np.sqrt(flow[:, 2].clip(0))
    return (root / root.mean((1, 2), keepdims=True).clip(1e-6)).mean(0)


def move(points: np.ndarray, size_shift) -> np.ndarray:
    """Points (..., 2) scaled about the middle by exp(x, y), then shifted by (x, y) cells."""
    middle = (GRID - 1) / 2
    return (points - middle) * np.exp(size_shift[:2]) + middle + size_shift[2:]


def fit(face: np.ndarray, strain: np.ndarray) -> np.ndarray:
    """Logarithms of two factors, and two shifts, that move a face (68, 2) onto a strain map."""

    def loss(size_shift) -> float:
        return STIFF * np.square(size_shift[:2]).sum() - explained(move(face, size_shift), strain)

    start = min(((0.0, size, 0.0, shift) for size, shift in STARTS), key=loss)
    simplex = start + np.vstack([np.zeros(4), np.diag([0.1, 0.1, 1.0, 1.0])])
    options = {"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-5}
    return minimize(loss, start, method="Nelder-Mead", options=options).x


def explained(face: np.ndarray, strain: np.ndarray) -> float:
    """Share of a strain map's variance that a face (68, 2) explains, 0 to 1.

    Least squares with movement at the eyes, the brows, the mouth, in the outline, and stillness on
    the nose, none of which may be negative.
    """
    inner = np.s_[..., EDGE:-EDGE, EDGE:-EDGE]
    causes = [_around(face, ids) for ids in (EYES, BROWS, MOUTH)]
    causes += [_filled(face, OUTLINE), -_filled(face, NOSE)]
    target = strain[inner].ravel() - strain[inner].mean()
    design = np.stack(causes)[inner].reshape(len(causes), -1)
    offset = np.ones((1, design.shape[1]))
    _, rest = nnls(np.concatenate([design, offset, -offset]).T, target)
    return float(1 - rest**2 / np.square(target).sum())


def _around(face: np.ndarray, ids) -> np.ndarray:
    """(GRID, GRID): 1 at some landmarks, falling off around them."""
    rows, columns = np.mgrid[:GRID, :GRID][:, None] - face[list(ids)].T[::-1, :, None, None]
    return np.exp(-(rows**2 + columns**2) / (2 * SPREAD**2)).max(0)


def _filled(face: np.ndarray, ids) -> np.ndarray:
    """(GRID, GRID): 1 inside the hull of some landmarks, soft at its edge."""
    corners = np.rint((face[list(ids)] + 0.5) * FINE).astype(np.int32)
    image = np.zeros((GRID * FINE, GRID * FINE), np.float32)
    cv2.fillConvexPoly(image, cv2.convexHull(corners), 1.0)
    image = cv2.GaussianBlur(image, (0, 0), FINE)
    return cv2.resize(image, (GRID, GRID), interpolation=cv2.INTER_AREA)
