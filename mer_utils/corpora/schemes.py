"""Builders of class schemes: which emotion counts as which class, or as none.

`counts` are the clips of a complete copy, as the sheets and the official MEGC2019 list give them.
"""

from collections.abc import Mapping, Sequence

from ..errors import StudyError
from .table import CLASSES, Scheme


def grouped(
    title: str, groups: Mapping[str, str], counts: Sequence[int] = (), none: str = ""
) -> Scheme:
    """Classes that are groups of emotions: {"negative": "disgust repression", ...}.

    counts: clips of each class in a complete copy. none: emotions without a class.
    """
    emotions = {emotion: label for label, names in groups.items() for emotion in names.split()}
    numbers = dict(zip(groups, counts, strict=True)) if counts else {}
    return Scheme(
        str(len(groups)), title, tuple(groups), emotions | dict.fromkeys(none.split()), numbers
    )


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
    """Classes of a laboratory's own clips: those of MEGC2019, or the names that are given.

    Raises StudyError for fewer than two names and for a name given twice.
    """
    if classes is None or str(classes).strip() == "3":
        return three(title="the MEGC2019 classes")
    given = classes if isinstance(classes, list | tuple) else str(classes).split(",")
    names = tuple(str(name).strip() for name in given)
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise StudyError(
            f"classes '{classes}' must be two names or more, each once, separated by commas: "
            f"such as happy,sad,neutral"
        )
    return Scheme(",".join(names), "the classes given", names, {name: name for name in names})
