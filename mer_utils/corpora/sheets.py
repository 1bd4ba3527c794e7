"""Annotation sheets as they circulate: prose above the header, blank columns, several tabs."""

import codecs
import csv
import hashlib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from .frames import entries
from .ids import plain
from .table import FRAME_NUMBERS, nearest, one_line, some

Grid = list[tuple[int, list]]  # number of a row, as Excel counts them or of its line, and its cells
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
_MISSING = ("", "/", "-", "--", "\u2013", "\u2014", "?", "nan", "nat", "na", "n/a", "n.a.", "#n/a")
_MISSING += ("<na>", "null", "none", "nil")  # in lower case; how sheets and programs write it
_TIME = re.compile(r"[0-9]*[.,:][0-9.,:]*[0-9]\s*(s|sec|ms)?|[0-9]+\s*(s|sec|ms)", re.IGNORECASE)
HEADINGS = 20  # in one sentence
_HEADER_WITHIN = 60  # rows; SAMM's header is row 14


@dataclass
class Sheet:
    """One annotation table; `rows` are dictionaries of text by field, and `row` as Excel counts."""

    path: Path
    tab: str
    rows: list[dict[str, str]]
    sha256: str


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        why = f"{path} cannot be read ({one_line(error)})"
        raise StudyError(f"{why}: save or copy it again") from error


def files(folder: Path) -> list[Path]:
    """The sheets in a folder, by their names; what begins with ~$ is a lock file of Excel."""
    paths = [Path(entry.path) for entry in entries(folder) if entry.name[:2] != "~$"]
    return [path for path in paths if path.suffix.lower() in (".xlsx", ".xlsm", ".csv", ".xls")]


