"""Predictions as files: the MEGC2019 log of one run, and prediction rows of any number of runs.

./run_all.sh scores LOG    # scores of a log in the MEGC2019 format
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import pandas as pd
from sklearn.metrics import classification_report

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
    twice = rows.duplicated(KEY)
    if twice.any():
        raise StudyError(
            f"{' / '.join(rows.loc[twice, KEY].iloc[0])} is predicted twice in these rows: "
            "write the log of one run (one system, seed and selection)"
        )
    lines = []
    coded = rows[KEY].assign(label=label, predicted=predicted)
    for (corpus, subject), part in coded.groupby(["corpus", "subject"], sort=True):
        lines.append(f"{_joined(corpus)} {_joined(subject)}")
        lines += [f"{_joined(row.clip)} {row.label} {row.predicted}" for row in part.itertuples()]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _joined(name: str) -> str:
    """A name without blanks: each is written as in a web address, `%20`."""
    return _BLANK.sub(lambda blank: quote(blank[0]), name)


def read_log(path: Path | str, classes: Sequence[str] = CLASSES) -> pd.DataFrame:
    """Rows (corpus, subject, clip, label, predicted) of a log in the MEGC2019 format.

    Raises StudyError naming the file and the line for what is no such log.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise StudyError(f"{path} does not exist: give the path of a log file") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise StudyError(f"{path} is no text file: give a log in the MEGC2019 format") from None
    rows, subject = [], None
    for number, line in enumerate(map(str.strip, lines), start=1):
        if clip := _CLIP.fullmatch(line):
            if subject is None:
                raise StudyError(f"{path}, line {number}: a clip before the first `corpus subject`")
            label, predicted = int(clip["label"]), int(clip["predicted"])
            if max(label, predicted) >= len(classes):
                raise StudyError(
                    f"{path}, line {number}: class {max(label, predicted)} where "
                    f"0 to {len(classes) - 1} are known"
                )
            rows.append((*subject, unquote(clip["clip"]), classes[label], classes[predicted]))
        elif names := _SUBJECT.fullmatch(line):
            subject = (unquote(names["corpus"]), unquote(names["subject"]))
        elif line:
            raise StudyError(
                f"{path}, line {number}: {line!r} is neither `corpus subject` nor "
                "`clip truth prediction`"
            )
    if not rows:
        raise StudyError(f"{path} holds no clip: give a log in the MEGC2019 format")
    rows = pd.DataFrame(rows, columns=[*KEY, "label", "predicted"])
    twice = rows.duplicated(KEY)
    if twice.any():
        raise StudyError(f"{path} lists {' / '.join(rows.loc[twice, KEY].iloc[0])} twice: keep one")
    return rows


def subject_reports(
    rows: pd.DataFrame, classes: Sequence[str] | None = None
) -> dict[tuple[str, str], str]:
    """scikit-learn's classification report of every subject, by (corpus, subject).

    Classes the subject has no clip of are left out of the report, not counted as 0.
    """
    reports, classes = {}, scores.classes_of(rows, classes)
    for subject, part in rows.groupby(["corpus", "subject"], sort=True):
        present = [c for c in classes if c in set(part["label"]) | set(part["predicted"])]
        reports[subject] = classification_report(
            part["label"], part["predicted"], labels=present, zero_division=0
        )
    return reports


def write_rows(rows: pd.DataFrame, path: Path | str) -> Path:
    """Prediction rows of any number of runs as csv.gz: the same bytes for the same rows."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    rows.to_csv(
        part,
        index=False,
        float_format="%.4g",
        lineterminator="\n",
        compression={"method": "gzip", "mtime": 0},
    )
    part.replace(path)
    return path


def read_rows(path: Path | str) -> pd.DataFrame:
    """Rows as `write_rows` left them; ids stay text. Raises StudyError naming what is missing."""
    path = Path(path)
    try:
        rows = pd.read_csv(path, dtype=TEXT, keep_default_na=False)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise StudyError(
            f"{path.name} cannot be read as a csv of prediction rows ({error}): give a file "
            "as reports/predictions holds them"
        ) from error
    for name in REQUIRED:
        if name not in rows:
            raise StudyError(
                f"{path.name} has no column {name!r}: give rows as the study wrote them"
            )
    return rows
