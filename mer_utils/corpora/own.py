"""A laboratory's own clips: a csv of subject, clip, label, onset, apex, offset, path.

    subject,clip,label,onset,apex,offset,path
    01,smile_1,positive,12,30,55,frames/01/smile_1
    01,frown_2,negative,1,,,videos/01_frown.avi

`path` is a folder of frames or a video, from the csv's own folder on or absolute. Frames of a
folder go by the number in their name; a video's are counted from 1. An empty apex is spotted, an
empty offset is the last frame. Optional columns: emotion, action_units, fps, note. The labels are
negative, positive and surprise unless other classes are named.

A table with an unknown label or a clip that occurs twice is refused, with all such lines named at
once; a clip whose frames are not there is left out with its line.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import StudyError
from .frames import VIDEOS, is_video
from .lists import read_rows
from .reader import Copy, Event, Reading, frame_numbers
from .sheets import missing_column
from .table import Scheme, nearest

NAME = "clips.csv"
REQUIRED = ("subject", "clip", "label", "onset", "apex", "offset", "path")
OPTIONAL = ("emotion", "action_units", "fps", "note")
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


def read(copy: Copy) -> Reading:
    file = table(copy.path)
    lines, unread = _lines(file)
    _refuse(file, lines, copy.scheme)
    reading = Reading([], [], [f"clip table {file}: {len(lines)} clips"])
    if unread:
        reading.sources.append(f"columns not read: {', '.join(unread)}")
    for line, cells in lines:
        fps, wrong = _fps(cells["fps"])
        numbers, disordered = frame_numbers(cells, copy.apex, open_end=True)
        wrong = wrong or (f"{disordered}: correct the line" if disordered else "")
        frames = Path(os.path.abspath(file.parent / os.path.expanduser(cells["path"])))
        wrong = wrong or _missing(cells["path"], frames, numbers, copy)
        event = Event(
            *(cells["subject"], cells["clip"], numbers, frames, cells["label"]),
            *(cells["emotion"].lower(), cells["action_units"], [cells["note"]]),
        )
        if wrong:
            key = copy.corpus, event.subject, event.clip
            reading.exclusions.append((*key, f"{file.name} line {line}: {wrong}"))
        else:
            reading.rows.append(event.row(copy.corpus, fps))
    return reading


def _lines(file: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """(line number, cells by column) and the columns that are not read. Raises StudyError."""
    grid = read_rows(file)
    if not grid:
        raise StudyError(f"{file} is empty: its first line is {','.join(REQUIRED)}")
    heads = [head.lower().replace(" ", "_") for head in grid[0][1]]
    unread = [head for head in heads if head and head not in (*REQUIRED, *OPTIONAL)]
    for name in REQUIRED:
        if name not in heads:
            remedy = f"its first line must be {','.join(REQUIRED)}"
            raise missing_column(file, name, unread, remedy)
    twice = sorted({head for head in heads if head and heads.count(head) > 1})
    if twice:
        raise StudyError(f"{file} has the column '{twice[0]}' twice: keep one")
    lines = []
    for line, cells in grid[1:]:
        if any(cells[len(heads) :]):
            raise StudyError(
                f"{file} line {line} has {len(cells)} cells for {len(heads)} columns: "
                f'put a cell that holds a comma into quotes ("a, b")'
            )
        cells = cells + [""] * (len(heads) - len(cells))
        lines.append((line, dict.fromkeys(OPTIONAL, "") | dict(zip(heads, cells, strict=False))))
    return lines, unread


def _refuse(file: Path, lines: list[tuple[int, dict[str, str]]], scheme: Scheme) -> None:
    """Raises StudyError for a doubtful table, naming each mistake with its line."""
    mistakes, first_lines, spelled = [], {}, {}
    for line, cells in lines:
        for name in ("subject", "clip", "label", "path"):
            if not cells[name]:
                mistakes.append(f"line {line} has no {name}: fill it in")
        if cells["label"] and cells["label"] not in scheme.classes:
            near = nearest(cells["label"], scheme.classes)
            mistakes.append(
                f"line {line}: label '{cells['label']}' is none of {', '.join(scheme.classes)}: "
                f"correct it (nearest '{near}') or name your classes"
            )
        person = cells["subject"]
        plain = person.lstrip("0") if person.isdecimal() else person.casefold()
        other = spelled.setdefault(plain, person)
        if other != person:
            mistakes.append(
                f"line {line}: subject '{person}' is '{other}' above: spell one person one way"
            )
        key = cells["subject"], cells["clip"]
        first = first_lines.setdefault(key, line)
        if all(key) and first != line:
            mistakes.append(
                f"lines {first} and {line} are both clip {'/'.join(key)}: rename or remove one"
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
    if frames.is_dir():
        return copy.missing_frames(frames, numbers)
    if not is_video(frames):
        kinds = ", ".join(sorted(VIDEOS))
        return f"path {path} is neither a folder of frames nor a video ({kinds})"
    if not frames.stat().st_size:
        return f"video {path} is an empty file: copy it again"
    if numbers["onset"] < 1:
        return "onset 0: the frames of a video are counted from 1"
    return ""


def _fps(text: str) -> tuple[float | None, str]:
    if not text:
        return None, ""
    try:
        fps = float(text)
    except ValueError:
        fps = math.nan
    if not 0 < fps < 100_000:  # not a number fails too
        return None, f"fps '{text}' is not a number of frames per second"
    return fps, ""
