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

KEPT = 2**26  # bytes of decoded frames that are kept; of a longer clip they are decoded again
BLANK = 2.0  # grey levels of standard deviation: no picture, as trackers write for a lost face


class Clip:
    """A clip with a face in onset and apex. Raises StudyError with the reason where it has none.

    row: of a clip table; flow_method: of view `flow`; folder: of the cache; only_cached: raise
    cache.NotCached instead of computing. numbers: its frames on disk from onset to offset, to the
    last one where no offset is known; there: those from onset to the last frame that a view may
    read; in neither is a frame without contrast. note: what was left out, or "".
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
        """`cache.cached` in the clip's folder."""
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
        known = [self.row[name] for name in ("apex", "offset") if not pd.isna(self.row[name])]
        offset = max(self.files) if pd.isna(self.row["offset"]) else int(self.row["offset"])
        last = 1 + int(max(onset, offset, *known))  # `rise` reads one frame after the apex
        looked_at = [number for number in sorted(self.files) if onset <= number <= last]

        def look() -> np.ndarray:
            images = map(self.image, looked_at)
            return np.array([(*one.shape, cv2.meanStdDev(one)[1].item()) for one in images])

        digests = (self.files[number].digest for number in looked_at)
        sizes, contrast = np.split(self.cached("looks", (*digests,), look), (2,), axis=1)
        if (other := (sizes != sizes[0]).any(axis=1)).any():
            odd, first = np.argmax(other), [f"{w:.0f}x{h:.0f}" for h, w in sizes]
            raise StudyError(
                f"{self.files[looked_at[odd]].name} has {first[odd]} pixels and its onset "
                f"{first[0]}: the frames of a clip are of one size"
            )
        there = [number for number, (one,) in zip(looked_at, contrast, strict=True) if one >= BLANK]
        numbers = [number for number in there if number <= max(onset, offset)]
        blank = sum(number <= max(onset, offset) for number in looked_at) - len(numbers)
        words = f"{blank} of its {blank + len(numbers)} frames have no contrast and are not used"
        return there, numbers, words if blank else ""

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
