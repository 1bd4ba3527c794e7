"""The clip table that every reader fills: its columns, its classes, the `Corpus` around it."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..errors import StudyError

if TYPE_CHECKING:
    from .schemes import Scheme

CLASSES = ("negative", "positive", "surprise")  # 0, 1, 2 of the MEGC2019 lists
COLUMNS = (
    "corpus",
    "subject",
    "clip",
    "label",
    "emotion",
    "onset",
    "apex",
    "offset",
    "apex_source",
    "fps",
    "action_units",
    "frames",
    "note",
)
EXCLUSION_COLUMNS = ("corpus", "subject", "clip", "reason")
KEY = ["corpus", "subject", "clip"]  # of a clip, whose name alone may occur twice
FRAME_NUMBERS = ("onset", "apex", "offset")
FRAME_VIEWS = (  # what frames on disk give
    "flow",
    "flow_legacy",
    "landmarks",
    "frames",
    "video",
    "keyframes",
    "keyframe_points",
    "rise",
    "rise_points",
)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Clips of one corpus (or composite) as read from disk. Nothing here is decoded yet."""

    name: str
    path: Path  # the folder that was read
    clips: pd.DataFrame  # columns COLUMNS, one row per usable clip, sorted by KEY
    exclusions: pd.DataFrame  # columns EXCLUSION_COLUMNS: every clip seen and left out, and why
    classes: tuple[str, ...]
    views: tuple[str, ...]  # names of the views it can offer
    synthetic: bool  # True: no people in it, and every report must say so
    sources: tuple[str, ...] = ()  # sheets and folders that were read, one sentence each
    scheme: "Scheme | None" = None  # how emotions became classes; None: the corpus was made here
    apex: str = "sheet"  # policy of `apexes`

    @property
    def release(self) -> str:
        """Its name without class scheme and apex policy: `casme2` of `casme2-5-midpoint`."""
        return self.name.partition("-")[0]


def clip_table(rows: Iterable[Mapping]) -> pd.DataFrame:
    """Rows as dictionaries -> the clip table; a column a row does not name is empty.

    Raises StudyError where a key occurs twice.
    """
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    for column in COLUMNS:
        if column in FRAME_NUMBERS:
            table[column] = table[column].astype("Int64")
        elif column == "fps":
            table[column] = table[column].astype(float)
        else:
            table[column] = table[column].astype("str").fillna("")
    twice = table[table.duplicated(KEY)]
    if len(twice):
        raise StudyError(
            f"clip {'/'.join(twice.iloc[0][KEY])} occurs twice: a clip has one row, "
            f"remove the other"
        )
    return table.sort_values(KEY, ignore_index=True)


def exclusion_table(rows: Iterable[Sequence[str]]) -> pd.DataFrame:
    """(corpus, subject, clip, reason) rows -> the table of exclusions."""
    table = pd.DataFrame(list(rows), columns=list(EXCLUSION_COLUMNS)).astype("str")
    return table.sort_values(KEY, kind="stable", ignore_index=True)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most like `word` ("" if there is none to choose from)."""
    known = list(known)
    lower = {name.lower(): name for name in reversed(known)}
    found = difflib.get_close_matches(str(word).lower(), lower, n=1, cutoff=0.0)
    return lower[found[0]] if found else ""


def one_line(error: Exception) -> str:
    """What another library says, fit for the one line a StudyError is."""
    return " ".join(str(error).split()) or type(error).__name__
