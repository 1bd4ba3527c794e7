"""Predictions as files: the MEGC2019 log of one run, and prediction rows of any number of runs.

./run_all.sh scores LOG           # scores of a log in the MEGC2019 format
./run_all.sh scores ROWS.csv.gz   # scores of rows, with intervals and tests
"""

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import pandas as pd

from .. import paths
from ..corpora import OWN, RELEASES, official, sheets, summary
from ..corpora.table import CLASSES, KEY, one_line
from ..errors import StudyError
from . import scores

REQUIRED = ("run", "system", "seed", "selection", *KEY, "label", "predicted")
TEXT = {name: str for name in REQUIRED if name != "seed"}  # ids such as 006 stay text
_SUBJECT = re.compile(r"(?P<corpus>\S+)\s+(?P<subject>\S+)")
_CLIP = re.compile(r"(?P<clip>\S+)\s+(?P<label>[0-9]{1,3})\s+(?P<predicted>[0-9]{1,3})")
_BLANK = re.compile(r"[\s%]")  # would end a name; `own` corpora may have them


def write_log(rows: pd.DataFrame, path: Path | str) -> Path:
    """`casme2 sub01`, then `EP02_01f 1 1` (clip, truth, prediction), as the challenge asks for."""
    label, predicted = divmod(scores.cells_of(rows), len(scores.classes_of(rows)))
    if twice := _twice(rows):
        raise StudyError(
            f"{twice} is predicted twice in these rows: "
            "write the log of one run (one system, seed and selection)"
        )
    text = ""
    coded = rows[KEY].assign(label=label, predicted=predicted)
    for person, part in coded.groupby(scores.PERSON):
        text += " ".join(map(_joined, person)) + "\n"
        for row in part.itertuples():
            text += f"{_joined(row.clip)} {row.label} {row.predicted}\n"
    paths.write_whole(Path(path), text.encode())
    return Path(path)


def _joined(name: str) -> str:
    """A name without blanks: each is written as in a web address, `%20`."""
    return _BLANK.sub(lambda blank: quote(blank[0]), name)


def _twice(rows: pd.DataFrame) -> str:
    """The first clip that has two rows; "" where none has."""
    return " / ".join(rows.loc[rows.duplicated(KEY), KEY].head(1).to_numpy().ravel())


def read_log(path: Path | str, classes: Sequence[str] = CLASSES) -> pd.DataFrame:
    """Rows (corpus, subject, clip, label, predicted) of a log in the MEGC2019 format.

    Subjects and clips of known corpora come spelled as the study spells them: SMIC's 1 is s01.
    Raises StudyError naming the file and the line for what is no such log.
    """
    if not Path(path).is_file():
        raise StudyError(f"{path} does not exist or is no file: give the path of a log")
    every = enumerate(map(str.strip, sheets.decoded(Path(path)).splitlines()), start=1)
    lines = [(f"{path}, line {number}", line) for number, line in every if line]
    rows, subject = [], None
    for (place, line), (_, following) in zip(lines, [*lines[1:], ("", "")], strict=False):
        if clip := _CLIP.fullmatch(line):
            if subject is None:
                raise StudyError(f"{place}: a clip before the first `corpus subject`")
            codes = int(clip["label"]), int(clip["predicted"])
            if max(codes) >= len(classes):
                last = len(classes) - 1
                raise StudyError(f"{place}: class {max(codes)} where 0 to {last} are known")
            key = _key(*subject, unquote(clip["clip"]), place)
            rows.append((*key, *(classes[code] for code in codes)))
        elif names := _SUBJECT.fullmatch(line):
            subject = tuple(map(unquote, names.groups()))
            if not following or _SUBJECT.fullmatch(following):
                raise StudyError(
                    f"{place}: {line!r} holds no clip: lines `clip truth prediction` must follow "
                    "`corpus subject`"
                )
        else:
            expected = "neither `corpus subject` nor `clip truth prediction`"
            raise StudyError(f"{place}: {line!r} is {expected}")
    if not rows:
        raise StudyError(f"{path} holds no clip: give a log in the MEGC2019 format")
    rows = pd.DataFrame(rows, columns=[*KEY, "label", "predicted"])
    if twice := _twice(rows):
        raise StudyError(f"{path} lists {twice} twice: keep one")
    return rows


def _key(corpus: str, subject: str, clip: str, place: str) -> tuple[str, str, str]:
    """(corpus, subject, clip) as the reader of the corpus spells them; others stay as they are."""
    name = corpus.lower()
    release = RELEASES.get(name.removeprefix("synthetic_"))
    if release is None or release.names is None:
        return corpus, subject, clip
    try:
        return name, release.names.subject(subject), release.names.clip(clip)
    except ValueError as error:
        raise StudyError(f"{place}: {error}") from error


def remarks(rows: pd.DataFrame) -> list[str]:
    """What must be said of the clips of a log or of rows before their scores are believed."""
    clips = rows[[*KEY, "label"]].drop_duplicates()
    names = sorted(set(clips["corpus"]))
    lines = [
        f"Corpus {name!r} is none of this study: its ids are taken as they are."
        for name in names
        if name.removeprefix("synthetic_") not in RELEASES and not OWN.fullmatch(name)
    ]
    parts = [name for name in official.MEGC2019 if name in names]
    if not parts or not set(clips["label"]) <= set(CLASSES):
        return lines
    clips = clips[clips["corpus"].isin(parts)]
    differences = official.of_clips(clips, parts, [paths.RAW, paths.RAW / "megc2019_flow"])
    lines.append(official.compare_sentence(len(clips), parts, differences))
    return lines + summary.differences(differences)


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
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise StudyError(
            f"{path.name} cannot be read as a csv of prediction rows ({one_line(error)}): "
            "give a file as reports/predictions holds them, or a log in the MEGC2019 format"
        ) from error
    if missing := [name for name in REQUIRED if name not in rows]:
        raise StudyError(
            f"{path.name} has no column {missing[0]!r}: give rows as the study wrote them"
        )
    return rows
