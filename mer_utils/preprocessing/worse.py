"""One clip as a worse camera, coder or detector would have given it.

It goes the whole way anew: frames are chosen or changed, a face is searched for in them, and flow
and landmarks are computed of what is found.  `analysis/robustness.py` lists changes and doses.
"""

import cv2
import numpy as np

from ..errors import StudyError
from . import faces
from .clip import Clip

VERSION = 1  # counts up when a change here moves a value: part of every cache key
CHOICES = ("apex early", "apex late", "frame rate", "lost frames")  # these change no picture
AT_APEX = ("approach", "light")  # these change the picture of the apex alone
GAMMA = 2.2  # of cameras: grey levels go with light to the power of 1 / GAMMA


class Worse(Clip):
    """A clip after one dose of one change. Raises StudyError, as where no face is found in it."""

    def __init__(self, good: Clip, change: str, dose: float):
        vars(self).update(vars(good))  # its frames are known, and those that are decoded
        self.good, self.change, self.dose = good, change, dose
        onset, self.apex_number = self._moments()
        self.row = good.row | {"onset": onset}
        if change == "landmarks":
            pixel = 1 / np.hypot(*good.matrix[:, 0])  # of the aligned face, in those of the frame
            noise = self._random().normal(0, dose * pixel, (2, 68, 2))
            self.onset_points, self.apex_points = (good.onset_points, good.apex_points) + noise
        else:
            if change not in AT_APEX:
                self.onset, self.onset_points = self._moment("onset", onset)
            self.apex, self.apex_points = self._moment("apex", self.apex_number)
        self.matrix = faces.alignment(self.onset_points)

    def cached(self, kind, parts, compute):
        own = () if self.change in CHOICES else (VERSION, self.change, self.dose)
        return super().cached(kind, (*parts, *own), compute)

    def image(self, number: int) -> np.ndarray:
        image, points = super().image(number), self.good.onset_points
        at_apex, share = number == self.apex_number, self.dose / 100
        if self.change == "tilt":
            return _turned(image, points, self.dose, 1)
        if self.change == "approach" and at_apex:
            return _turned(image, points, 0, 1 + share)
        if self.change == "face size":
            scale = min(1, self.dose / np.linalg.norm(points[45] - points[36]))
            return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if self.change == "light" and at_apex:
            return np.rint(image * (1 - share) ** (1 / GAMMA)).astype(np.uint8)
        if self.change == "compression":
            _, code = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, int(self.dose)))
            return cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
        return image

    def _moments(self) -> tuple[int, int]:
        """Numbers of the frames that are taken for onset and apex."""
        kept, late = self.there, {"apex early": -self.dose, "apex late": self.dose}
        if self.change == "frame rate":
            kept = kept[:: int(self.dose)]
        elif self.change == "lost frames":  # a higher dose loses the same frames and more
            kept = np.array(kept)[self._random().random(len(kept)) >= self.dose / 100].tolist()
        if len(kept) < 2:
            raise StudyError("fewer than two of its frames are left")
        apex = self.good.apex_number + late.get(self.change, 0)
        return kept[0], min(kept[1:], key=lambda number: abs(number - apex))

    def _random(self) -> np.random.Generator:
        return np.random.default_rng(int(self.good.onset.digest[:8], 16))


def _turned(image: np.ndarray, points: np.ndarray, degrees: float, scale: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D(points.mean(axis=0).tolist(), degrees, scale)
    size = image.shape[::-1]
    return cv2.warpAffine(image, matrix, size, None, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
