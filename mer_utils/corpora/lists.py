"""The clip lists of MEGC2019 as they circulate: with a header or not, with blank rows or not."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from . import ids, sheets
from .table import CLASSES, KEY, unknown

NAMES = (
    "combined_3_class2_for_optical_flow*.csv",
    "combined_3class_gt*.csv",
    "combined_3_class_gt*.csv",
)
PART_NAMES = ("casme_class2_for_optical_flow.csv", "samm_class2*.csv", "smic_class2*.csv")
FIELDS = {
    "corpus": ("dataset", "data", "corpus"),
    "subject": ("sub", "subject"),
    "clip": ("filename_o", "clip", "filename"),
    "label": ("label",),
}


def read(path: Path) -> pd.DataFrame:
    """Columns corpus, subject, clip, label, as in the file. Raises StudyError with the line."""
    rows = [(line, cells) for line, cells in sheets.csv_rows(path) if any(cells)]
    if not rows:
        raise StudyError(f"{path} is empty: a clip list has rows such as casme2,sub01,EP02_01f,1")
    columns = dict(zip(FIELDS, range(4), strict=True))
    if "corpus" in sheets.columns_of(rows[0][1], FIELDS):
        columns = sheets.check_columns(path, rows.pop(0)[1], FIELDS)
    clips: dict[tuple[str, str, str], tuple[str, int]] = {}  # key -> label, line
    for line, cells in rows:
        place = f"{path} line {line}"
        if len(cells) <= max(columns.values()):
            raise StudyError(f"{place} has {len(cells)} columns: expected 4 at least")
        corpus, subject, clip, text = (cells[columns[field]] for field in FIELDS)
        names = ids.MEGC2019.get(corpus := corpus.lower())
        if names is None:
            raise StudyError(f"{place}: {unknown('corpus', corpus, ids.MEGC2019)}")
        try:
            key = corpus, names.subject(subject), names.clip(clip)
        except ValueError as error:
            raise StudyError(f"{place}: {error}") from error
        label = text.lower().removesuffix(".0")
        label = CLASSES[int(label)] if label in ("0", "1", "2") else label
        if label not in CLASSES:
            raise StudyError(
                f"{place}: label '{text}' is none of 0 (negative), 1 (positive), 2 (surprise)"
            )
        _, first = clips.setdefault(key, (label, line))
        if first != line:
            raise StudyError(f"{path} lists {'/'.join(key)} twice, in lines {first} and {line}")
    rows = [(*key, label) for key, (label, _) in clips.items()]
    return pd.DataFrame(rows, columns=[*KEY, "label"])


def find(places: Sequence[Path], names: Sequence[str] = NAMES) -> list[Path]:
    """Clip lists in `places`, best name first; a folder that is not there holds none."""
    files = [file for name in names for place in places for file in sorted(place.glob(name))]
    return list(dict.fromkeys(files))
