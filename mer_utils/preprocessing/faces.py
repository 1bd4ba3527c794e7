"""Face detection, 68 landmarks to a fraction of a pixel, and alignment to one fixed square.

Detector and predictor are dlib's. No standard landmarks stand in for a face that is not found. One
similarity per clip aligns all its frames, so that no expression is warped away; the motion of the
head stays in them, and `motion` removes it.
"""

import importlib.util
from functools import cache
from pathlib import Path

import cv2
import dlib
import numpy as np

from ..errors import StudyError

VERSION = 2  # counts up when a change here moves a point: part of every cache key
SIZE = 128  # pixels a side of the aligned face

# Eye corners and ridge of the nose in dlib's mean face (get_face_chip_details, image_transforms/
# interpolation.h), in units of its width: points that no muscle moves.
STABLE = {36: (0.121737, 0.216423), 39: (0.334606, 0.231733), 42: (0.645647, 0.231733)}
STABLE |= {45: (0.858516, 0.216423), 27: (0.490127, 0.203352), 28: (0.490127, 0.307009)}
STABLE |= {29: (0.490127, 0.409805), 30: (0.490127, 0.515625)}
MIDDLE = np.array((0.490127, 0.5))  # of the mean face, brows to chin
# Pixels of the square per unit of the mean face, and the place of its middle. Brows are then near
# row 17, the chin near row 120, outer eye corners 71 pixels apart. All points but the chin of a
# long face are inside, and so are the 7x7 patches around brows and lips.
FACE_WIDTH = 96.0
FACE_MIDDLE = (64.0, 62.0)

# The predictor rounds to whole pixels and depends on the box it is given. So it is given every face
# upright and equally large, in nine boxes, and the nine results are averaged. On 60 similarities of
# one photograph (face 200 pixels wide, noise, JPEG) points then scatter by 0.27 pixels, not 0.88.
UPRIGHT = 400  # pixels a side of the box there
BOX = 1.2  # its side in units of the mean face, as the detector draws it
NUDGES = (  # shift in x, in y, and widening, in sides of the box
    *((0, 0, 0), (-0.04, 0, 0), (0.04, 0, 0), (0, -0.04, 0), (0, 0.04, 0)),
    *((0, 0, -0.05), (0, 0, 0.05), (0.03, 0.03, 0.03), (-0.03, -0.03, -0.03)),
)
FIRST_LOOK = 200  # pixels a side of the detector's box in the first of two passes
BIGGEST_CNN = 640 * 480  # pixels: that takes the second detector 2 s and 300 MB; larger ones shrink
SMALLEST, LONGEST = 20, 20  # pixels a side, and longer side over shorter: less or more is no photo

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


class NoFace(StudyError):
    """No face in the image: the clip is excluded with this reason."""


def model_file(name: str) -> str:
    """Path of a dlib model. Raises StudyError where the distribution is not installed."""
    # the package is not imported: it needs pkg_resources
    package = importlib.util.find_spec("face_recognition_models")
    file = Path(package.origin).with_name("models") / name if package else None
    if file is None or not file.exists():
        raise StudyError(
            f"{name} is not installed: install face_recognition_models as environment.yml lists it"
        )
    return str(file)


@cache
def _hog():
    return dlib.get_frontal_face_detector()


def _cnn():
    # loaded in no time, and not kept: it holds 50 MB of its last picture
    return dlib.cnn_face_detection_model_v1(model_file("mmod_human_face_detector.dat"))


@cache
def _predictor():
    return dlib.shape_predictor(model_file("shape_predictor_68_face_landmarks.dat"))


