"""Made-up clips that only a system's named novelty should solve: one function per case.

Each returns (views, labels): arrays as `views.compute` gives them, and class indices.  The test and
the notebook of a system show the same case.  Nothing here imitates a face's movement.
"""

import cv2
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, map_coordinates

from ..preprocessing import keyframes


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
# Fields of am_gcn.Config that fit the case: seconds on a CPU, and no cell sees brows and mouth.
UNITS_TOGETHER_SIZES = {
    "size": 96,
    "channels": 1,
    "stem": 4,
    "widths": (4, 4, 8, 16),
    "position_layers": 1,
    "drop_path": 0.0,
    "gcn_dims": (40, 40),
    "epochs": 16,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "weight_decay": 0.05,
}
_UNIT_MOVES = {2: ("brows", -1), 4: ("brows", 1), 12: ("mouth", -1), 15: ("mouth", 1)}  # 1: down
_PLACES = {"brows": (17, 40), "mouth": (92, 26)}  # row and half width, in pixels of the face


def units_together(
    count: int, seed: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray, pd.DataFrame]:
    """For AM-GCN: brows and mouth both move up or down; only which go together tells the label.

    Units 2 and 4 are brows up and down, 12 and 15 the mouth.  Each occurs in half of the clips of
    either class, so that no place alone tells anything, nor any sum over places; something has to
    look at two places 75 pixels apart at once.  Views frames, landmarks; beside the labels the
    rows of a clip table, as if of twelve subjects.
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
            near = np.exp(-0.5 * (((rows - row) / 4) ** 2 + ((columns - 64) / width) ** 2))
            down += sign * random.uniform(1.4, 2.6) * near
        apex = map_coordinates(face, [rows - down, columns], order=1, mode="nearest")
        noise = random.normal(0, 2, (2, 128, 128))
        frames[clip] = np.clip(np.stack([face, apex]) + noise, 0, 255)
    views = {"frames": frames, "landmarks": np.repeat(_plain_face()[None], count, axis=0)}
    return views, labels, _rows(labels, units)


_SPOTS = [(row, column) for row in range(3) for column in range(4)]  # of 7x7 cells each


def gathered(count: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray, pd.DataFrame]:
    """For MHSSA: six of the mouth's twelve landmarks move, side by side (0) or every other (1).

    The landmarks stand 7 cells apart, so that no patch sees two of them.  Each moves, always in
    the same way, in half of the clips of either class: who counts movements knows nothing, who
    knows distances knows all.  The other regions see noise.  Views flow, flow_legacy, landmarks;
    beside the labels the rows of a clip table, without action units.
    """
    pattern = 2 * np.random.default_rng(7).choice([-1.0, 1.0], size=(2, 7, 7))  # u, v in pixels
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 2)
    sides = random.integers(0, 2, count)
    moving = np.zeros((count, 4, 4))
    for clip, (label, side) in enumerate(zip(labels, sides, strict=True)):
        for row, column in _SPOTS:
            place = (row + column) % 2 if label else column // 2
            moving[clip, row, column] = place == side
    flow = np.einsum("nrc,dyx->ndrycx", moving, pattern).reshape(count, 2, 28, 28)
    landmarks = np.full((count, 68, 2), (14.0, 24.0), np.float32)
    landmarks[:, 48:60] = [(7 * column + 3, 7 * row + 3) for row, column in _SPOTS]
    clips = pd.DataFrame({"corpus": "planted_casme2", "action_units": [""] * count})
    return _with_noise(flow, random) | {"landmarks": landmarks}, labels, clips


# The pairs of regions that move in class 0 and in class 1, as units: brows, nose, mouth.
REGIONS_TOGETHER = (("R2+L2", "9+12"), ("R2+9", "L2+12"))
_UNIT_SPOTS = {"R2": (0, 0), "L2": (0, 3), "9": (3, 0), "12": (3, 3)}


def regions_together(
    count: int, seed: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray, pd.DataFrame]:
    """For the graph of MHSSA-GCN: two of four regions move; only which two tells the label.

    Each region moves, always in the same way, in half of the clips of either class, so that no
    sum over regions tells anything.  Regions lie apart: no patch sees two.  Views flow,
    flow_legacy, landmarks; beside the labels the rows of a clip table, with `action_units`.
    """
    pattern = 2 * np.random.default_rng(7).choice([-1.0, 1.0], size=(2, 7, 7))  # u, v in pixels
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 2)
    units = [REGIONS_TOGETHER[label][random.integers(2)] for label in labels]
    moving = np.zeros((count, 4, 4))
    for clip, pair in enumerate(units):
        for unit in pair.split("+"):
            moving[clip][_UNIT_SPOTS[unit]] = 1
    flow = np.einsum("nrc,dyx->ndrycx", moving, pattern).reshape(count, 2, 28, 28)
    landmarks = np.full((count, 68, 2), (14.0, 14.0), np.float32)  # the eyes see noise
    places = (("R2", 17, 22), ("L2", 22, 27), ("9", 27, 36), ("12", 48, 60))
    for unit, first, end in places:
        row, column = _UNIT_SPOTS[unit]
        landmarks[:, first:end] = (7 * column + 3, 7 * row + 3)
    views = _with_noise(flow, random) | {"landmarks": landmarks}
    return views, labels, pd.DataFrame({"corpus": "planted_casme2", "action_units": units})


# Fields of dual_branch_3dcnn.Config that fit the case: every kernel sees one frame, so that nothing
# but what comes after the convolutions can know which frame was first.
ORDER_SIZES = {
    "size": 27,
    "shown": "difference",
    "maps": 8,
    "reduction": 2,
    "time_kernels": (1, 1, 1),
    "dense": (32, 16),
    "dropout": 0.0,
    "penalty": 0.0,
    "width": 16,
    "scales": (2, 4, 8),
    "head": (16,),
    "weighting": "none",
    "epochs": 4,
    "batch_size": 8,
    "learning_rate": 3e-3,
}
# Shares of a movement's height, frame by frame, the same read backwards; by rounds.
_PULSES = {1: (0.6, 1.0, 1.0, 0.6), 2: (1.0, 1.0)}


def order_of_movements(
    count: int, seed: int = 0, units: tuple[int, int] = (2, 12), rounds: int = 1
) -> tuple[dict[str, np.ndarray], np.ndarray, pd.DataFrame]:
    """For whatever reads a clip in time: the first of two movements, then the second (0), or the
    other way round (1).

    By default brows up and mouth up, each up and down again in four of the ten frames, the first
    and the last frame at rest.  The ten pictures are the same in both classes but for chance, so
    that no mean, maximum or attention over them knows anything, unless it knows their places.
    With two `rounds` they take turns twice, two frames each, so that either half of the clip holds
    both.  The key frames are the first and one at the height of the stronger movement, whenever
    that comes.
    Views video, frames, landmarks; beside the labels the rows of a clip table, as if of twelve
    subjects, with the same action units in all of them.
    """
    random = np.random.default_rng(seed)
    face = gaussian_filter(np.random.default_rng(7).normal(size=(128, 128)), 2.0)
    face = 128 + 45 * face / face.std()  # grey values; one face, as in `units_together`
    rows, columns = np.mgrid[:128, :128].astype(float)
    courses = np.zeros((2, 10))  # of what comes first, of what comes second
    pulse = _PULSES[rounds]
    for turn in range(2 * rounds):
        begin = 1 + turn * len(pulse)
        courses[turn % 2, begin : begin + len(pulse)] = pulse
    near, signs = [], []
    for unit in units:
        place, sign = _UNIT_MOVES[unit]
        row, width = _PLACES[place]
        near.append(np.exp(-0.5 * (((rows - row) / 4) ** 2 + ((columns - 64) / width) ** 2)))
        signs.append(sign)
    labels = random.permutation(np.arange(count) % 2)
    video = np.empty((count, 10, 128, 128), np.uint8)
    frames = np.empty((count, 2, 128, 128), np.uint8)
    for clip, label in enumerate(labels):
        heights = random.uniform(1.4, 2.6, 2)  # pixels
        own = courses[::-1] if label else courses
        for moment in range(10):
            down = sum(
                sign * height * course[moment] * where
                for sign, height, course, where in zip(signs, heights, own, near, strict=True)
            )
            moved = map_coordinates(face, [rows - down, columns], order=1, mode="nearest")
            video[clip, moment] = np.clip(moved + random.normal(0, 2, moved.shape), 0, 255)
        apex = random.choice(np.flatnonzero(own[heights.argmax()] == 1))
        frames[clip] = video[clip, [0, apex]]
    landmarks = np.repeat(_plain_face()[None], count, axis=0)
    views = {"video": video, "frames": frames, "landmarks": landmarks}
    return views, labels, _rows(labels, "+".join(map(str, units)))


# Fields of unified.Config that fit the two cases below: the visual stream alone, seconds on a CPU.
FILM_SIZES = {
    "streams": "visual",
    "smoothing": 1.0,
    "maps": 9,
    "side": 64,
    "embedding": 16,
    "vit_dim": 32,
    "vit_depth": 1,
    "vit_heads": 2,
    "balanced": False,
    "epochs": 12,
    "batch_size": 16,
    "learning_rate": 3e-3,
}


def _film(courses: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(T, 2) how far brows and mouth have moved down, in pixels -> (T, 128, 128) uint8 noisy."""
    face = gaussian_filter(np.random.default_rng(7).normal(size=(128, 128)), 2.0)
    face = (128 + 45 * face / face.std()).astype(np.float32)  # one face, as in `units_together`
    columns, rows = np.meshgrid(np.arange(128, dtype=np.float32), np.arange(128, dtype=np.float32))
    near = [
        np.exp(-0.5 * (((rows - row) / 6) ** 2 + ((columns - 64) / width) ** 2))
        for row, width in _PLACES.values()
    ]
    frames = []
    for brows, mouth in courses:
        source = rows - brows * near[0] - mouth * near[1]
        moved = cv2.remap(face, columns, source.astype(np.float32), cv2.INTER_LINEAR)
        noise = 2 * random.standard_normal(moved.shape, dtype=np.float32)  # grey values
        frames.append(np.clip(moved + noise, 0, 255))
    return np.array(frames, np.uint8)


