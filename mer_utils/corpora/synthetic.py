"""Three synthetic corpora in the release layouts of CASME II, SAMM and SMIC, truth beside them.

    python -m mer_utils.corpora.synthetic [FOLDER] [--seed N] [--jobs N]

For learning the study, for holding the pipeline to known truth, and for running before a licence is
granted. Faces come from one public-domain photograph: nothing here is evidence about people.

What a system has to cope with: small movements (0.5 to 3 pixels) beside noise, JPEG and head sway;
action units that two classes share; persons with habits. Each person has a mannerism that
accompanies every clip and a class that most of their clips belong to: who recognises the person
knows the likely class. Random folds reward that, leaving one subject out does not.

Written beside the releases' own files:
`truth/clips.csv` one row per clip; `truth/<corpus>/<subject>/<clip>.npz` with `flow` (2, H, W) from
onset to apex in frame pixels, head included, `flow_face` the same with the head at rest,
`landmarks` (T, 68, 2), `frames` (T,) their numbers, `intensity` (T,); `truth/co_occurrence.csv`.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from pathlib import Path

import cv2
import joblib
import numpy as np
import pandas as pd
from openpyxl import Workbook
from tqdm import tqdm

from .. import paths
from ..errors import StudyError
from . import _synthetic_faces as faces
from . import _synthetic_motion as motion
from . import ids

VERSION = 1  # counts up when a change here or in _synthetic_* moves a pixel
NOTICE = "synthetic faces made from one public-domain photograph; not evidence about people"


# --- what is to be made ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """One release: who is in it, how many clips of each class, what its camera gives."""

    name: str
    subjects: tuple[str, ...]
    counts: Mapping[str, int]  # emotion -> clips
    dominating: tuple[str, ...]  # class of most clips of each subject
    size: tuple[int, int]  # width, height of a frame
    scale: float  # frame pixels per pixel of the photograph, whose face is 90 wide
    frames: tuple[int, int]  # fewest and most of a clip
    noise: float  # grey levels
    quality: int  # of the JPEG
    grey: bool = False

    @property
    def corpus(self) -> str:
        return f"synthetic_{self.name}"


N, P, S = "negative", "positive", "surprise"
LAYOUTS = (
    Layout(
        name="casme2",
        subjects=("01", "02", "03", "05", "06", "09", "12", "17", "26"),
        counts={"disgust": 24, "repression": 10, "happiness": 12, "surprise": 10}
        | {"others": 5, "fear": 1},
        dominating=(N, N, P, N, S, N, N, P, S),
        size=(272, 304),
        scale=1.6,
        frames=(16, 26),
        noise=2.0,
        quality=93,
    ),
    Layout(
        name="samm",
        subjects=("006", "007", "010", "011", "014", "020", "026", "035"),
        counts={"Anger": 20, "Contempt": 6, "Disgust": 4, "Fear": 3, "Sadness": 3}
        | {"Happiness": 11, "Surprise": 7, "Other": 3},
        dominating=(N, N, P, N, S, N, P, N),
        size=(288, 320),
        scale=1.7,
        frames=(16, 26),
        noise=2.5,
        quality=92,
        grey=True,
    ),
    Layout(
        name="smic",
        subjects=("s1", "s2", "s3", "s4", "s5", "s8", "s11"),
        counts={"negative": 20, "positive": 15, "surprise": 13},
        dominating=(N, P, N, S, N, P, S),
        size=(208, 240),
        scale=1.42,
        frames=(14, 22),
        noise=2.5,
        quality=92,
    ),
)
CLASS_OF = dict.fromkeys(
    ("negative", "disgust", "repression", "anger", "contempt", "sadness"), N
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
# What coders also met under a class: the other side of the border between two classes.
UNUSUAL: dict[str, tuple[str, ...]] = {
    N: ("12+15", "12+14", "1+2", "5", "25", "6+12", "L12", "2+4"),
    P: ("14", "17", "6+7", "4+12", "20", "10", "2+12", "7"),
    S: ("4+5", "7", "24", "14", "12+25", "26", "2+14", "17+25"),
    "": ("6", "10"),
}
UNUSUAL_SHARE = 0.16  # of the clips
DOMINANCE = 9.0  # a subject's dominating class is so much likelier in it than in others
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
    apex: str = ""  # how the sheet spoils the apex: "/" or "onset"


def _random(seed: int, *names: str) -> np.random.Generator:
    """Its numbers depend on the names alone, not on what was drawn before or beside."""
    return np.random.default_rng([seed, zlib.crc32("/".join(names).encode())])


def _label(layout: Layout, emotion: str) -> str:
    emotion = emotion.lower()
    if (layout.name, emotion) == UNMAPPED:
        return ""
    return N if emotion == "fear" else CLASS_OF[emotion]


def plan(layout: Layout, seed: int) -> list[Clip]:
    """Who shows what: every clip of a release."""
    random = _random(seed, layout.name, "plan")
    emotions = [e for e, count in layout.counts.items() for _ in range(count)]
    labels = [_label(layout, emotion) for emotion in emotions]
    share = Counter(label for label in labels if label)
    activity = random.lognormal(0, 0.45, len(layout.subjects))
    # how readily each subject shows each class
    likes = {
        label: activity
        * np.array([DOMINANCE if d == label else 1.0 for d in layout.dominating])
        * random.lognormal(0, 0.3, len(activity))
        for label in (N, P, S)
    } | {"": activity}
    for label in share:
        likes[label] = likes[label] / likes[label].sum()
    shown: dict[str, list[tuple[str, str]]] = {subject: [] for subject in layout.subjects}
    for i in random.permutation(len(emotions)):
        chances = likes[labels[i]] / likes[labels[i]].sum()
        empty = [not shown[subject] for subject in layout.subjects]
        if len(emotions) - sum(map(len, shown.values())) <= sum(empty):  # nobody goes without
            chances = np.array(empty) / sum(empty)
        subject = layout.subjects[random.choice(len(layout.subjects), p=chances)]
        shown[subject].append((emotions[i], labels[i]))
    clips = [
        c for subject in layout.subjects for c in _clips(layout, seed, subject, shown[subject])
    ]
    if layout.name == "casme2":  # two apexes as the release has them
        first = {c.subject: i for i, c in reversed(list(enumerate(clips))) if c.label == N}
        for i, apex in zip(list(first.values())[-2:], ("/", "onset"), strict=True):
            clips[i] = replace(clips[i], apex=apex)
    return clips


def _clips(layout: Layout, seed: int, subject: str, shown: Sequence[tuple[str, str]]) -> list[Clip]:
    random = _random(seed, layout.name, subject, "clips")
    # habits: some combinations come easily to this person
    habits = {units: random.lognormal(0, 0.7) for by in UNITS.values() for units in by}
    names = _names(random, layout, subject, shown)
    clips = []
    for (emotion, label), name in zip(shown, names, strict=True):
        family = emotion.lower()
        if layout.name == "smic":  # its sheets know three words only
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


def _names(random, layout: Layout, subject: str, shown: Sequence[tuple[str, str]]) -> list[str]:
    """Clip names as the release gives them; those of CASME II recur in other subjects."""
    if layout.name == "casme2":
        return [str(name) for name in random.choice(CASME2_CLIPS, len(shown), replace=False)]
    counted: Counter = Counter()
    names = []
    for _, label in shown:
        if layout.name == "samm":
            film = int(random.integers(1, 8))
            counted[film] += 1
            names.append(f"{subject}_{film}_{counted[film]}")
        else:
            counted[label] += 1
            code = {N: "ne", P: "po", S: "sur"}[label]
            names.append(f"{subject}_{code}_{counted[label]:02d}")
    return names


# --- drawing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Person:
    """What a subject brings to every clip."""

    face: faces.Identity
    favours: dict[str, float]  # side -> strength
    vigour: float
    manner: np.ndarray  # (2, H, W), peak 1 pixel
    drift: np.ndarray  # (2,) where the head goes


AMPLITUDE = (1.0, 0.38)  # pixels at scale 1.6: median, and standard deviation of its logarithm
MANNER = (0.6, 1.1)  # pixels, at scale 1.6: from, to
SWAY = 0.8  # pixels


def _person(layout: Layout, subject: str, seed: int) -> _Person:
    face = faces.identity(_random(seed, layout.name, subject, "face"), layout.size, layout.scale)
    if layout.grey:
        face = replace(face, texture=face.texture @ np.array((0.114, 0.587, 0.299), np.float32))
    random = _random(seed, layout.name, subject, "habits")
    weaker = random.choice(["R", "L"])
    angle = random.uniform(0, 2 * np.pi)
    return _Person(
        face=face,
        favours={"R": 1.0, "L": 1.0} | {weaker: random.uniform(0.55, 1.0)},
        vigour=random.lognormal(0, 0.15),
        manner=motion.mannerism(random, face.points, layout.size),
        drift=random.uniform(0.4, 1.0) * np.array((np.cos(angle), np.sin(angle))),
    )


def halves(units: str) -> list[tuple[int, str]]:
    """ "4+R12" -> [(4, "R"), (4, "L"), (12, "R")]: which halves of the face move."""
    found = re.findall(r"([LR]?)([0-9]+)", units)
    return [(int(number), side) for sides, number in found for side in sides or "RL"]


def _motion(layout: Layout, person: _Person, clip: Clip, random: np.random.Generator):
    """The clip's motion, and what the truth table says of it."""
    drawn = {}
    for number, side in halves(clip.units):
        strength = 1.0 if not drawn else random.uniform(0.6, 1.0)
        alone = clip.units.count(f"{side}{number}") > 0  # coded on one side
        drawn[number, side] = strength * (1.0 if alone else person.favours[side])
    frames = int(random.integers(layout.frames[0], layout.frames[1] + 1))
    large = layout.scale / 1.6
    median, spread = AMPLITUDE
    amplitude = large * float(
        np.clip(median * person.vigour * random.lognormal(0, spread), 0.5, 2.6)
    )
    amplitude = max(amplitude, motion.SMALLEST)
    manner = large * random.uniform(*MANNER)
    points, size = person.face.points, layout.size
    units = amplitude * motion.units_field(drawn, points, size)
    total = units + manner * person.manner
    shrink = min(1.0, motion.LARGEST / motion.peak(total))
    centre = points.mean(axis=0)
    pose = motion.pose(random, centre, 2.0 * large)
    course = motion.course(random, frames)
    return motion.Motion(
        face=motion.posed(shrink * total, pose),
        course=course,
        head=motion.sway(random, frames, centre, person.drift, SWAY * large),
        sways=motion.posed(person.face.head[None], pose, turn=False)[0],
        pose=pose,
    ), {"amplitude": shrink * amplitude, "mannerism": shrink * manner}


