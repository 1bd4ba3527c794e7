"""Builders of class schemes: which emotion counts as which class, or as none.

`counts` are the clips of a complete copy, as the sheets and the official MEGC2019 list give them.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from ..errors import StudyError
from .apexes import POLICIES
from .table import CLASSES, Scheme

LONGEST = 100  # bytes of all names together: they are part of the names of files
NAME = re.compile(r"\w([\w .+-]*[\w+])?")


def grouped(
    title: str, groups: Mapping[str, str], counts: Sequence[int] = (), none: str = ""
) -> Scheme:
    """Classes of groups of emotions, {"negative": "disgust repression"}; none: without a class."""
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


def named(classes: str | Sequence[str] | int | None = None) -> Scheme:
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
    for name in names:
        if not can_be_class(name):
            raise StudyError(
                f"class '{name}' cannot be a name: write letters, digits, _ and between them "
                f"blanks, dots, + or -, without the words {', '.join(POLICIES)}"
            )
    text = ",".join(names)
    if (length := len(text.encode())) > LONGEST:
        raise StudyError(
            f"the names of the classes have {length} letters (bytes of UTF-8), {LONGEST} are "
            f"possible: shorten them"
        )
    return Scheme(text, "the classes given", names, {name: name for name in names})


def can_be_class(name: str) -> bool:
    """Whether a class may be called so: corpora, tables and files bear its name."""
    return bool(NAME.fullmatch(name)) and not set(name.split("-")) & set(POLICIES)
