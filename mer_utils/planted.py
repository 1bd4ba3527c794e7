"""Made-up clips that only a system's named novelty should solve: one function per case.

Each returns (views, labels): arrays as `views.compute` gives them, and class indices.  The test and
the notebook of a system show the same case.  Nothing here imitates a face's movement.
"""

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, map_coordinates


def marked_twin(count: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """For HTNet: which of three neighbours to believe is known only by comparing them.

    In one of the four areas (any) the four 7x7 spots stand in any order.  One is marked by strain
    and waves up and down (v) in one of four fixed patterns; of the other three, all of different
    pattern, one waves in the same: its twin.  All three move left or right (u), by chance; the
    label is the direction of the twin.  Everywhere else is noise.

    The majority of the three directions is right in 3 of 4 clips, and more than that no reader of
    single spots can know; attention inside the area (queries and keys: patterns, values:
    directions) can know all.  Views flow, flow_legacy, landmarks.
    """
    patterns = np.random.default_rng(7).choice([-2.0, 2.0], size=(4, 7, 7))  # pixels
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    flow = random.normal(0, 1, (count, 3, 4, 7, 4, 7)) * np.array([0.2, 0.2, 0.01]).reshape(
        3, 1, 1, 1, 1
    )  # clip, channel, spot row, row, spot column, column
    for clip, label in enumerate(labels):
        top, left = 2 * random.integers(0, 2, 2)
        spots = [(top + spot // 2, left + spot % 2) for spot in random.permutation(4)]
        shown = random.permutation(4)[:3]
        directions = random.choice([-2.0, 2.0], 3)  # pixels
        directions[0] = 2.0 if label else -2.0
        for (row, column), pattern, direction in zip(spots, shown, directions, strict=False):
            flow[clip, 0, row, :, column] += direction
            flow[clip, 1, row, :, column] += patterns[pattern]
        row, column = spots[3]
        flow[clip, 1, row, :, column] += patterns[shown[0]]
        flow[clip, 2, row, :, column] += 0.1  # strain
    flow = flow.reshape(count, 3, 28, 28).astype(np.float32)
    low, high = (f(flow, axis=(2, 3), keepdims=True) for f in (np.min, np.max))
    legacy = np.round(255 * (flow - low) / (high - low)).astype(np.float32)
    landmarks = np.full((count, 68, 2), 14.0, np.float32)
    for points, place in ((slice(36, 42), (7, 7)), (slice(42, 48), (21, 7)), (48, (7, 21))):
        landmarks[:, points] = place
    landmarks[:, 54] = (21, 21)
    return {"flow": flow, "flow_legacy": legacy, "landmarks": landmarks}, labels


def same_sign(count: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """For HTNet, too easy: two neighbouring spots move alike (0) or against each other (1).

    Neither spot alone tells, but a convolution over both and an MLP after it can: HTNet without
    attention, and as coded, solve it as well.
    """
    random = np.random.default_rng(seed)
    signs = random.choice([-1.0, 1.0], (count, 2))
    views, _ = marked_twin(count, seed)
    scale = np.array([0.2, 0.2, 0.01], np.float32)[:, None, None]
    flow = random.normal(0, 1, (count, 3, 28, 28)).astype(np.float32) * scale
    for spot in (0, 1):
        columns = slice(7 * spot + 2, 7 * spot + 5)
        flow[:, 1, 3:6, columns] += 2 * signs[:, spot, None, None]
    low, high = (f(flow, axis=(2, 3), keepdims=True) for f in (np.min, np.max))
    legacy = np.round(255 * (flow - low) / (high - low)).astype(np.float32)
    labels = (signs[:, 0] != signs[:, 1]).astype(int)
    return views | {"flow": flow, "flow_legacy": legacy}, labels


UNITS_TOGETHER = (("2+12", "4+15"), ("2+15", "4+12"))  # the pairs of class 0 and of class 1
_UNIT_MOVES = {2: ("brows", -1), 4: ("brows", 1), 12: ("mouth", -1), 15: ("mouth", 1)}  # 1: down
_PLACES = {"brows": (20, 40), "mouth": (88, 26)}  # row and half width, in pixels of the face


def units_together(
    count: int, seed: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray, pd.DataFrame]:
    """For AM-GCN: brows and mouth both move up or down; only which go together tells the label.

    Units 2 and 4 are brows up and down, 12 and 15 the mouth.  Each occurs in half of the clips of
    either class, so that no place alone tells anything, nor any sum over places; something has to
    look at two places 68 pixels apart at once.  Views frames, landmarks; beside the labels the
    rows of a clip table, with `action_units`.
    """
    random = np.random.default_rng(seed)
    face = gaussian_filter(np.random.default_rng(7).normal(size=(128, 128)), 2.0)
    face = 128 + 45 * face / face.std()  # grey values; one face, so that little has to be learned
    rows, columns = np.mgrid[:128, :128].astype(float)
    labels = random.permutation(np.arange(count) % 2)
    frames, units = np.empty((count, 2, 128, 128), np.uint8), []
    for clip, label in enumerate(labels):
        units.append(UNITS_TOGETHER[label][random.integers(2)])
        down = np.zeros_like(face)  # pixels
        for unit in map(int, units[-1].split("+")):
            place, sign = _UNIT_MOVES[unit]
            row, width = _PLACES[place]
            near = np.exp(-0.5 * (((rows - row) / 7) ** 2 + ((columns - 64) / width) ** 2))
            down += sign * random.uniform(1.4, 2.6) * near
        apex = map_coordinates(face, [rows - down, columns], order=1, mode="nearest")
        noise = random.normal(0, 2, (2, 128, 128))
        frames[clip] = np.clip(np.stack([face, apex]) + noise, 0, 255)
    views = {"frames": frames, "landmarks": np.repeat(_plain_face()[None], count, axis=0)}
    return views, labels, pd.DataFrame({"action_units": units})


def _plain_face() -> np.ndarray:
    """(68, 2) dlib's points of a face drawn with ruler and compass, in cells of the 28x28 grid."""
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([-np.cos(turn), -np.sin(turn)], axis=1)  # from the left, over the top
    jaw = np.stack([-np.cos(np.linspace(0, np.pi, 17)), np.sin(np.linspace(0, np.pi, 17))], axis=1)
    brow = np.stack([np.linspace(-14, 14, 5), np.zeros(5)], axis=1)
    ridge = np.stack([np.zeros(4), np.linspace(34, 58, 4)], axis=1)
    wings = np.stack([np.linspace(-10, 10, 5), np.full(5, 63.0)], axis=1)
    parts = [
        jaw * (46, 72) + (64, 50),
        brow + (40, 20),
        brow + (88, 20),
        ridge + (64, 0),
        wings + (64, 0),
        ring[::2] * (9, 4) + (40, 35),
        ring[::2] * (9, 4) + (88, 35),
        ring * (20, 8) + (64, 88),
        ring[[0, 2, 3, 4, 6, 8, 9, 10]] * (15, 4) + (64, 88),
    ]
    return (np.concatenate(parts) * 28 / 128).astype(np.float32)
