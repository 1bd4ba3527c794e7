"""Flow with each clip's own zero and spread, computed of that clip alone.

The published flow images are stretched to 0..255 clip by clip, which loses where zero was. Most of
a face is at rest, so that the median is near it. numpy alone: a machine that only trains has no
OpenCV.
"""

import numpy as np

ROUNDS = 4  # of weighting anew
HUBER = 1.345  # deviations from which on a residual counts less: 95 % efficient on normal noise


def centred(flow: np.ndarray) -> np.ndarray:
    """(..., 3, H, W) u, v and strain in any unit -> the same shape, float32, without unit.

    u and v: less their median, over their standard deviation, cut at +-4. Strain: its square root
    over the mean of the root, so that a wrinkle does not outweigh the rest.
    """
    root = np.sqrt(flow[..., 2:, :, :].astype(float))
    strain = _over(root, root.mean(axis=(-2, -1), keepdims=True))
    both = np.concatenate((_standardised(flow[..., :2, :, :].astype(float)), strain), axis=-3)
    return both.astype(np.float32)


def without_affine(flow: np.ndarray) -> np.ndarray:
    """Centred flow (..., 3, H, W) less the affine motion that most of the image agrees on.

    Shift, turn, scaling and shear of the whole head, fitted to u and to v by Huber's weights
    (Huber and Ronchetti, Robust Statistics, 2009, ch. 7) and centred anew; strain stays.
    """
    *_, height, width = flow.shape
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    ways = np.stack((np.ones(height * width), x.ravel(), y.ravel()))  # (3, H W)
    field = flow[..., :2, :, :].reshape(*flow.shape[:-3], 2, -1).astype(float)
    weights, residual = np.ones_like(field), field
    for _ in range(ROUNDS + 1):
        weighted = weights[..., None, :] * ways  # (..., 2, 3, H W)
        share = np.linalg.solve(weighted @ ways.T, weighted @ field[..., None])  # (..., 2, 3, 1)
        residual = field - (share * ways).sum(axis=-2)
        size = np.abs(residual)  # 1.4826 times its median is the deviation of normal noise
        limit = HUBER * 1.4826 * np.median(size, axis=-1, keepdims=True)
        weights = np.divide(limit, size, out=np.ones_like(size), where=size > limit)
    uv = _standardised(residual.reshape(*flow.shape[:-3], 2, height, width))
    return np.concatenate((uv, flow[..., 2:, :, :]), axis=-3).astype(np.float32)


def _standardised(field: np.ndarray) -> np.ndarray:
    field = field - np.median(field, axis=(-2, -1), keepdims=True)
    spread = field.std(axis=(-2, -1), keepdims=True)
    return _over(field, spread).clip(-4, 4)  # what is further out is noise


def _over(values: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """values / spread; 0 where a channel is the same everywhere."""
    return np.divide(values, spread, out=np.zeros_like(values), where=spread > 0)
