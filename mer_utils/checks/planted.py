"""Planted cases: made-up clips that only a system's named novelty should solve, a function each.

Each returns (views, labels): arrays as `views.compute` gives them, and class numbers; all but
HTNet's also rows of a clip table.  The test and the notebook of a system use the same case.
"""

import cv2
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, map_coordinates

from ..preprocessing import keyframes

Views = dict[str, np.ndarray]
Case = tuple[Views, np.ndarray, pd.DataFrame]

# --- 7x7 spots of flow, on the 28x28 grid ---------------------------------------------------------


def marked_twin(count: int, seed: int = 0) -> tuple[Views, np.ndarray]:
    """For HTNet: only a comparison of neighbours tells which of three to follow.

    One of the four areas has four 7x7 spots in random order; the rest is noise.  One spot is marked
    by strain and moves vertically (v) in one of four fixed patterns.  The other three differ in
    pattern; one, the twin, has that of the marked spot.  They move left or right (u) at random, and
    the label is the direction of the twin.  The majority of the three is right in 3 of 4 clips, the
    best without comparison; attention inside the area can solve all (queries and keys: patterns,
    values: directions).  Views flow, flow_legacy, landmarks.
    """
    patterns = np.random.default_rng(7).choice([-2.0, 2.0], size=(4, 7, 7))  # pixels
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    scale = np.array([0.2, 0.2, 0.01])[:, None, None, None, None]
    # clip, channel, row of spots, row in a spot, column of spots, column in a spot
    flow = random.normal(0, 1, (count, 3, 4, 7, 4, 7)) * scale
    for clip, label in enumerate(labels):
        top, left = 2 * random.integers(0, 2, 2)
        spots = [(top + spot // 2, left + spot % 2) for spot in random.permutation(4)]
        chosen = random.permutation(4)[:3]
        directions = random.choice([-2.0, 2.0], 3)  # pixels
        directions[0] = 2.0 if label else -2.0
        for (row, column), pattern, direction in zip(spots, chosen, directions, strict=False):
            flow[clip, 0, row, :, column] += direction
            flow[clip, 1, row, :, column] += patterns[pattern]
        row, column = spots[3]
        flow[clip, 1, row, :, column] += patterns[chosen[0]]
        flow[clip, 2, row, :, column] += 0.1  # strain
    landmarks = np.full((count, 68, 2), 14.0, np.float32)
    landmarks[:, 36:42], landmarks[:, 42:48] = (7, 7), (21, 7)  # the middles of the four areas
    landmarks[:, 48], landmarks[:, 54] = (7, 21), (21, 21)
    flow = flow.reshape(count, 3, 28, 28).astype(np.float32)
    return _with_legacy(flow) | {"landmarks": landmarks}, labels


def same_sign(count: int, seed: int = 0) -> tuple[Views, np.ndarray]:
    """For HTNet, too easy: two neighbouring spots move alike (0) or in opposite directions (1).

    Neither spot alone tells, but a convolution over both with an MLP after it does: HTNet without
    attention, and as coded, solve it too.
    """
    random = np.random.default_rng(seed)
    signs = random.choice([-1.0, 1.0], (count, 2))
    scale = np.array([0.2, 0.2, 0.01], np.float32)[:, None, None]
    flow = random.normal(0, 1, (count, 3, 28, 28)).astype(np.float32) * scale
    for spot in (0, 1):
        flow[:, 1, 3:6, 7 * spot + 2 : 7 * spot + 5] += 2 * signs[:, spot, None, None]
    labels = (signs[:, 0] != signs[:, 1]).astype(int)
    return marked_twin(count, seed)[0] | _with_legacy(flow), labels


def gathered(count: int, seed: int = 0) -> Case:
    """For MHSSA: six of the mouth's twelve landmarks move, all on one side (0) or every other (1).

    They are 7 cells apart, so that no patch holds two of them.  Each moves, always in the same way,
    in half of the clips of either class: counts of movements tell nothing, distances tell the
    label.  Views flow, flow_legacy, landmarks; rows without action units.
    """
    random, labels = _labels(count, seed)
    sides = random.integers(0, 2, count)[:, None, None]
    row, column = np.mgrid[:3, :4]  # of the spots
    moving = np.zeros((count, 4, 4))
    moving[:, :3] = np.where(labels[:, None, None], (row + column) % 2, column // 2) == sides
    landmarks = np.full((count, 68, 2), (14.0, 24.0), np.float32)
    landmarks[:, 48:60] = np.stack([7 * column + 3, 7 * row + 3], axis=-1).reshape(12, 2)
    clips = pd.DataFrame({"corpus": "planted_casme2", "action_units": [""] * count})
    return _spots(moving, random) | {"landmarks": landmarks}, labels, clips


def regions_together(count: int, seed: int = 0) -> Case:
    """For the graph of MHSSA-GCN: two of four regions move, and the label is which two.

    Each region moves, always in the same way, in half of the clips of either class, so that no
    sum over regions tells anything.  No patch holds two regions.  Views flow, flow_legacy,
    landmarks; rows with `action_units`.
    """
    random, labels = _labels(count, seed)
    pairs = (("R2+L2", "9+12"), ("R2+9", "L2+12"))  # of class 0 and 1, as units: brows, nose, mouth
    units = [pairs[label][random.integers(2)] for label in labels]
    moving = np.zeros((count, 4, 4))
    landmarks = np.full((count, 68, 2), (14.0, 14.0), np.float32)  # the eyes hold noise
    spots = {"R2": (0, 0, 17, 21), "L2": (0, 3, 22, 26), "9": (3, 0, 27, 35), "12": (3, 3, 48, 59)}
    for unit, (row, column, first, last) in spots.items():  # first and last landmark of the region
        moving[:, row, column] = [unit in pair.split("+") for pair in units]
        landmarks[:, first : last + 1] = (7 * column + 3, 7 * row + 3)
    clips = pd.DataFrame({"corpus": "planted_casme2", "action_units": units})
    return _spots(moving, random) | {"landmarks": landmarks}, labels, clips


# --- brows and mouth that move in pictures --------------------------------------------------------

# Fields of am_gcn.Config that fit the case: seconds on a CPU, and no cell sees brows and mouth.
UNITS_TOGETHER_SIZES = {"size": 96, "channels": 1, "stem": 4, "widths": (4, 4, 8, 16)}
UNITS_TOGETHER_SIZES |= {"position_layers": 1, "drop_path": 0.0, "gcn_dims": (40, 40)}
UNITS_TOGETHER_SIZES |= {"epochs": 16, "batch_size": 16}
UNITS_TOGETHER_SIZES |= {"learning_rate": 1e-2, "weight_decay": 0.05}
PLACES = {"brows": (17, 40), "mouth": (92, 26)}  # row and half width, in pixels of the face


def units_together(count: int, seed: int = 0) -> Case:
    """For AM-GCN: brows and mouth each move up or down; the label is which moves occur together.

    Each unit occurs in half of the clips of either class.  So no place alone tells anything, nor
    any sum over places: two places 75 pixels apart have to be related.  Views frames, landmarks.
    """
    random, labels = _labels(count, seed)
    face, brows, mouth, units = _face(), _near("brows", 4), _near("mouth", 4), []
    down = {"2": -brows, "4": brows, "12": -mouth, "15": mouth}  # of a unit of height 1, pixels
    pairs = (("2+12", "4+15"), ("2+15", "4+12"))  # of class 0 and of class 1
    frames = np.empty((count, 2, 128, 128), np.uint8)
    for clip, label in enumerate(labels):
        units.append(pairs[label][random.integers(2)])
        moved = sum(random.uniform(1.4, 2.6) * down[unit] for unit in units[-1].split("+"))
        noise = random.normal(0, 2, (2, 128, 128))
        frames[clip] = np.clip(np.stack([face, _moved(face, moved)]) + noise, 0, 255)
    views = {"frames": frames, "landmarks": np.repeat(_plain_face()[None], count, axis=0)}
    return views, labels, _rows(labels, units)


# Fields of dual_branch_3dcnn.Config that fit the case: every kernel covers one frame, so that only
# what follows the convolutions can know which frame was first.
ORDER_SIZES = {"size": 27, "shown": "difference", "maps": 8, "reduction": 2, "width": 16}
ORDER_SIZES |= {"time_kernels": (1, 1, 1), "dense": (32, 16), "scales": (2, 4, 8), "head": (16,)}
ORDER_SIZES |= {"weighting": "none", "dropout": 0.0, "penalty": 0.0}
ORDER_SIZES |= {"epochs": 4, "batch_size": 8, "learning_rate": 3e-3}


def order_of_movements(count: int, seed: int = 0, rounds: int = 1) -> Case:
    """For models of time: brows up before mouth up (0) or after it (1).

    Each goes up and down again in four of the ten frames; the first and the last frame are at rest.
    But for chance the ten pictures are the same in both classes: nothing over them tells anything,
    unless it knows their positions.  With two `rounds` the movements alternate twice, two frames
    each, so that either half of the clip holds both.  The key frames are the first and one at the
    height of the stronger movement.  Views video, frames, landmarks; rows as if of twelve subjects.
    """
    random, labels = _labels(count, seed)
    face, brows, mouth = _face(), -_near("brows", 4), -_near("mouth", 4)
    pulse = (0.6, 1.0, 1.0, 0.6) if rounds == 1 else (1.0, 1.0)  # shares of the height, by frame
    courses = np.zeros((2, 10))  # of what comes first, and second
    for turn in range(2 * rounds):
        begin = 1 + turn * len(pulse)
        courses[turn % 2, begin : begin + len(pulse)] = pulse
    video = np.empty((count, 10, 128, 128), np.uint8)
    frames = np.empty((count, 2, 128, 128), np.uint8)
    for clip, label in enumerate(labels):
        heights = random.uniform(1.4, 2.6, 2)  # pixels
        ordered = courses[::-1] if label else courses
        for moment, (one, other) in enumerate((ordered * heights[:, None]).T):
            moved = _moved(face, one * brows + other * mouth)
            video[clip, moment] = np.clip(moved + random.normal(0, 2, moved.shape), 0, 255)
        apex = random.choice(np.flatnonzero(ordered[heights.argmax()] == 1))
        frames[clip] = video[clip, [0, apex]]
    landmarks = np.repeat(_plain_face()[None], count, axis=0)
    views = {"video": video, "frames": frames, "landmarks": landmarks}
    return views, labels, _rows(labels, "2+12")


# Fields of unified.Config that fit the two cases below: the visual stream alone, seconds on a CPU.
FILM_SIZES = {"streams": "visual", "smoothing": 1.0, "maps": 9, "side": 64, "embedding": 16}
FILM_SIZES |= {"vit_dim": 32, "vit_depth": 1, "vit_heads": 2, "balanced": False}
FILM_SIZES |= {"epochs": 12, "batch_size": 16, "learning_rate": 3e-3}
FILM_SIZES |= {"stilled": False}  # their heads do not move
APEX = 4  # frame of a film of `after_the_apex` that an annotator would call the apex


def films(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(N, 24, 128, 128) uint8 films of `after_the_apex`, and their labels."""
    random, labels = _labels(count, seed)
    clips = []
    for label in labels:
        courses = np.zeros((24, 2))
        courses[1:8, 0] = -random.uniform(1.4, 2.6) * np.sin(np.pi * np.arange(1, 8) / 8)
        start = random.integers(9, 20)
        courses[start : start + 3, 1] = (-1 if label else 1) * random.uniform(1.8, 2.6)
        clips.append(_film(courses, random))
    return np.stack(clips), labels


def film_points() -> np.ndarray:
    """(68, 2) landmarks of the films' first frames, in their pixels."""
    return _plain_face() * np.float32(128 / 28)


def after_the_apex(count: int, seed: int = 0) -> Case:
    """For key frames: the brows rise and fall; the mouth moves later and tells the label.

    The brows are highest at frame 4 of 24.  Somewhere between frames 9 and 22 the mouth moves for
    three frames, down (0) or up (1).  Even steps from onset to apex, and one frame more, end before
    it; the frames in which the landmarks move most do not.  Views keyframes, keyframe_points, rise,
    rise_points, by the study's own code.
    """
    clips, labels = films(count, seed)
    courses = np.array([keyframes.track(film, film_points()) for film in clips])
    chosen = np.array([keyframes.select(keyframes.landmark_motion(course)) for course in courses])
    steps, clip = keyframes.rise(0, APEX), np.arange(count)[:, None]
    views = {"keyframes": clips[clip, chosen], "keyframe_points": courses[clip, chosen]}
    views |= {"rise": clips[:, steps], "rise_points": courses[:, steps]}
    return views, labels, _rows(labels, "")


def first_and_second(count: int, seed: int = 0) -> Case:
    """For the BiLSTM: the brows move, then the mouth (0), or the mouth, then the brows (1).

    Each movement lasts two of eleven frames, with two frames of rest before and after it: no three
    frames in a row hold both.  So the nine patterns of a clip are the same in both classes but for
    their order, and their mean tells nothing.  Views keyframes, keyframe_points.
    """
    random, labels = _labels(count, seed)
    films = []
    for label in labels:
        courses = np.zeros((11, 2))
        for begin, place in ((2, label), (7, 1 - label)):
            courses[begin : begin + 2, place] = -random.uniform(1.4, 2.6)
        films.append(_film(courses, random))
    points = np.broadcast_to(film_points(), (count, 11, 68, 2))
    return {"keyframes": np.stack(films), "keyframe_points": points}, labels, _rows(labels, "")


# --- parts ----------------------------------------------------------------------------------------


def _labels(count: int, seed: int) -> tuple[np.random.Generator, np.ndarray]:
    """A generator, and as many zeros as ones in an order that it has drawn."""
    random = np.random.default_rng(seed)
    return random, random.permutation(np.arange(count) % 2)


def _rows(labels: np.ndarray, units) -> pd.DataFrame:
    """Rows of a clip table, as if of twelve subjects; units: of each clip, or of all."""
    numbers = np.arange(len(labels))
    names = {"subject": [f"{number % 12:02d}" for number in numbers]}
    names |= {"clip": [f"{number:03d}" for number in numbers]}
    names |= {"label": np.array(["negative", "positive"])[labels], "action_units": units}
    return pd.DataFrame({"corpus": "planted"} | names)


def _spots(moving: np.ndarray, random: np.random.Generator) -> Views:
    """(N, 4, 4) spots of 7x7 cells that move in one fixed pattern, in noise: both views of flow."""
    pattern = 2 * np.random.default_rng(7).choice([-1.0, 1.0], size=(2, 7, 7))  # u, v in pixels
    flow = np.einsum("nrc,dyx->ndrycx", moving, pattern).reshape(-1, 2, 28, 28)
    flow = np.concatenate([flow, np.zeros_like(flow[:, :1])], axis=1)  # strain is only noise
    noise = np.array([0.02, 0.02, 0.001])[:, None, None] * random.normal(0, 1, flow.shape)
    return _with_legacy((flow + noise).astype(np.float32))


def _with_legacy(flow: np.ndarray) -> Views:
    """Views flow, and flow_legacy: each channel of a clip stretched to 0..255."""
    low, high = (f(flow, axis=(2, 3), keepdims=True) for f in (np.min, np.max))
    legacy = np.round(255 * (flow - low) / (high - low)).astype(np.float32)
    return {"flow": flow, "flow_legacy": legacy}


def _face() -> np.ndarray:
    """(128, 128) grey values of one blurred pattern: a single face, so that little is learned."""
    face = gaussian_filter(np.random.default_rng(7).normal(size=(128, 128)), 2.0)
    return 128 + 45 * face / face.std()


def _near(place: str, half_height: int, kind=float) -> np.ndarray:
    """(128, 128) 1 in the middle of brows or mouth, falling off as a Gaussian."""
    (row, half_width), (rows, columns) = PLACES[place], np.mgrid[:128, :128].astype(kind)
    return np.exp(-0.5 * (((rows - row) / half_height) ** 2 + ((columns - 64) / half_width) ** 2))


def _moved(face: np.ndarray, down: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[:128, :128].astype(float)
    return map_coordinates(face, [rows - down, columns], order=1, mode="nearest")


def _film(courses: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(T, 2) how far brows and mouth have moved down, in pixels -> (T, 128, 128) uint8 noisy."""
    face = _face().astype(np.float32)
    rows, columns = np.mgrid[:128, :128].astype(np.float32)
    near = [_near(place, 6, np.float32) for place in PLACES]
    frames = []
    for brows, mouth in courses:
        source = rows - brows * near[0] - mouth * near[1]
        moved = cv2.remap(face, columns, source.astype(np.float32), cv2.INTER_LINEAR)
        noise = 2 * random.standard_normal(moved.shape, dtype=np.float32)  # grey values
        frames.append(np.clip(moved + noise, 0, 255))
    return np.array(frames, np.uint8)


def _plain_face() -> np.ndarray:
    """(68, 2) dlib's points of a face of lines and ellipses, in cells of the 28x28 grid."""
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([-np.cos(turn), -np.sin(turn)], axis=1)  # from the left, over the top
    jaw = np.stack([-np.cos(np.linspace(0, np.pi, 17)), np.sin(np.linspace(0, np.pi, 17))], axis=1)
    brow = np.stack([np.linspace(-14, 14, 5), np.zeros(5)], axis=1)
    ridge = np.stack([np.zeros(4), np.linspace(34, 58, 4)], axis=1)
    wings = np.stack([np.linspace(-10, 10, 5), np.full(5, 63.0)], axis=1)
    lips = ring * (20, 8), ring[[0, 2, 3, 4, 6, 8, 9, 10]] * (15, 4)  # outer, inner
    brows_and_nose = [brow + (40, 17), brow + (88, 17), ridge + (64, 0), wings + (64, 0)]
    eyes = [ring[::2] * (9, 4) + (x, 35) for x in (40, 88)]
    parts = [jaw * (46, 72) + (64, 50), *brows_and_nose, *eyes, *(lip + (64, 92) for lip in lips)]
    return (np.concatenate(parts) * 28 / 128).astype(np.float32)
