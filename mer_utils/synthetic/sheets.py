"""Annotation sheets of the synthetic corpora, laid out as in the releases."""

import io
import re
import zipfile
from pathlib import Path

from openpyxl import Workbook

from .plan import NOTICE, Layout, halves

FRAMES = ("onset", "sheet_apex", "offset")


def write(layout: Layout, rows: list[dict], folder: Path) -> None:
    """The annotation sheet of a release; SMIC has none."""
    if layout.name == "casme2":
        lines = [CASME2_HEADS, *map(_casme2, rows)]
        _save(lines, folder / "CASME2-coding-20140508.xlsx", "Sheet1", "Sheet2", "Sheet3")
    if layout.name == "samm":
        lines = [*([line] for line in SAMM_PROSE), SAMM_HEADS, *map(_samm, rows)]
        _save(lines, folder / "SAMM_Micro_FACS_Codes_v2.xlsx", "MICRO_ONLY")


def _save(lines: list, file: Path, title: str, *empty: str) -> None:
    """Writes the same bytes at any time: openpyxl and zip would store the hour."""
    book, stream = Workbook(), io.BytesIO()
    book.active.title = title
    for line in lines:
        book.active.append(line)
    for name in empty:
        book.create_sheet(name)
    book.save(stream)
    with zipfile.ZipFile(stream) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"[0-9-]{10}T[0-9:]{8}Z", b"2014-05-08T00:00:00Z", content)
            target.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


CASME2_HEADS = ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None)
CASME2_HEADS += ("Action Units", "Estimated Emotion")


def _casme2(row: dict) -> tuple:
    clip = row["subject"].removeprefix("sub"), row["clip"]
    frames = (_cell(row[name]) for name in FRAMES)
    return (*clip, None, *frames, None, _cell(row["coded"]), row["emotion"])


SAMM_PROSE = (
    "SAMM micro-facial movements, FACS codes",
    f"Layout of the SAMM release; {NOTICE}.",
    "",
    "Subject: number of the participant.",
    "Filename: participant, inducement, number of the movement.",
    "Inducement Code: the film that was shown.",
    "Onset, Apex, Offset Frame: at 200 frames per second.",
    "Duration: offset less onset plus one.",
    "Micro: whether the movement lasts less than half a second.",
    "Action Units: FACS; R and L for one side.",
    "Estimated Emotion: from action units and inducement.",
    "Objective Classes: from action units alone.",
    "",
)
SAMM_HEADS = (
    *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame"),
    *("Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
)


def _samm(row: dict) -> tuple:
    onset, apex, offset = frames = [int(row[name]) for name in FRAMES]
    clip = row["subject"], row["clip"], int(row["clip"].split("_")[1])
    coded = _cell(row["coded"]), row["emotion"], _objective_class(row["action_units"]), None
    return (*clip, *frames, offset - onset + 1, "Micro - 1/2", *coded)


def _cell(value) -> str | int:
    """A single number is a number in a spreadsheet."""
    return int(value) if str(value).isdigit() else str(value)


def _objective_class(units: str) -> int:
    """Davison et al., Objective Classes for Micro-Facial Expression Recognition, 2018, in short."""
    numbers = {number for number, _ in halves(units)}
    classes = (({6, 12}, 1), ({1, 2}, 2), ({9, 10, 4, 7}, 4), ({15}, 5), ({1, 4}, 5), ({20}, 6))
    return next((number for wanted, number in classes if numbers and numbers <= wanted), 7)
