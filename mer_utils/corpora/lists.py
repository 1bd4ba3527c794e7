"""The clip lists of MEGC2019 as they circulate: with a header or not, with blank rows or not."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from . import ids
from .sheets import letters, missing_column
from .table import CLASSES, KEY, nearest, one_line

NAMES = (
    "combined_3_class2_for_optical_flow*.csv",
    "combined_3class_gt*.csv",
    "combined_3_class_gt*.csv",
)
PART_NAMES = ("casme_class2_for_optical_flow.csv", "samm_class2*.csv", "smic_class2*.csv")
_HEADINGS = {
    "corpus": ("dataset", "data", "corpus"),
    "subject": ("sub", "subject"),
    "clip": ("filenameo", "clip", "filename"),
    "label": ("label",),
}


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of a csv, without blank rows. Raises StudyError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = next((line for line in text.splitlines() if line.strip(",; \t")), "")
        reader = csv.reader(text.splitlines(), delimiter=";" if ";" in first else ",")
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"{path} cannot be read as a csv ({one_line(error)})") from error
    return [(line, cells) for line, cells in rows if any(cells)]


def read(path: Path) -> pd.DataFrame:
    """Columns corpus, subject, clip and label (text, normalised), in the order of the file.

    Raises StudyError naming the file, the line and the value.
    """
    rows = read_rows(path)
    if not rows:
        raise StudyError(f"{path} is empty: a clip list has rows such as casme2,sub01,EP02_01f,1")
    columns = dict(zip(_HEADINGS, range(4), strict=True))
    heads = [letters(cell) for cell in rows[0][1]]
    if any(head in _HEADINGS["corpus"] for head in heads):
        for field, names in _HEADINGS.items():
            at = [heads.index(name) for name in names if name in heads]
            if not at:
                usual = [name for names in _HEADINGS.values() for name in names]
                unused = [cell for cell in rows[0][1] if letters(cell) not in usual]
                raise missing_column(path, names[0], unused)
            columns[field] = at[0]
        rows = rows[1:]
    table, lines = [], {}
    for line, cells in rows:
        if len(cells) <= max(columns.values()):
            raise StudyError(f"{path} line {line} has {len(cells)} columns: expected 4 at least")
        value = {field: cells[column] for field, column in columns.items()}
        corpus = value["corpus"].lower()
        if corpus not in ids.MEGC2019:
            near = nearest(corpus, ids.MEGC2019)
            raise StudyError(
                f"{path} line {line}: corpus '{corpus}' is not known, nearest '{near}'"
            )
        try:
            subject = ids.subject(corpus, value["subject"])
        except ValueError as error:
            raise StudyError(f"{path} line {line}: {error}") from error
        label = value["label"].lower().removesuffix(".0")
        if label in ("0", "1", "2"):
            label = CLASSES[int(label)]
        if label not in CLASSES:
            raise StudyError(
                f"{path} line {line}: label '{value['label']}' is none of 0 (negative), "
                f"1 (positive), 2 (surprise)"
            )
        key = (corpus, subject, ids.clip(corpus, value["clip"]))
        if key in lines:
            raise StudyError(
                f"{path} lists {'/'.join(key)} twice, in lines {lines[key]} and {line}"
            )
        lines[key] = line
        table.append((*key, label))
    return pd.DataFrame(table, columns=[*KEY, "label"])


def find(places: Sequence[Path], names: Sequence[str] = NAMES) -> list[Path]:
    """Clip lists in `places`, best name first; a folder that is not there holds none."""
    folders = [place for place in dict.fromkeys(places) if place.is_dir()]
    paths = [path for name in names for place in folders for path in sorted(place.glob(name))]
    return list(dict.fromkeys(paths))
