"""Annotation sheets as they circulate: prose above the header, blank columns, several tabs."""

import csv
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from .frames import entries
from .ids import plain
from .table import nearest, one_line

FIELDS: Mapping[str, tuple[str, ...]] = {  # field: headings it is known under
    "subject": ("Subject",),
    "clip": ("Filename",),
    "onset": ("Onset Frame", "OnsetF", "Onset"),
    "apex": ("Apex Frame", "ApexF", "Apex"),
    "offset": ("Offset Frame", "OffsetF", "Offset"),
    "action_units": ("Action Units", "AUs", "AU"),
    "emotion": ("Estimated Emotion", "Emotion"),
}
_KINDS = (".xlsx", ".xlsm", ".csv")
_HEADER_WITHIN = 60  # rows; SAMM's header is row 14


@dataclass(frozen=True)
class Sheet:
    """One annotation table; `rows` are dictionaries of text by field, and `row` as Excel counts."""

    path: Path
    tab: str
    sha256: str
    rows: list[dict[str, str]]

    def sentence(self) -> str:
        tab = f", tab {self.tab}" if self.tab else ""
        return f"sheet {self.path.name}{tab}: {len(self.rows)} rows, sha256 {self.sha256[:16]}"


def letters(heading: object) -> str:
    return re.sub(r"[^a-z0-9]", "", plain(heading).lower())


def _header(grid: Sequence[Sequence]) -> tuple[int, dict[str, int]]:
    """The row that looks most like a header, and the column of each field found in it."""
    best: tuple[int, dict[str, int]] = (0, {})
    for number, cells in enumerate(grid[:_HEADER_WITHIN]):
        row = [letters(cell) for cell in cells]
        columns = {}
        for field, headings in FIELDS.items():
            for heading in headings:
                if letters(heading) in row:
                    columns[field] = row.index(letters(heading))
                    break
        if len(columns) > len(best[1]):
            best = number, columns
    return best


def _grids(path: Path) -> dict[str, list[list]]:
    """Every tab of a file as rows of cells. Raises StudyError where it cannot be opened."""
    try:
        if path.suffix.lower() == ".csv":
            text = path.read_text(encoding="utf-8-sig")
            return {"": list(csv.reader(text.splitlines()))}
        tabs = pd.read_excel(path, sheet_name=None, header=None, dtype=object)
    except Exception as error:  # a damaged workbook raises whatever its zip or XML reader does
        raise StudyError(
            f"{path} cannot be opened as a sheet ({one_line(error)}): copy it again"
        ) from error
    return {str(tab): frame.values.tolist() for tab, frame in tabs.items()}


def read(path: Path) -> Sheet:
    """The tab of `path` that holds the annotations.

    Raises StudyError naming the file, the column it expects and the nearest one it found.
    """
    found = {tab: (grid, *_header(grid)) for tab, grid in _grids(path).items()}
    if not found or max(len(columns) for _, _, columns in found.values()) < 3:
        wanted = ", ".join(headings[0] for headings in FIELDS.values())
        raise StudyError(f"{path} has no header row: a row must hold the columns {wanted}")
    tab = max(found, key=lambda name: len(found[name][2]))
    grid, header, columns = found[tab]
    for field, headings in FIELDS.items():
        if field not in columns:
            unused = [
                plain(cell)
                for column, cell in enumerate(grid[header])
                if plain(cell) and column not in columns.values()
            ]
            near = nearest(headings[0], unused)
            hint = f"; the nearest one found is '{near}'" if near else ""
            raise StudyError(f"{path.name} has no column '{headings[0]}'{hint}: rename it")
    rows = []
    for number, cells in enumerate(grid[header + 1 :], start=header + 2):
        row = {
            field: plain(cells[column]) if column < len(cells) else ""
            for field, column in columns.items()
        }
        # Blank rows and lines of prose below the table are no rows of it.
        if sum(bool(text) for text in row.values()) >= 2:
            rows.append(row | {"row": str(number)})
    return Sheet(path, tab, hashlib.sha256(path.read_bytes()).hexdigest(), rows)


def find(
    places: Sequence[Path], patterns: Sequence[str], title: str, fallback: Sequence[Path] = ()
) -> Sheet:
    """The annotation sheet of a release: a file named as in `patterns`, else one that looks so.

    `places` are searched without their sub-folders, `fallback` only where they hold none. Raises
    StudyError where there is none, or two that differ: their rows go with different frames.
    """
    for group in (places, fallback):
        files = _sheet_files(group)
        named = [p for p in files if any(fnmatch(p.name.lower(), one.lower()) for one in patterns)]
        chosen = [path for path in named if path.suffix.lower() in _KINDS]
        if named and not chosen:
            raise StudyError(f"{named[0]} is in the old .xls format: save it as .xlsx beside it")
        chosen = chosen or [path for path in files if path.suffix.lower() in _KINDS and _fits(path)]
        different = {hashlib.sha256(path.read_bytes()).digest(): path for path in reversed(chosen)}
        if len(different) > 1:
            names = " and ".join(sorted(path.name for path in different.values()))
            raise StudyError(f"{places[0]} has more than one annotation sheet, {names}: keep one")
        if different:
            return read(next(iter(different.values())))
    raise StudyError(
        f"{places[0]} has no annotation sheet: put the {title} release's {patterns[0]}.xlsx there"
    )


def _sheet_files(places: Sequence[Path]) -> list[Path]:
    found = [Path(entry.path) for place in dict.fromkeys(places) for entry in entries(place)]
    kinds = (*_KINDS, ".xls")
    return [p for p in found if p.suffix.lower() in kinds and not p.name.startswith("~$")]


def _fits(path: Path) -> bool:
    """A sheet under another name: most fields are there, so that `read` can name the rest."""
    return any(len(_header(grid)[1]) > len(FIELDS) // 2 for grid in _grids(path).values())
