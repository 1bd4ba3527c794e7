"""Three synthetic corpora in the release layouts of CASME II, SAMM and SMIC, truth beside them.

    python -m mer_utils.synthetic [FOLDER] [--seed N] [--jobs N]

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
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from pathlib import Path

import cv2
import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import paths
from ..corpora import ids
from ..errors import StudyError
from . import faces, motion, sheets
from .plan import LAYOUTS, NOTICE, Clip, Layout, halves, plan, random_of

VERSION = 1  # counts up when a change here or in _synthetic_* moves a pixel

# --- drawing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Person:
    """What a subject brings to every clip."""

    face: faces.Identity
    favours: dict[str, float]  # side -> strength
    vigour: float
    manner: np.ndarray  # (2, H, W), peak 1 pixel
    drift: np.ndarray  # (2,) where the head goes


AMPLITUDE = (0.95, 0.4)  # pixels at scale 1.6: median, and standard deviation of its logarithm
MANNER = (0.6, 1.1)  # pixels, at scale 1.6: from, to
SWAY = 0.8  # pixels


def _person(layout: Layout, subject: str, seed: int) -> _Person:
    face = faces.identity(random_of(seed, layout.name, subject, "face"), layout.size, layout.scale)
    if layout.grey:
        face = replace(face, texture=face.texture @ np.array((0.114, 0.587, 0.299), np.float32))
    random = random_of(seed, layout.name, subject, "habits")
    weaker = random.choice(["R", "L"])
    angle = random.uniform(0, 2 * np.pi)
    return _Person(
        face=face,
        favours={"R": 1.0, "L": 1.0} | {weaker: random.uniform(0.55, 1.0)},
        vigour=random.lognormal(0, 0.15),
        manner=motion.mannerism(random, face.points, layout.size),
        drift=random.uniform(0.4, 1.0) * np.array((np.cos(angle), np.sin(angle))),
    )


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
    amplitude = large * median * person.vigour * random.lognormal(0, spread)
    amplitude = float(np.clip(amplitude, motion.SMALLEST, motion.LARGEST))
    manner = large * random.uniform(*MANNER)
    points, size = person.face.points, layout.size
    centre = points.mean(axis=0)
    pose = motion.pose(random, centre, 2.0 * large)
    units = amplitude * motion.units_field(drawn, points, size)
    face = motion.posed(units + manner * person.manner, pose)
    shrink = min(1.0, motion.LARGEST / motion.peak(face))
    course = motion.course(random, frames)
    return motion.Motion(
        face=shrink * face,
        course=course,
        head=motion.sway(random, frames, centre, person.drift, SWAY * large),
        sways=motion.posed(person.face.head[None], pose, turn=False)[0],
        pose=pose,
    ), {"amplitude": shrink * amplitude, "mannerism": shrink * manner}


def draw(layout: Layout, subject: str, seed: int, folder: Path) -> list[dict]:
    """Writes all clips of one subject and their truth; rows of truth/clips.csv."""
    cv2.setNumThreads(1)
    person = _person(layout, subject, seed)
    rows = []
    for clip in plan(layout, seed):
        if clip.subject != subject:
            continue
        random = random_of(seed, layout.name, subject, clip.name)
        moves, truth = _motion(layout, person, clip, random)
        numbers = sheets.frame_numbers(layout, random, len(moves.course))
        frames, points = motion.render(person.face, moves, random, layout.noise, layout.quality)
        place = folder / layout.name / sheets.clip_folder(layout, clip)
        place.mkdir(parents=True)
        for number, code in zip(numbers, frames, strict=True):
            file = place / sheets.frame_name(layout, clip, number)
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
            | {"usable": bool(clip.label) and clip.apex != "onset"}
            | {"action_units": clip.units, "coded": clip.coded, "frames": len(numbers)}
            | truth
            | motion.head_numbers(moves, apex)
        )
    return rows


def _short(flow: np.ndarray) -> np.ndarray:
    """float16 in steps of 1/256 pixel, which pack well."""
    return (np.rint(flow * 256) / 256).astype(np.float16)


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
    """The table of `co_occurrence` over the usable clips of CASME II and SAMM.

    Of these a sheet names the action units; SMIC has no sheet.
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
    layouts: Sequence[Layout] | None = None,
) -> Path:
    """Makes the corpora in `folder` (data/synthetic by default) unless they are there already.

    Everything is written beside and renamed at the end. jobs: processes, None for one per core;
    layouts: other releases than LAYOUTS. Raises StudyError where the folder holds something else.
    """
    layouts = LAYOUTS if layouts is None else layouts
    folder = Path(os.path.abspath(Path(folder or paths.SYNTHETIC).expanduser()))
    if seed < 0 or (jobs is not None and jobs < 1):
        raise StudyError(f"seed {seed}, jobs {jobs}: a seed begins at 0, jobs at 1")
    wanted = {"version": VERSION, "seed": seed}
    wanted |= {"subjects": {layout.name: list(layout.subjects) for layout in layouts}}
    found = _manifest(folder)
    if found and all(found[k] == v for k, v in wanted.items()) and _whole(folder, found):
        return folder
    if folder.exists() and not found and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(f"{folder} holds something else than synthetic corpora: move it away")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}-unfinished-", dir=folder.parent
        ) as scratch:
            made = Path(scratch, "made")
            rows = _draw_all(layouts, seed, jobs, progress, made)
            _write_tables(layouts, rows, made)
            clips = {x.corpus: sum(row["corpus"] == x.corpus for row in rows) for x in layouts}
            manifest = {"notice": NOTICE, **wanted, "clips": clips, "files": _files(made)}
            (made / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
            if folder.exists():
                folder.rename(Path(scratch, "old"))
            made.rename(folder)
    except OSError as error:
        raise StudyError(
            f"{folder} cannot be written ({error.strerror or error}): choose another folder, "
            "250 MB are needed"
        ) from error
    return folder


def _manifest(folder: Path) -> dict:
    """What stands in the manifest of synthetic corpora; nothing if the folder holds none."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    ours = isinstance(manifest, dict) and manifest.get("notice") == NOTICE
    return manifest if ours else {}


def _files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def _whole(folder: Path, manifest: dict) -> bool:
    """Nothing was removed since: the manifest itself is one file more than it counts."""
    return _files(folder) > manifest["files"]


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
    coded = table[table["usable"] & (table["corpus"] != "synthetic_smic")]
    co_occurrence(coded["action_units"]).to_csv(folder / "truth" / "co_occurrence.csv")
    for layout in layouts:
        own = [row for row in rows if row["corpus"] == layout.corpus]
        sheets.write(layout, own, folder / layout.name)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mer_utils.synthetic",
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