def _numbers(layout: Layout, random: np.random.Generator, count: int) -> np.ndarray:
    """Frame numbers as the release's camera counts: CASME II from the film's start, SMIC always."""
    low, high = {"casme2": (20, 300), "samm": (150, 9000), "smic": (10000, 900000)}[layout.name]
    return int(random.integers(low, high)) + np.arange(count)


def _place(layout: Layout, clip: Clip) -> Path:
    """Folder of the clip's frames below the corpus."""
    if layout.name == "casme2":
        return Path("CASME2_RAW_selected", f"sub{clip.subject}", clip.name)
    if layout.name == "samm":
        return Path(clip.subject, clip.name)
    return Path("SMIC_all_raw", "HS", clip.subject, "micro", clip.label, clip.name)


def _file_name(layout: Layout, clip: Clip, number: int) -> str:
    if layout.name == "casme2":
        return f"img{number}.jpg"
    return f"{clip.subject}_{number:05d}.jpg" if layout.name == "samm" else f"image{number:06d}.bmp"


def draw(layout: Layout, subject: str, seed: int, folder: Path) -> list[dict]:
    """Writes all clips of one subject and their truth; rows of truth/clips.csv."""
    cv2.setNumThreads(1)
    person = _person(layout, subject, seed)
    rows = []
    for clip in plan(layout, seed):
        if clip.subject != subject:
            continue
        random = _random(seed, layout.name, subject, clip.name)
        moves, truth = _motion(layout, person, clip, random)
        numbers = _numbers(layout, random, len(moves.course))
        frames, points = motion.render(person.face, moves, random, layout.noise, layout.quality)
        place = folder / layout.name / _place(layout, clip)
        place.mkdir(parents=True)
        for number, code in zip(numbers, frames, strict=True):
            file = place / _file_name(layout, clip, number)
            if file.suffix == ".bmp":
                code = cv2.imencode(".bmp", cv2.imdecode(code, cv2.IMREAD_UNCHANGED))[1]
            file.write_bytes(code.tobytes())
        apex = int(np.argmax(moves.course))
        key = {
            "corpus": layout.corpus,
            "subject": ids.subject(layout.corpus, subject),
            "clip": ids.clip(layout.corpus, clip.name),
        }
        file = folder / "truth" / Path(*key.values()).with_suffix(".npz")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            file,
            flow=_short(moves.displacement(apex)),
            flow_face=_short(moves.face),
            landmarks=points,
            frames=numbers,
            intensity=moves.course.astype(np.float32),
        )
        rows.append(
            key
            | {"identity": f"{layout.name}-{subject}", "emotion": clip.emotion, "label": clip.label}
            | {"onset": numbers[0], "apex": numbers[apex], "offset": numbers[-1]}
            | {"sheet_apex": {"": numbers[apex], "onset": numbers[0]}.get(clip.apex, clip.apex)}
            | {"action_units": clip.units, "coded": clip.coded, "frames": len(numbers)}
            | truth
            | motion.head_numbers(moves, apex)
        )
    return rows


