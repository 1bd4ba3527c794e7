"""The clips of the synthetic corpora before they are drawn: subjects, emotions, action units."""

import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

NOTICE = "synthetic faces made from one public-domain photograph; not evidence about people"


@dataclass(frozen=True)
class Layout:
    """One release: its subjects, its clips of each emotion, its camera."""

    name: str
    subjects: tuple[str, ...]
    counts: Mapping[str, int]  # emotion -> clips
    dominating: tuple[str, ...]  # class of most clips of each subject
    size: tuple[int, int]  # width, height of a frame
    scale: float  # frame pixels per pixel of the photograph, whose face is 90 wide
    frames: tuple[int, int]  # fewest and most of a clip
    noise: float  # grey levels
    quality: int  # of the JPEG
    folder: str  # of a clip's frames, to be filled in with the Clip
    frame: str  # name of a frame, with the Clip and its number
    first: tuple[int, int]  # least and most number of a clip's first frame
    grey: bool = False

    @property
    def corpus(self) -> str:
        return f"synthetic_{self.name}"


N, P, S = "negative", "positive", "surprise"
LAYOUTS = (
    Layout(
        name="casme2",
        subjects=("01", "02", "03", "06", "09", "12"),
        counts={"disgust": 16, "repression": 7, "happiness": 8, "surprise": 7}
        | {"others": 4, "fear": 1},
        dominating=(N, P, N, S, N, P),
        size=(272, 304),
        scale=1.6,
        frames=(16, 26),
        noise=2.0,
        quality=93,
        folder="CASME2_RAW_selected/sub{0.subject}/{0.name}",
        frame="img{1}.jpg",
        first=(20, 300),
    ),
    Layout(
        name="samm",
        subjects=("006", "007", "014", "020", "026"),
        counts={"Anger": 13, "Contempt": 4, "Disgust": 3, "Fear": 2, "Sadness": 2}
        | {"Happiness": 7, "Surprise": 5, "Other": 3},
        dominating=(S, P, N, N, N),
        size=(288, 320),
        scale=1.7,
        frames=(16, 26),
        noise=2.5,
        quality=92,
        folder="{0.subject}/{0.name}",
        frame="{0.subject}_{1:05d}.jpg",
        first=(150, 9000),
        grey=True,
    ),
    Layout(
        name="smic",
        subjects=("s1", "s2", "s4", "s5", "s8"),
        counts={"negative": 13, "positive": 10, "surprise": 9},
        dominating=(N, P, S, N, P),
        size=(208, 240),
        scale=1.42,
        frames=(14, 22),
        noise=2.5,
        quality=92,
        folder="SMIC_all_raw/HS/{0.subject}/micro/{0.label}/{0.name}",
        frame="image{1:06d}.bmp",
        first=(10000, 900000),
    ),
)
CLASS_OF = dict.fromkeys(
    ("negative", "disgust", "repression", "anger", "contempt", "sadness", "fear"), N
) | {"positive": P, "happiness": P, "surprise": S, "others": "", "other": ""}
UNMAPPED = ("casme2", "fear")  # MEGC2019 takes fear from SAMM, not from CASME II

# Action units of an emotion and how often they occur (weights). From FACS practice (EMFACS) and
# the sheets of CASME II and SAMM, of which they keep the most frequent combinations.
UNITS: dict[str, dict[str, float]] = {
    "disgust": {"4+7": 6, "4": 4, "7": 4, "4+9": 3, "4+10": 3, "9": 3, "10": 2, "4+7+9": 2}
    | {"7+43": 1},
    "repression": {"17": 5, "15+17": 3, "15": 3, "14": 3, "14+17": 2, "20": 2, "24": 1},
    "anger": {"4": 6, "4+7": 6, "7": 4, "4+24": 1, "4+7+17": 1, "17": 1},
    "contempt": {"R14": 3, "L14": 3, "14": 2, "R12+R14": 1},
    "fear": {"20": 3, "1+4": 2, "4+5": 1, "20+25": 1},
    "sadness": {"15": 3, "15+17": 2, "17": 2, "1+4": 2},
    "happiness": {"12": 9, "6+12": 5, "R12": 2, "L12": 2, "7+12": 1, "12+25": 1, "12+14": 1},
    "surprise": {"1+2": 9, "5": 2, "1+2+5": 3, "1": 1, "2": 1, "R2": 1, "1+2+25": 1, "25+26": 1},
    "others": {"4": 3, "14": 2, "17": 2, "7": 2, "12+17": 1, "4+12": 1, "2": 1},
}  # fmt: skip
# Units that coders also saw under a class, though they are typical of another.
UNUSUAL: dict[str, tuple[str, ...]] = {
    N: ("12+15", "12+14", "1+2", "5", "25", "6+12", "L12", "2+4"),
    P: ("14", "17", "6+7", "4+12", "20", "10", "2+12", "7"),
    S: ("4+5", "7", "24", "14", "12+25", "26", "2+14", "17+25"),
    "": ("6", "10"),
}
UNUSUAL_SHARE = 0.08  # of the clips
DOMINANCE = 9.0  # how many times likelier the dominating class of a subject is
CASME2_CLIPS = (
    "EP02_01f", "EP03_02", "EP04_03", "EP04_04f", "EP05_03f", "EP06_01", "EP06_02_01", "EP08_02f",
    "EP09_01", "EP09f", "EP12_01f", "EP12_02", "EP13_01", "EP15_04", "EP17_08", "EP19_05f",
    "EP19_06f", "EP01_2", "EP07_37", "EP16_04f",
)  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """One clip before it is drawn."""

    subject: str  # as on disk, without the prefix of its folder
    name: str
    emotion: str  # as in the sheet
    label: str  # class, "" where MEGC2019 has none
    units: str  # action units that move: "4+R12"
    coded: str  # the same as the sheet has it
    apex: str = ""  # a fault of the sheet's apex: "/" or "onset"


