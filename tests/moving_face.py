"""Clips of one photograph that moves in a known way: for what faces, flow and key frames claim.

scikit-image's `data.astronaut` (NASA, public domain) is warped: a few smooth bumps on the face rise
and fall, the head sways, the sensor is noisy, JPEG takes its share.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from mer_utils.corpora import CLASSES, FRAME_VIEWS, Corpus
from mer_utils.corpora.table import clip_table, exclusion_table
from mer_utils.preprocessing import faces

HEIGHT, WIDTH = 300, 360
CENTRES = (19, 24, 48, 54, 57, 31, 35)  # landmarks on which bumps sit


@cache
def picture() -> np.ndarray:
    return cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)


@cache
def picture_points() -> np.ndarray:
    return faces.landmarks(picture())


@dataclass
class Clip:
    """What a clip shows, and what is true of it. Pixels are those of the frames."""

    frames: list[np.ndarray]  # T of (HEIGHT, WIDTH) uint8
    course: np.ndarray  # (T,) 0..1
    points: np.ndarray  # (68, 2) landmarks of the first frame
    expression: np.ndarray  # (2, HEIGHT, WIDTH) what the skin moves at full course
    head: np.ndarray  # (T, 2, 3) similarity of the head against the first frame

    @property
    def apex(self) -> int:
        return int(np.argmax(self.course))

    def flow(self, t: int) -> np.ndarray:
        """(2, HEIGHT, WIDTH) from the first frame to frame t, the head included."""
        grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))).astype(np.float32)
        moved = grid + self.course[t] * self.expression
        turn, shift = self.head[t][:, :2], self.head[t][:, 2]
        return np.einsum("ij,jhw->ihw", turn, moved) + shift[:, None, None] - grid


def clip(
    seed: int,
    amplitude: float = 2.0,
    sway: float = 0.0,
    noise: float = 2.0,
    frames: int = 2,
    apex: int = -1,
    size: float = 1.6,
) -> Clip:
    """amplitude and sway in pixels, noise in grey levels; the face is about 90 * `size` wide."""
    random = np.random.default_rng(seed)
    angle = np.deg2rad(random.uniform(-4, 4))
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = picture_points().mean(axis=0)
    shift = (WIDTH / 2, HEIGHT / 2) + random.uniform(-8, 8, 2) - turn @ middle
    place = np.column_stack((turn, shift))
    points = faces.move(picture_points(), place)
    course = _course(frames, apex % frames)
    made = Clip(
        [], course, points, _bumps(random, points, amplitude), _sway(random, points, sway, frames)
    )
    back = cv2.invertAffineTransform(place)
    for t in range(frames):
        seen = picture().astype(np.float32)
        source = (
            np.einsum("ij,jhw->ihw", back[:, :2], _source(made.flow(t))) + back[:, 2, None, None]
        )
        frame = cv2.remap(
            seen,
            *source.astype(np.float32),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        frame = np.clip(frame + random.normal(0, noise, frame.shape), 0, 255).astype(np.uint8)
        code = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
        made.frames.append(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE))
    return made


def _course(frames: int, apex: int) -> np.ndarray:
    """(T,) up to 1 at the apex by half a cosine, and down again."""
    t = np.arange(frames)
    rise = t / max(apex, 1)
    fall = (frames - 1 - t) / max(frames - 1 - apex, 1)
    return 0.5 - 0.5 * np.cos(np.pi * np.minimum(rise, np.where(t <= apex, 1.0, fall)))


def _bumps(random, points: np.ndarray, amplitude: float) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    field = np.zeros((2, HEIGHT, WIDTH))
    width = 0.11 * np.ptp(points[17:, 0])
    for point in random.choice(CENTRES, 3, replace=False):
        direction = random.normal(size=2)
        x, y = points[point]
        bump = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))
        field += (direction / np.hypot(*direction))[:, None, None] * bump
    return (field * amplitude / np.hypot(*field).max()).astype(np.float32)


def _sway(random, points: np.ndarray, sway: float, frames: int) -> np.ndarray:
    """(T, 2, 3) the head's slow drift from where it was at first."""
    centre = points.mean(axis=0)
    direction, bend = random.normal(size=2), random.normal(size=2)
    angle, growth = random.normal(size=2) * (np.deg2rad(0.2), 0.002) * sway
    matrices = []
    for t in np.arange(frames) / max(frames - 1, 1):
        step = sway * (t * direction + np.sin(np.pi * t) * bend * 0.5) / np.sqrt(2)
        turn = np.array([[1 + t * growth, -t * angle], [t * angle, 1 + t * growth]])
        matrices.append(np.column_stack((turn, centre + step - turn @ centre)))
    return np.array(matrices)


def _source(flow: np.ndarray) -> np.ndarray:
    """(2, H, W) where in the first frame each pixel of the later one comes from."""
    grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))).astype(np.float32)
    flow, source = flow.astype(np.float32), grid
    for _ in range(10):
        there = [cv2.remap(c, *source, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE) for c in flow]
        source = grid - np.stack(there)
    return source


def on_face(field: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(2, HEIGHT, WIDTH) in pixels of the frame -> (2, SIZE, SIZE) in pixels of the face."""
    size = (faces.SIZE, faces.SIZE)
    moved = np.stack([cv2.warpAffine(c.astype(np.float32), matrix, size) for c in field])
    return np.einsum("ij,jhw->ihw", matrix[:, :2], moved)


def corpus(folder: Path, clips: dict[str, Clip], spot: tuple[str, ...] = ()) -> Corpus:
    """The clips as JPEG frames on disk (img1.jpg, ...), each a subject of its own.

    The apex of those named in `spot` is left open, as in SMIC.
    """
    rows = []
    for i, (name, made) in enumerate(clips.items()):
        place = folder / f"sub{i + 1:02d}" / name
        place.mkdir(parents=True)
        for t, frame in enumerate(made.frames, start=1):
            cv2.imwrite(str(place / f"img{t}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
        rows.append(
            {"corpus": "moving", "subject": f"sub{i + 1:02d}", "clip": name}
            | {"label": CLASSES[i % 3], "onset": 1, "offset": len(made.frames), "fps": 100.0}
            | {"apex": None if name in spot else made.apex + 1, "frames": str(place)}
            | {"apex_source": "" if name in spot else "sheet"}
        )
    return Corpus(
        "moving", folder, clip_table(rows), exclusion_table([]), CLASSES, FRAME_VIEWS, True
    )