def decoded(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark. Raises StudyError with the line."""
    content = _content(path)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
        end = text.find("\0")  # UTF-16 without its mark, or no text at all
    except UnicodeDecodeError as error:
        text, end = content[: error.start].decode("latin-1"), -2
    if end == -1:
        return text
    line = text[:end].count("\n") + 1
    remedy = "save the file in it (in a spreadsheet: as CSV UTF-8)"
    raise StudyError(f"{path} line {line} is not text in UTF-8: {remedy}")


def _delimiter(text: str) -> str:
    """The sign that splits most lines into equally many cells: a comma, a semicolon or a tab."""
    lines = [re.sub('"[^"]*"', "", line) for line in text[:100_000].splitlines()[:300]]

    def cells(sign: str) -> int:
        counts = Counter(line.count(sign) for line in lines)
        return max((count * times for count, times in counts.items()), default=0)

    return max(",;\t", key=cells)


def csv_rows(path: Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of a csv as spreadsheets write it. Raises StudyError naming the line."""
    text = re.sub("^sep=(.)(?=\r|\n)", "", decoded(path))  # what Excel alone reads; the line stays
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows, line = [], 1
    try:
        for cells in reader:
            rows.append((line, [re.sub(r"[\r\n]+", " ", cell).strip() for cell in cells]))
            line = reader.line_num + 1
    except csv.Error as error:
        why = f"{path} cannot be read as a csv from line {line} on ({error})"
        raise StudyError(f"{why}: is a quote missing?") from error
    return rows


def text_table(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A csv with a header, all text, by the number of the line. Raises StudyError.

    columns: those that are needed, which are returned alone and under these names.
    """
    rows = [(line, cells) for line, cells in csv_rows(path) if any(cells)]
    heads = rows.pop(0)[1] if rows else []
    heads = heads[: max((n for n, head in enumerate(heads, start=1) if head), default=0)]
    if not heads or len(set(heads)) < len(heads):
        what = "two columns of one name" if heads else "no header"
        raise StudyError(f"{path} cannot be read as a csv, it has {what}: mend its first line")
    for line, cells in rows:
        check_width(path, line, cells, heads)
    cells = [(cells + [""] * len(heads))[: len(heads)] for _, cells in rows]
    table = pd.DataFrame(cells, pd.Index([line for line, _ in rows], dtype=int), heads, "str")
    if not columns:
        return table
    at = check_columns(path, heads, {name: (name,) for name in columns})
    return table.iloc[:, list(at.values())].set_axis(list(at), axis=1)


def check_width(path: Path, line: int, cells: Sequence[str], heads: Sequence[str]) -> None:
    """Raises StudyError for a line with text to the right of the last column."""
    if any(cells[len(heads) :]):
        raise StudyError(
            f"{path} line {line} has {len(cells)} cells for {len(heads)} columns: put a cell that "
            'holds a comma into quotes ("a, b")'
        )


def grids(path: Path) -> dict[str, Grid]:
    """Every tab of a file as (number, cells) of its rows. Raises StudyError: it cannot be opened.

    What a file is, its first bytes say, whatever its name.
    """
    content = _content(path)
    is_zip, is_ole, kind = content[:2] == b"PK", content[:8] == OLE, path.suffix.lower()
    if is_ole and ENCRYPTED in content:
        raise StudyError(PROTECTED.format(path))
    if not is_zip and not is_ole and kind not in (".xlsx", ".xlsm", ".xls"):
        return {"": csv_rows(path)}
    try:
        if is_ole or (kind == ".xls" and not is_zip):
            import xlrd  # here: a machine that only trains reads no sheet; pandas drops it soon

            with xlrd.open_workbook(path, logfile=io.StringIO()) as book:
                tabs = {tab.name: map(tab.row_values, range(tab.nrows)) for tab in book.sheets()}
                return {name: list(enumerate(rows, start=1)) for name, rows in tabs.items()}
        tabs = pd.read_excel(path, sheet_name=None, header=None, dtype=object, engine="openpyxl")
    except ImportError as error:
        raise StudyError(
            f"{path} is in the old .xls format, which needs the package xlrd: install it as "
            f"environment.yml has it, or save the sheet as .xlsx"
        ) from error
    except Exception as error:  # a damaged workbook raises whatever its zip or XML reader does
        if "encrypted" in str(error).lower():
            raise StudyError(PROTECTED.format(path)) from error
        raise StudyError(
            f"{path} cannot be opened as a sheet ({one_line(error)}): copy it again, or "
            f"save it as .xlsx or CSV UTF-8"
        ) from error
    rows = {str(name): frame.values.tolist() for name, frame in tabs.items()}
    return {name: list(enumerate(cells, start=1)) for name, cells in rows.items()}


def text_of(cell: object) -> str:
    """A cell as text, full-width digits and punctuation of Chinese keyboards as plain ones."""
    return unicodedata.normalize("NFKC", plain(cell)).strip()


def digest(path: Path) -> str:
    """sha256 of a sheet's bytes. Raises StudyError."""
    return hashlib.sha256(_content(path)).hexdigest()


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
    """`columns_of` a header. Raises StudyError naming the missing heading and those there are."""
    columns = columns_of(cells, fields)
    if missing := [headings[0] for field, headings in fields.items() if field not in columns]:
        texts = [plain(cell) for cell in cells]
        unused = [text for at, text in enumerate(texts) if text and at not in columns.values()]
        near = nearest(missing[0], unused)
        hint = f"; the nearest is '{near}'" if near else ""
        headings = some(filter(None, texts), HEADINGS)
        remedy = remedy or ("rename it" if near else "add it")
        raise StudyError(f"{file} has no column '{missing[0]}'{hint} (it has {headings}): {remedy}")
    return columns


def _header(grid: Grid, fields: Fields) -> tuple[int, dict[str, int]]:
    """The place of the row that looks most like a header, and the column of each field in it."""
    rows = enumerate(columns_of(cells, fields) for _, cells in grid[:_HEADER_WITHIN])
    return max(rows, key=lambda row: len(row[1]), default=(0, {}))


def _most_like(tabs: Mapping[str, Grid], fields: Fields) -> str:
    """The tab whose header has most of the fields, "" where there is no tab."""
    return max(tabs, key=lambda name: len(_header(tabs[name], fields)[1]), default="")


def read(path: Path, fields: Fields = FIELDS, tab: str = "") -> Sheet:
    """The tab of `path` that holds the annotations: the one named, else the one most like them.

    Raises StudyError naming the file, the heading that is missing and those that there are.
    """
    tabs = grids(path)
    named = {name: grid for name, grid in tabs.items() if tab and letters(name) == letters(tab)}
    tab = _most_like(named or tabs, fields)
    grid = tabs.get(tab, [])
    header, columns = _header(grid, fields)
    if len(columns) < min(3, len(fields)):
        wanted = ", ".join(headings[0] for headings in fields.values())
        texts = [plain(cell) for _, cells in grid[:1] for cell in cells]
        first = some(filter(None, texts), HEADINGS)
        raise StudyError(
            f"{path} has no header row: a row must hold the columns {wanted}, and the first holds "
            f"{first or 'nothing'}: write the headings above the table"
        )
    check_columns(path.name, grid[header][1], fields)
    rows = []
    for number, cells in grid[header + 1 :]:
        row = {field: text_of(cells[at]) for field, at in columns.items() if at < len(cells)}
        # Blank rows and lines of prose below the table are no rows of it.
        if sum(map(bool, row.values())) >= 2:
            rows.append(dict.fromkeys(fields, "") | row | {"row": str(number)})
    return Sheet(path, tab, rows, digest(path))


def lines(path: Path, fields: Fields) -> list[tuple[int, list[str]]]:
    """(line or row number, cells as text) of the tab most like `fields`, empty ones left out."""
    tabs = grids(path)
    grid = tabs.get(_most_like(tabs, fields), [])
    rows = [(number, list(map(plain, cells))) for number, cells in grid]
    return [(number, cells) for number, cells in rows if any(cells)]


def holds(path: Path, fields: Fields) -> bool:
    """Whether a row of the file has a heading of every field."""
    return any(len(_header(grid, fields)[1]) == len(fields) for grid in grids(path).values())


def is_missing(text: str) -> bool:
    """Whether a cell says that nothing was coded."""
    return text.strip().lower() in _MISSING


def is_time(text: str) -> bool:
    """Whether a cell holds seconds, as 0.52 or 0:01.5, and no frame number, as 46 or 46.0."""
    return bool(_TIME.fullmatch(text)) and not re.fullmatch(r"[0-9]+\.0+", text)


def frame_numbers(
    row: Mapping[str, str], apex: str = "sheet", open_end: bool = False
) -> tuple[dict[str, int], str]:
    """The frames a sheet's row names, in order; apex may be missing. Second: what is wrong.

    apex: a policy of `table`; under any but `sheet` the row's apex is not read, so that a wrong one
    does no harm. open_end: the offset may be missing too.
    """
    numbers = {}
    may_be_missing = ("apex", "offset") if open_end else ("apex",)
    for name in FRAME_NUMBERS:
        text = row[name]
        not_coded = name in may_be_missing and is_missing(text)
        if not_coded or (name == "apex" and apex != "sheet"):
            continue
        if is_time(text):
            return {}, f"{name} '{text}' is not a frame number; of a time write seconds times fps"
        if not re.fullmatch(r"[0-9]{1,18}(\.0+)?", text):
            return {}, f"{name} '{text}' is not a frame number"
        numbers[name] = int(text.split(".")[0])
    if numbers.get("offset") == 0:
        return {}, "offset 0: its end was not coded"
    for (before, low), (after, high) in pairwise(numbers.items()):
        if low > high:
            return {}, f"{before} {low} is after {after} {high}"
    last = next((name for name in ("apex", "offset") if name in numbers), "")
    if last and numbers["onset"] == numbers[last]:
        return {}, f"{last} is the onset ({numbers['onset']}): there is no movement between them"
    return numbers, ""
