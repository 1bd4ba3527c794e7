"""Optical flow between two aligned frames, without the head's share, and optical strain.

Flow is (2, H, W) float32, u to the right and v down, in pixels of the aligned 128x128 face, from
onset to apex: the skin at (x, y) of the onset lies at (x + u, y + v) in the apex.

Numbers in comments are mean end-point errors on warps of a photograph with known motion (noise,
JPEG, head sway); notebook 11 measures the same on the synthetic clips.
"""

from functools import lru_cache, partial

import cv2
import numpy as np

from ..corpora.table import unknown
from .regions import GRID

VERSION = 2  # counts up when a change here moves a number: part of every cache key


def _dense_inverse_search() -> cv2.DISOpticalFlow:
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def _fine_search() -> cv2.DISOpticalFlow:
    """Dense inverse search down to full resolution, with larger patches against noise.

    At 0.5 px of motion, noise of 2 and 4 grey levels: 0.035 and 0.050 px of error over the face;
    the preset has 0.049 and 0.057.  Patches of 8 follow better but let more noise in.
    """
    search = _dense_inverse_search()
    search.setFinestScale(0)
    search.setPatchSize(12)
    search.setPatchStride(4)
    search.setGradientDescentIterations(50)
    search.setVariationalRefinementIterations(10)
    return search


METHODS = {  # name -> what makes an object with `calc(onset, apex, None)`
    "dis_fine": _fine_search,
    # OpenCV's preset "medium": fast, works on half resolution
    "dis": _dense_inverse_search,
    # polynomial expansion, the usual parameters: no bias, but a wide window
    "farneback": partial(cv2.FarnebackOpticalFlow_create, 3, 0.5, False, 15, 3, 5, 1.2, 0),
    # OpenCV's defaults, as in the literature; it shrinks motions below a pixel
    "tvl1": cv2.optflow.createOptFlow_DualTVL1,
}
DEFAULT = "dis_fine"  # the least error from 0.2 to 2 px, with and without noise
PUBLISHED = "tvl1"  # behind the flow images that circulate


def check(method: str) -> None:
    """Raises StudyError for a method that is not in METHODS."""
    if method not in METHODS:
        raise unknown("flow method", method, METHODS)


def flow(onset: np.ndarray, apex: np.ndarray, method: str = DEFAULT) -> np.ndarray:
    """(H, W) uint8 twice -> (2, H, W) float32, the head's motion included."""
    check(method)
    onset, apex = np.ascontiguousarray(onset), np.ascontiguousarray(apex)
    field = METHODS[method]().calc(onset, apex, None)
    return field.transpose(2, 0, 1).astype(np.float32)


