"""Image files turned into grey frames, or into the reason why not."""

from pathlib import Path

import cv2
import numpy as np

from .errors import StudyError


def content(path: Path | str) -> bytes:
    """The bytes of a file. Raises StudyError naming it."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StudyError(
            f"{Path(path).name} cannot be read: {error.strerror or error}; copy it again"
        ) from error


def decode(data: bytes, name: str) -> np.ndarray:
    """(H, W) uint8 grey. Raises StudyError for what is no whole image; `name` is for the reader.

    Its end is looked at first: OpenCV fills a cut JPEG up with grey and says so on stderr only.
    """
    if not data:
        raise StudyError(f"{name} is an empty file: copy it again")
    if not _whole(data):
        raise StudyError(f"{name} is cut off: copy it again")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise StudyError(f"{name} is no image that OpenCV can decode: copy it again")
    return image


def _whole(data: bytes) -> bool:
    """False where the format marks its end, or tells its length, and the file stops before."""
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