APEX = 4  # frame of a film of `after_the_apex` that a sheet would call so


def films(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(N, 24, 128, 128) uint8 films of `after_the_apex`, and their labels."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 2)
    made = []
    for label in labels:
        courses = np.zeros((24, 2))
        courses[1:8, 0] = -random.uniform(1.4, 2.6) * np.sin(np.pi * np.arange(1, 8) / 8)
        start = random.integers(9, 20)
        courses[start : start + 3, 1] = (-1 if label else 1) * random.uniform(1.8, 2.6)
        made.append(_film(courses, random))
    return np.stack(made), labels


def film_points() -> np.ndarray:
    """(68, 2) landmarks of the films' first frames, in their pixels."""
    return _plain_face() * np.float32(128 / 28)


def after_the_apex(
    count: int, seed: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray, pd.DataFrame]:
    """For key frames: the brows rise and fall, and only later does the mouth tell the label.

    Films of 24 frames.  The brows are highest at frame 4, which a sheet would call the apex.
    Somewhere between frames 9 and 22 the mouth moves for three frames, down (0) or up (1).  Even
    steps from onset to apex, and one frame more, end before it; the frames in which the landmarks
    move most do not.  Views keyframes, keyframe_points, rise, rise_points, made of the films by the
    study's own code.
    """
    found = {"keyframes": [], "keyframe_points": [], "rise": [], "rise_points": []}
    made, labels = films(count, seed)
    for film in made:
        course = keyframes.track(film, film_points())
        for name, name_of_points, chosen in (
            ("keyframes", "keyframe_points", keyframes.select(keyframes.landmark_motion(course))),
            ("rise", "rise_points", keyframes.rise(0, APEX)),
        ):
            found[name].append(film[chosen])
            found[name_of_points].append(course[chosen])
    return {name: np.stack(values) for name, values in found.items()}, labels, _rows(labels, "")


def first_and_second(
    count: int, seed: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray, pd.DataFrame]:
    """For the BiLSTM: the brows move, then the mouth (0), or the mouth, then the brows (1).

    Eleven frames; each movement lasts for two of them, two frames of rest before and after it, so
    that no three frames in a row hold both, and all three that hold one are there.  The nine
    patterns of a clip are then the same in both classes but for their order, and their mean knows
    nothing.  Views keyframes, keyframe_points.
    """
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 2)
    films = []
    for label in labels:
        courses = np.zeros((11, 2))
        for begin, place in ((2, label), (7, 1 - label)):
            courses[begin : begin + 2, place] = -random.uniform(1.4, 2.6)
        films.append(_film(courses, random))
    points = np.broadcast_to(film_points(), (count, 11, 68, 2))
    return {"keyframes": np.stack(films), "keyframe_points": points}, labels, _rows(labels, "")


