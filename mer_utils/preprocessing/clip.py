"""One clip while its views are computed: its frames, landmarks, alignment and apex."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import StudyError
from . import cache, faces, keyframes, motion
from .images import Frame, files


class Clip:
    """A clip with a face in onset and apex. Raises StudyError with the reason where it has none.

    row: of a clip table; flow_method: of view `flow`; folder: of the cache; only_cached: raise
    cache.NotCached instead of computing.
    """

    def __init__(self, row: dict, flow_method: str, folder: Path, only_cached: bool = False):
        self.row, self.flow_method = row, flow_method
        self._folder, self._only_cached = folder, only_cached
        self._frames: dict[int, Frame] = {}
        self.files = files(row["frames"])  # number -> file
        if not pd.isna(row["offset"]):  # of a video only its decoding tells
            self._there("offset", row["offset"])
        self.onset, self.onset_points = self._moment("onset", row["onset"])
        self.matrix = faces.alignment(self.onset_points)  # (2, 3) frame -> aligned face
        self.apex_number = self._spot() if pd.isna(row["apex"]) else int(row["apex"])
        self.apex, self.apex_points = self._moment("apex", self.apex_number)

    def frame(self, number: int) -> Frame:
        if number not in self._frames:
            self._frames[number] = Frame(self.files[number])
        return self._frames[number]

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
        return faces.align(self.onset.image, self.matrix), faces.align(self.apex.image, self.matrix)

    @cached_property
    def numbers(self) -> list[int]:
        """The frames on disk from onset to offset; without a known offset, to the last frame."""
        first, last = int(self.row["onset"]), self.row["offset"]
        last = max(self.files) if pd.isna(last) else max(first, int(last))
        return [number for number in sorted(self.files) if first <= number <= last]

    def _moment(self, moment: str, number) -> tuple[Frame, np.ndarray]:
        """The frame of onset or apex, and its landmarks (68, 2) in pixels of the frame."""
        if pd.isna(number):
            raise StudyError(f"its {moment} is not known")
        self._there(moment, number)
        frame = self.frame(int(number))

        def find() -> np.ndarray:
            try:
                return faces.landmarks(frame.image)
            except faces.NoFace:
                return np.zeros((0, 2), np.float32)  # cached too: the search takes seconds

        points = self.cached("points", (faces.VERSION, frame.digest), find)
        if not len(points):
            raise faces.NoFace(f"no face found in {moment} frame {frame.name}")
        return frame, points

    def _there(self, moment: str, number) -> None:
        if int(number) not in self.files:
            place = Path(self.row["frames"]).name
            span = f"{min(self.files)} to {max(self.files)}" if self.files else "nothing"
            raise StudyError(f"{moment} frame {number} is not in {place}, which holds {span}")

    def _spot(self) -> int:
        """Frame number of the apex, where the sheet has none."""
        numbers = [number for number in self.numbers if number > int(self.row["onset"])]
        if not numbers:
            raise StudyError(f"no frame after the onset is in {Path(self.row['frames']).name}")
        frames = [self.onset, *map(self.frame, numbers)]
        versions = (faces.VERSION, motion.VERSION, keyframes.VERSION)

        def spot() -> np.ndarray:
            return np.array(keyframes.spot([frame.image for frame in frames], self.onset_points))

        position = self.cached("apex", (*versions, *(frame.digest for frame in frames)), spot)
        return numbers[int(position) - 1]
