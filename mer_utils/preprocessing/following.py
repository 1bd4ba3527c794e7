"""One face followed through a film: what its skin moves from frame to frame, the head at rest.

Every frame is compared by optical flow with a reference frame some seconds before; the head's share
of the flow is subtracted, and moves the alignment with the head. The landmarks are searched only
where a face begins and now and then, for they take ten times as long.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from . import faces, keyframes, motion
from .clip import BLANK

ROUNDS = 8  # of the head's fit: half the time of 15, the same on the made films
NEAR = 1.5  # pixels that the head may move before its frame is aligned anew
LIDS = 12  # pixels around the eyes left out: with 8, blinks reach 1.6 times the still level
SAME = 0.55  # correlation with the reference; below it is another face or pose: 0.7 in a smile
OLDEST = 300  # frames after which the reference is renewed
ROOM = 100  # pixels across, to which a known face shrinks for the detector: half the size is found
QUICK = 8  # frames without a face between searches
THOROUGH = [0, *(2**power for power in range(7, 20))]  # ... before one that takes seconds


@dataclass
class Stretch:
    """Frames in a row that show one face: T of them."""

    numbers: list[int] = field(default_factory=list)
    cells: list[np.ndarray] = field(default_factory=list)  # T of (2, cells) pixels since the first
    head: list[np.ndarray] = field(default_factory=list)  # T of (2,) pixels: where the face is


@dataclass
class Followed:
    """A whole film: its stretches with a face, the frames without, and looks at its picture."""

    stretches: list[Stretch] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)  # of those missing
    people: list[int] = field(default_factory=list)  # faces in each frame searched for some
    looks: list[tuple] = field(default_factory=list)  # eye distance, turn, blur: `_look`


class Face:
    """A face in its reference frame, on the aligned square. Lengths are in pixels of it."""

    def __init__(self, image: np.ndarray, points: np.ndarray):
        self.matrix = faces.alignment(points)
        self.scale = np.hypot(*self.matrix[:, 0])
        laid = faces.move(points, self.matrix)
        self.mask = motion.face_mask(laid, faces.SIZE)
        self.used = keyframes.without_eyes(self.mask, laid, LIDS)
        self.inside = motion.on_grid(self.used[None].astype(np.float32))[0] > 0.5
        self.stable = laid[list(faces.STABLE)]
        self.reference, self.age = faces.align(image, self.matrix), 0
        self.base = np.zeros((2, self.inside.sum()), np.float32)

    def see(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """(2, cells) what the skin has moved, and (2,) where the face is; None if it is gone."""
        frame, flow, head = self._compared(image)
        if self._turn(head) > NEAR:
            frame, flow, head = self._compared(image)
            self._turn(head)
        if frame[self.mask].std() < BLANK:
            return None
        alike = np.corrcoef(frame[self.mask], self.reference[self.mask])[0, 1]
        grown = np.hypot(*self.matrix[:, 0]) / self.scale
        if not alike > SAME or not 0.5 < grown < 2:
            return None
        cells = self.base + motion.on_grid((flow - head) * self.used)[:, self.inside]
        inverse = cv2.invertAffineTransform(self.matrix)
        place = faces.move(self.stable, inverse).mean(axis=0) * self.scale
        self.age += 1
        if self.age > OLDEST:
            self.reference, self.base, self.age = faces.align(image, self.matrix), cells, 0
        return cells, place

    def _compared(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The aligned frame, its flow from the reference, and the head's share of that."""
        frame = faces.align(image, self.matrix)
        flow = motion.flow(self.reference, frame, keyframes.METHOD)
        return frame, flow, motion.head_motion(flow, self.mask, ROUNDS)

    def _turn(self, head: np.ndarray) -> float:
        """Aligns the next look at a frame with where the head is now; pixels that it has moved."""
        columns, rows = np.rint(self.stable).astype(int).clip(0, faces.SIZE - 1).T
        shift = head[:, rows, columns].T
        back = faces.similarity((self.stable + shift).astype(float), self.stable.astype(float))
        self.matrix = back[:, :2] @ self.matrix
        self.matrix[:, 2] += back[:, 2]
        return float(np.hypot(*shift.mean(axis=0)))

    def box(self) -> faces.Box:
        """Around eyes and nose, in pixels of the frame."""
        corners = faces.move(self.stable, cv2.invertAffineTransform(self.matrix))
        return (*corners.min(axis=0), *corners.max(axis=0))


def follow(numbers: Iterable[int], decode: Callable[[int], np.ndarray], every: int) -> Followed:
    """Follows the largest face through the frames of those numbers.

    decode: number -> (H, W) grey; every: frames between two looks for other faces.
    """
    film, face = Followed(), None
    gone = 0  # frames since a face was last seen
    for done, number in enumerate(numbers):
        image = decode(number)
        seen = face.see(image) if face else None
        if seen is None or done % every == 0:
            boxes = _search(image, face if seen else None, gone)
            if seen and boxes and not any(_holds(box, face.box()) for box in boxes):
                seen = None  # something else was followed
            if boxes:
                largest = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
                points = faces.landmarks(image, largest)
                film.people.append(len(boxes))
                film.looks.append(_look(image, points))
            if seen is None and boxes:
                face = Face(image, points)
                film.stretches.append(Stretch())
                seen = face.see(image)
        if seen is None:
            face, gone = None, gone + 1
            film.missing.append(number)
            film.blank += [number] if image.std() < BLANK else []
            continue
        gone, stretch = 0, film.stretches[-1]
        stretch.numbers.append(number)
        stretch.cells.append(seen[0])
        stretch.head.append(seen[1])
    return film


def _search(image: np.ndarray, face: Face | None, gone: int) -> list[faces.Box]:
    """The faces of a frame; without a known one, most frames are not searched."""
    if image.std() < BLANK or (not face and gone % QUICK):
        return []
    shrink = 1.0
    if face:
        left, _, right, _ = face.box()
        shrink = min(1.0, ROOM / max(1.0, 1.4 * (right - left)))
    small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    boxes = [tuple(side / shrink for side in box) for box in faces.upright_faces(small)]
    if boxes or face or gone not in THOROUGH:
        return boxes
    try:
        return [faces.detect(image)]
    except faces.NoFace:
        return []


def _holds(box: faces.Box, other: faces.Box) -> bool:
    x, y = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    return box[0] < x < box[2] and box[1] < y < box[3]


def _look(image: np.ndarray, points: np.ndarray) -> tuple[float, float, float]:
    """Pixels between the eyes; how far the nose is off their middle, in that distance; blur 0..1.

    Blur: what a second blurring leaves of the gradient (Crete et al., The blur effect, 2007).
    """
    right, left = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    apart = np.hypot(*(left - right))
    turn = abs((points[30] - (left + right) / 2) @ (left - right)) / apart**2
    face = cv2.GaussianBlur(faces.align(image, faces.alignment(points)), (0, 0), 1.0)
    again = cv2.GaussianBlur(face, (0, 0), 2.0)
    edges = [np.abs(np.diff(one.astype(float), axis=1)).sum() for one in (again, face)]
    return float(apart), float(turn), float(edges[0] / max(edges[1], 1.0))
