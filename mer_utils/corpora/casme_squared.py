"""CAS(ME)^2: 57 micro- and 300 macro-expressions of 22 subjects, 30 fps, 640x480.

Qu et al., IEEE TAFFC 2018. Sheet `CAS(ME)^2code_final.xlsx`: tab CASFEcode_final has no header, the
columns COLUMNS, and a second, shifted table to the right, which is not read; tab `naming rule1`
gives each subject's folder (15, `s15`, 1), `naming rule2` each film's code (`0101`). Frames
`rawpic/s15/15_0101disgustingteeth/img001.jpg`, named from 1, and the same below `cropped`; a folder
of the clip's own name is taken first.

The corpus `casme_squared` is the micro-, `casme_squared_macro` the macro-expressions. Quirks:
offset 0 (44 rows): still on when the film ends, an open offset; apex 0 (one row): not coded; three
apexes are after their offset and left out. Written from public readers, not from a copy.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import StudyError
from . import sheets
from .frames import folders
from .reader import Copy
from .table import FRAME_NUMBERS, SPELLINGS

COLUMNS = ("number", "clip", *FRAME_NUMBERS, "action_units", "emotion", "kind", "reported")
ZERO = {"offset": "still on when the film ends", "apex": "not coded"}  # what 0 in the sheet means
KINDS = {"micro": "casme_squared", "macro": "casme_squared_macro"}
SUBJECT = "s[0-9]{1,3}"
CLIP = re.compile(r"[a-z]+[0-9]*_[0-9]+", re.IGNORECASE)


def read(copy: Copy) -> None:
    root = copy.find_frames()
    sheet, people, codes = _sheet(copy.find_sheet(root, _fits))
    copy.name_sheet(sheet)
    places = {subject: folders(person) for subject, person in copy.subjects(root)}
    for row in sheet.rows:
        if row["number"] not in people:
            reason = f"subject {row['number']} is not in the tab naming rule1"
            copy.leave_out(row["number"], row["clip"], reason)
    rows = [row for row in sheet.rows if row["number"] in people]
    sheet.rows = [row | {"subject": people[row["number"]]} for row in rows]
    for row, notes, reason in copy.rows(sheet):
        for field, meaning in ZERO.items():
            if row[field] == "0":
                row[field] = ""
                notes.append(f"{field} 0 in the sheet: {meaning}")
        kind = row["kind"].lower()
        corpus = KINDS.get(kind[:5])
        if not corpus:
            reason = reason or f"'{kind}' is neither a micro- nor a macro-expression"
        elif corpus != copy.corpus:
            reason = reason or f"a {kind[:5]}-expression: corpus {corpus} reads it"
        if row["onset"] == "0":
            reason = reason or "onset 0 is no frame: they are named from 1"
        subject = row["subject"]
        frames = _folder(places.get(subject, []), subject, row["clip"], codes)
        event = copy.add(row, notes, reason, frames, open_end=True)
        reported = row["reported"].lower()
        event.emotion = SPELLINGS.get(reported, reported)


def _is_row(cells: Sequence[str]) -> bool:
    """A row of the table without a header: a number, a clip's name, micro or macro."""
    return len(cells) >= 8 and cells[0].isdigit() and bool(CLIP.fullmatch(cells[1]))


def _fits(path: Path) -> bool:
    rows = [cells for grid in sheets.grids(path).values() for _, cells in grid[:9]]
    return any(_is_row([*map(sheets.text_of, cells)]) for cells in rows)


def _sheet(path: Path) -> tuple[sheets.Sheet, dict[str, str], dict[str, str]]:
    """The rows, subject number -> folder, film name -> code. Raises StudyError for none."""
    rows, people, codes, tab = [], {}, {}, ""
    for name, grid in sheets.grids(path).items():
        for number, cells in grid:
            texts = [*map(sheets.text_of, cells)]
            if _is_row(texts):
                tab = tab or name
                texts = [*texts, ""][: len(COLUMNS)]  # to the right another table begins
                rows.append(dict(zip(COLUMNS, texts, strict=True)) | {"row": str(number)})
            elif len(texts) >= 3 and re.fullmatch(SUBJECT, texts[1], re.I) and texts[2].isdigit():
                people[texts[2]] = texts[1]
            elif len(texts) >= 2 and re.fullmatch(r"[0-9]{3,4}", texts[0]) and texts[1]:
                # 0101 is 101 where the cell was a number
                codes |= {text.lower(): texts[0].zfill(4) for text in texts[1:] if text}
    parts = {
        "rows such as 1, anger1_1, onset, apex, offset": rows,
        "tab naming rule1 (15, s15, 1)": people,
        "tab naming rule2 (0101, anger1)": codes,
    }
    for what, content in parts.items():
        if not content:
            raise StudyError(f"{path} has no {what}: is it CAS(ME)^2code_final.xlsx?")
    return sheets.Sheet(path, tab, rows, sheets.digest(path)), people, codes


def _folder(children: Sequence[Path], subject: str, clip: str, codes: dict[str, str]) -> Path | str:
    """The folder of a clip's frames, its own or that of its film by the code; or why not."""
    for child in children:
        if child.name.lower() == clip.lower():
            return child
    name = clip.rsplit("_", 1)[0].lower()
    if name not in codes:
        return f"film '{name}' is not in the tab naming rule2"
    film = re.compile(f"[0-9]+_{codes[name]}.*")  # 15_0101disgustingteeth
    films = [child for child in children if film.fullmatch(child.name)]
    number = f"{len(films)} folders" if films else "no folder"
    wrong = f"{number} of film {codes[name]} ({name}) of subject {subject}"
    return films[0] if len(films) == 1 else wrong
