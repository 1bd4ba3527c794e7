"""Predictions as files: the MEGC2019 log of one run, and prediction rows of any number of runs.

./run_all.sh scores LOG    # scores of a log in the MEGC2019 format
"""

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import pandas as pd
from sklearn.metrics import classification_report

from .. import paths
from ..corpora.table import CLASSES, KEY
from ..errors import StudyError
from . import scores

REQUIRED = ("run", "system", "seed", "selection", *KEY, "label", "predicted")
ROW_COLUMNS = (*REQUIRED, *(f"p_{name}" for name in CLASSES), "epoch")
TEXT = {name: str for name in REQUIRED if name != "seed"}  # ids such as 006 stay text
_SUBJECT = re.compile(r"(?P<corpus>\S+)\s+(?P<subject>\S+)")
_CLIP = re.compile(r"(?P<clip>\S+)\s+(?P<label>\d+)\s+(?P<predicted>\d+)")
_BLANK = re.compile(r"[\s%]")  # would end a name; `own` corpora may have them


def write_log(rows: pd.DataFrame, path: Path | str, classes: Sequence[str] | None = None) -> Path:
    """`casme2 sub01`, then `EP02_01f 1 1` (clip, truth, prediction), as the challenge asks for."""
    classes = scores.classes_of(rows, classes)
    label, predicted = divmod(scores.cells_of(rows, classes), len(classes))
    if twice := _twice(rows):
        raise StudyError(
            f"{twice} is predicted twice in these rows: "
            "write the log of one run (one system, seed and selection)"
        )
    lines = []
    coded = rows[KEY].assign(label=label, predicted=predicted)
    for person, part in coded.groupby(scores.PERSON):
        lines.append(" ".join(map(_joined, person)))
        lines += [f"{_joined(row.clip)} {row.label} {row.predicted}" for row in part.itertuples()]
    paths.write_whole(Path(path), ("\n".join(lines) + "\n").encode())
    return Path(path)


def _joined(name: str) -> str:
    """A name without blanks: each is written as in a web address, `%20`."""
    return _BLANK.sub(lambda blank: quote(blank[0]), name)


def _twice(rows: pd.DataFrame) -> str:
    """The first clip that has two rows; "" where none has."""
    return " / ".join(rows.loc[rows.duplicated(KEY), KEY].head(1).to_numpy().ravel())


def read_log(path: Path | str, classes: Sequence[str] = CLASSES) -> pd.DataFrame:
    """Rows (corpus, subject, clip, label, predicted) of a log in the MEGC2019 format.

    Raises StudyError naming the file and the line for what is no such log.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise StudyError(f"{path} does not exist: give the path of a log file") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise StudyError(f"{path} is no text file: give a log in the MEGC2019 format") from None
    rows, subject = [], None
    for number, line in enumerate(map(str.strip, lines), start=1):
        place = f"{path}, line {number}"
        if clip := _CLIP.fullmatch(line):
            if subject is None:
                raise StudyError(f"{place}: a clip before the first `corpus subject`")
            codes = int(clip["label"]), int(clip["predicted"])
            if max(codes) >= len(classes):
                known = f"0 to {len(classes) - 1} are known"
                raise StudyError(f"{place}: class {max(codes)} where {known}")
            rows.append((*subject, unquote(clip["clip"]), *(classes[code] for code in codes)))
        elif names := _SUBJECT.fullmatch(line):
            subject = tuple(map(unquote, names.groups()))
        elif line:
            expected = "neither `corpus subject` nor `clip truth prediction`"
            raise StudyError(f"{place}: {line!r} is {expected}")
    if not rows:
        raise StudyError(f"{path} holds no clip: give a log in the MEGC2019 format")
    rows = pd.DataFrame(rows, columns=[*KEY, "label", "predicted"])
    if twice := _twice(rows):
        raise StudyError(f"{path} lists {twice} twice: keep one")
    return rows


def subject_reports(rows: pd.DataFrame) -> dict[tuple[str, str], str]:
    """scikit-learn's report by (corpus, subject), of the classes in label or prediction alone."""
    return {
        person: classification_report(part["label"], part["predicted"], zero_division=0)
        for person, part in rows.groupby(scores.PERSON)
    }


def write_rows(rows: pd.DataFrame, path: Path | str) -> Path:
    """Prediction rows of any number of runs as csv.gz: the same bytes for the same rows."""
    text = rows.to_csv(index=False, float_format="%.4g", lineterminator="\n")
    paths.write_whole(Path(path), gzip.compress(text.encode(), mtime=0))
    return Path(path)


def read_rows(path: Path | str) -> pd.DataFrame:
    """Rows as `write_rows` left them; ids stay text. Raises StudyError naming what is missing."""
    path = Path(path)
    try:
        rows = pd.read_csv(path, dtype=TEXT, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise StudyError(
            f"{path.name} cannot be read as a csv of prediction rows ({error}): give a file "
            "as reports/predictions holds them"
        ) from error
    if missing := [name for name in REQUIRED if name not in rows]:
        raise StudyError(
            f"{path.name} has no column {missing[0]!r}: give rows as the study wrote them"
        )
    return rows
