"""Photographed faces in the pictures of a page.

dlib's detector finds a face in drawn landmarks as well, with a score of 2 and more. So what it
finds is laid on the photograph of which all faces here are made: skin has its shades, a drawing
has none of them.
"""

import base64
import re
from functools import cache

import cv2
import moving_face
import numpy as np

from mer_utils.preprocessing import faces

CERTAIN = -0.3  # the score of a detection from which on it is looked at
ALIKE = 0.5  # correlation with the photograph


def pictures(page: str) -> list[bytes]:
    """The PNGs in a page or an executed notebook, widgets included."""
    return [base64.b64decode(text) for text in re.findall(r"iVBORw0KGgo[A-Za-z0-9+/=]+", page)]


def likeness(png: bytes) -> list[float]:
    """Of every face that is found in a picture, its correlation with the photograph."""
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    boxes, _, _ = faces._hog().run(image, 0, CERTAIN)
    shapes = [faces._predictor()(image, box).parts() for box in boxes]
    laid = [faces.alignment(np.array([(p.x, p.y) for p in parts], float)) for parts in shapes]
    return [_correlation(faces.align(image, matrix)) for matrix in laid]


@cache
def _photograph() -> np.ndarray:
    return faces.align(moving_face.picture(), faces.alignment(moving_face.picture_points()))


def _correlation(face: np.ndarray) -> float:
    middle = np.s_[30:110, 30:98]
    return float(np.corrcoef(face[middle].ravel(), _photograph()[middle].ravel())[0, 1])


def faces_in(page: str) -> int:
    """How many pictures of a page show a photographed face."""
    return sum(max(likeness(png), default=0) > ALIKE for png in pictures(page))
