"""Annotation sheets as they circulate: prose above the header, blank columns, several tabs."""

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..errors import StudyError
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
OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # how an .xls begins, and an .xlsx with a password
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
PROTECTED = "{} is protected by a password: open it, save it without one, and put that copy there"
_HEADER_WITHIN = 60  # rows; SAMM's header is row 14


@dataclass
class Sheet:
    """One annotation table; `rows` are dictionaries of text by field, and `row` as Excel counts."""

    path: Path
    tab: str
    rows: list[dict[str, str]]
    sha256: str


@contextmanager
def reading(path: Path, kind: str = "") -> Iterator[None]:
    """Makes a StudyError of what a file that cannot be read raises."""
    try:
        yield
    except (OSError, ValueError, csv.Error) as error:
        raise StudyError(
            f"{path} cannot be read{kind} ({one_line(error)}): save or copy it again"
        ) from error


def is_sheet(path: Path) -> bool:
    """By its name alone; what begins with ~$ is a lock file of Excel."""
    return path.suffix.lower() in (".xlsx", ".xlsm", ".csv", ".xls") and path.name[:2] != "~$"


def csv_rows(path: Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of a csv, commas or semicolons between them. Raises StudyError."""
    with reading(path, " as a csv"):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        first = next((line for line in lines if line.strip(",; \t")), "")
        reader = csv.reader(lines, delimiter=";" if first.count(";") > first.count(",") else ",")
        return [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]


def text_table(path: Path) -> pd.DataFrame:
    """A csv whose first line is its header, all text. Raises StudyError."""
    with reading(path, " as a csv"):
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")


def grids(path: Path) -> dict[str, list[list]]:
    """Every tab of a file as rows of cells. Raises StudyError where it cannot be opened."""
    kind = path.suffix.lower()
    if kind == ".csv":
        return {"": [cells for _, cells in csv_rows(path)]}
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
            old = start == OLE or (kind == ".xls" and start[:2] != b"PK")  # whatever its name says
            if start == OLE and ENCRYPTED in stream.read():
                raise StudyError(PROTECTED.format(path))
        if old:
            import xlrd  # here: a machine that only trains reads no sheet; pandas drops it soon

            with xlrd.open_workbook(path, logfile=io.StringIO()) as book:
                return {
                    one.name: [one.row_values(n) for n in range(one.nrows)] for one in book.sheets()
                }
        tabs = pd.read_excel(path, sheet_name=None, header=None, dtype=object, engine="openpyxl")
    except ImportError as error:
        raise StudyError(
            f"{path} is in the old .xls format, which needs the package xlrd: install it as "
            f"environment.yml has it, or save the sheet as .xlsx"
        ) from error
    except StudyError:
        raise
    except Exception as error:  # a damaged workbook raises whatever its zip or XML reader does
        if "encrypted" in str(error).lower():
            raise StudyError(PROTECTED.format(path)) from error
        raise StudyError(
            f"{path} cannot be opened as a sheet ({one_line(error)}): copy it again"
        ) from error
    return {str(tab): frame.values.tolist() for tab, frame in tabs.items()}


def text_of(cell: object) -> str:
    """A cell as text; full-width digits and punctuation of Chinese keyboards become plain ones."""
    return unicodedata.normalize("NFKC", plain(cell)).strip()


def digest(path: Path) -> str:
    """sha256 of a sheet's bytes. Raises StudyError."""
    with reading(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()


def letters(heading: object) -> str:
    return re.sub(r"[^a-z0-9]", "", plain(heading).lower())


def columns_of(cells: Sequence, fields: Fields) -> dict[str, int]:
    """Field -> number of its column, by the headings in a row."""
    row = [letters(cell) for cell in cells]
    return {
        field: row.index(letters(heading))
        for field, headings in fields.items()
        for heading in reversed(headings)  # of two that are there the first one counts
        if letters(heading) in row
    }


def check_columns(
    file: Path | str, cells: Sequence, fields: Fields, remedy: str = ""
) -> dict[str, int]:
    """`columns_of` a header. Raises StudyError naming the missing column and the nearest one."""
    columns = columns_of(cells, fields)
    unused = [plain(cell) for number, cell in enumerate(cells) if number not in columns.values()]
    for field in (name for name in fields if name not in columns):
        heading = fields[field][0]
        near = nearest(heading, filter(None, unused))
        hint = f"; the nearest is '{near}'" if near else ""
        remedy = remedy or ("rename it" if near else "add it")
        raise StudyError(f"{file} has no column '{heading}'{hint}: {remedy}")
    return columns


def _header(grid: Sequence[Sequence], fields: Fields) -> tuple[int, dict[str, int]]:
    """The row that looks most like a header, and the column of each field in it."""
    rows = enumerate(columns_of(cells, fields) for cells in grid[:_HEADER_WITHIN])
    return max(rows, key=lambda row: len(row[1]), default=(0, {}))


def read(path: Path, fields: Fields = FIELDS, tab: str = "") -> Sheet:
    """The tab of `path` that holds the annotations: the one named, else the one most like them.

    Raises StudyError naming the file, the column it expects and the nearest one there is.
    """
    tabs = grids(path)
    named = {name: grid for name, grid in tabs.items() if tab and letters(name) == letters(tab)}
    headers = {name: _header(grid, fields) for name, grid in (named or tabs).items()}
    tab = max(headers, key=lambda name: len(headers[name][1]), default="")
    header, columns = headers.get(tab, (0, {}))
    if len(columns) < min(3, len(fields)):
        wanted = ", ".join(headings[0] for headings in fields.values())
        raise StudyError(f"{path} has no header row: a row must hold the columns {wanted}")
    check_columns(path.name, tabs[tab][header], fields)
    rows = []
    for number, cells in enumerate(tabs[tab][header + 1 :], start=header + 2):
        row = {field: text_of(cells[at]) for field, at in columns.items() if at < len(cells)}
        # Blank rows and lines of prose below the table are no rows of it.
        if sum(map(bool, row.values())) >= 2:
            rows.append(dict.fromkeys(fields, "") | row | {"row": str(number)})
    return Sheet(path, tab, rows, digest(path))


def holds(path: Path, fields: Fields) -> bool:
    """Whether a row of the file has a heading of every field."""
    return any(len(_header(grid, fields)[1]) == len(fields) for grid in grids(path).values())
