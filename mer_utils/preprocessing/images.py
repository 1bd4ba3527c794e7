"""Grey frames from image files and videos, or the reason why a file gives none."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from ..corpora import frame_files
from ..corpora.frames import grey, is_video
from ..errors import StudyError


class Video:
    """Grey frames of a video file by their number, from 1; nothing is written.

    Frames are decoded in order: after a seek, codecs differ in the frame they are at.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._open()
        while self._stream.grab():
            self._position += 1
        self.count = self._position  # frames that can be decoded: the header may name more
        if not self.count:
            code = int(self._stream.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
            codec = code.decode("ascii", "replace").strip("\0 ") or "unknown"
            raise StudyError(
                f"{self.path.name} has no frame that OpenCV can decode (its codec is {codec!r}): "
                f"save it with another codec, such as H.264"
            )

    def _open(self) -> None:
        self._stream, self._position = cv2.VideoCapture(str(self.path)), 0
        if not self._stream.isOpened():
            raise StudyError(
                f"{self.path.name} is no video that OpenCV can open: copy it again, or save it "
                f"with another codec, such as H.264"
            )

    def grey(self, number: int) -> np.ndarray:
        """(H, W) uint8 of frame `number`. Raises StudyError where the video ends before."""
        name = self.path.name
        if number <= self._position:
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
    """A frame of a video, used in place of the path of an image file."""

    video: Video
    number: int

    @property
    def name(self) -> str:
        return f"{self.number} of {self.video.path.name}"

    def read_bytes(self) -> bytes:
        """The frame as a grey bitmap."""
        return cv2.imencode(".bmp", self.video.grey(self.number))[1].tobytes()


def files(place: Path | str) -> dict[int, Path | VideoFrame]:
    """Frame number -> what `Frame` reads, of a folder of frames or a video. Raises StudyError."""
    if not is_video(Path(place)):
        return frame_files(place)
    video = Video(place)
    return {number: VideoFrame(video, number) for number in range(1, video.count + 1)}


class Frame:
    """One frame, read once; hashed and decoded when asked. Raises StudyError naming it."""

    def __init__(self, path: Path | VideoFrame):
        self.name = path.name
        try:
            self.content = path.read_bytes()
        except OSError as error:
            reason = error.strerror or error
            raise StudyError(f"{self.name} cannot be read: {reason}; copy it again") from error

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def image(self) -> np.ndarray:
        """(H, W) uint8 grey."""
        return grey(self.content, self.name)
