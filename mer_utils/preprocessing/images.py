"""Grey frames from image files and videos, or the reason why a file gives none.

A frame is decoded when it is asked for and not kept: a clip may be longer than the memory is large.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from ..corpora import frame_files
from ..corpora.frames import MOST_PIXELS, grey, is_video, read
from ..errors import StudyError

ANOTHER = "save it with another codec, such as H.264"


class Video:
    """Grey frames of a video file by their number, from 1.

    Frames are decoded in order: after a seek, codecs differ in the frame they are at.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._stream, self._position = None, 0

    @cached_property
    def digest(self) -> str:
        return _digest(self.path)

    def count(self) -> int:
        """Frames that can be decoded: the header may name more."""
        self._open()
        while self._stream.grab():
            self._position += 1
        if not self._position:
            code = int(self._stream.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
            codec = code.decode("ascii", "replace").strip("\0 ") or "unknown"
            wrong = f"has no frame that OpenCV can decode (its codec is {codec!r})"
            raise StudyError(f"{self.path.name} {wrong}: {ANOTHER}")
        return self._position

    def _open(self) -> None:
        self._stream, self._position = cv2.VideoCapture(str(self.path)), 0
        if not self._stream.isOpened():
            wrong = "is no video that OpenCV can open: copy it again, or"
            raise StudyError(f"{self.path.name} {wrong} {ANOTHER}")
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        width, height = (int(self._stream.get(side)) for side in sides)
        if width * height > MOST_PIXELS:
            raise StudyError(f"{self.path.name} is {width}x{height} pixels, no film of a face")

    def grey(self, number: int) -> np.ndarray:
        """(H, W) uint8 of frame `number`. Raises StudyError where the video ends before."""
        name = self.path.name
        if self._stream is None or number <= self._position:
            self._open()
        while self._position < number:
            if not self._stream.grab():
                raise StudyError(f"{name} ends at frame {self._position}, before frame {number}")
            self._position += 1
        complete, image = self._stream.retrieve()
        if not complete:
            raise StudyError(f"frame {number} of {name} cannot be decoded: copy it again")
        return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """A frame of a video, used as a `Frame` is."""

    video: Video
    number: int

    @property
    def name(self) -> str:
        return f"{self.number} of {self.video.path.name}"

    @property
    def digest(self) -> str:
        return f"{self.video.digest} {self.number}"

    def decode(self) -> np.ndarray:
        """(H, W) uint8 grey."""
        return self.video.grey(self.number)


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame in a file of its own. Raises StudyError naming it."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def digest(self) -> str:
        return _digest(self.path)

    def decode(self) -> np.ndarray:
        """(H, W) uint8 grey."""
        return grey(read(self.path), self.name)


def _digest(path: Path) -> str:
    return read(path, lambda stream: hashlib.file_digest(stream, "sha256").hexdigest())


def files(
    place: Path | str, cached: Callable = lambda kind, parts, compute: compute()
) -> dict[int, Frame | VideoFrame]:
    """Frame number -> frame, of a folder of frames or a video. Raises StudyError.

    cached: as `Clip.cached`, which keeps the number of frames of a video.
    """
    if not is_video(Path(place)):
        return {number: Frame(path) for number, path in frame_files(place).items()}
    video = Video(place)
    count = int(cached("frame_count", (video.digest,), lambda: np.array(video.count())))
    return {number: VideoFrame(video, number) for number in range(1, count + 1)}
