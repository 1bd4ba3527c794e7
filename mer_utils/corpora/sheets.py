"""Annotation sheets as they circulate: prose above the header, blank columns, several tabs."""

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from .frames import entries, folders
from .ids import plain
from .table import nearest, one_line

Fields = Mapping[str, tuple[str, ...]]  # field: the headings it may have, the usual one first

FIELDS: Fields = {
    "subject": ("Subject",),
    "clip": ("Filename",),
    "onset": ("Onset Frame", "OnsetF", "Onset"),
    "apex": ("Apex Frame", "ApexF", "Apex"),
    "offset": ("Offset Frame", "OffsetF", "Offset"),
    "action_units": ("Action Units", "AUs", "AU"),
    "emotion": ("Estimated Emotion", "Emotion"),
}
_KINDS = (".xlsx", ".xlsm", ".csv", ".xls")
_HEADER_WITHIN = 60  # rows; SAMM's header is row 14


@dataclass(frozen=True)
class Sheet:
    """One annotation table; `rows` are dictionaries of text by field, and `row` as Excel counts."""

    path: Path
    tab: str
    rows: list[dict[str, str]]
    sha256: str

    def sentence(self) -> str:
        tab = f", tab {self.tab}" if self.tab else ""
        return f"sheet {self.path.name}{tab}: {len(self.rows)} rows, sha256 {self.sha256[:16]}"


def letters(heading: object) -> str:
    return re.sub(r"[^a-z0-9]", "", plain(heading).lower())


def _header(grid: Sequence[Sequence], fields: Fields) -> tuple[int, dict[str, int]]:
    """The row that looks most like a header, and the column of each field in it."""
    best: tuple[int, dict[str, int]] = (0, {})
    for number, cells in enumerate(grid[:_HEADER_WITHIN]):
        row = [letters(cell) for cell in cells]
        columns = {
            field: row.index(letters(heading))
            for field, headings in fields.items()
            for heading in reversed(headings)  # of two that are there the first one counts
            if letters(heading) in row
        }
        if len(columns) > len(best[1]):
            best = number, columns
    return best


def grids(path: Path) -> dict[str, list[list]]:
    """Every tab of a file as rows of cells. Raises StudyError where it cannot be opened."""
    try:
        if path.suffix.lower() == ".csv":
            text = path.read_text(encoding="utf-8-sig")
            return {"": list(csv.reader(text.splitlines()))}
        with path.open("rb") as stream:
            zipped = stream.read(2) == b"PK"
        if path.suffix.lower() == ".xls" and not zipped:  # some .xls are newer than their name
            return _old_grids(path)
        tabs = pd.read_excel(path, sheet_name=None, header=None, dtype=object, engine="openpyxl")
    except ImportError as error:
        raise StudyError(
            f"{path} is in the old .xls format, which needs the package xlrd: install it as "
            f"environment.yml has it, or save the sheet as .xlsx"
        ) from error
    except Exception as error:  # a damaged workbook raises whatever its zip or XML reader does
        raise StudyError(
            f"{path} cannot be opened as a sheet ({one_line(error)}): copy it again"
        ) from error
    return {str(tab): frame.values.tolist() for tab, frame in tabs.items()}


def _old_grids(path: Path) -> dict[str, list[list]]:
    """Every tab of a workbook of before 2007. Raises what xlrd raises; pandas drops it soon."""
    import xlrd  # not at the top: a machine that only trains reads no sheet

    with xlrd.open_workbook(path, logfile=io.StringIO()) as book:
        return {tab.name: [tab.row_values(n) for n in range(tab.nrows)] for tab in book.sheets()}


def text_of(cell: object) -> str:
    """A cell as text; full-width digits and punctuation of Chinese keyboards become plain ones."""
    return unicodedata.normalize("NFKC", plain(cell)).strip()


