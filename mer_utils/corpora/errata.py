"""Known mistakes of the releases as a table, applied by key and old value, never by row number.

`errata.csv` columns: corpus, sheet_sha256 (start of the sheet's hash; empty = any sheet), subject,
clip, field, old, new, source. `field` is a column of the sheet or `excluded`, whose `new` is the
reason; `excluded:3` leaves a clip out of the three classes alone, as the list of MEGC2019 does. A
row acts only where the sheet's text equals `old`; `outside` as an apex's `old` means any number
outside onset to offset. A laboratory's own corrections go into `data/errata.csv`; those that
change nothing are named.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from .. import paths
from ..errors import StudyError
from .sheets import text_table
from .table import unknown

TABLE = Path(__file__).with_name("errata.csv")
COLUMNS = ("corpus", "sheet_sha256", "subject", "clip", "field", "old", "new", "source")
FIELDS = ("onset", "apex", "offset", "emotion", "action_units", "excluded")


def read(path: Path = TABLE) -> pd.DataFrame:
    """The table, all text, by line. Raises StudyError naming what cannot be an erratum."""
    table = text_table(path)
    if tuple(table.columns) != COLUMNS:
        raise StudyError(
            f"{path} has the columns {', '.join(table)}: expected {', '.join(COLUMNS)}"
        )
    for row in table.itertuples():
        if not re.fullmatch(rf"{'|'.join(FIELDS)}|excluded:\d+", row.field):
            raise StudyError(
                f"{path} line {row.Index}: field '{row.field}' is none of {', '.join(FIELDS)}"
            )
        if not row.source.strip():
            raise StudyError(f"{path} line {row.Index}: an erratum needs a source")
    return table


def own() -> pd.DataFrame:
    """The laboratory's own errata, empty where there is no `data/errata.csv`."""
    file = paths.DATA / "errata.csv"
    return read(file) if file.is_file() else pd.DataFrame(columns=list(COLUMNS))


def check_corpora(known: Collection[str]) -> None:
    """Raises StudyError for an own erratum of a corpus that is none of those."""
    for row in own().itertuples():
        if row.corpus.removeprefix("synthetic_") not in known:
            raise StudyError(f"errata.csv line {row.Index}: {unknown('corpus', row.corpus, known)}")


class Errata:
    """The errata of one corpus, applied row by row; remembers which own ones have changed none."""

    def __init__(self, corpus: str):
        self._by_clip, self._idle = defaultdict(list), {}  # line of an own erratum -> why it idles
        for table, is_own in ((read(), False), (own(), True)):
            for one in table[table["corpus"] == corpus].itertuples():
                self._by_clip[one.subject, one.clip].append((one, is_own))
                if is_own:
                    clip = f"{one.subject}/{one.clip}"
                    self._idle[one.Index] = f"no row of a sheet of {corpus} is clip {clip}"

    def idle(self) -> list[str]:
        """A sentence for each own erratum that has changed nothing."""
        return [
            f"errata.csv line {line} changes nothing: {why}" for line, why in self._idle.items()
        ]

    def apply(
        self, sheet_sha256: str, row: Mapping[str, str], scheme: str
    ) -> tuple[dict[str, str], list[str], str]:
        """A sheet's row (subject and clip already normalised) -> (row, notes, reason to exclude).

        scheme: name of the class scheme that the clips are read for.
        """
        row, notes, excluded = dict(row), [], ""
        for one, is_own in self._by_clip.get((row["subject"], row["clip"]), ()):
            idle = ""
            if not sheet_sha256.startswith(one.sheet_sha256):
                idle = f"this sheet's sha256 begins with {sheet_sha256[:16]}"
            elif one.field in ("excluded", f"excluded:{scheme}"):
                excluded = excluded or f"{one.new} [{one.source}]"
            elif row.get(one.field) == one.old or (
                (one.field, one.old) == ("apex", "outside") and _apex_is_outside(row)
            ):
                text = f"{one.field} '{row[one.field]}' -> '{one.new}'"
                notes.append(f"erratum: {text} ({one.source})")
                row[one.field] = one.new
            elif one.field in row:  # not `excluded:5` while three classes are read
                idle = f"the sheet says {one.field} '{row[one.field]}', not '{one.old}'"
            if is_own and idle:
                self._idle[one.Index] = idle
            elif is_own:
                self._idle.pop(one.Index, None)
        return row, notes, excluded


def _apex_is_outside(row: Mapping[str, str]) -> bool:
    try:
        return not int(row["onset"]) <= int(row["apex"]) <= int(row["offset"])
    except ValueError:
        return False
