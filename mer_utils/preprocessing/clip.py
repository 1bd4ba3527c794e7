"""One clip while its views are computed: its frames, landmarks, alignment and apex."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from ..errors import StudyError
from . import cache, faces, keyframes, motion
from .images import Frame, VideoFrame, files

KEPT = 2**26  # bytes of decoded frames; the others of a longer clip are decoded again
BLANK = 2.0  # grey levels of standard deviation: no picture, as trackers write for a lost face


class Clip:
    """A clip with a face in onset and apex. Raises StudyError with the reason where it has none.

    row: of a clip table; flow_method: of view `flow`; folder: of the cache; only_cached: raise
    cache.NotCached instead of computing. Its frames with contrast are `numbers`, from onset to
    offset, and `there`, from onset to the last one that a view may read; `note`: what was left out.
    """

    def __init__(self, row: dict, flow_method: str, folder: Path, only_cached: bool = False):
        self.row, self.flow_method = row, flow_method
        self._folder, self._only_cached = folder, only_cached
        self._images: dict[int, np.ndarray] = {}
        self._room = KEPT
        self.files = files(row["frames"], self.cached)  # number -> frame
        if not pd.isna(row["offset"]):  # of a video only its decoding tells
            self._number("offset", row["offset"])
        self.there, self.numbers, self.note = self._survey(self._number("onset", row["onset"]))
        self.onset, self.onset_points = self._moment("onset", row["onset"])
        self.matrix = faces.alignment(self.onset_points)  # (2, 3) frame -> aligned face
        self.apex_number = self._spot() if pd.isna(row["apex"]) else int(row["apex"])
        self.apex, self.apex_points = self._moment("apex", self.apex_number)

    def image(self, number: int) -> np.ndarray:
        """(H, W) uint8 of a frame."""
        if number in self._images:
            return self._images[number]
        image = self.files[number].decode()
        if image.nbytes <= self._room:
            self._images[number] = image
            self._room -= image.nbytes
        return image

    def face(self, number: int) -> np.ndarray:
        """(SIZE, SIZE) uint8 of a frame, on the aligned face."""
        return faces.align(self.image(number), self.matrix)

    def cached(self, kind: str, parts: tuple, compute: Callable[[], np.ndarray]) -> np.ndarray:
        return cache.cached(self._folder, kind, parts, None if self._only_cached else compute)

    @property
    def pair(self) -> tuple:
        """What any value computed from the aligned onset and apex depends on."""
        return faces.VERSION, self.onset.digest, self.apex.digest

    @cached_property
    def aligned(self) -> tuple[np.ndarray, np.ndarray]:
        """Onset and apex on the aligned face, (SIZE, SIZE) uint8."""
        return self.face(int(self.row["onset"])), self.face(self.apex_number)

    def _number(self, moment: str, number) -> int:
        """The number of onset, apex or offset, which is on disk."""
        if pd.isna(number):
            raise StudyError(f"its {moment} is not known")
        if int(number) not in self.files:
            place = Path(self.row["frames"]).name
            span = f"{min(self.files)} to {max(self.files)}" if self.files else "nothing"
            raise StudyError(f"{moment} frame {number} is not in {place}, which holds {span}")
        return int(number)

    def _survey(self, onset: int) -> tuple[list[int], list[int], str]:
        """`there`, `numbers` and `note`. Raises StudyError for frames of different sizes."""
        offset = max(self.files) if pd.isna(self.row["offset"]) else int(self.row["offset"])
        end = max(onset, offset)
        apex = end if pd.isna(self.row["apex"]) else int(self.row["apex"])
        last = 1 + max(end, apex)  # `rise` reads one frame after the apex
        looked_at = [number for number in sorted(self.files) if onset <= number <= last]

        def look() -> np.ndarray:
            images = map(self.image, looked_at)
            return np.array([(*image.shape, cv2.meanStdDev(image)[1].item()) for image in images])

        digests = (self.files[number].digest for number in looked_at)
        looks = self.cached("looks", (*digests,), look)
        sizes = [f"{width:.0f}x{height:.0f}" for height, width, _ in looks]
        for number, size in zip(looked_at, sizes, strict=True):
            if size != sizes[0]:
                sentence = f"{self.files[number].name} has {size} pixels and its onset {sizes[0]}"
                raise StudyError(f"{sentence}: the frames of a clip are of one size")
        there = [n for n, contrast in zip(looked_at, looks[:, 2], strict=True) if contrast >= BLANK]
        numbers = [number for number in there if number <= end]
        count = sum(number <= end for number in looked_at)
        note = f"{count - len(numbers)} of its {count} frames have no contrast and are not used"
        return there, numbers, note if len(numbers) < count else ""

    def _moment(self, moment: str, number) -> tuple[Frame | VideoFrame, np.ndarray]:
        """The frame of onset or apex, and its landmarks (68, 2) in pixels of the frame."""
        number = self._number(moment, number)
        frame = self.files[number]
        if number not in self.there:
            raise StudyError(f"{moment} frame {frame.name} is blank: it has no contrast")

        def find() -> np.ndarray:
            try:
                return faces.landmarks(self.image(number))
            except faces.NoFace:
                return np.zeros((0, 2), np.float32)  # cached too: the search takes seconds

        points = self.cached("points", (faces.VERSION, frame.digest), find)
        if not len(points):
            raise faces.NoFace(f"no face found in {moment} frame {frame.name}")
        return frame, points

    def _spot(self) -> int:
        """Frame number of the apex, where the sheet has none."""
        onset = int(self.row["onset"])
        numbers = [number for number in self.numbers if number > onset]
        if not numbers:
            raise StudyError(f"no frame after the onset is in {Path(self.row['frames']).name}")
        versions = (faces.VERSION, motion.VERSION, keyframes.VERSION)
        digests = (self.files[number].digest for number in (onset, *numbers))

        def spot() -> np.ndarray:
            images = map(self.image, (onset, *numbers))
            return np.array(keyframes.spot(images, self.onset_points))

        return numbers[int(self.cached("apex", (*versions, *digests), spot)) - 1]