def _short(flow: np.ndarray) -> np.ndarray:
    """float16 in steps of 1/256 pixel, which pack well."""
    return (np.rint(flow * 256) / 256).astype(np.float16)


# --- sheets ---------------------------------------------------------------------------------------


def _write_casme2(rows: list[dict], file: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.title = "Sheet1"
    heads = ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None)
    sheet.append([*heads, "Action Units", "Estimated Emotion"])
    for row in rows:
        subject = row["subject"].removeprefix("sub")
        frames = (row["onset"], row["sheet_apex"], row["offset"])
        cells = [subject, row["clip"], None, *map(_cell, frames), None, _cell(row["coded"])]
        sheet.append([*cells, row["emotion"]])
    book.create_sheet("Sheet2")
    book.create_sheet("Sheet3")
    book.save(file)


SAMM_PROSE = (
    "SAMM micro-facial movements, FACS codes",
    f"Layout of the SAMM release; {NOTICE}.",
    "",
    "Subject: number of the participant.",
    "Filename: participant, inducement, number of the movement.",
    "Inducement Code: the film that was shown.",
    "Onset, Apex, Offset Frame: at 200 frames per second.",
    "Duration: offset less onset plus one.",
    "Micro: whether the movement lasts less than half a second.",
    "Action Units: FACS; R and L for one side.",
    "Estimated Emotion: from action units and inducement.",
    "Objective Classes: from action units alone.",
    "",
)


