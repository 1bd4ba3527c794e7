"""CAS(ME)^2: 57 micro- and 300 macro-expressions of 22 subjects, 30 fps, 640x480.

Qu et al., IEEE TAFFC 2018. Sheet `CAS(ME)^2code_final.xlsx`: tab CASFEcode_final has no header and
nine columns (subject 1-22, `anger1_1`, onset, apex, offset, action units, group of emotions, micro
or macro, what the person reported); tab `naming rule1` gives each subject's folder (15, `s15`, 1),
`naming rule2` each film's code (`0101`). The circulating copy has a second, shifted table to
the right of the first: it is not read. Frames `rawpic/s15/15_0101disgustingteeth/img001.jpg`, named
from 1, and the same below `cropped`; a folder of the clip's own name is taken first.

The corpus `casme_squared` is the 57 micro-expressions, `casme_squared_macro` the 300 others.
Quirks: offset 0 (44 rows) means that the expression is still on when the film ends, so that the
offset is open; apex 0 (one row) that nobody coded it; three apexes lie after their offset, and are
left out. `happyiness` is happiness. Written from public readers, not from a copy of the release.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import StudyError
from . import errata, ids, release, sheets
from .frames import folders, subjects_root
from .schemes import SPELLINGS, Scheme

FPS = 30.0
PATTERNS = ("CAS(ME)^2*code_final*", "*code_final*")
COLUMNS = (
    *("number", "clip", "onset", "apex", "offset", "action_units", "emotion", "kind", "reported"),
)
VERSIONS = {357: "CAS(ME)^2code_final"}
SUBJECT = re.compile(r"s[0-9]{1,3}", re.IGNORECASE)
CLIP = re.compile(r"[a-z]+[0-9]*_[0-9]+", re.IGNORECASE)
FILM = re.compile(r"[0-9]+_([0-9]{4}).*")
FRAMES = ("raw", "select", "crop")


def read(
    path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list[str]]:
    """Rows for `clip_table`, rows for `exclusion_table`, sentences on what was read."""
    root, others = subjects_root(path, SUBJECT, FRAMES, (), "rawpic/s15")
    places, beside = sheets.around(path, root, SUBJECT)
    sheet, people, codes = _sheet(sheets.find(places, PATTERNS, "CAS(ME)^2", beside, _fits))
    sources = [sheet.sentence(), *release.version(sheet, corpus, VERSIONS), f"frames {root}"]
    sources += [f"not read: {other}" for other in others]
    wanted = "macro" if corpus.endswith("_macro") else "micro"
    places_of = {
        ids.subject(corpus, person.name): folders(person)
        for person in folders(root)
        if SUBJECT.fullmatch(person.name)
    }
    known, events = errata.known(), []
    for text in sheet.rows:
        if text["number"] not in people:
            reason = f"subject {text['number']} is not in the tab naming rule1"
            events.append(release.Event(text["number"], text["clip"], reason=reason))
            continue
        subject = ids.subject(corpus, people[text["number"]])
        row, notes, reason = errata.apply(
            known, corpus, sheet.sha256, text | {"subject": subject}, scheme.name
        )
        reason = reason or _kind(row["kind"].lower(), wanted)
        if row["offset"] == "0":
            row["offset"] = ""
            notes.append("offset 0 in the sheet: still on when the film ends")
        if row["apex"] == "0":
            row["apex"] = ""
            notes.append("apex 0 in the sheet: not coded")
        label, unmapped = scheme.label(row["emotion"].lower())
        numbers, wrong = release.frame_numbers(row, apex, open_end=True)
        if not wrong and not numbers["onset"]:
            wrong = "onset 0 is no frame: they are named from 1"
        folder, missing = _folder(places_of.get(subject, []), subject, row["clip"], codes)
        reported = row["reported"].lower()
        events.append(
            release.Event(
                *(subject, row["clip"], numbers, folder, label),
                *(SPELLINGS.get(reported, reported), row["action_units"], notes),
                reason=reason or unmapped or wrong or missing,
            )
        )
    return *release.settle(events, corpus, FPS, release.Listing()), sources


def _is_row(cells: Sequence[str]) -> bool:
    """A row of the table without a header: a number, a clip's name, micro or macro."""
    return len(cells) >= 8 and cells[0].isdigit() and bool(CLIP.fullmatch(cells[1]))


def _fits(path: Path) -> bool:
    tabs = sheets.grids(path).values()
    return any(_is_row([sheets.text_of(cell) for cell in row]) for grid in tabs for row in grid[:9])


def _sheet(path: Path) -> tuple[sheets.Sheet, dict[str, str], dict[str, str]]:
    """The rows, subject number -> folder, film name -> code. Raises StudyError for a tab missing.

    Tabs are known by what they hold, since copies name them differently.
    """
    rows, people, codes, tab = [], {}, {}, ""
    for name, grid in sheets.grids(path).items():
        for number, cells in enumerate(grid, start=1):
            texts = [sheets.text_of(cell) for cell in cells]
            if _is_row(texts):
                tab = tab or name
                # nine columns: what stands to the right belongs to another table
                texts = (texts + [""] * len(COLUMNS))[: len(COLUMNS)]
                rows.append(dict(zip(COLUMNS, texts, strict=True)) | {"row": str(number)})
            elif len(texts) >= 3 and SUBJECT.fullmatch(texts[1]) and texts[2].isdigit():
                people[texts[2]] = texts[1]
            elif len(texts) >= 2 and re.fullmatch(r"[0-9]{3,4}", texts[0]) and texts[1]:
                # 0101 is 101 where the cell was a number
                codes |= {text.lower(): texts[0].zfill(4) for text in texts[1:] if text}
    parts = {
        "rows such as 1, anger1_1, onset, apex, offset": rows,
        "tab naming rule1 (15, s15, 1)": people,
        "tab naming rule2 (0101, anger1)": codes,
    }
    for what, found in parts.items():
        if not found:
            raise StudyError(f"{path} has no {what}: is it CAS(ME)^2code_final.xlsx?")
    return sheets.Sheet(path, tab, sheets.digest(path), rows), people, codes


def _kind(text: str, wanted: str) -> str:
    for kind in ("micro", "macro"):
        if text.startswith(kind):
            other = "casme_squared" if kind == "micro" else "casme_squared_macro"
            return "" if kind == wanted else f"a {kind}-expression: corpus {other} reads it"
    return f"'{text}' is neither a micro- nor a macro-expression"


def _folder(
    children: Sequence[Path], subject: str, clip: str, codes: dict[str, str]
) -> tuple[Path | None, str]:
    """The folder of a clip's frames: its own, or its film's by the code. Second: why not."""
    own = [child for child in children if child.name.lower() == clip.lower()]
    if own:
        return own[0], ""
    name = clip.rsplit("_", 1)[0].lower()
    if name not in codes:
        return None, f"film '{name}' is not in the tab naming rule2"
    films = [
        child for child in children if (m := FILM.fullmatch(child.name)) and m[1] == codes[name]
    ]
    if len(films) != 1:
        found = "no folder" if not films else f"{len(films)} folders"
        return None, f"{found} of film {codes[name]} ({name}) of subject {subject}"
    return films[0], ""
