"""A drawn face: dlib's 68 points on the 28x28 flow grid, for tests that need no photograph."""

import numpy as np


def landmarks() -> np.ndarray:
    """(68, 2) float64, x then y, in cells."""
    points = np.zeros((68, 2))
    jaw = np.pi * np.arange(17) / 16
    points[:17] = np.c_[14 - 12 * np.cos(jaw), 8 + 18 * np.sin(jaw)]
    along = np.linspace(0, 1, 5)
    for start, x in ((17, 4), (22, 17)):
        points[start : start + 5] = np.c_[x + 7 * along, 8 - 2 * np.sin(np.pi * along)]
    points[27:31] = np.c_[np.full(4, 14), np.linspace(9, 15, 4)]
    points[31:36] = np.c_[11.5 + 5 * along, 16.5 + 0.8 * np.sin(np.pi * along)]
    rings = ((36, 6, 8, 10.5, 2.2, 1), (42, 6, 20, 10.5, 2.2, 1), (48, 12, 14, 21, 5, 2))
    for start, count, x, y, width, height in (*rings, (60, 8, 14, 21, 3.6, 0.8)):
        around = np.linspace(np.pi, -np.pi, count, endpoint=False)
        ring = np.c_[x + width * np.cos(around), y - height * np.sin(around)]
        points[start : start + count] = ring
    return points
