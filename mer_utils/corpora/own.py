"""A laboratory's own clips: a csv of subject, clip, label, onset, apex, offset, path.

    subject,clip,label,onset,apex,offset,path
    01,smile_1,positive,12,30,55,frames/01/smile_1
    01,frown_2,negative,1,,,videos/01_frown.avi

`path` is a folder of frames or a video, from the csv's own folder on or absolute. Frames of a
folder go by the number in their name; a video's are counted from 1. An empty apex is spotted, an
empty offset is the last frame. Optional columns: emotion, action_units, fps, note. The labels are
negative, positive and surprise unless other classes are named.

What makes the table itself doubtful (a label nobody named, a clip that stands twice) is refused,
all of it at once, with its lines; a clip whose frames are not there is left out with its line.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import StudyError
from . import lists, release
from .frames import VIDEOS, is_video
from .schemes import Scheme
from .table import KEY, nearest

CORPUS = "own"
NAME = "clips.csv"
REQUIRED = ("subject", "clip", "label", "onset", "apex", "offset", "path")
OPTIONAL = ("emotion", "action_units", "fps", "note")
_TOLD = 5  # mistakes named in one sentence


def table(path: Path) -> Path:
    """The csv: `path` itself, or `clips.csv` in it, or the only csv in it. Raises StudyError."""
    if path.is_file():
        return path
    if (path / NAME).is_file():
        return path / NAME
    found = sorted(file for file in path.glob("*.csv") if file.name != "errata.csv")
    if len(found) == 1:
        return found[0]
    names = " and ".join(file.name for file in found[:3])
    has = f"has more than one csv, {names}" if found else f"has no {NAME}"
    raise StudyError(
        f"{path} {has}: put {NAME} there, with the columns {','.join(REQUIRED)}, or give its path"
    )


def read(
    path: Path, scheme: Scheme, apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list[str]]:
    """Rows for `clip_table`, rows for `exclusion_table`, sentences on what was read."""
    file = table(path)
    lines, unread = _lines(file)
    _refuse(file, lines, scheme)
    rows, exclusions = [], []
    folders = release.Listing()
    for line, cells in lines:
        key = CORPUS, cells["subject"], cells["clip"]
        row, reason = _row(file.parent, cells, apex, folders)
        if reason:
            exclusions.append((*key, f"{file.name} line {line}: {reason}"))
        else:
            label, _ = scheme.label(cells["label"])
            rows.append(dict(zip(KEY, key, strict=True)) | {"label": label} | row)
    sources = [f"clip table {file}: {len(lines)} clips"]
    if unread:
        sources.append(f"columns not read: {', '.join(unread)}")
    return rows, exclusions, sources


def _lines(file: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """(line number, cells by column) and the columns nobody reads. Raises StudyError."""
    grid = lists.read_rows(file)
    if not grid:
        raise StudyError(f"{file} is empty: its first line is {','.join(REQUIRED)}")
    heads = [head.lower().replace(" ", "_") for head in grid[0][1]]
    for name in REQUIRED:
        if name not in heads:
            unused = [head for head in heads if head and head not in (*REQUIRED, *OPTIONAL)]
            near = nearest(name, unused)
            hint = f"; the nearest is '{near}'" if near else ""
            raise StudyError(
                f"{file} has no column '{name}'{hint}: its first line must be {','.join(REQUIRED)}"
            )
    twice = sorted({head for head in heads if head and heads.count(head) > 1})
    if twice:
        raise StudyError(f"{file} has the column '{twice[0]}' twice: keep one")
    lines = []
    for line, cells in grid[1:]:
        if len(cells) > len(heads) and any(cells[len(heads) :]):
            raise StudyError(
                f"{file} line {line} has {len(cells)} cells for {len(heads)} columns: "
                f'put a cell that holds a comma into quotes ("a, b")'
            )
        cells = cells + [""] * (len(heads) - len(cells))
        row = dict(zip(heads, cells, strict=False))
        lines.append((line, dict.fromkeys(OPTIONAL, "") | row))
    return lines, [head for head in heads if head and head not in (*REQUIRED, *OPTIONAL)]


def _refuse(file: Path, lines: list[tuple[int, dict[str, str]]], scheme: Scheme) -> None:
    """Raises StudyError for what makes the whole table doubtful, each mistake with its line."""
    mistakes, seen, spelled = [], {}, {}
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
        if all(key) and key in seen:
            mistakes.append(
                f"lines {seen[key]} and {line} are both clip {'/'.join(key)}: rename or remove one"
            )
        seen.setdefault(key, line)
    if mistakes:
        more = len(mistakes) - _TOLD
        rest = f"; and {more} more such" if more > 0 else ""
        raise StudyError(f"{file.name}: {'; '.join(mistakes[:_TOLD])}{rest}")


def _row(
    folder: Path, cells: Mapping[str, str], apex: str, folders: release.Listing
) -> tuple[dict, str]:
    """The rest of a clip's row, or ({}, what is wrong with its line and what mends it)."""
    fps, reason = _fps(cells["fps"])
    numbers, disordered = _numbers(cells, apex)
    reason = reason or disordered
    if reason:
        return {}, reason
    place = Path(os.path.abspath(folder / os.path.expanduser(cells["path"])))
    if not os.path.exists(place):  # not Path.exists, which raises for a name that is too long
        hint = ", and write / instead of \\" if "\\" in cells["path"] else ""
        return {}, f"path {cells['path']} does not exist: correct it (it starts at the csv){hint}"
    if place.is_dir():
        reason = folders.check(place, numbers)
    elif not is_video(place):
        reason = (
            f"path {cells['path']} is neither a folder of frames nor a video "
            f"({', '.join(sorted(VIDEOS))})"
        )
    elif not place.stat().st_size:
        reason = f"video {cells['path']} is an empty file: copy it again"
    elif numbers["onset"] < 1:
        reason = "onset 0: the frames of a video are counted from 1"
    if reason:
        return {}, reason
    texts = {name: cells[name] for name in ("action_units", "note")}
    return texts | {
        **{name: numbers.get(name) for name in ("onset", "apex", "offset")},
        "emotion": cells["emotion"].lower(),
        "apex_source": "sheet" if "apex" in numbers else "",
        "fps": fps,
        "frames": str(place),
    }, ""


def _numbers(cells: Mapping[str, str], apex: str) -> tuple[dict[str, int], str]:
    numbers, reason = release.frame_numbers(cells, apex, open_end=True)
    return numbers, f"{reason}: correct the line" if reason else ""


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
