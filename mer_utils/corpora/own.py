"""A laboratory's own clips: a csv or xlsx with the columns REQUIRED, as data/README.md shows.

A doubtful table is refused with all its doubtful lines (see `_wrong` and `_one_for_two`); a clip
whose frames are not there is left out. Optional columns: emotion, action_units, fps, note.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from . import ids, sheets
from .frames import VIDEOS, is_video
from .reader import Copy, Event
from .sheets import frame_numbers, is_missing, is_time
from .table import FRAME_NUMBERS, Scheme, can_be_class, nearest

NAME = "clips.csv"
REQUIRED = ("subject", "clip", "label", "onset", "apex", "offset", "path")
COLUMNS = (*REQUIRED, "emotion", "action_units", "fps", "note")
_NAMED = 5  # mistakes in one sentence
MISSPELLED = 0.6  # how alike a label and a class are (difflib)
# what two lines have in common, what they differ in, and what is wrong then
PROBLEMS = (
    ("person", "subject", "'{0[subject]}' and '{1[subject]}' read as one person"),
    ("person name", "line", "{0[subject]}/{0[clip]} and {1[subject]}/{1[clip]} are one clip"),
    ("place", "person", "{0[subject]} and {1[subject]} have one recording, {1[path]}"),
    ("place onset apex offset", "line", "{0[clip]} and {1[clip]} are the same frames of {1[path]}"),
)


def table(path: Path) -> Path:
    """The sheet: `path`, or `clips.csv` in it, or the only sheet in it. Raises StudyError."""
    if path.is_file():
        return path
    files = [file for file in sheets.files(path) if file.name != "errata.csv"]
    for choice in ([path / NAME], [file for file in files if file.stem == "clips"], files):
        if len(choice) == 1 and choice[0].is_file():
            return choice[0]
    names = " and ".join(file.name for file in files[:3])
    has = f"has more than one sheet, {names}" if files else f"has no {NAME}"
    raise StudyError(
        f"{path} {has}: put {NAME} there, with the columns {','.join(REQUIRED)}, or give its path"
    )


def read(copy: Copy) -> None:
    file = table(copy.path)
    lines, unread = _lines(file)
    _refuse(file, lines, copy.scheme)
    copy.sources = [f"clip table {file}: {len(lines)} clips"]
    if unread:
        copy.sources.append(f"columns not read: {', '.join(unread)}")
    for line, cells in lines:
        numbers, wrong = frame_numbers(cells, copy.apex, open_end=True)
        frames, fps = _place(file, cells), pd.to_numeric(cells["fps"], errors="coerce")
        if not (is_missing(cells["fps"]) or 0 < fps < 100_000):
            reason = f"fps '{cells['fps']}' is not a number of frames per second"
        elif wrong:
            reason = f"{wrong}: correct the line"
        else:
            reason = _missing(cells["path"], frames, numbers, copy)
        label, emotion = _class(cells["label"], copy.scheme), cells["emotion"].lower()
        event = Event(cells["subject"], cells["clip"], numbers, frames, label, emotion)
        event.action_units, event.notes = cells["action_units"], [cells["note"]]
        copy.settle(event, reason and f"{file.name} line {line}: {reason}", fps)


def _place(file: Path, cells: Mapping[str, str]) -> Path:
    """The folder of frames or the video of a line, absolute."""
    return Path(os.path.abspath(file.parent / os.path.expanduser(cells["path"])))


def _class(label: str, scheme: Scheme) -> str:
    """The class that a label names, in upper or lower case; "" if none."""
    label = sheets.text_of(label).casefold()
    return next((name for name in scheme.classes if name.casefold() == label), "")


def _lines(file: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """(line number, cells by column) and the columns that are not read. Raises StudyError."""
    fields, first = {name: (name,) for name in COLUMNS}, ",".join(REQUIRED)
    grid = sheets.lines(file, fields)
    if not grid:
        raise StudyError(f"{file} is empty: its first line is {first}")
    heads = grid.pop(0)[1]
    required = {name: fields[name] for name in REQUIRED}
    sheets.check_columns(file, heads, required, f"its first line must be {first}")
    columns = sheets.columns_of(heads, fields)
    times = Counter(filter(None, map(sheets.letters, heads)))
    if twice := sorted(name for name in times if times[name] > 1):
        raise StudyError(f"{file} has the column '{twice[0]}' twice: keep one")
    lines = []
    for line, cells in grid:
        sheets.check_width(file, line, cells, heads)
        row = {name: cells[at] for name, at in columns.items() if at < len(cells)}
        row = dict.fromkeys(COLUMNS, "") | row
        row |= {name: sheets.text_of(row[name]) for name in (*FRAME_NUMBERS, "fps")}
        lines.append((line, row))
    return lines, [head for n, head in enumerate(heads) if head and n not in columns.values()]


def _refuse(file: Path, lines: list[tuple[int, dict[str, str]]], scheme: Scheme) -> None:
    """Raises StudyError for a doubtful table, naming each mistake with its line."""
    mistakes = [f"line {line}{wrong}" for line, cells in lines for wrong in _wrong(cells, scheme)]
    mistakes += _one_for_two(file, lines)
    if mistakes:
        more = [f"and {len(mistakes) - _NAMED} more such"] if len(mistakes) > _NAMED else []
        labels = {cells["label"] for _, cells in lines if not is_missing(cells["label"])}
        problems = "; ".join(mistakes[:_NAMED] + more)
        raise StudyError(f"{file.name}: {problems}{_other_classes(labels, scheme)}")


def _wrong(cells: Mapping[str, str], scheme: Scheme) -> Iterator[str]:
    """What is wrong with one line, each with its remedy."""
    for name in ("subject", "clip", "label", "path"):
        if not cells[name]:
            yield f" has no {name}: fill it in"
    for name, longest in (("subject", ids.LONGEST), ("clip", ids.LONGEST_CLIP)):
        if why := ids.flaw(cells[name], longest):
            yield f": {name} {cells[name]!r} {why}: give it another name"
    remedy = "write frame numbers in all lines, seconds times fps"
    for name in FRAME_NUMBERS:
        if is_time(cells[name]):
            yield f": {name} '{cells[name]}' is a time: {remedy}"
    label = cells["label"]
    if label and not _class(label, scheme):
        near = nearest(label, scheme.classes, MISSPELLED)
        hint = f" (nearest '{near}')" if near else ""
        yield f": label '{label}' is none of {', '.join(scheme.classes)}: correct it{hint}"


def _other_classes(labels: set[str], scheme: Scheme) -> str:
    """How to name these classes, where a label of them is no misspelling of the scheme's."""
    unknown = [label for label in labels if not _class(label, scheme)]
    names = sorted({label.casefold(): label for label in labels}.values())
    misspelled = all(nearest(label, scheme.classes, MISSPELLED) for label in unknown)
    if misspelled or not all(map(can_be_class, names)):
        return ""
    return f"; or name your classes: --corpus own-{','.join(names)}"


