"""Scores of prediction rows, pooled over folds as the MEGC2019 text defines them.

    python -m mer_utils.evaluation.scores LOG     # scores of a log in the MEGC2019 format

UF1 is the unweighted mean of the classes' F1, each from counts summed over all folds; UAR the
unweighted mean of the classes' recall.  Neither is an average of folds: 23 of the 68 subjects have
clips of one class only, where a fold's own score is not defined.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    f1_score,
    precision_score,
    recall_score,
)

from ..corpora.table import CLASSES
from ..errors import StudyError

KEY = ["corpus", "subject", "clip"]
ROW_COLUMNS = (
    "run",
    "system",
    "seed",
    "selection",
    "corpus",
    "subject",
    "clip",
    "label",
    "predicted",
    *(f"p_{name}" for name in CLASSES),
    "epoch",
)


def classes_of(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> tuple[str, ...]:
    """`classes`, or those that the rows have probabilities of; rows without any have MEGC's three.

    So that scores over five classes need no word more than scores over three.
    """
    if classes is not None:
        return tuple(classes)
    named = tuple(name.removeprefix("p_") for name in rows.columns if name.startswith("p_"))
    return named or CLASSES


def uf1(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> float:
    """Mean over `classes` of 2TP / (2TP + FP + FN); a class in neither column counts 0."""
    return float(_pooled(f1_score, rows, classes))


def uar(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> float:
    """Mean over `classes` of TP / n."""
    return float(_pooled(recall_score, rows, classes))


def macro_precision(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> float:
    """Mean over `classes` of TP / (TP + FP); published tables have shown this as UAR."""
    return float(_pooled(precision_score, rows, classes))


def accuracy(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> float:
    """Share of clips that are right."""
    _check(rows, classes_of(rows, classes))
    return float(accuracy_score(rows["label"], rows["predicted"]))


SCORES: dict[str, Callable] = {
    "UF1": uf1,
    "UAR": uar,
    "accuracy": accuracy,
    "macro-precision": macro_precision,
}


def _pooled(score, rows, classes):
    classes = classes_of(rows, classes)
    _check(rows, classes)
    return score(
        rows["label"], rows["predicted"], labels=list(classes), average="macro", zero_division=0
    )


def _check(rows: pd.DataFrame, classes: Sequence[str]) -> None:
    if not len(rows):
        raise StudyError("there are no prediction rows to score: run notebook 41 first")
    strange = set(rows["label"]) | set(rows["predicted"])
    strange -= set(classes)
    if strange:
        raise StudyError(
            f"prediction rows hold class {sorted(map(str, strange))[0]!r}, "
            f"which is none of {', '.join(classes)}"
        )


def table(
    rows: pd.DataFrame, by: str | None = "corpus", classes: Sequence[str] | None = None
) -> pd.DataFrame:
    """Scores of all rows ("Full") and of each value of column `by`, from the same predictions."""
    parts = [("Full", rows)]
    if by is not None:
        parts += list(rows.groupby(by, sort=True))
    return pd.DataFrame(
        [
            {
                by or "part": name,
                "clips": len(part),
                "subjects": len(part[["corpus", "subject"]].drop_duplicates()),
                **{title: score(part, classes) for title, score in SCORES.items()},
            }
            for name, part in parts
        ]
    )


def subject_reports(
    rows: pd.DataFrame, classes: Sequence[str] | None = None
) -> dict[tuple[str, str], str]:
    """scikit-learn's classification report of every subject, by (corpus, subject).

    Classes the subject has no clip of are left out of the report, not counted as 0.
    """
    found, classes = {}, classes_of(rows, classes)
    for subject, part in rows.groupby(["corpus", "subject"], sort=True):
        present = [c for c in classes if c in set(part["label"]) | set(part["predicted"])]
        found[subject] = classification_report(
            part["label"], part["predicted"], labels=present, zero_division=0
        )
    return found


# --- averages of folds: what the field also prints, never a result here --------------------------


def fold_means(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """UF1 and UAR under four rules on the same rows; only the first is a result of this study.

    `present`: mean over folds of the macro score over classes in label or prediction (UF1) or in
    label (UAR), as scikit-learn does by default.  `all right is 1`: a fold without an error counts
    1, else classes from 0 to the highest one present are averaged.  `absent class is 0`: over all.
    """
    folds = [part for _, part in rows.groupby(["corpus", "subject"])]
    classes = classes_of(rows, classes)
    code = {name: number for number, name in enumerate(classes)}

    def macro(score, part, labels):
        return score(
            part["label"], part["predicted"], labels=labels, average="macro", zero_division=0
        )

    def present(score, part):
        seen = set(part["label"]) | (set(part["predicted"]) if score is f1_score else set())
        return macro(score, part, sorted(seen, key=code.get))

    def right_is_one(score, part):
        if (part["label"] == part["predicted"]).all():
            return 1.0
        highest = max(code[name] for name in {*part["label"], *part["predicted"]})
        return macro(score, part, list(classes[: highest + 1]))

    def absent_is_zero(score, part):
        return macro(score, part, list(classes))

    found = [{"rule": "pooled (MEGC2019)", "UF1": uf1(rows, classes), "UAR": uar(rows, classes)}]
    for name, rule in (
        ("mean of folds, classes present", present),
        ("mean of folds, all right is 1", right_is_one),
        ("mean of folds, absent class is 0", absent_is_zero),
    ):
        found.append(
            {
                "rule": name,
                "UF1": float(np.mean([rule(f1_score, part) for part in folds])),
                "UAR": float(np.mean([rule(recall_score, part) for part in folds])),
            }
        )
    return pd.DataFrame(found)


# --- the MEGC2019 log: a line per subject, a line per clip ---------------------------------------

_SUBJECT = re.compile(r"(?P<corpus>\S+)\s+(?P<subject>\S+)")
_BLANK = re.compile(r"[\s%]")  # would end a name; `own` corpora may have them
_CLIP = re.compile(r"(?P<clip>\S+)\s+(?P<label>\d+)\s+(?P<predicted>\d+)")


def write_log(rows: pd.DataFrame, path: Path | str, classes: Sequence[str] | None = None) -> Path:
    """`casme2 sub01`, then `EP02_01f 1 1` (clip, truth, prediction), as the challenge asks for."""
    classes = classes_of(rows, classes)
    _check(rows, classes)
    twice = rows.duplicated(KEY)
    if twice.any():
        raise StudyError(
            f"{' / '.join(rows.loc[twice, KEY].iloc[0])} is predicted twice in these rows: "
            "write the log of one run (one system, seed and selection)"
        )
    code = {name: number for number, name in enumerate(classes)}
    lines = []
    for (corpus, subject), part in rows.groupby(["corpus", "subject"], sort=True):
        lines.append(f"{_joined(corpus)} {_joined(subject)}")
        lines += [
            f"{_joined(row.clip)} {code[row.label]} {code[row.predicted]}"
            for row in part.itertuples()
        ]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _joined(name: str) -> str:
    """A name without blanks: each is written as in a web address, `%20`."""
    return _BLANK.sub(lambda blank: quote(blank[0]), name)


def read_log(path: Path | str, classes: Sequence[str] = CLASSES) -> pd.DataFrame:
    """Rows (corpus, subject, clip, label, predicted) of a log in the MEGC2019 format."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise StudyError(f"{path} does not exist: give the path of a log file") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise StudyError(f"{path} is no text file: give a log in the MEGC2019 format") from None
    return _parse(lines, path, classes)


