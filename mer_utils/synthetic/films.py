"""Films of synthetic faces whose course is known: still ones, single expressions, and long ones."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ..errors import StudyError
from . import SWAY, _motion, _person, motion
from .plan import LAYOUTS, UNITS, Clip, Layout, random_of

RATE = 100.0  # frames per second of the examples


@dataclass
class Made:
    """Grey frames, and the truth: numbers from 1 of onset, apex and offset of each expression."""

    frames: list[np.ndarray]
    events: list[tuple[int, int, int]]
    peaks: list[float]  # pixels that the skin moves at each apex


class _Several(motion.Motion):
    """Expressions one after the other; `face` is (events, 2, H, W), `course` (T, events)."""

    def displacement(self, t: int) -> np.ndarray:
        now = int(np.argmax(self.course[t]))
        one = motion.Motion(self.face[now], self.course[:, now], self.head, self.sways, self.pose)
        return one.displacement(t)


def _expression(layout: Layout, person, subject: str, random) -> motion.Motion:
    family = random.choice(["disgust", "repression", "anger", "sadness", "happiness", "surprise"])
    units = str(random.choice(list(UNITS[family])))
    return _motion(layout, person, Clip(subject, "made", family, "", units, units), random)[0]


def _filmed(layout, person, moves, random) -> list[np.ndarray]:
    codes, _ = motion.render(person.face, moves, random, layout.noise, layout.quality)
    return [cv2.imdecode(code, cv2.IMREAD_GRAYSCALE) for code in codes]


def short(layout: Layout, subject: str, seed: int, moves: bool = True, face: int = 0) -> Made:
    """One expression, first frame to last, or a face at rest; face: seed of the person."""
    person, random = _person(layout, subject, face), random_of(seed, layout.name, subject, "film")
    made = _expression(layout, person, subject, random)
    events = [(1, int(np.argmax(made.course)) + 1, len(made.course))] if moves else []
    peaks = [motion.peak(made.face)] if moves else []
    made = made if moves else replace(made, face=np.zeros_like(made.face))
    return Made(_filmed(layout, person, made, random), events, peaks)


def long(
    layout: Layout, subject: str, seed: int, count: int = 900, events: int = 5, face: int = 0
) -> Made:
    """`count` frames with expressions between still stretches, the head swaying all the time."""
    person = _person(layout, subject, face)
    random = random_of(seed, layout.name, subject, "long film")
    parts = [_expression(layout, person, subject, random) for _ in range(events)]
    course, truth, room = np.zeros((count, max(events, 1))), [], count // max(events, 1)
    for number, part in enumerate(parts):
        length = len(part.course)
        start = number * room + int(random.integers(10, room - length - 10))
        course[start : start + length, number] = part.course
        apex = start + int(np.argmax(part.course))
        truth.append((start + 1, apex + 1, start + length))
    base = _expression(layout, person, subject, random)
    faces = [part.face for part in parts] or [np.zeros_like(base.face)]
    head = _sway(random, count, person.face.points.mean(axis=0), SWAY * layout.scale / 1.6)
    moves = _Several(np.array(faces), course, head, base.sways, base.pose)
    return Made(_filmed(layout, person, moves, random), truth, [motion.peak(f) for f in faces])


def _sway(random, count: int, centre: np.ndarray, size: float) -> np.ndarray:
    """(T, 2, 3) slow waves of 2 to 15 s (at 30 per second), in shift, turn and size."""
    t, waves = np.arange(count), np.zeros((count, 4))
    for column, amount in enumerate((size, size, size * np.deg2rad(0.25), size * 0.0025)):
        for period in random.uniform(60, 450, 4):
            waves[:, column] += amount * np.sin(2 * np.pi * (t / period + random.random())) / 2
    waves -= waves[0]
    return np.array([motion._similarity(a, 1 + g, centre, (x, y)) for x, y, a, g in waves])


def example(folder: Path) -> list[Path]:
    """One film of two expressions, one of a face at rest, of persons whom no corpus holds."""
    layout = LAYOUTS[0]
    made = {
        folder / "two_expressions.avi": partial(long, layout, "01", 6, count=200, events=2),
        folder / "at_rest.avi": partial(short, layout, "02", 1, moves=False),
    }
    for file in made:
        if file.is_file():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        part, codec = file.with_name(f".{file.name}"), cv2.VideoWriter_fourcc(*"MJPG")
        writer = cv2.VideoWriter(str(part), codec, RATE, layout.size, False)
        for frame in made[file](face=1).frames:
            writer.write(frame)
        writer.release()
        if not part.is_file():
            raise StudyError(f"{folder} cannot be written: set MER_DATA to another folder")
        part.replace(file)
    return list(made)
