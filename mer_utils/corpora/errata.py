"""Known mistakes of the releases as a table, applied by key and old value, never by row number.

`errata.csv` columns: corpus, sheet_sha256 (start of the sheet's hash; empty = any sheet), subject,
clip, field, old, new, source. `field` is a column of the sheet or `excluded`, whose `new` is the
reason; `excluded:3` leaves a clip out of the three classes alone, as the list of MEGC2019 does. A
row acts only where the sheet's text equals `old`; `outside` as an apex's `old` means any number
outside onset to offset. A laboratory's own corrections go into `data/errata.csv`.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from .. import paths
from ..errors import StudyError
from .sheets import text_table

TABLE = Path(__file__).with_name("errata.csv")
COLUMNS = ("corpus", "sheet_sha256", "subject", "clip", "field", "old", "new", "source")
FIELDS = ("onset", "apex", "offset", "emotion", "action_units", "excluded")
Errata = Mapping[tuple[str, str, str], Sequence]  # (corpus, subject, clip) -> its errata, in order


def read(path: Path = TABLE) -> pd.DataFrame:
    """The table, all text. Raises StudyError naming the line that cannot be an erratum."""
    table = text_table(path)
    if tuple(table.columns) != COLUMNS:
        raise StudyError(
            f"{path} has the columns {', '.join(table)}: expected {', '.join(COLUMNS)}"
        )
    for line, row in enumerate(table.itertuples(), start=2):
        if not re.fullmatch(rf"{'|'.join(FIELDS)}|excluded:\d+", row.field):
            raise StudyError(
                f"{path} line {line}: field '{row.field}' is none of {', '.join(FIELDS)}"
            )
        if not row.source.strip():
            raise StudyError(f"{path} line {line}: an erratum needs a source")
    return table


def load() -> Errata:
    """The shipped errata, then the laboratory's own where `data/errata.csv` is there."""
    own = paths.DATA / "errata.csv"
    by_clip = defaultdict(list)
    for file in (TABLE, *([own] if own.is_file() else [])):
        for erratum in read(file).itertuples():
            by_clip[erratum.corpus, erratum.subject, erratum.clip].append(erratum)
    return by_clip


def apply(
    errata: Errata, corpus: str, sheet_sha256: str, row: Mapping[str, str], scheme: str
) -> tuple[dict[str, str], list[str], str]:
    """A sheet's row (subject and clip already normalised) -> (row, notes, reason to exclude).

    scheme: name of the class scheme that the clips are read for.
    """
    row, notes, excluded = dict(row), [], ""
    for one in errata.get((corpus, row["subject"], row["clip"]), ()):
        if not sheet_sha256.startswith(one.sheet_sha256):
            continue
        if one.field in ("excluded", f"excluded:{scheme}"):
            excluded = excluded or f"{one.new} [{one.source}]"
        elif row.get(one.field) == one.old or (
            (one.field, one.old) == ("apex", "outside") and _apex_is_outside(row)
        ):
            notes.append(f"erratum: {one.field} '{row[one.field]}' -> '{one.new}' ({one.source})")
            row[one.field] = one.new
    return row, notes, excluded


def _apex_is_outside(row: Mapping[str, str]) -> bool:
    try:
        return not int(row["onset"]) <= int(row["apex"]) <= int(row["offset"])
    except ValueError:
        return False
