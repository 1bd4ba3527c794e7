"""Grey frames from image files and videos, or the reason why a file gives none."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from ..corpora import frame_files
from ..corpora.frames import is_video
from ..errors import StudyError


class Video:
    """Grey frames of a video file by their number, from 1; nothing is written.

    Frames are decoded in order: after a seek, codecs differ in the frame they are at.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._open()

    def _open(self) -> None:
        self._stream, self._position = cv2.VideoCapture(str(self.path)), 0
        if not self._stream.isOpened():
            raise StudyError(f"{self.path.name} is no video that OpenCV can open: copy it again")

    @cached_property
    def count(self) -> int:
        """Frames that can be decoded, which may be fewer than the header says."""
        self._open()
        while self._stream.grab():
            self._position += 1
        return self._position

    def grey(self, number: int) -> np.ndarray:
        """(H, W) uint8 of frame `number`. Raises StudyError where the video ends before."""
        if number <= self._position:
            self._open()
        while self._position < number:
            if not self._stream.grab():
                raise StudyError(
                    f"{self.path.name} ends at frame {self._position}, before frame {number}"
                )
            self._position += 1
        complete, image = self._stream.retrieve()
        if not complete:
            raise StudyError(f"frame {number} of {self.path.name} cannot be decoded: copy it again")
        return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """A frame of a video, used in place of the path of an image file."""

    video: Video
    number: int

    @property
    def name(self) -> str:
        return f"{self.number} of {self.video.path.name}"


def files(place: Path | str) -> dict[int, Path | VideoFrame]:
    """Frame number -> what `content` reads, of a folder of frames or of a video.

    Raises StudyError; the frames of a video are decoded when they are read.
    """
    if not is_video(Path(place)):
        return frame_files(place)
    video = Video(place)
    return {number: VideoFrame(video, number) for number in range(1, video.count + 1)}


def content(path: Path | VideoFrame | str) -> bytes:
    """The bytes of a file, or of a video's frame as a grey bitmap. Raises StudyError naming it."""
    if isinstance(path, VideoFrame):
        return cv2.imencode(".bmp", path.video.grey(path.number))[1].tobytes()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StudyError(
            f"{Path(path).name} cannot be read: {error.strerror or error}; copy it again"
        ) from error


def decode(data: bytes, name: str) -> np.ndarray:
    """(H, W) uint8 grey. Raises StudyError, with `name`, where the image is not complete.

    The end of the file is checked first: OpenCV fills a cut JPEG with grey and only warns.
    """
    if not data:
        raise StudyError(f"{name} is an empty file: copy it again")
    if not _complete(data):
        raise StudyError(f"{name} is cut off: copy it again")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise StudyError(f"{name} is no image that OpenCV can decode: copy it again")
    return image


def _complete(data: bytes) -> bool:
    """False where the format marks its end, or names its length, and the file stops before."""
    if data.startswith(b"\xff\xd8"):  # JPEG; some cameras add a little after the mark
        return b"\xff\xd9" in data[-1024:]
    if data.startswith(b"\x89PNG"):
        return b"IEND" in data[-1024:]
    if data.startswith(b"BM"):
        return len(data) >= int.from_bytes(data[2:6], "little")
    return True


def read(path: Path | str) -> np.ndarray:
    """(H, W) uint8 grey of an image file. Raises StudyError."""
    return decode(content(path), Path(path).name)
