"""The table of clips that every reader fills, how emotions become its classes, and its apexes.

Where a clip's apex comes from is a policy, recorded in `apex_source`:

| policy | apex of the clip table | apex_source |
|---|---|---|
| `sheet` | the sheet's, after errata; empty where none was coded | `sheet`, or empty |
| `midpoint` | the middle one of the frames on disk from onset to offset | `midpoint` |
| `spotted` | empty: `views` spots it in the frames, whatever the sheet says | `spotted`, later |

Under `sheet` an empty apex is spotted too, which the table then says. Other authors' apexes enter
as errata, row by row, with their source.
"""

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from .frames import frame_names

CLASSES = ("negative", "positive", "surprise")  # 0, 1, 2 of the MEGC2019 lists
KEY = ["corpus", "subject", "clip"]  # of a clip, whose name alone may occur twice
FRAME_NUMBERS = ("onset", "apex", "offset")
COLUMNS = (*KEY, "label", "emotion", *FRAME_NUMBERS)
COLUMNS += ("apex_source", "fps", "action_units", "frames", "note")
EXCLUSION_COLUMNS = (*KEY, "reason")
FRAME_VIEWS = (  # what frames on disk give
    *("flow", "flow_legacy", "flow_centred", "flow_centred_2", "landmarks", "frames", "video"),
    *("keyframes", "keyframe_points", "rise", "rise_points"),
)
SPELLINGS = {"other": "others", "happyiness": "happiness"}  # how sheets spell one emotion
APEXES = ("sheet", "midpoint", "spotted")  # policies
LONGEST_CLASSES = 100  # bytes of all names together: they are part of the names of files
CLASS = re.compile(r"\w([\w .+-]*[\w+])?")


@dataclass(frozen=True)
class Scheme:
    """One way to make classes of a release's emotions."""

    name: str  # the number of classes as text, "3"; classes that were named: "happy,sad"
    title: str  # for sentences: "the MEGC2019 mapping"
    classes: tuple[str, ...]
    emotions: Mapping[str, str | None]  # emotion -> class; None: an emotion without a class here
    counts: Mapping[str, int] = field(default_factory=dict)  # class -> clips of a complete copy

    def label(self, emotion: str) -> tuple[str, str]:
        """(class, "") or ("", the reason why an emotion has none)."""
        if not emotion:
            return "", "the sheet names no emotion"
        name = emotion if emotion in self.emotions else SPELLINGS.get(emotion, emotion)
        if name not in self.emotions:
            near = nearest(emotion, self.emotions)
            return "", f"emotion '{emotion}' is not known, the nearest is '{near}'"
        if self.emotions[name] is None:
            return "", f"emotion '{emotion}' has no class in {self.title}"
        return self.emotions[name], ""

    def difference(self, counts: Mapping[str, int]) -> str:
        """How these clips per class differ from a complete copy's, in one sentence; "" unknown."""
        if not self.counts:
            return ""
        by_class = ", ".join(f"{name} {number}" for name, number in self.counts.items())
        complete = f"{sum(self.counts.values())} clips ({by_class})"
        more = {name: counts.get(name, 0) - number for name, number in self.counts.items()}
        if differences := ", ".join(f"{name} {n:+d}" for name, n in more.items() if n):
            return f"A complete copy has {complete}; this one differs by {differences}."
        return f"As many clips of each class as a complete copy has: {complete}."


def grouped(
    title: str, groups: Mapping[str, str], counts: Sequence[int] = (), none: str = ""
) -> Scheme:
    """Classes of groups of emotions, {"negative": "disgust repression"}; none: without a class.

    Raises StudyError for an emotion that is named twice.
    """
    words = " ".join((*groups.values(), none)).split()
    if twice := [word for word in words if words.count(word) > 1]:
        raise StudyError(f"{title}: '{twice[0]}' is named twice: leave it in one class")
    emotions = {emotion: label for label, names in groups.items() for emotion in names.split()}
    emotions |= dict.fromkeys(none.split())
    numbers = dict(zip(groups, counts, strict=True)) if counts else {}
    return Scheme(str(len(groups)), title, tuple(groups), emotions, numbers)


def three(
    negative: str = "negative",
    positive: str = "positive",
    surprise: str = "surprise",
    none: str = "",
    counts: Sequence[int] = (),
    title: str = "the MEGC2019 mapping",
) -> Scheme:
    """The classes of MEGC2019, of the emotions of each."""
    groups = dict(zip(CLASSES, (negative, positive, surprise), strict=True))
    return grouped(title, groups, counts, none)


def each(title: str, counts: Mapping[str, int], none: str = "") -> Scheme:
    """Classes that are emotions themselves, with their clips in a complete copy."""
    groups = {name: name for name in counts}
    return grouped(f"the {len(counts)} classes of {title}", groups, tuple(counts.values()), none)


