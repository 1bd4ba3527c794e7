"""The face as lines: where things lie on it, and nobody to recognise."""

import numpy as np

GRID = 28  # landmarks come in cells of the 28x28 grid, whatever a map's size
LINES = (  # of dlib's 68 points: jaw, brows, nose, eyes, lips; True where the line closes
    (range(17), False),
    (range(17, 22), False),
    (range(22, 27), False),
    (range(27, 31), False),
    (range(31, 36), False),
    (range(36, 42), True),
    (range(42, 48), True),
    (range(48, 60), True),
    (range(60, 68), True),
)


def outline(axis, landmarks: np.ndarray, colour: str = "0.45") -> None:
    """Draw the lines through the landmarks (68, 2)."""
    for points, closed in LINES:
        line = landmarks[[*points, points[0]] if closed else list(points)]
        axis.plot(*line.T, color=colour, linewidth=1.0)


def square(axis, title: str) -> None:
    """Make of the axis the grid, without ticks."""
    axis.set_title(title, fontsize=10)
    axis.set(xlim=(0, GRID), ylim=(GRID, 0), xticks=[], yticks=[])
    axis.set_aspect("equal")