def detect(image: np.ndarray) -> Box:
    """The box of the most certain face; HOG first, then the slow network. Raises NoFace."""
    image = np.ascontiguousarray(image)
    if min(image.shape) < SMALLEST or max(image.shape) > LONGEST * min(image.shape):
        raise NoFace(f"an image of {image.shape[1]}x{image.shape[0]} pixels holds no face")
    for enlargements in (0, 1):
        boxes, scores, _ = _hog().run(image, enlargements, 0.0)
        if boxes:
            return _corners(boxes[int(np.argmax(scores))])
    shrink = min(1.0, np.sqrt(BIGGEST_CNN / image.size))
    small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    detections = _cnn()(cv2.cvtColor(small, cv2.COLOR_GRAY2RGB), 0)
    if not detections:
        raise NoFace(f"no face found in an image of {image.shape[1]}x{image.shape[0]} pixels")
    best = max(detections, key=lambda face: face.confidence)
    return tuple(side / shrink for side in _corners(best.rect))


def _corners(box) -> Box:
    return box.left(), box.top(), box.right() + 1, box.bottom() + 1


def upright_faces(image: np.ndarray) -> list[Box]:
    """The boxes of all faces that look into the camera and are 80 pixels wide or more; fast."""
    return [_corners(box) for box in _hog()(np.ascontiguousarray(image), 0)]


def landmarks(image: np.ndarray, box: Box | None = None) -> np.ndarray:
    """(68, 2) float32, x then y in pixels of the image, in dlib's order. Raises NoFace."""
    left, top, right, bottom = detect(image) if box is None else box
    scale = FIRST_LOOK / (right - left)
    centre = np.array(((left + right) / 2, (top + bottom) / 2))
    first = np.column_stack((np.eye(2) * scale, FIRST_LOOK - centre * scale))
    points = _predict(image, first, FIRST_LOOK, NUDGES[:1])
    onto_mean = similarity(points[list(STABLE)], np.array(list(STABLE.values())))
    scale = UPRIGHT / BOX
    upright = onto_mean * scale
    upright[:, 2] += UPRIGHT - MIDDLE * scale
    return _predict(image, upright, UPRIGHT, NUDGES).astype(np.float32)


def _predict(image: np.ndarray, matrix: np.ndarray, side: int, nudges) -> np.ndarray:
    """(68, 2) mean of the predictor's results for boxes of `side` around the middle of a square.

    `matrix` maps the image, in whose pixels the points are, to that square of 2 x `side` pixels.
    """
    square = warp(image, matrix, 2 * side)
    points = []
    for right, down, wider in nudges:
        left, top = side * (0.5 + right - wider), side * (0.5 + down - wider)
        width = side * (1 + 2 * wider)
        sides = (round(x) for x in (left, top, left + width - 1, top + width - 1))
        shape = _predictor()(square, dlib.rectangle(*sides))
        points.append([(point.x, point.y) for point in shape.parts()])
    return (np.mean(points, axis=0) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2, 3) turn, scale and shift that maps (n, 2) points nearest to (n, 2) others."""
    a, b = source @ (1, 1j), target @ (1, 1j)
    a_mean, b_mean = a.mean(), b.mean()
    factor = np.vdot(a - a_mean, b - b_mean) / np.vdot(a - a_mean, a - a_mean)
    shift = b_mean - factor * a_mean
    turn = [[factor.real, -factor.imag], [factor.imag, factor.real]]
    return np.column_stack((turn, (shift.real, shift.imag)))


def alignment(points: np.ndarray) -> np.ndarray:
    """(2, 3) similarity from image pixels to the aligned face. points (..., 68, 2): their mean."""
    points = np.asarray(points, float).reshape(-1, 68, 2).mean(axis=0)
    target = (np.array(list(STABLE.values())) - MIDDLE) * FACE_WIDTH + FACE_MIDDLE
    return similarity(points[list(STABLE)], target)


def move(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(..., 2) points through a (2, 3) matrix, float32."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def align(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The aligned face, (SIZE, SIZE) uint8 grey."""
    return warp(image, matrix, SIZE)


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """(H, W) uint8 -> (size, size); places outside the image repeat its border."""
    scale = np.hypot(*matrix[:, 0])
    if scale < 1:  # smoothed first, or noise and edges would alias
        image = cv2.GaussianBlur(image, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1) + 1e-3)
    return cv2.warpAffine(image, matrix, (size, size), None, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