def named_classes(classes: str | Sequence[str] | int | None = None) -> Scheme:
    """Classes of own clips: those of MEGC2019, or the names given. Raises StudyError."""
    if classes is None or str(classes).strip() == "3":
        return three(title="the MEGC2019 classes")
    given = classes if isinstance(classes, list | tuple) else str(classes).split(",")
    names = tuple(unicodedata.normalize("NFC", str(name).strip()) for name in given)
    if len(names) < 2 or not all(names) or len(set(map(str.casefold, names))) < len(names):
        raise StudyError(
            f"classes '{classes}' must be two names or more, each once, separated by commas: "
            f"such as happy,sad,neutral"
        )
    if wrong := [name for name in names if not can_be_class(name)]:
        raise StudyError(
            f"class '{wrong[0]}' cannot be a name: write letters, digits, _ and between them "
            f"blanks, dots, + or -, without the words {', '.join(APEXES)}"
        )
    text = ",".join(names)
    if (length := len(text.encode())) > LONGEST_CLASSES:
        raise StudyError(
            f"the names of the classes have {length} letters (bytes of UTF-8), {LONGEST_CLASSES} "
            f"are possible: shorten them"
        )
    return Scheme(text, "the classes given", names, {name: name for name in names})


def can_be_class(name: str) -> bool:
    """Whether a class may be called so: corpora, tables and files bear its name."""
    return bool(CLASS.fullmatch(name)) and not set(name.split("-")) & set(APEXES)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Clips of one corpus (or composite) as read from disk. Nothing here is decoded yet."""

    name: str
    path: Path  # the folder that was read
    clips: pd.DataFrame  # columns COLUMNS, one row per usable clip, sorted by KEY
    exclusions: pd.DataFrame  # columns EXCLUSION_COLUMNS: every clip that is left out, and why
    classes: tuple[str, ...]
    views: tuple[str, ...]  # names of the views it can offer
    synthetic: bool  # True: no people in it, and every report must say so
    sources: tuple[str, ...] = ()  # sheets and folders that were read, one sentence each
    scheme: Scheme | None = None  # how emotions became classes; None: the corpus was made here
    apex: str = "sheet"  # policy of `apexes`

    @property
    def release(self) -> str:
        """Its name without class scheme and apex policy: `casme2` of `casme2-5-midpoint`."""
        return self.name.partition("-")[0]


def clip_table(rows: Iterable[Mapping]) -> pd.DataFrame:
    """Rows as dictionaries -> the clip table. Raises StudyError where a key occurs twice."""
    kinds = dict.fromkeys(FRAME_NUMBERS, "Int64") | {"fps": float}
    text = [name for name in COLUMNS if name not in kinds]
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    table = table.astype(kinds | dict.fromkeys(text, "str"))
    table[text] = table[text].fillna("")
    twice = table[table.duplicated(KEY)]
    if len(twice):
        key = "/".join(twice.iloc[0][KEY])
        raise StudyError(f"clip {key} occurs twice: a clip has one row, remove the other")
    return table.sort_values(KEY, ignore_index=True)


def exclusion_table(rows: Iterable[Sequence[str]]) -> pd.DataFrame:
    """(corpus, subject, clip, reason) rows -> the table of exclusions."""
    table = pd.DataFrame(map(tuple, rows), columns=list(EXCLUSION_COLUMNS)).astype("str")
    return table.sort_values(KEY, kind="stable", ignore_index=True)


def choose_apexes(policy: str, rows: Sequence[dict]) -> tuple[list[dict], list[tuple]]:
    """Rows of the clip table under a policy, and (key, reason) of those that it cannot serve."""
    if policy == "sheet":
        return list(rows), []
    if policy == "spotted":
        return [row | {"apex": None, "apex_source": ""} for row in rows], []
    clips, left_out = [], []
    for row in rows:
        middle = _midpoint(row)
        if isinstance(middle, int):
            clips.append(row | {"apex": middle, "apex_source": "midpoint"})
        else:
            left_out.append((*map(row.get, KEY), middle))
    return clips, left_out


def _midpoint(row: Mapping) -> int | str:
    """The frame in the middle of those from onset to offset, or why there is none."""
    onset, offset = row["onset"], row.get("offset")
    if offset is None:
        return "no offset is known, so that the clip has no midpoint: choose apex 'spotted'"
    if Path(row["frames"]).is_file():  # a video: its frames are counted, not listed
        return onset + (offset - onset + 1) // 2
    between = [number for number in frame_names(row["frames"]) if onset <= number <= offset]
    middle = between[len(between) // 2] if between else onset
    return middle if middle > onset else f"no frame is between onset {onset} and offset {offset}"


def nearest(word: str, choices: Iterable[str], alike: float = 0.0) -> str:
    """The choice most like `word`, of those `alike` (0 to 1) at least; "" if there is none."""
    lower = {name.lower(): name for name in reversed(list(choices))}
    matches = difflib.get_close_matches(str(word).lower(), lower, n=1, cutoff=alike)
    return lower[matches[0]] if matches else ""


def unknown(what: str, word: str, choices: Sequence[str]) -> StudyError:
    """The error for a name that is none of the choices."""
    return StudyError(
        f"{what} '{word}' is not known, the nearest is '{nearest(word, choices)}': "
        f"choose one of {', '.join(choices)}"
    )


def unknown_words(reasons: Iterable[str]) -> tuple[int, str]:
    """How many reasons are an emotion that a scheme does not know; the words, with their counts."""
    matches = map(re.compile("emotion '(.*)' is not known").match, reasons)
    words = Counter(match[1] for match in matches if match)
    return words.total(), ", ".join(f"'{word}' {count}" for word, count in words.most_common(5))


def one_line(error: Exception) -> str:
    """The message of another library on one line, as a StudyError needs it."""
    return " ".join(str(error).split()) or type(error).__name__


def some(names: Iterable[str], most: int = 10) -> str:
    """The first names of a long list, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
