"""Class schemes by release and number of classes: which emotion counts as which class, or as none.

The first scheme of a release is its default. `counts` are the clips of a complete copy, as the
sheets and the official MEGC2019 list give them; `difference` tells how a copy departs from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import StudyError
from .table import CLASSES, nearest

# How sheets spell what is one word; applied to every emotion before it is looked up.
SPELLINGS = {"other": "others", "happyiness": "happiness"}


@dataclass(frozen=True)
class Scheme:
    """One way to make classes of a release's emotions."""

    name: str  # the number of classes as text: "3"; own classes: their names, "happy,sad"
    title: str  # for sentences: "the MEGC2019 mapping"
    classes: tuple[str, ...]
    emotions: Mapping[str, str | None]  # emotion -> class; None: known, but of no class here
    counts: Mapping[str, int] = field(default_factory=dict)  # class -> clips of a complete copy

    def label(self, emotion: str) -> tuple[str, str]:
        """(class, "") or ("", the reason why an emotion has none)."""
        if not emotion:
            return "", "the sheet names no emotion"
        found = emotion if emotion in self.emotions else SPELLINGS.get(emotion, emotion)
        if found not in self.emotions:
            near = nearest(emotion, self.emotions)
            return "", f"emotion '{emotion}' is not known, the nearest known one is '{near}'"
        if self.emotions[found] is None:
            return "", f"emotion '{emotion}' has no class in {self.title}"
        return self.emotions[found], ""

    def difference(self, counts: Mapping[str, int]) -> str:
        """How these clips per class differ from a complete copy's, in one sentence; "" unknown."""
        if not self.counts:
            return ""
        whole = ", ".join(f"{name} {number}" for name, number in self.counts.items())
        total = f"{sum(self.counts.values())} clips ({whole})"
        off = {name: counts.get(name, 0) - number for name, number in self.counts.items()}
        if not any(off.values()):
            return f"As many clips of each class as a complete copy has: {total}."
        told = ", ".join(f"{name} {number:+d}" for name, number in off.items() if number)
        return f"A complete copy has {total}; this one differs by {told}."


def _three(
    names: Mapping[str, Sequence[str]], none: Sequence[str], counts: Sequence[int]
) -> Scheme:
    """The classes of MEGC2019: which emotions each has, which have none, clips of each."""
    emotions = {emotion: label for label, found in names.items() for emotion in found}
    numbers = dict(zip(CLASSES, counts, strict=True))
    mapping = emotions | dict.fromkeys(none)
    return Scheme("3", "the MEGC2019 mapping", CLASSES, mapping, numbers)


def _named(title: str, counts: Mapping[str, int], none: Sequence[str] = ()) -> Scheme:
    """Classes that are emotions themselves."""
    emotions = {name: name for name in counts} | dict.fromkeys(none)
    number = str(len(counts))
    return Scheme(number, f"the {number} classes of {title}", tuple(counts), emotions, counts)


_SAME = {name: (name,) for name in CLASSES}
_CASME3_NEGATIVE = ("disgust", "fear", "anger", "sad")
_CASME3 = {"negative": _CASME3_NEGATIVE, "positive": ("happy",), "surprise": ("surprise",)}