def _one_for_two(file: Path, lines: list[tuple[int, dict[str, str]]]) -> Iterator[str]:
    """Two spellings of one person or clip, one recording of two people, one clip listed twice."""
    rows = []
    for line, cells in lines:
        if cells["subject"] and cells["clip"]:
            row = {"person": ids.person(cells["subject"]), "name": ids.alike(cells["clip"])}
            row |= {"line": line, "place": _identity(_place(file, cells))}
            rows.append(cells | row)
    for same, other, problem in PROBLEMS:
        first: dict[tuple, dict] = {}
        for row in rows:
            key = tuple(row[name] for name in same.split())
            earlier = first.setdefault(key, row)
            if earlier and None not in key and earlier[other] != row[other]:
                first[key] = {}  # named once
                text = problem.format(earlier, row)
                yield f"lines {earlier['line']} and {row['line']}: {text}: correct one"


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file or folder it is, however its path is spelled; None where it is not there."""
    with suppress(OSError, ValueError):
        return os.stat(path).st_dev, os.stat(path).st_ino
    return None


def _missing(path: str, frames: Path, numbers: Mapping[str, int], copy: Copy) -> str:
    """Why the frames of a line cannot be used, with the remedy, or ""."""
    if not os.path.exists(frames):  # not Path.exists, which raises for a name that is too long
        hint = ", and write / instead of \\" if "\\" in path else ""
        return f"path {path} does not exist: correct it (it starts at the csv){hint}"
    if not frames.is_dir() and not is_video(frames):
        kinds = ", ".join(sorted(VIDEOS))
        return f"path {path} is neither a folder of frames nor a video ({kinds})"
    return copy.missing_frames(frames, numbers)
