"""What moved between two aligned frames: optical flow without the head's share, and strain.

Flow is (2, H, W) float32, u to the right and v down, in pixels of the aligned 128x128 face, from
onset to apex: the skin at (x, y) of the onset lies at (x + u, y + v) in the apex.

Numbers in comments are mean end-point errors on warps of a photograph with known motion (noise,
JPEG, head sway); notebook 11 measures them again on the synthetic clips.
"""

from collections.abc import Callable

import cv2
import numpy as np

from .errors import StudyError

VERSION = 1  # counts up when a change here moves a number: part of every cache key
GRID = 28  # cells a side of what the flow systems see

# --- optical flow ---------------------------------------------------------------------------------


def _tvl1(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """TV-L1 as the literature takes it, OpenCV's defaults. It shrinks motions below a pixel."""
    return cv2.optflow.createOptFlow_DualTVL1().calc(onset, apex, None)


def _dis(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """Dense inverse search, OpenCV's preset "medium": fast, works on half resolution."""
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(onset, apex, None)


def _dis_fine(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """Dense inverse search down to full resolution, with larger patches against noise.

    At 0.5 px of motion, noise of 2 and 4 grey levels: 0.035 and 0.050 px of error over the face;
    the preset has 0.049 and 0.057.  Patches of 8 follow better but let more noise in.
    """
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setPatchSize(12)
    search.setPatchStride(4)
    search.setGradientDescentIterations(50)
    search.setVariationalRefinementIterations(10)
    return search.calc(onset, apex, None)


def _farneback(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """Polynomial expansion, the usual parameters: no bias, but a wide window."""
    return cv2.calcOpticalFlowFarneback(onset, apex, None, 0.5, 3, 15, 3, 5, 1.2, 0)


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "dis_fine": _dis_fine,
    "dis": _dis,
    "farneback": _farneback,
    "tvl1": _tvl1,
}
DEFAULT = "dis_fine"  # the least error from 0.2 to 2 px, with and without noise
PUBLISHED = "tvl1"  # behind the flow images that circulate


def flow(onset: np.ndarray, apex: np.ndarray, method: str = DEFAULT) -> np.ndarray:
    """(H, W) uint8 twice -> (2, H, W) float32, the head's motion included."""
    if method not in METHODS:
        raise StudyError(f"flow method {method!r} is not known: choose one of {', '.join(METHODS)}")
    field = METHODS[method](np.ascontiguousarray(onset), np.ascontiguousarray(apex))
    return field.transpose(2, 0, 1).astype(np.float32)


# --- the head's share -----------------------------------------------------------------------------


def face_mask(points: np.ndarray, size: int) -> np.ndarray:
    """(size, size) bool: inside the hull of the 68 points of the aligned face."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return mask.astype(bool)


def head_motion(field: np.ndarray, mask: np.ndarray, rounds: int = 15) -> np.ndarray:
    """(2, H, W): the shift, turn and scaling that most of the face shares.

    A similarity fitted to the flow inside the mask by least squares that are repeated with weights
    1 / (1 + (r/s)^2)^2, s the median residual r: what only the mouth does has no vote.

    With 0.5 px of head sway it takes the error from 0.32 to 0.035 px; without sway it costs 0.003
    px.  Aligning the apex by its own landmarks gives 0.2 px, a fit to the nose ridge alone 0.1 to
    0.4 px, an affine fit 0.04 to 0.07 px.
    """
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    z = (columns - width / 2) + 1j * (rows - height / 2)
    target = field[0][mask] + 1j * field[1][mask].astype(float)
    weights = np.ones(len(z))
    for _ in range(rounds):  # target = turn * z + shift, complex: a similarity
        total = weights.sum()
        z_mean, target_mean = weights @ z / total, weights @ target / total
        from_mean = z - z_mean
        turn = (weights * from_mean.conj()) @ (target - target_mean)
        turn /= weights @ np.abs(from_mean) ** 2
        shift = target_mean - turn * z_mean
        residual = np.abs(target - turn * z - shift)
        weights = 1 / (1 + (residual / (np.median(residual) + 1e-6)) ** 2) ** 2
    everywhere = (np.arange(width) - width / 2)[None, :] + 1j * (np.arange(height) - height / 2)[
        :, None
    ]
    head = turn * everywhere + shift
    return np.stack((head.real, head.imag)).astype(np.float32)


def expression(
    onset: np.ndarray, apex: np.ndarray, points: np.ndarray, method: str = DEFAULT
) -> np.ndarray:
    """(2, H, W) flow of the face on the head: the flow less what the head did.

    onset, apex: aligned frames (H, W); points: (68, 2) in pixels of the aligned onset.
    """
    field = flow(onset, apex, method)
    return field - head_motion(field, face_mask(points, onset.shape[0]))


# --- strain, and the grid -------------------------------------------------------------------------


def strain(field: np.ndarray, spacing: float = 1.0) -> np.ndarray:
    """(2, H, W) -> (H, W) optical strain, pixels per pixel: sqrt(e_xx^2 + e_yy^2 + 2 e_xy^2).

    `spacing`: pixels between two samples of the field.
    """
    u, v = field
    u_y, u_x = np.gradient(u, spacing)
    v_y, v_x = np.gradient(v, spacing)
    shear = (u_y + v_x) / 2
    return np.sqrt(u_x**2 + v_y**2 + 2 * shear**2).astype(np.float32)


def on_grid(field: np.ndarray, size: int = GRID) -> np.ndarray:
    """(C, H, W) -> (C, size, size) float32 by the mean over each cell; units stay."""
    return np.stack(
        [cv2.resize(c, (size, size), interpolation=cv2.INTER_AREA) for c in field]
    ).astype(np.float32)


def channels(field: np.ndarray) -> np.ndarray:
    """(2, H, W) -> (3, 28, 28): u, v in pixels of the aligned face, strain in pixels per pixel.

    Strain is taken before the reduction: the mean of a strain, not the strain of a mean.
    """
    return on_grid(np.concatenate((field, strain(field)[None])))


def legacy(onset: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """(3, 28, 28) as the published images: TV-L1, head motion left in, each channel 0..255.

    The stretch is per clip and channel, so sign and size of the motion are lost: the grey of "no
    motion" differs from clip to clip.  A channel without any motion is 0.
    """
    u_v_strain = channels(flow(onset, apex, PUBLISHED))
    low = u_v_strain.min(axis=(1, 2), keepdims=True)
    span = np.maximum(u_v_strain.max(axis=(1, 2), keepdims=True) - low, 1e-12)
    return np.rint((u_v_strain - low) / span * 255).astype(np.float32)
