"""The face as lines: positions on it, and no person to recognise."""

import numpy as np

from .style import EDGE, bare

GRID = 28  # landmarks are in cells of the 28x28 grid, whatever the size of a map
EXTENT = (0, GRID, GRID, 0)  # of a picture of the grid
LINES = (  # of dlib's 68 points: jaw, brows, nose, eyes, lips; the closed lines end as they begin
    range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36), (*range(36, 42), 36),
    (*range(42, 48), 42), (*range(48, 60), 48), (*range(60, 68), 60),
)  # fmt: skip


def outline(axis, landmarks: np.ndarray, colour: str = "0.45", width: float = 1.0) -> None:
    """Draw the lines through the landmarks (68, 2)."""
    for line in LINES:
        axis.plot(*landmarks[list(line)].T, color=colour, linewidth=width, zorder=1)


def over(axis, values: np.ndarray, landmarks=None, colour=EDGE, width: float = 0.8, **look):
    """A picture of the grid, whatever its size, under the outline of a face; gives the image."""
    if landmarks is not None:
        outline(axis, landmarks, colour, width)
    grid(axis)
    return axis.imshow(values, extent=EXTENT, **look)


def grid(*axes, margin: float = 0.0) -> None:
    """Make the axes the grid of the flow, without ticks."""
    bare(*axes)
    for axis in axes:
        axis.set(xlim=(-margin, GRID + margin), ylim=(GRID + margin, -margin), aspect="equal")


def blank(axis, landmarks: np.ndarray) -> None:
    """A face as grey lines on blank ground; landmarks (68, 2) in cells of the grid."""
    outline(axis, landmarks, "0.75")
    grid(axis, margin=2.0)
