"""Frames on disk, looked up by the integer in their name, and the numbers that sheets give."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import StudyError
from .table import FRAME_NUMBERS

IMAGES = frozenset({".jpg", ".jpeg", ".bmp", ".png", ".tif", ".tiff"})
VIDEOS = frozenset({".avi", ".mp4", ".mov", ".mkv", ".wmv", ".mpg", ".mpeg", ".webm"})
NOT_CODED = ("", "/", "-", "nan")  # how a sheet says that a frame was not coded
_COPY = re.compile(r"\s*(?:\([0-9]+\)|- copy)$", re.IGNORECASE)  # "img46 (1).jpg"


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
    return [path for entry in entries(folder) if is_video(path := Path(entry.path))]


def is_video(path: Path) -> bool:
    """By its name alone: nothing is opened here. `images.files` counts and decodes."""
    return path.suffix.lower() in VIDEOS and path.is_file()


def frame_number(name: str) -> int | None:
    """The last integer in a file name: `006_05562.jpg` -> 5562; None where there is none."""
    digits = re.findall("[0-9]+", _COPY.sub("", os.path.splitext(name)[0]))
    return int(digits[-1]) if digits and len(digits[-1]) <= 18 else None


def frame_names(folder: Path | str) -> dict[int, str]:
    """Frame number -> file name, in natural order; any extension, case and zero padding.

    The folder is listed once and no file is opened. Raises StudyError where two files have one
    number, since it is unknown which of them is meant.
    """
    names: dict[int, str] = {}
    for entry in entries(Path(folder)):
        name, number = entry.name, frame_number(entry.name)
        is_image = os.path.splitext(name)[1].lower() in IMAGES and entry.is_file()
        if number is None or not is_image:
            continue
        if number in names:
            raise StudyError(
                f"{folder} holds two files for frame {number}, {names[number]} and {name}: keep one"
            )
        names[number] = name
    return dict(sorted(names.items()))


def frame_files(folder: Path | str) -> dict[int, Path]:
    """Frame number -> file. See `frame_names`."""
    return {number: Path(folder) / name for number, name in frame_names(folder).items()}


def frame_numbers(
    row: Mapping[str, str], apex: str = "sheet", open_end: bool = False
) -> tuple[dict[str, int], str]:
    """The frames a sheet's row names, in order; apex may be missing. Second: what is wrong.

    apex: see `apexes`; under any policy but `sheet` the row's apex is not read, so that a wrong
    one does no harm. open_end: the offset may be missing too.
    """
    numbers = {}
    may_be_missing = ("apex", "offset") if open_end else ("apex",)
    for name in FRAME_NUMBERS:
        text = row[name]
        not_coded = name in may_be_missing and text.lower() in NOT_CODED
        if not_coded or (name == "apex" and apex != "sheet"):
            continue
        if not re.fullmatch(r"[0-9]{1,18}(\.0+)?", text):
            return {}, f"{name} '{text}' is not a frame number"
        numbers[name] = int(text.split(".")[0])
    if numbers.get("offset") == 0:
        return {}, "offset 0: its end was not coded"
    ordered = list(numbers.items())
    for (before, low), (after, high) in zip(ordered, ordered[1:], strict=False):
        if low > high:
            return {}, f"{before} {low} is after {after} {high}"
    last = next((name for name in ("apex", "offset") if name in numbers), "")
    if last and numbers["onset"] == numbers[last]:
        return {}, f"{last} is the onset ({numbers['onset']}): there is no movement between them"
    return numbers, ""