def _write_samm(rows: list[dict], file: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.title = "MICRO_ONLY"
    for line in SAMM_PROSE:
        sheet.append([line])
    sheet.append(
        ["Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame"]
        + ["Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"]
    )
    for row in rows:
        frames = [int(row[name]) for name in ("onset", "sheet_apex", "offset")]
        film = int(row["clip"].split("_")[1])
        sheet.append(
            [row["subject"], row["clip"], film, *frames, frames[2] - frames[0] + 1, "Micro - 1/2"]
            + [_cell(row["coded"]), row["emotion"], _objective_class(row["action_units"]), None]
        )
    book.save(file)


def _cell(value) -> str | int:
    """A single number is a number in a spreadsheet."""
    return int(value) if str(value).isdigit() else str(value)


def _objective_class(units: str) -> int:
    """Davison et al., Objective Classes for Micro-Facial Expression Recognition, 2018, in short."""
    numbers = {number for number, _ in halves(units)}
    classes = (({6, 12}, 1), ({1, 2}, 2), ({9, 10, 4, 7}, 4), ({15}, 5), ({1, 4}, 5), ({20}, 6))
    return next((number for wanted, number in classes if numbers and numbers <= wanted), 7)


# --- truth ----------------------------------------------------------------------------------------


def co_occurrence(action_units: Sequence[str]) -> pd.DataFrame:
    """Clips in which two units move together, unit by unit; the diagonal counts each unit."""
    counts: Counter = Counter()
    for text in action_units:
        numbers = sorted({number for number, _ in halves(text)})
        counts.update(combinations_with_replacement(numbers, 2))
    known = sorted({number for pair in counts for number in pair})
    table = pd.DataFrame(0, index=known, columns=known)
    for (first, second), count in counts.items():
        table.loc[first, second] = table.loc[second, first] = count
    return table.rename_axis(index="unit", columns="unit")


def planted_co_occurrence(folder: Path | str | None = None) -> pd.DataFrame:
    """The table of `co_occurrence` over the clips of CASME II and SAMM that have a class.

    These are the clips whose sheet names action units; SMIC has no sheet.
    """
    file = Path(folder or paths.SYNTHETIC) / "truth" / "co_occurrence.csv"
    table = pd.read_csv(file, index_col=0)
    return table.set_axis(table.columns.astype(int), axis=1).rename_axis(columns="unit")


# --- the whole ------------------------------------------------------------------------------------


def write(
    folder: Path | str | None = None,
    seed: int = 0,
    jobs: int | None = None,
    progress: bool = True,
    layouts: Sequence[Layout] = LAYOUTS,
) -> Path:
    """Makes the corpora in `folder` (data/synthetic by default) unless they are there already.

    Everything is written beside and renamed at the end. Raises StudyError where the folder holds
    something else.
    """
    folder = Path(os.path.abspath(Path(folder or paths.SYNTHETIC).expanduser()))
    wanted = {"version": VERSION, "seed": seed, "layouts": [layout.name for layout in layouts]}
    wanted |= {"subjects": [list(layout.subjects) for layout in layouts]}
    found = _manifest(folder)
    if found and all(found.get(k) == v for k, v in wanted.items()) and _whole(folder, found):
        return folder
    if folder.exists() and not found and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(f"{folder} holds something else (it has no manifest.json): move it away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        rows = _draw_all(layouts, seed, jobs, progress, scratch)
        _write_tables(layouts, rows, scratch)
        counts = {
            layout.corpus: sum(r["corpus"] == layout.corpus for r in rows) for layout in layouts
        }
        files = sum(len(names) for _, _, names in os.walk(scratch))
        manifest = {"notice": NOTICE, **wanted, "clips": counts, "files": files}
        (scratch / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
        scratch.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            folder.rename(old / "old")
            scratch.rename(folder)
            shutil.rmtree(old)
        else:
            scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _manifest(folder: Path) -> dict:
    try:
        return json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}


def _whole(folder: Path, manifest: dict) -> bool:
    """Nothing was removed since: the manifest itself is one file more than it counts."""
    return sum(len(names) for _, _, names in os.walk(folder)) > manifest["files"]


def _draw_all(layouts, seed, jobs, progress, scratch) -> list[dict]:
    plans = {layout.name: plan(layout, seed) for layout in layouts}
    tasks = [(layout, subject) for layout in layouts for subject in layout.subjects]

    def clips(task) -> int:
        return sum(clip.subject == task[1] for clip in plans[task[0].name])

    tasks.sort(key=clips, reverse=True)  # the longest first, so that all end together
    jobs = jobs or joblib.cpu_count()  # those this process may use
    rows = []
    with (
        joblib.parallel_config(backend="loky", inner_max_num_threads=1),
        tqdm(
            total=sum(map(clips, tasks)), desc="synthetic", unit="clip", disable=not progress
        ) as bar,
    ):
        pool = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
        for made in pool(joblib.delayed(draw)(*task, seed, scratch) for task in tasks):
            rows += made
            bar.update(len(made))
    return sorted(rows, key=lambda row: (row["corpus"], row["subject"], row["clip"]))


def _write_tables(layouts, rows: list[dict], folder: Path) -> None:
    table = pd.DataFrame(rows).round(4)
    table.to_csv(folder / "truth" / "clips.csv", index=False)
    coded = table[(table["label"] != "") & (table["corpus"] != "synthetic_smic")]
    co_occurrence(coded["action_units"]).to_csv(folder / "truth" / "co_occurrence.csv")
    files = {"casme2": "CASME2-coding-20140508.xlsx", "samm": "SAMM_Micro_FACS_Codes_v2.xlsx"}
    for layout in layouts:
        own = [row for row in rows if row["corpus"] == layout.corpus]
        if layout.name in files:
            writer = {"casme2": _write_casme2, "samm": _write_samm}[layout.name]
            writer(own, folder / layout.name / files[layout.name])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mer_utils.corpora.synthetic",
        description="Makes the synthetic corpora: " + NOTICE + ".",
    )
    parser.add_argument("folder", nargs="?", help="where to (default: data/synthetic)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other faces (0)")
    parser.add_argument("--jobs", type=int, help="processes (default: one per core)")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    try:
        folder = write(options.folder, options.seed, options.jobs)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    clips = _manifest(folder)["clips"]
    counts = ", ".join(f"{count} {corpus}" for corpus, count in clips.items())
    seconds = time.perf_counter() - start
    print(f"{folder}: {sum(clips.values())} clips ({counts}) in {seconds:.0f} s; {NOTICE}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
