"""Three synthetic corpora in the release layouts of CASME II, SAMM and SMIC, with their truth.

    ./run_all.sh synthetic [FOLDER] [--seed N] [--jobs N]

For learning the study, for checking it against known truth, and for running before a licence is
granted. Faces come from one public-domain photograph: nothing here is evidence about people.

The difficulties for a system: small movements (0.5 to 3 pixels), noise, JPEG and head sway; action
units that two classes share; persons with a mannerism in every clip, most of whose clips have the
same class. Random folds reward a system that recognises the person; leaving one subject out does
not.

Besides the files of the releases: `truth/clips.csv`, one row per clip; `truth/co_occurrence.csv`,
usable clips of CASME II and SAMM in which two action units move together, unit by unit;
`truth/<corpus>/<subject>/<clip>.npz` with `flow` (2, H, W) from onset to apex in frame pixels, head
included, `flow_face` the same with the head at rest, `landmarks` (T, 68, 2), `frames` (T,) their
numbers, `intensity` (T,).
"""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn.preprocessing import MultiLabelBinarizer
from tqdm import tqdm

from .. import environment, paths
from ..corpora.ids import MEGC2019
from ..corpora.table import KEY
from ..errors import StudyError
from . import faces, motion, sheets
from .plan import LAYOUTS, NOTICE, Clip, Layout, halves, plan, random_of

VERSION = 2  # counts up when a change in this package moves a pixel


@dataclass(frozen=True)
class _Person:
    """What is the same in every clip of a subject."""

    face: faces.Identity
    sides: dict[str, float]  # "R" or "L" -> strength
    vigour: float
    manner: np.ndarray  # (2, H, W), peak 1 pixel
    drift: np.ndarray  # (2,) direction in which the head drifts


AMPLITUDE = (0.95, 0.4)  # pixels at scale 1.6: median, and standard deviation of its logarithm
MANNER = (0.6, 1.1)  # pixels at scale 1.6: least and most
SWAY = 0.8  # pixels


def _person(layout: Layout, subject: str, seed: int) -> _Person:
    face = faces.identity(random_of(seed, layout.name, subject, "face"), layout.size, layout.scale)
    if layout.grey:
        face = replace(face, texture=face.texture @ np.array((0.114, 0.587, 0.299), np.float32))
    random = random_of(seed, layout.name, subject, "habits")
    weaker, angle = random.choice(["R", "L"]), random.uniform(0, 2 * np.pi)
    sides = {"R": 1.0, "L": 1.0} | {weaker: random.uniform(0.55, 1.0)}
    vigour, manner = random.lognormal(0, 0.15), motion.mannerism(random, face.points, layout.size)
    drift = random.uniform(0.4, 1.0) * np.array((np.cos(angle), np.sin(angle)))
    return _Person(face, sides, vigour, manner, drift)


def _motion(layout: Layout, person: _Person, clip: Clip, random: np.random.Generator):
    """The clip's motion, and its amplitudes for the truth table."""
    strengths: dict[tuple[int, str], float] = {}
    for number, side in halves(clip.units):
        strength = random.uniform(0.6, 1.0) if strengths else 1.0
        one_sided = f"{side}{number}" in clip.units
        strengths[number, side] = strength * (1.0 if one_sided else person.sides[side])
    frames = int(random.integers(layout.frames[0], layout.frames[1] + 1))
    scale, centre = layout.scale / 1.6, person.face.points.mean(axis=0)
    amplitude = scale * AMPLITUDE[0] * person.vigour * random.lognormal(0, AMPLITUDE[1])
    amplitude = float(np.clip(amplitude, motion.SMALLEST, motion.LARGEST))
    manner = scale * random.uniform(*MANNER)
    pose = motion.pose(random, centre, 2.0 * scale)
    units = amplitude * motion.units_field(strengths, person.face.points, layout.size)
    face = motion.posed_field(units + manner * person.manner, pose)
    shrink = min(1.0, motion.LARGEST / motion.peak(face))
    course = motion.course(random, frames)
    head = motion.sway(random, frames, centre, person.drift, SWAY * scale)
    sways = motion.posed(person.face.head, pose)
    amplitudes = {"amplitude": shrink * amplitude, "mannerism": shrink * manner}
    return motion.Motion(shrink * face, course, head, sways, pose), amplitudes


def draw(layout: Layout, subject: str, seed: int, folder: Path) -> list[dict]:
    """Writes all clips of one subject and their truth; rows of truth/clips.csv."""
    cv2.setNumThreads(1)
    person = _person(layout, subject, seed)
    clips = [clip for clip in plan(layout, seed) if clip.subject == subject]
    return [_draw(layout, person, clip, seed, folder) for clip in clips]


