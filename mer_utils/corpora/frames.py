"""Frames on disk: looked up by the integer in their name, in whatever folder a copy has them."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import StudyError

IMAGES = frozenset({".jpg", ".jpeg", ".bmp", ".png", ".tif", ".tiff"})
VIDEOS = frozenset({".avi", ".mp4", ".mov", ".mkv", ".wmv", ".mpg", ".mpeg", ".webm"})
_COPY = re.compile(r"\s*(?:\([0-9]+\)|- copy)$", re.IGNORECASE)  # "img46 (1).jpg"
_DIGITS = re.compile(r"[0-9]+")
_DEPTH = 4  # smic / SMIC_all_raw / SMIC_all_raw / HS / s1: how deep below a path subjects may be


def entries(folder: Path) -> list[os.DirEntry]:
    """Contents of a folder, sorted by name, without hidden files. Raises StudyError."""
    try:
        visible = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise StudyError(f"{folder} cannot be read: {error.strerror or error}") from error
    return sorted(visible, key=lambda entry: entry.name)


def folders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in entries(folder) if entry.is_dir()]


def videos(folder: Path) -> list[Path]:
    """Files of a folder that are videos by their name. Nothing is opened."""
    return [Path(e.path) for e in entries(folder) if Path(e.name).suffix.lower() in VIDEOS]


def is_video(path: Path) -> bool:
    """By its name alone: nothing is opened here. `images.files` counts and decodes."""
    return path.suffix.lower() in VIDEOS and path.is_file()


def frame_number(name: str) -> int | None:
    """The last integer in a file name: `006_05562.jpg` -> 5562; None where there is none."""
    digits = _DIGITS.findall(_COPY.sub("", os.path.splitext(name)[0]))
    return int(digits[-1]) if digits and len(digits[-1]) <= 18 else None


def frame_names(folder: Path | str) -> dict[int, str]:
    """Frame number -> file name, in natural order; any extension, case and zero padding.

    The folder is listed once and no file is opened. Raises StudyError where two files have one
    number, since it is unknown which of them is meant.
    """
    names: dict[int, str] = {}
    for entry in entries(Path(folder)):
        name = entry.name
        if os.path.splitext(name)[1].lower() not in IMAGES or not entry.is_file():
            continue
        number = frame_number(name)
        if number is None:
            continue
        if number in names:
            raise StudyError(
                f"{folder} holds two files for frame {number}, {names[number]} and {name}: keep one"
            )
        names[number] = name
    return dict(sorted(names.items()))


def frame_files(folder: Path | str) -> dict[int, Path]:
    """Frame number -> file. See `frame_names`."""
    folder = Path(folder)
    return {number: folder / name for number, name in frame_names(folder).items()}


def subjects_root(
    path: Path,
    is_subject: Callable[[str], object],
    prefer: Sequence[str],
    avoid: Sequence[str],
    example: str,
) -> tuple[Path, list[Path]]:
    """The folder that holds the subjects' folders, and the others that do so too.

    A copy may be given directly or be inside a few parents. Of several, the one whose path below
    `path` has the earliest word of `prefer` wins; a folder named as in `avoid` is not entered.
    Raises StudyError where there is none.
    """
    roots, level = [], [path]
    for _ in range(_DEPTH + 1):
        below = []
        for folder in level:
            children = folders(folder)
            if any(is_subject(child.name) for child in children):
                roots.append(folder)
            else:
                below += [child for child in children if child.name.lower() not in avoid]
        level = below
    if not roots:
        raise StudyError(
            f"{path} holds no subject folders such as {example}: put the release's frames there, "
            f"as data/README.md shows"
        )

    def rank(root: Path) -> int:
        below = root.name if root == path else root.relative_to(path).as_posix()
        return next((i for i, word in enumerate(prefer) if word in below.lower()), len(prefer))

    roots.sort(key=lambda root: (rank(root), len(root.parts), str(root)))
    return roots[0], roots[1:]
