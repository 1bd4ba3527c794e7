"""How a synthetic face moves: action units as displacement fields, their course, head, camera.

A displacement is (2, H, W) float32, x then y, in frame pixels, for each pixel of the onset frame.
It is exact by definition: frames are rendered by inverting it, so that the skin at p of the onset
is at p + displacement(p) later on.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from ..preprocessing.mirror import LANDMARKS
from .faces import Identity, grid

# Pulls of the right half of each action unit (the person's right, the left of the picture):
# landmarks at whose mean it pulls; shift of that place; displacement; standard deviations over
# which it fades. Lengths are in distances between the outer corners of the eyes. Where muscles
# pull: Ekman, Friesen, Hager, Facial Action Coding System, 2002.
PULLS = pd.read_csv(Path(__file__).with_name("pulls.csv"))
LARGEST = 3.0  # pixels, the peak of all that the skin of a face moves
SMALLEST = 0.5


@dataclass(frozen=True)
class Motion:
    """All that moves in one clip of T frames."""

    face: np.ndarray  # (2, H, W) what the skin moves at the apex, the head at rest
    course: np.ndarray  # (T,) 0 at the onset, 1 at the apex
    head: np.ndarray  # (T, 2, 3) similarity of the head against the onset
    sways: np.ndarray  # (H, W) share of a pixel in the head's motion, 1 all over the face
    pose: np.ndarray  # (2, 3) identity -> onset frame

    def displacement(self, t: int) -> np.ndarray:
        """(2, H, W) from the onset to frame t."""
        height, width = self.sways.shape
        move = self.face * np.float32(self.course[t])
        turn = (self.head[t] - np.eye(2, 3)).astype(np.float32)
        x, y = grid(width, height) + move
        head = np.stack([turn[i, 0] * x + turn[i, 1] * y + turn[i, 2] for i in (0, 1)])
        return move + self.sways * head


def unit_field(number: int, side: str, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(2, H, W) of one half of an action unit, its peak 1 pixel. side: "R" or "L"."""
    x, y = grid(*size)
    eyes = np.hypot(*(points[45] - points[36]))
    field = np.zeros((2, size[1], size[0]), np.float32)
    outward = -1 if side == "R" else 1
    for pull in PULLS[PULLS["unit"] == number].itertuples():
        landmarks = [int(point) for point in pull.landmarks.split()]
        at = points[landmarks if side == "R" else LANDMARKS[landmarks]].mean(axis=0)
        at = at + np.array((outward * pull.shift_out, pull.shift_down)) * eyes
        across = (x - at[0]) / (pull.fade_across * eyes)
        down = (y - at[1]) / (pull.fade_down * eyes)
        way = np.array((outward * pull.pull_out, pull.pull_down), np.float32) + 0  # no -0.0
        field += np.exp(-0.5 * (across**2 + down**2)) * way[:, None, None]
    return (field / peak(field)).astype(np.float32)


def units_field(strengths: dict, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(2, H, W) of halves of action units, {(number, side): strength}, its peak 1 pixel."""
    field = sum(s * unit_field(*half, points, size) for half, s in strengths.items())
    return (field / peak(field)).astype(np.float32)


def mannerism(random: np.random.Generator, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(2, H, W), peak 1 pixel: one person's slight turn or nod, and two pulls of the skin."""
    x, y = grid(*size)
    eyes = np.hypot(*(points[45] - points[36]))
    nose, chin = points[30], points[8]
    radius = ((x - nose[0]) / (0.62 * eyes)) ** 2 + ((y - nose[1]) / (0.8 * eyes)) ** 2
    angle = random.uniform(0, 2 * np.pi)
    field = np.exp(-radius) * np.array((np.cos(angle), np.sin(angle)), np.float32)[:, None, None]
    for _ in range(2):
        at = points[random.choice((19, 24, 2, 14, 31, 35, 48, 54, 6, 10, 8, 27))]
        angle, spread = random.uniform(0, 2 * np.pi), random.uniform(0.12, 0.2) * eyes
        near = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * spread**2))
        field += near * np.array((np.cos(angle), np.sin(angle)), np.float32)[:, None, None]
    below = np.clip((y - chin[1]) / (0.25 * eyes), 0, 1)  # the neck stays
    return (field * (1 - below) / peak(field)).astype(np.float32)


def peak(field: np.ndarray) -> float:
    """The longest displacement of a field."""
    return float(np.hypot(*field).max())


