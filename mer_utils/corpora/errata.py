"""Mistakes of the releases as a table, applied by clip and old value, never by row number.

data/README.md gives the columns of `errata.csv` here and of a laboratory's own `data/errata.csv`.
`outside` as an apex's `old` means any number outside onset to offset. Own errata that change
nothing are named.
"""

import re
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from .. import paths
from ..errors import StudyError
from .sheets import text_table
from .table import unknown

TABLE = Path(__file__).with_name("errata.csv")
COLUMNS = ("corpus", "sheet_sha256", "subject", "clip", "field", "old", "new", "source")
Row = dict[str, str]  # a row of a sheet, by field
FIELDS = ("onset", "apex", "offset", "emotion", "action_units", "excluded")


def read(path: Path = TABLE) -> pd.DataFrame:
    """The table, all text, by line. Raises StudyError naming what cannot be an erratum."""
    table = text_table(path, COLUMNS)
    for row in table.itertuples():
        if not re.fullmatch(rf"{'|'.join(FIELDS)}|excluded:\d+", row.field):
            wrong = f"field '{row.field}' is none of {', '.join(FIELDS)}"
            raise StudyError(f"{path} line {row.Index}: {wrong}")
        if not row.source.strip():
            raise StudyError(f"{path} line {row.Index}: an erratum needs a source")
    return table


def own() -> pd.DataFrame:
    """The laboratory's own errata, empty where there is no `data/errata.csv`."""
    file = paths.DATA / "errata.csv"
    return read(file) if file.is_file() else pd.DataFrame(columns=list(COLUMNS))


def check_corpora(names: Collection[str]) -> None:
    """Raises StudyError for an own erratum of a corpus that is none of those."""
    for row in own().itertuples():
        if row.corpus.removeprefix("synthetic_") not in names:
            raise StudyError(f"errata.csv line {row.Index}: {unknown('corpus', row.corpus, names)}")


class Errata:
    """The errata of one corpus, applied row by row; `idle` says which own ones change nothing."""

    def __init__(self, corpus: str):
        self._by_clip, self._idle = defaultdict(list), {}  # line of an own erratum -> why it idles
        for table, is_own in ((read(), False), (own(), True)):
            for erratum in table[table["corpus"] == corpus].itertuples():
                clip = erratum.subject, erratum.clip
                self._by_clip[clip].append((erratum, is_own))
                if is_own:
                    why = f"no row of a sheet of {corpus} is clip {'/'.join(clip)}"
                    self._idle[erratum.Index] = why

    def idle(self) -> list[str]:
        """A sentence for each own erratum that has changed nothing."""
        return [f"errata.csv line {n} changes nothing: {why}" for n, why in self._idle.items()]

    def apply(self, sheet_sha256: str, row: Row, scheme: str) -> tuple[Row, list[str], str]:
        """A sheet's row, its names spelled our way -> (row, notes, reason to exclude)."""
        row, notes, excluded = dict(row), [], ""
        for erratum, is_own in self._by_clip.get((row["subject"], row["clip"]), ()):
            idle, field, old = "", erratum.field, erratum.old
            if not sheet_sha256.startswith(erratum.sheet_sha256):
                idle = f"this sheet's sha256 begins with {sheet_sha256[:16]}"
            elif field in ("excluded", f"excluded:{scheme}"):
                excluded = excluded or f"{erratum.new} [{erratum.source}]"
            elif row.get(field) == old or ((field, old) == ("apex", "outside") and _outside(row)):
                change = f"{field} '{row[field]}' -> '{erratum.new}'"
                notes.append(f"erratum: {change} ({erratum.source})")
                row[field] = erratum.new
            elif field in row:  # not `excluded:5` while three classes are read
                idle = f"the sheet says {field} '{row[field]}', not '{old}'"
            if is_own and idle:
                self._idle[erratum.Index] = idle
            elif is_own:
                self._idle.pop(erratum.Index, None)
        return row, notes, excluded


def _outside(row: Row) -> bool:
    """Whether the apex is outside onset to offset."""
    try:
        return not int(row["onset"]) <= int(row["apex"]) <= int(row["offset"])
    except ValueError:
        return False
