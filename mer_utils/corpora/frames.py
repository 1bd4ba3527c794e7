"""Frames on disk, looked up by the integer in their name and decoded as grey images."""

import os
import re
import struct
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np

from ..errors import StudyError

# What the OpenCV of environment.yml decodes; a test writes and reads one of each.
IMAGES = ".jpg .jpeg .jpe .jp2 .png .bmp .dib .tif .tiff .webp .avif .gif"
IMAGES = frozenset((IMAGES + " .pbm .pgm .ppm .pnm .pam .pfm .sr .ras .hdr .pic").split())
VIDEOS = ".avi .mp4 .m4v .mov .mkv .webm .wmv .asf .mpg .mpeg .m2v .vob .ts .mts .m2ts .3gp .3g2"
VIDEOS = frozenset((VIDEOS + " .flv .ogv .mxf .mjpg .mjpeg").split())
ARCHIVE = re.compile(r"\.(?:zip|rar|7z|tar|tgz|gz|z?[0-9]{2,3})$", re.IGNORECASE)
ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89PNG": b"IEND"}  # of a JPEG and a PNG, by how they begin
MOST_PIXELS = 2**26  # 64 megapixels
_COPY = re.compile(r"\s*(?:\([0-9]+\)|- copy)$", re.IGNORECASE)  # "img46 (1).jpg"


def entries(folder: Path) -> list[os.DirEntry]:
    """Contents of a folder by name, without hidden files. Raises StudyError."""
    try:
        visible = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise StudyError(f"{folder} cannot be read: {error.strerror or error}") from error
    return sorted(visible, key=lambda entry: entry.name)


def folders(folder: Path) -> list[Path]:
    # os.path, not entry: a link to itself is no folder, and raises where it is asked
    return [Path(entry.path) for entry in entries(folder) if os.path.isdir(entry)]


def below(folder: Path, fits: Callable, avoid: Collection[str], depth: int) -> Iterator[Path]:
    """The folders below whose name fits; none is looked for inside them or inside what to avoid."""
    for child in folders(folder):
        if fits(child.name.lower()):
            yield child
        elif depth and child.name.lower() not in avoid:
            yield from below(child, fits, avoid, depth - 1)


def packed(folder: Path) -> list[str]:
    """Names of the archives in a folder, which somebody may have to unpack."""
    return [entry.name for entry in entries(folder) if ARCHIVE.search(entry.name)]


def packed_in(folder: Path, name: str) -> str:
    """The archive of that name in a folder, "" if there is none or no such folder."""
    archives = packed(folder) if os.path.isdir(folder) else []  # a name may be too long
    return next((one for one in archives if ARCHIVE.sub("", one).lower() == name.lower()), "")


def videos(folder: Path) -> list[Path]:
    return [path for entry in entries(folder) if is_video(path := Path(entry.path))]


def is_video(path: Path) -> bool:
    """By its name alone: nothing is opened here. `images.files` counts and decodes."""
    return path.suffix.lower() in VIDEOS and os.path.isfile(path)


def frame_number(name: str) -> int | None:
    """The last integer in a file name: `006_05562.jpg` -> 5562; None where there is none."""
    digits = re.findall("[0-9]+", _COPY.sub("", os.path.splitext(name)[0]))
    return int(digits[-1]) if digits and len(digits[-1]) <= 18 else None


def frame_names(folder: Path | str) -> dict[int, str]:
    """Frame number -> file name, in that order. Raises StudyError where two have one number."""
    names: dict[int, str] = {}
    for entry in entries(Path(folder)):
        name, number = entry.name, frame_number(entry.name)
        is_image = os.path.splitext(name)[1].lower() in IMAGES
        # os.path only for a link: elsewhere the entry knows without another look at the disk
        is_file = entry.is_file(follow_symlinks=False) or os.path.isfile(entry)
        if number is None or not is_image or not is_file:
            continue
        if number in names:
            raise StudyError(
                f"{folder} holds two files for frame {number}, {names[number]} and {name}: keep one"
            )
        names[number] = name
    return dict(sorted(names.items()))


def read(path: Path, how: Callable = lambda stream: stream.read()):
    """What `how` reads of an open file, all of it by default. Raises StudyError."""
    try:
        with path.open("rb") as stream:
            return how(stream)
    except OSError as error:
        reason = error.strerror or error
        raise StudyError(f"{path.name} cannot be read: {reason}; copy it again") from error


def header_size(content: bytes) -> tuple[int, int]:
    """(width, height) that the header of a PNG, BMP or JPEG names; (0, 0) where it names none."""
    if content.startswith(b"\x89PNG"):
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    if content.startswith(b"BM"):
        return tuple(abs(side) for side in struct.unpack("<ii", content[18:26].ljust(8, b"\0")))
    at = 2 if content.startswith(b"\xff\xd8") else len(content)
    while at + 9 < len(content) and content[at] == 0xFF:
        if 0xC0 <= content[at + 1] <= 0xCF and content[at + 1] not in (0xC4, 0xC8, 0xCC):
            return struct.unpack(">HH", content[at + 5 : at + 9])[::-1]
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return 0, 0


def grey(content: bytes, name: str) -> np.ndarray:
    """(H, W) uint8 grey of an image file's bytes. Raises StudyError naming the file."""
    import cv2  # not at the top: a machine that only trains reads tables and has no OpenCV

    if not content:
        raise StudyError(f"{name} is an empty file: copy it again")
    # OpenCV fills a cut JPEG with grey and only warns; some cameras add a little after its end
    end = next((end for start, end in ENDS.items() if content.startswith(start)), b"")
    length = int.from_bytes(content[2:6], "little") if content.startswith(b"BM") else 0
    if end not in content[-1024:] or len(content) < length:
        raise StudyError(f"{name} is cut off: copy it again")
    width, height = header_size(content)
    if width * height > MOST_PIXELS:  # a small file may hold a huge image
        raise StudyError(f"{name} is {width}x{height} pixels, no frame of a face: copy it again")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # a size that OpenCV refuses
        image = None
    if image is None:
        raise StudyError(f"{name} is no image that OpenCV can decode: copy it again")
    return image


def frame_files(folder: Path | str) -> dict[int, Path]:
    """Frame number -> file. See `frame_names`."""
    return {number: Path(folder) / name for number, name in frame_names(folder).items()}