def random_of(seed: int, *names: str) -> np.random.Generator:
    """A generator whose numbers depend on seed and names alone, not on other draws."""
    return np.random.default_rng([seed, zlib.crc32("/".join(names).encode())])


def plan(layout: Layout, seed: int) -> list[Clip]:
    """Every clip of a release: who shows which emotion by which action units."""
    random = random_of(seed, layout.name, "plan")
    emotions = [e for e, count in layout.counts.items() for _ in range(count)]
    labels = ["" if (layout.name, e) == UNMAPPED else CLASS_OF[e.lower()] for e in emotions]
    activity = random.lognormal(0, 0.45, len(layout.subjects))
    weights = {"": activity}  # class -> weight of each subject
    for label in (N, P, S):
        dominance = np.where(np.array(layout.dominating) == label, DOMINANCE, 1.0)
        weights[label] = activity * dominance * random.lognormal(0, 0.3, len(activity))
    pairs: dict[str, list[tuple[str, str]]] = {subject: [] for subject in layout.subjects}
    for i in random.permutation(len(emotions)):
        chances = weights[labels[i]] / weights[labels[i]].sum()
        empty = [not pairs[subject] for subject in layout.subjects]
        if len(emotions) - sum(map(len, pairs.values())) <= sum(empty):  # every subject needs one
            chances = np.array(empty) / sum(empty)
        subject = layout.subjects[random.choice(len(layout.subjects), p=chances)]
        pairs[subject].append((emotions[i], labels[i]))
    clips = [clip for subject in pairs for clip in _clips(layout, seed, subject, pairs[subject])]
    if layout.name == "casme2":  # two apexes as the release has them
        first = {c.subject: i for i, c in reversed(list(enumerate(clips))) if c.label == N}
        for i, apex in zip(list(first.values())[-2:], ("/", "onset"), strict=False):
            clips[i] = replace(clips[i], apex=apex)
    return clips


def _clips(layout: Layout, seed: int, subject: str, pairs: Sequence[tuple[str, str]]) -> list[Clip]:
    """The clips of a subject. pairs: emotion and class of each."""
    random = random_of(seed, layout.name, subject, "clips")
    # combinations of units that this person prefers
    habits = {units: random.lognormal(0, 0.7) for table in UNITS.values() for units in table}
    names = _names(random, layout, subject, [label for _, label in pairs])
    clips = []
    for (emotion, label), name in zip(pairs, names, strict=True):
        family = emotion.lower()
        if layout.name == "smic":  # its folders name classes, not emotions
            choices = {N: ("disgust", "anger", "repression", "sadness", "fear"), P: ("happiness",)}
            family = random.choice(choices.get(label, ("surprise",)))
        table = UNITS["others" if family == "other" else family]
        weights = np.array([w * habits[units] for units, w in table.items()])
        units = str(random.choice(list(table), p=weights / weights.sum()))
        if random.random() < UNUSUAL_SHARE:
            units = str(random.choice(UNUSUAL[label]))
        coded = units
        if layout.name == "samm" and random.random() < 0.08:
            coded += str(random.choice(["A", "B", "A/B"]))  # some coders noted the intensity
        clips.append(Clip(subject, name, emotion, label, units, coded))
    return clips


def _names(random, layout: Layout, subject: str, labels: Sequence[str]) -> list[str]:
    """Clip names as the release gives them; those of CASME II recur in other subjects."""
    if layout.name == "casme2":
        common = [str(name) for name in random.permutation(CASME2_CLIPS)]
        return [*common, *(f"EP20_{n:02d}" for n in range(1, len(labels)))][: len(labels)]
    count: Counter = Counter()
    names, digits = [], 1 if layout.name == "samm" else 2
    for label in labels:
        part = (
            random.integers(1, 8) if layout.name == "samm" else {N: "ne", P: "po", S: "sur"}[label]
        )
        count[part] += 1
        names.append(f"{subject}_{part}_{count[part]:0{digits}d}")
    return names


def halves(units: str) -> list[tuple[int, str]]:
    """ "4+R12" -> [(4, "R"), (4, "L"), (12, "R")]: which halves of the face move."""
    coded = re.findall(r"([LR]?)([0-9]+)", units)
    return [(int(number), side) for sides, number in coded for side in sides or "RL"]
