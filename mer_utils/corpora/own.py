"""A laboratory's own clips: a csv of subject, clip, label, onset, apex, offset, path.

    subject,clip,label,onset,apex,offset,path
    01,smile_1,positive,12,30,55,frames/01/smile_1
    01,frown_2,negative,1,,,videos/01_frown.avi

`path` is a folder of frames or a video, from the csv's own folder on or absolute. Frames of a
folder go by the number in their name; a video's are counted from 1. An empty apex is spotted, an
empty offset is the last frame. Optional columns: emotion, action_units, fps, note.

A table with an unknown label or a clip that occurs twice is refused, all such lines named at once;
a clip whose frames are not there is left out with its line.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from .frames import VIDEOS, is_video
from .reader import Copy, Event, frame_numbers
from .sheets import check_columns, columns_of, csv_rows, letters
from .table import Scheme, nearest

NAME = "clips.csv"
REQUIRED = ("subject", "clip", "label", "onset", "apex", "offset", "path")
COLUMNS = (*REQUIRED, "emotion", "action_units", "fps", "note")
_NAMED = 5  # mistakes in one sentence


def table(path: Path) -> Path:
    """The csv: `path` itself, or `clips.csv` in it, or the only csv in it. Raises StudyError."""
    if path.is_file():
        return path
    if (path / NAME).is_file():
        return path / NAME
    files = sorted(file for file in path.glob("*.csv") if file.name != "errata.csv")
    if len(files) == 1:
        return files[0]
    names = " and ".join(file.name for file in files[:3])
    has = f"has more than one csv, {names}" if files else f"has no {NAME}"
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
        frames = Path(os.path.abspath(file.parent / os.path.expanduser(cells["path"])))
        fps = pd.to_numeric(cells["fps"], errors="coerce")
        if cells["fps"] and not 0 < fps < 100_000:
            reason = f"fps '{cells['fps']}' is not a number of frames per second"
        elif wrong:
            reason = f"{wrong}: correct the line"
        else:
            reason = _missing(cells["path"], frames, numbers, copy)
        event = Event(
            *(cells["subject"], cells["clip"], numbers, frames, cells["label"]),
            *(cells["emotion"].lower(), cells["action_units"], [cells["note"]]),
        )
        copy.settle(event, reason and f"{file.name} line {line}: {reason}", fps)


def _lines(file: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """(line number, cells by column) and the columns that are not read. Raises StudyError."""
    grid = [(line, cells) for line, cells in csv_rows(file) if any(cells)]
    head = ",".join(REQUIRED)
    if not grid:
        raise StudyError(f"{file} is empty: its first line is {head}")
    heads = grid.pop(0)[1]
    required, fields = ({name: (name,) for name in names} for names in (REQUIRED, COLUMNS))
    check_columns(file, heads, required, f"its first line must be {head}")
    columns = columns_of(heads, fields)
    names = [name for head in heads if (name := letters(head))]
    if twice := sorted(name for name in names if names.count(name) > 1):
        raise StudyError(f"{file} has the column '{twice[0]}' twice: keep one")
    lines = []
    for line, cells in grid:
        if any(cells[len(heads) :]):
            raise StudyError(
                f"{file} line {line} has {len(cells)} cells for {len(heads)} columns: "
                f'put a cell that holds a comma into quotes ("a, b")'
            )
        row = {name: cells[at] for name, at in columns.items() if at < len(cells)}
        lines.append((line, dict.fromkeys(fields, "") | row))
    unread = [one for n, one in enumerate(heads) if one and n not in columns.values()]
    return lines, unread


def _refuse(file: Path, lines: list[tuple[int, dict[str, str]]], scheme: Scheme) -> None:
    """Raises StudyError for a doubtful table, naming each mistake with its line."""
    mistakes, first_lines, spelled = [], {}, {}
    for line, cells in lines:
        for name in ("subject", "clip", "label", "path"):
            if not cells[name]:
                mistakes.append(f"line {line} has no {name}: fill it in")
        person, clip, label = cells["subject"], cells["clip"], cells["label"]
        if label and label not in scheme.classes:
            mistakes.append(
                f"line {line}: label '{label}' is none of {', '.join(scheme.classes)}: correct it "
                f"(nearest '{nearest(label, scheme.classes)}') or name your classes"
            )
        plain = person.lstrip("0") if person.isdecimal() else person.casefold()
        other = spelled.setdefault(plain, person)
        if other != person:
            mistakes.append(
                f"line {line}: subject '{person}' is '{other}' above: spell one person one way"
            )
        first = first_lines.setdefault((person, clip), line)
        if person and clip and first != line:
            mistakes.append(
                f"lines {first} and {line} are both clip {person}/{clip}: rename or remove one"
            )
    if mistakes:
        more = len(mistakes) - _NAMED
        rest = f"; and {more} more such" if more > 0 else ""
        raise StudyError(f"{file.name}: {'; '.join(mistakes[:_NAMED])}{rest}")


def _missing(path: str, frames: Path, numbers: Mapping[str, int], copy: Copy) -> str:
    """Why the frames of a line cannot be used, with the remedy, or ""."""
    if not os.path.exists(frames):  # not Path.exists, which raises for a name that is too long
        hint = ", and write / instead of \\" if "\\" in path else ""
        return f"path {path} does not exist: correct it (it starts at the csv){hint}"
    if not frames.is_dir() and not is_video(frames):
        kinds = ", ".join(sorted(VIDEOS))
        return f"path {path} is neither a folder of frames nor a video ({kinds})"
    return copy.missing_frames(frames, numbers)