def digest(path: Path) -> str:
    """sha256 of a sheet's bytes. Raises StudyError."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror or error}") from error


def read(path: Path, fields: Fields = FIELDS, optional: Sequence[str] = (), tab: str = "") -> Sheet:
    """The tab of `path` that holds the annotations: the one named, else the one most like them.

    `optional` fields may have no column and are then "". Raises StudyError naming the file, the
    column it expects and the nearest one there is.
    """
    tabs = grids(path)
    named = {name: grid for name, grid in tabs.items() if tab and letters(name) == letters(tab)}
    headers = {name: _header(grid, fields) for name, grid in (named or tabs).items()}
    if max((len(columns) for _, columns in headers.values()), default=0) < min(3, len(fields)):
        wanted = ", ".join(headings[0] for headings in fields.values())
        raise StudyError(f"{path} has no header row: a row must hold the columns {wanted}")
    tab = max(headers, key=lambda name: len(headers[name][1]))
    grid, (header, columns) = tabs[tab], headers[tab]
    for field, headings in fields.items():
        if field not in columns and field not in optional:
            unused = [
                plain(cell)
                for column, cell in enumerate(grid[header])
                if plain(cell) and column not in columns.values()
            ]
            raise missing_column(path.name, headings[0], unused)
    rows = []
    for number, cells in enumerate(grid[header + 1 :], start=header + 2):
        row = dict.fromkeys(fields, "") | {
            field: text_of(cells[column]) if column < len(cells) else ""
            for field, column in columns.items()
        }
        # Blank rows and lines of prose below the table are no rows of it.
        if sum(bool(text) for text in row.values()) >= 2:
            rows.append(row | {"row": str(number)})
    return Sheet(path, tab, rows, digest(path))


RENAME = "rename it"


def missing_column(
    file: Path | str, column: str, headings: Sequence[str], remedy: str = RENAME
) -> StudyError:
    """The error for a table without a column; `headings`: those that may be meant."""
    near = nearest(column, headings)
    hint = f"; the nearest is '{near}'" if near else ""
    remedy = remedy if near or remedy != RENAME else "add it"
    return StudyError(f"{file} has no column '{column}'{hint}: {remedy}")


def find(
    places: Sequence[Path],
    patterns: Sequence[str],
    title: str,
    fits: Callable[[Path], bool] | None,
    fallback: Sequence[Path] = (),
) -> Path:
    """The annotation sheet of a release: a file named as in `patterns`, else one that `fits`.

    `places` are searched without their sub-folders, `fallback` only where they hold none; an old
    .xls only where there is no newer form of it. Raises StudyError where there is none, or two
    that differ: their rows go with different frames.
    """
    for group in (places, fallback):
        files = _sheet_files(group)
        named = [p for p in files if any(fnmatch(p.name.lower(), one.lower()) for one in patterns)]
        chosen = named or [path for path in files if fits and fits(path)]
        chosen = [path for path in chosen if path.suffix.lower() != ".xls"] or chosen
        different = {digest(path): path for path in reversed(chosen)}
        if len(different) > 1:
            names = " and ".join(sorted(path.name for path in different.values()))
            raise StudyError(f"{places[0]} has more than one annotation sheet, {names}: keep one")
        if different:
            return next(iter(different.values()))
    raise StudyError(
        f"{places[0]} has no annotation sheet: put the {title} release's {patterns[0]}.xlsx there"
    )


def around(
    path: Path, root: Path, is_subject: Callable[[str], object]
) -> tuple[list[Path], list[Path]]:
    """Where a sheet may be: folders from `path` down to the subjects' `root`, and next to them.

    Second: where to look if there is none, the folder above a root that was given itself.
    """
    parts = root.relative_to(path).parts
    on_the_way = [path.joinpath(*parts[: number + 1]) for number in range(len(parts))]
    no_subjects = [folder for folder in folders(path) if not is_subject(folder.name)]
    return [path, *on_the_way, *no_subjects], [path.parent] if root == path else []


def _sheet_files(places: Sequence[Path]) -> list[Path]:
    files = [Path(entry.path) for place in dict.fromkeys(places) for entry in entries(place)]
    return [p for p in files if p.suffix.lower() in _KINDS and not p.name.startswith("~$")]


def holds(path: Path, fields: Fields, wanted: Sequence[str] = ()) -> bool:
    """Whether some row has headings of all fields wanted; without any: of most of the fields."""
    for grid in grids(path).values():
        columns = _header(grid, fields)[1].keys()
        if set(wanted) <= columns if wanted else len(columns) > len(fields) // 2:
            return True
    return False