def face_mask(points: np.ndarray, size: int) -> np.ndarray:
    """(size, size) bool: inside the hull of the 68 points of the aligned face."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return mask.astype(bool)


MOST = 16.0  # pixels: a broad smile moves a corner of the mouth by 13, micro-expressions by 1 to 4
FOREHEAD = 20  # pixels above the brows that belong to the face
RIM = 3  # pixels inside the outline where the background leaks into the flow
SOFT = 2.0  # pixels, standard deviation of the region's edge
HEAD = (1.0, 1.15)  # half axes of the head across and down, in half sides of the square
EVERY = 2  # the fit looks at every second pixel of every second row


@lru_cache(maxsize=4)
def _rigid(height: int, width: int) -> np.ndarray:
    """(6, 2, H, W) flow of a rigid head: shifts, scaling, roll, and of an ellipsoid yaw, pitch."""
    y, x = np.mgrid[:height, :width]
    x, y = (x - (width - 1) / 2) / (width / 2), (y - (height - 1) / 2) / (height / 2)
    depth = np.sqrt(np.clip(1 - (x / HEAD[0]) ** 2 - (y / HEAD[1]) ** 2, 0.02, 1))
    one, zero = np.ones_like(x), np.zeros_like(x)
    ways = ((one, zero), (zero, one), (x, y), (-y, x), (depth, zero), (zero, depth))
    return np.array(ways, np.float32)


def head_motion(field: np.ndarray, mask: np.ndarray, rounds: int = 15) -> np.ndarray:
    """(2, H, W) flow of the rigid head that agrees with most of the face.

    Six ways to move are fitted to the flow inside the mask by repeated least squares. The weights
    are 1 / (1 + (r/s)^2)^2 with residual r and its median s, so that a moving mouth hardly counts.
    With 0.5 px of sway the error of the expression falls from 0.31 to 0.04 px; without it rises by
    0.01 at most. Aligning the apex by its own landmarks leaves 0.2 px.
    """
    ways = _rigid(*mask.shape)
    used = mask[::EVERY, ::EVERY]
    design = ways[:, :, ::EVERY, ::EVERY][:, :, used].astype(float, "C")  # (6, 2, n)
    target = field[:, ::EVERY, ::EVERY][:, used].astype(float, "C")  # (2, n)
    weights = np.ones(target.shape[1])
    for _ in range(rounds):
        weighted = (design * weights).reshape(len(ways), -1)
        normal = weighted @ design.reshape(len(ways), -1).T
        share = np.linalg.solve(normal, weighted @ target.ravel())
        residual = np.hypot(*(target - np.tensordot(share, design, 1)))
        weights = 1 / (1 + (residual / (np.median(residual) + 1e-6)) ** 2) ** 2
    return np.tensordot(share, ways, 1).astype(np.float32)


def expression(
    onset: np.ndarray, apex: np.ndarray, points: np.ndarray, method: str = DEFAULT
) -> np.ndarray:
    """(2, H, W) flow of the face on the head: the flow less the head's motion.

    onset, apex: aligned frames (H, W); points: (68, 2) in pixels of the aligned onset.
    """
    field = flow(onset, apex, method)
    return field - head_motion(field, face_mask(points, onset.shape[0]))


def strain(field: np.ndarray) -> np.ndarray:
    """(2, H, W) -> (H, W) optical strain, per pixel: sqrt(e_xx^2 + e_yy^2 + 2 e_xy^2)."""
    (u_y, u_x), (v_y, v_x) = map(np.gradient, field)
    return np.sqrt(u_x**2 + v_y**2 + 2 * ((u_y + v_x) / 2) ** 2).astype(np.float32)


def on_grid(field: np.ndarray) -> np.ndarray:
    """(C, H, W) -> (C, 28, 28) float32, the mean over each cell; units stay."""
    cells = [cv2.resize(channel, (GRID, GRID), interpolation=cv2.INTER_AREA) for channel in field]
    return np.stack(cells).astype(np.float32)


def face_region(points: np.ndarray, size: int) -> np.ndarray:
    """(size, size) float32: 1 on the face up to the middle of the forehead, 0 outside.

    Once the head's share is subtracted, a wall at rest seems to move by the sway of the head.
    """
    forehead = points[17:27] - (0, FOREHEAD)
    mask = face_mask(np.concatenate((points, forehead)), size).astype(np.uint8)
    rim = np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)
    inner = cv2.erode(mask, rim, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    return cv2.GaussianBlur(inner.astype(np.float32), (0, 0), SOFT)


def channels(field: np.ndarray, region: np.ndarray | None = None) -> np.ndarray:
    """(2, H, W) -> (3, 28, 28): u, v in pixels of the aligned face, strain in pixels per pixel.

    Strain is computed before the mean over cells, or noise would cancel, and before the outside of
    `region` (H, W) is set to 0, or the edge of the region would be strain.
    """
    stacked = np.concatenate((field, strain(field)[None]))
    return on_grid(stacked if region is None else stacked * region)


def doubt(channels: np.ndarray) -> str:
    """What to note of a clip whose `channels` (3, 28, 28) no face can have, or ""."""
    largest = float(np.hypot(*channels[:2]).max())
    note = f"moves by {largest:.0f} pixels of a face of 128, more than a face can: check its frames"
    return "" if largest <= MOST else note


def legacy(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """(3, 28, 28) as published: TV-L1, head motion left in, each channel stretched to 0..255."""
    u_v_strain = channels(flow(onset, apex, PUBLISHED))
    low = u_v_strain.min(axis=(1, 2), keepdims=True)
    span = np.maximum(u_v_strain.max(axis=(1, 2), keepdims=True) - low, 1e-12)
    return np.rint((u_v_strain - low) / span * 255).astype(np.float32)