SCHEMES: dict[str, tuple[Scheme, ...]] = {
    "casme2": (
        _three(
            {
                "negative": ("disgust", "repression"),
                "positive": ("happiness",),
                "surprise": ("surprise",),
            },
            ("fear", "sadness", "others"),
            (88, 32, 25),
        ),
        _named(
            "CASME II",
            {"others": 99, "disgust": 63, "happiness": 32, "repression": 27, "surprise": 25},
            ("fear", "sadness"),
        ),
    ),
    "samm": (
        _three(
            {
                "negative": ("anger", "contempt", "disgust", "fear", "sadness"),
                "positive": ("happiness",),
                "surprise": ("surprise",),
            },
            ("others",),
            (92, 26, 15),
        ),
        _named(
            "SAMM",
            {"anger": 57, "others": 26, "happiness": 26, "surprise": 15, "contempt": 12},
            ("disgust", "fear", "sadness"),
        ),
    ),
    "smic": (_three(_SAME, (), (70, 51, 43)),),
    # Of the 164 clips SMIC-E holds 157; the other seven are second events of these films.
    "smic_e": (_three(_SAME, (), (70, 51, 43)),),
    "casme3": (
        _three(_CASME3, ("others",), (457, 55, 187)),
        Scheme(
            "4",
            "the 4 classes of CAS(ME)^3",
            (*CLASSES, "others"),
            {emotion: label for label, found in _CASME3.items() for emotion in found}
            | {"others": "others"},
            {"negative": 457, "positive": 55, "surprise": 187, "others": 161},
        ),
        _named(
            "CAS(ME)^3",
            {
                "disgust": 250,
                "surprise": 187,
                "others": 161,  # three of them are spelled `Others`
                "fear": 86,
                "anger": 64,
                "sad": 57,
                "happy": 55,
            },
        ),
    ),
    "casme_squared": (
        _three(_SAME, ("others",), (21, 8, 9)),
        _named("CAS(ME)^2", {"negative": 21, "others": 19, "surprise": 9, "positive": 8}),
    ),
    "casme_squared_macro": (
        _three(_SAME, ("others",), (105, 116, 16)),
        _named("CAS(ME)^2", {"positive": 116, "negative": 105, "others": 63, "surprise": 16}),
    ),
    "afew": (
        _named(
            "AFEW",
            {  # training and validation together: test is not labelled
                "angry": 133 + 64,
                "disgust": 74 + 40,
                "fear": 81 + 46,
                "happy": 150 + 63,
                "neutral": 144 + 63,
                "sad": 117 + 61,
                "surprise": 74 + 46,
            },
        ),
    ),
    "oulu_casia": (
        _named(
            "Oulu-CASIA",
            dict.fromkeys(("anger", "disgust", "fear", "happiness", "sadness", "surprise"), 80),
        ),
    ),
}
# Part C has no official count by class; its emotions are part A's.
SCHEMES["casme3_c"] = tuple(
    Scheme(one.name, one.title, one.classes, one.emotions) for one in SCHEMES["casme3"]
)
SCHEMES["megc2019"] = (Scheme("3", "the MEGC2019 mapping", CLASSES, {}, {
    "negative": 250, "positive": 109, "surprise": 83,
}),)  # fmt: skip
SCHEMES["megc2019_flow"] = SCHEMES["megc2019"]
SCHEMES["synthetic"] = (Scheme("3", "the MEGC2019 mapping", CLASSES, {}),)


def find(corpus: str, classes: str | int | None = None) -> Scheme:
    """The scheme of a corpus by its number of classes; None is the first one.

    Raises StudyError naming those there are.
    """
    known = SCHEMES[corpus]
    if classes is None:
        return known[0]
    for scheme in known:
        if scheme.name == str(classes).strip():
            return scheme
    names = " or ".join(f"{one.name} ({', '.join(one.classes)})" for one in known)
    raise StudyError(f"{corpus} has no scheme of {classes} classes: choose {names}")


def own(classes: str | Sequence[str] | int | None = None) -> Scheme:
    """Classes of a laboratory's own csv: the three of MEGC2019, or the names that are given.

    Raises StudyError for fewer than two names and for one given twice.
    """
    if classes is None or str(classes).strip() == "3":
        return Scheme("3", "the MEGC2019 classes", CLASSES, {name: name for name in CLASSES})
    given = classes.split(",") if isinstance(classes, str) else [str(c) for c in _listed(classes)]
    names = tuple(name.strip() for name in given)
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise StudyError(
            f"classes '{classes}' must be two names or more, each once, separated by commas: "
            f"such as happy,sad,neutral"
        )
    return Scheme(",".join(names), "the classes given", names, {name: name for name in names})


def _listed(classes: object) -> Sequence:
    return classes if isinstance(classes, list | tuple) else (classes,)