def _rows(labels: np.ndarray, units) -> pd.DataFrame:
    """Rows of a clip table, as if of twelve subjects; units: of each clip, or of all."""
    numbers = np.arange(len(labels))
    return pd.DataFrame(
        {
            "corpus": "planted",
            "subject": [f"{number % 12:02d}" for number in numbers],
            "clip": [f"{number:03d}" for number in numbers],
            "label": np.array(["negative", "positive"])[labels],
            "action_units": units,
        }
    )


def _with_noise(flow: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    """(N, 2, 28, 28) u, v in pixels -> flow and flow_legacy (N, 3, 28, 28), strain only noise."""
    strain = np.zeros_like(flow[:, :1])
    noise = (
        random.normal(0, 1, (len(flow), 3, 28, 28)) * np.array([0.02, 0.02, 0.001])[:, None, None]
    )
    flow = (np.concatenate([flow, strain], axis=1) + noise).astype(np.float32)
    low, high = (f(flow, axis=(2, 3), keepdims=True) for f in (np.min, np.max))
    return {"flow": flow, "flow_legacy": np.round(255 * (flow - low) / (high - low))}


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
        brow + (40, 17),
        brow + (88, 17),
        ridge + (64, 0),
        wings + (64, 0),
        ring[::2] * (9, 4) + (40, 35),
        ring[::2] * (9, 4) + (88, 35),
        ring * (20, 8) + (64, 92),
        ring[[0, 2, 3, 4, 6, 8, 9, 10]] * (15, 4) + (64, 92),
    ]
    return (np.concatenate(parts) * 28 / 128).astype(np.float32)
