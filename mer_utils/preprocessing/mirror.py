"""Every view of a clip as it would be of the face in a mirror.

An expression and its mirror image are of one class, so that each clip is two to learn from.
"""

import numpy as np

from .regions import GRID

FACE = 128  # pixels a side of the aligned face

LANDMARKS = np.array(  # landmark i of a mirrored face is this landmark of the face
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1)]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1)]
    + [64, 63, 62, 61, 60, 67, 66, 65]
)
WIDTHS = {"landmarks": GRID, "points": FACE, "keyframe_points": FACE, "rise_points": FACE}
STRETCHED = 255  # of the published flow images


def mirrored(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Views of clips, (N, ...) each, seen in a mirror."""
    return {name: _mirrored(name, values) for name, values in arrays.items()}


def _mirrored(name: str, values: np.ndarray) -> np.ndarray:
    if name in WIDTHS:  # (..., 68, 2) x and y
        x, y = np.moveaxis(values[..., LANDMARKS, :], -1, 0)
        return np.stack((WIDTHS[name] - 1 - x, y), axis=-1)
    flipped = values[..., ::-1].copy()
    if name.startswith("flow"):  # (N, 3, H, W): what moved to the right moves to the left
        u = flipped[:, 0]
        flipped[:, 0] = STRETCHED - u if name == "flow_legacy" else -u
    return flipped