def _parse(lines: Iterable[str], path: Path, classes: Sequence[str]) -> pd.DataFrame:
    rows, subject = [], None
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        if clip := _CLIP.fullmatch(text):
            if subject is None:
                raise StudyError(f"{path}, line {number}: a clip before the first `corpus subject`")
            label, predicted = int(clip["label"]), int(clip["predicted"])
            if max(label, predicted) >= len(classes):
                raise StudyError(
                    f"{path}, line {number}: class {max(label, predicted)} where "
                    f"0 to {len(classes) - 1} are known"
                )
            rows.append((*subject, unquote(clip["clip"]), classes[label], classes[predicted]))
        elif found := _SUBJECT.fullmatch(text):
            subject = (unquote(found["corpus"]), unquote(found["subject"]))
        else:
            raise StudyError(
                f"{path}, line {number}: {text!r} is neither `corpus subject` nor "
                "`clip truth prediction`"
            )
    if not rows:
        raise StudyError(f"{path} holds no clip: give a log in the MEGC2019 format")
    frame = pd.DataFrame(rows, columns=[*KEY, "label", "predicted"])
    twice = frame.duplicated(KEY)
    if twice.any():
        raise StudyError(f"{path}: {' / '.join(frame.loc[twice, KEY].iloc[0])} stands there twice")
    return frame


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
        text = {name: str for name in (*KEY, "run", "system", "selection", "label", "predicted")}
        rows = pd.read_csv(path, dtype=text, keep_default_na=False)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise StudyError(
            f"{path.name} cannot be read as a csv of prediction rows ({error}): give a file "
            "as reports/predictions holds them"
        ) from error
    for name in ROW_COLUMNS[: ROW_COLUMNS.index("predicted") + 1]:
        if name not in rows:
            raise StudyError(
                f"{path.name} has no column {name!r}: give rows as the study wrote them"
            )
    return rows


def sentence(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> str:
    """The scores of one run in words, for an answer or an alternative text."""
    subjects = len(rows[["corpus", "subject"]].drop_duplicates())
    return (
        f"UF1 {uf1(rows, classes):.3f} and UAR {uar(rows, classes):.3f} over {len(rows)} clips "
        f"of {subjects} left-out subjects"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mer_utils.evaluation.scores", description=__doc__
    )
    parser.add_argument("log", help="a log file in the MEGC2019 format")
    parser.add_argument(
        "--classes", default=",".join(CLASSES), help="names of classes 0, 1, ... (%(default)s)"
    )
    options = parser.parse_args(arguments)
    classes = tuple(options.classes.split(","))
    rows = read_log(options.log, classes)
    scores = table(rows, classes=classes)
    print(scores.to_string(index=False, float_format=lambda value: f"{value:.4f}"))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