def _draw(layout: Layout, person: _Person, clip: Clip, seed: int, folder: Path) -> dict:
    random = random_of(seed, layout.name, clip.subject, clip.name)
    moves, amplitudes = _motion(layout, person, clip, random)
    numbers = int(random.integers(*layout.first)) + np.arange(len(moves.course))
    jpegs, points = motion.render(person.face, moves, random, layout.noise, layout.quality)
    clip_folder = folder / layout.name / layout.folder.format(clip)
    clip_folder.mkdir(parents=True)
    for number, content in zip(numbers, jpegs, strict=True):
        file = clip_folder / layout.frame.format(clip, number)
        if file.suffix == ".bmp":
            content = cv2.imencode(".bmp", cv2.imdecode(content, cv2.IMREAD_UNCHANGED))[1]
        file.write_bytes(content.tobytes())
    apex, names = int(np.argmax(moves.course)), MEGC2019[layout.name]
    key = {"corpus": layout.corpus, "subject": names.subject(clip.subject)}
    key |= {"clip": names.clip(clip.name)}
    file = folder / "truth" / Path(*key.values()).with_suffix(".npz")
    file.parent.mkdir(parents=True, exist_ok=True)
    truth = {"flow": moves.displacement(apex), "flow_face": moves.face}
    # steps of 1/256 pixel compress well
    truth = {name: (np.rint(256 * f) / 256).astype(np.float16) for name, f in truth.items()}
    truth |= {"landmarks": points, "frames": numbers}
    np.savez_compressed(file, **truth, intensity=moves.course.astype(np.float32))
    row = key | {"identity": f"{layout.name}-{clip.subject}"}
    row |= {"emotion": clip.emotion, "label": clip.label}
    row |= {"onset": numbers[0], "apex": numbers[apex], "offset": numbers[-1]}
    row |= {"sheet_apex": {"": numbers[apex], "onset": numbers[0]}.get(clip.apex, clip.apex)}
    row |= {"usable": bool(clip.label) and clip.apex != "onset"}
    row |= {"action_units": clip.units, "coded": clip.coded, "frames": len(numbers)}
    return row | amplitudes | motion.head_numbers(moves, apex)


def write(
    folder: Path | str | None = None,
    seed: int = 0,
    jobs: int | None = None,
    progress: bool = True,
    layouts: Sequence[Layout] | None = None,
) -> Path:
    """Writes the corpora to `folder`, or data/synthetic, unless they are there. Raises StudyError.

    jobs: processes, None for one per core; layouts: instead of LAYOUTS.
    """
    layouts = LAYOUTS if layouts is None else layouts
    folder = Path(os.path.abspath(Path(folder or paths.SYNTHETIC).expanduser()))
    if seed < 0 or (jobs is not None and jobs < 1):
        raise StudyError(f"seed {seed}, jobs {jobs}: a seed begins at 0, jobs at 1")
    wanted = {"version": VERSION, "seed": seed}
    wanted |= {"subjects": {layout.name: list(layout.subjects) for layout in layouts}}
    there = _manifest(folder)
    if wanted.items() <= there.items() and _files(folder) > there["files"]:  # none was removed
        return folder
    if folder.exists() and not there and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(f"{folder} holds something else than synthetic corpora: move it away")
    unfinished = {"prefix": f".{folder.name}-unfinished-", "dir": folder.parent}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(**unfinished) as scratch:
            new = Path(scratch, "new")
            rows = _draw_all(layouts, seed, jobs, progress, new)
            _write_tables(layouts, rows, new)
            clips = {x.corpus: sum(row["corpus"] == x.corpus for row in rows) for x in layouts}
            manifest = {"notice": NOTICE, **wanted, "clips": clips, "files": _files(new)}
            (new / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
            if folder.exists():
                folder.rename(Path(scratch, "old"))
            new.rename(folder)
    except OSError as error:
        wrong = f"{folder} cannot be written ({error.strerror or error})"
        raise StudyError(f"{wrong}: choose another folder, 150 MB are needed") from error
    return folder


def _manifest(folder: Path) -> dict:
    """The manifest of synthetic corpora; empty if the folder holds none."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and manifest.get("notice") == NOTICE else {}


def _files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def _draw_all(layouts, seed, jobs, progress, scratch) -> list[dict]:
    clips = Counter((one.name, clip.subject) for one in layouts for clip in plan(one, seed))
    tasks = [(one, subject, seed, scratch) for one in layouts for subject in one.subjects]
    tasks.sort(key=lambda task: -clips[task[0].name, task[1]])  # so that all cores end together
    rows = []
    with tqdm(desc="synthetic", total=clips.total(), unit="clip", disable=not progress) as bar:
        for _, subject_rows in environment.each(jobs, "drew synthetic clips", draw, tasks):
            rows += subject_rows
            bar.update(len(subject_rows))
    return sorted(rows, key=itemgetter(*KEY))


def _write_tables(layouts, rows: list[dict], folder: Path) -> None:
    table = pd.DataFrame(rows).round(4)
    table.to_csv(folder / "truth" / "clips.csv", index=False)
    coded = table[table["usable"] & (table["corpus"] != "synthetic_smic")]  # it has no sheet
    units = [{number for number, _ in halves(units)} for units in coded["action_units"]]
    binarizer = MultiLabelBinarizer()
    active = binarizer.fit_transform(units)
    together = pd.DataFrame(active.T @ active, binarizer.classes_, binarizer.classes_)
    together.to_csv(folder / "truth" / "co_occurrence.csv", index_label="unit")
    for layout in layouts:
        corpus_rows = [row for row in rows if row["corpus"] == layout.corpus]
        sheets.write(layout, corpus_rows, folder / layout.name)


def sentence(folder: Path) -> str:
    """What is in a folder that `write` has filled."""
    clips = _manifest(folder)["clips"]
    counts = ", ".join(f"{count} {corpus}" for corpus, count in clips.items())
    return f"{folder}: {sum(clips.values())} clips ({counts}); {NOTICE}."