def course(random: np.random.Generator, frames: int) -> np.ndarray:
    """(T,) 0 at the onset, 1 at the apex, nearly 0 at the offset; it falls more slowly."""
    apex = round(np.clip(random.normal(0.42, 0.07), 0.28, 0.6) * (frames - 1))
    t = np.arange(frames)
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip(t / apex, 0, 1))
    fall = 0.5 - 0.5 * np.cos(np.pi * np.clip((frames - 1 - t) / (frames - 1 - apex), 0, 1))
    rest = random.uniform(0, 0.15)  # of the movement may remain at the offset
    return np.where(t <= apex, rise ** random.uniform(0.8, 1.4), rest + (1 - rest) * fall)


def sway(
    random: np.random.Generator, frames: int, centre: np.ndarray, habit: np.ndarray, size: float
) -> np.ndarray:
    """(T, 2, 3) drift of the head; habit (2,): its usual direction; size: pixels."""
    t = np.linspace(0, 1, frames)
    goal = size * (habit + random.normal(0, 0.6, 2))
    bend = size * random.normal(0, 0.3, 2)
    angle, growth = size * random.normal(0, (np.deg2rad(0.25), 0.0025))
    moves = ((s * angle, 1 + s * growth, centre, s * goal + np.sin(np.pi * s) * bend) for s in t)
    return np.array([_similarity(*move) for move in moves])


def pose(random: np.random.Generator, centre: np.ndarray, size: float) -> np.ndarray:
    """(2, 3) position of the head in one clip: shift, tilt, distance."""
    angle, scale = np.deg2rad(random.normal(0, 1.3)), 1 + random.normal(0, 0.015)
    return _similarity(angle, scale, centre, random.normal(0, size, 2))


def _similarity(angle: float, scale: float, centre: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """(2, 3) turn and scaling about `centre`, then a shift."""
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack((turn, centre + shift - turn @ centre))


def posed(image: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """(H, W) of the identity -> (H, W) float32 of the onset frame."""
    image, size = image.astype(np.float32), image.shape[::-1]
    return cv2.warpAffine(image, pose, size, None, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)


def posed_field(field: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """(2, H, W) displacement of the identity -> of the onset frame, turned with the head."""
    turn = pose[:, :2].astype(np.float32)
    return np.tensordot(turn, np.stack([posed(channel, pose) for channel in field]), 1)


def head_numbers(motion: Motion, t: int) -> dict[str, float]:
    """The head's motion up to frame t: pixels in the middle of the frame, degrees, percent."""
    height, width = motion.sways.shape
    middle, matrix = np.array((width / 2, height / 2)), motion.head[t]
    x, y = matrix[:, :2] @ middle + matrix[:, 2] - middle
    turn = np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0]))
    growth = 100 * (np.hypot(*matrix[:, 0]) - 1)
    return {"sway_x": x, "sway_y": y, "sway_degrees": turn, "sway_percent": growth}


def at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n, 2) values of a (2, H, W) field at (n, 2) positions, interpolated between pixels."""
    x, y = points.astype(np.float32).T[:, None]
    values = [cv2.remap(c, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE) for c in field]
    return np.column_stack([value[0] for value in values])


def render(
    person: Identity, motion: Motion, random: np.random.Generator, noise: float, quality: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """T frames as JPEG (1-d uint8), grey if the texture is, and landmarks (T, 68, 2) float32."""
    height, width = motion.sways.shape
    source = pixels = grid(width, height)
    back = cv2.invertAffineTransform(motion.pose).astype(np.float32)
    onset_points = person.points @ motion.pose[:, :2].T + motion.pose[:, 2]
    colours, frames, points = person.texture.shape[2:], [], []
    for t in range(len(motion.course)):
        displacement = motion.displacement(t)
        points.append(onset_points + at(displacement, onset_points))
        moved = np.ascontiguousarray(displacement.transpose(1, 2, 0))
        for _ in range(4 if t else 1):  # starts from the frame before: within 0.01 pixels
            there = cv2.remap(moved, *source, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
            source = pixels - there.transpose(2, 0, 1)
        x, y = (back[i, 0] * source[0] + back[i, 1] * source[1] + back[i, 2] for i in (0, 1))
        frame = cv2.remap(person.texture, x, y, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE)
        frame *= np.float32(1 + random.normal(0, 0.003))  # the lamps flicker
        grain = random.standard_normal((height, width), np.float32)
        if colours:  # half of the noise's power is common to the colours
            colour_grain = random.standard_normal((height, width, *colours), np.float32)
            grain = np.float32(0.9) * grain[..., None] + np.float32(0.45) * colour_grain
        frame = np.clip(frame + np.float32(noise) * grain, 0, 255).astype(np.uint8)
        frames.append(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
    return frames, np.stack(points).astype(np.float32)
