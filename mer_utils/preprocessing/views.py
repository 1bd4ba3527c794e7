"""What a system eats of each clip: flow, landmarks, key frames; computed once, kept by content.

| view | array | meaning |
|---|---|---|
| `flow` | (N, 3, 28, 28) float32 | u, v in pixels of the aligned face, strain; 0 beside the face |
| `flow_legacy` | (N, 3, 28, 28) float32 | u, v, strain of TV-L1, each 0..255 per clip |
| `landmarks` | (N, 68, 2) float32 | points of the apex face, x then y, in cells of the 28x28 grid |
| `frames` | (N, 2, 128, 128) uint8 | aligned onset and apex, grey |
| `video` | (N, 10, 128, 128) uint8 | aligned face at ten even steps from onset to offset, grey |
| `keyframes` | (N, 11, 128, 128) uint8 | aligned onset and the ten frames that move most, grey |
| `keyframe_points` | (N, 11, 68, 2) float32 | landmarks followed there, in pixels of that face |
| `rise` | (N, 11, 128, 128) uint8 | aligned onset to apex in even steps, then one frame more |
| `rise_points` | (N, 11, 68, 2) float32 | landmarks followed there, in pixels of that face |
| `points` | (N, 2, 68, 2) float32 | landmarks of onset and apex, pixels of the recording |

A clip needs a face in onset and apex, whatever is asked for, so that every system is given the
same clips.  OpenCV and dlib are loaded only where something is computed: `load` does without.
"""

import hashlib
import json
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import paths
from ..corpora import CLASSES, COLUMNS, KEY, Corpus, megc2019_flow
from ..corpora.table import FRAME_NUMBERS, FRAME_VIEWS, exclusion_table, nearest
from ..errors import StudyError

if TYPE_CHECKING:
    from . import images

VIEWS = (*FRAME_VIEWS, "points")
TRACKED = {"keyframes": "keyframe_points", "rise": "rise_points"}
VIDEO_FRAMES = 10  # as the base lines' temporal interpolation has it (TIM10)


@dataclass(frozen=True, eq=False)
class Views:
    """Arrays of the usable clips, in the order of `clips`."""

    clips: pd.DataFrame  # corpora.COLUMNS; spotted apexes filled in; index 0..N-1
    exclusions: pd.DataFrame  # the reader's, and the ones found while computing
    arrays: dict[str, np.ndarray]  # view -> (N, ...)


def compute(
    corpus: Corpus,
    names: tuple[str, ...],
    jobs: int | None = None,
    progress: bool = True,
    flow_method: str | None = None,
) -> Views:
    """Views of all clips of a corpus. Raises StudyError where none of them can be used.

    jobs: processes, None for one per core; flow_method: of view `flow`, None for motion.DEFAULT.
    """
    names = tuple(dict.fromkeys(names))
    _check(corpus, names)
    if "frames" in corpus.views:
        clips, found, reasons = _from_frames(corpus, names, jobs, progress, flow_method)
    else:
        clips, found, reasons = _from_flow_images(corpus, names)
    if not found:
        first = f"the first because {reasons[0][-1]}" if reasons else "it holds none"
        raise StudyError(f"no clip of {corpus.name} can be used, {first}")
    exclusions = exclusion_table([*corpus.exclusions.to_numpy().tolist(), *reasons])
    arrays = {name: np.stack([arrays[name] for arrays in found]) for name in names}
    return Views(clips.reset_index(drop=True), exclusions, arrays)


def _check(corpus: Corpus, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in VIEWS:
            raise StudyError(
                f"view '{name}' is not known, the nearest is '{nearest(name, VIEWS)}': "
                f"choose from {', '.join(VIEWS)}"
            )
        if name not in corpus.views and not (name == "points" and "frames" in corpus.views):
            remedy = f"it offers {', '.join(corpus.views)}; the others need the clips' frames"
            if name == "landmarks":
                remedy = "put landmarks.csv beside the images"
            raise StudyError(f"{corpus.name} has no view '{name}': {remedy}")


# --- corpora of frames ----------------------------------------------------------------------------


class _Frame:
    """One frame file, read once; hashed and decoded when asked."""

    def __init__(self, path: "Path | images.VideoFrame"):
        from . import images

        self.name = path.name
        self.content = images.content(path)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def image(self) -> np.ndarray:
        from . import images

        return images.decode(self.content, self.name)


class _NotKept(Exception):
    """The cache has it not, and nobody is to compute it now."""


@dataclass(frozen=True)
class _Recipe:
    """What is to be made of every clip, and where it is kept."""

    names: tuple[str, ...]
    method: str  # of the flow
    cache: Path
    only_kept: bool = False  # raise _NotKept instead of computing


def _from_frames(corpus, names, jobs, progress, flow_method):
    import joblib
    from tqdm import tqdm

    from . import motion

    method = flow_method or motion.DEFAULT
    if method not in motion.METHODS:
        near = nearest(method, motion.METHODS)
        raise StudyError(f"flow method '{method}' is not known, the nearest is '{near}'")
    rows = corpus.clips.to_dict("records")
    kept = _Recipe(names, method, paths.CACHE, only_kept=True)
    results = [_clip_or_reason(row, kept) for row in rows]
    missing = [i for i, result in enumerate(results) if result is None]
    if missing:
        recipe = _Recipe(names, method, paths.CACHE)
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            pool = joblib.Parallel(n_jobs=jobs or cores(), return_as="generator")
            made = pool(joblib.delayed(_clip_or_reason)(rows[i], recipe) for i in missing)
            bar = tqdm(
                zip(missing, made, strict=True),
                total=len(missing),
                desc=f"views of {corpus.name}",
                unit="clip",
                disable=not progress,
            )
            for i, result in bar:
                results[i] = result
    usable = [i for i, result in enumerate(results) if isinstance(result, dict)]
    reasons = [
        (*(row[column] for column in KEY), result)
        for row, result in zip(rows, results, strict=True)
        if isinstance(result, str)
    ]
    clips = corpus.clips.iloc[usable].copy()
    spotted = clips["apex"].isna().to_numpy()
    clips["apex"] = pd.array([int(results[i]["apex"]) for i in usable], dtype="Int64")
    clips.loc[spotted, "apex_source"] = "spotted"
    return clips, [results[i] for i in usable], reasons


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _clip_or_reason(row: dict, recipe: _Recipe) -> dict[str, np.ndarray] | str | None:
    """Arrays of one clip, or why it cannot be used, or None where it would have to be computed."""
    if not recipe.only_kept:
        import cv2

        cv2.setNumThreads(1)  # the clips run side by side already
    try:
        return _clip(row, recipe)
    except _NotKept:
        return None
    except StudyError as error:
        return str(error)


def _clip(row: dict, recipe: _Recipe) -> dict[str, np.ndarray]:
    from . import faces, images, motion

    files = images.files(row["frames"])
    onset = _Frame(_file(files, row, "onset"))
    points = _points(onset, "onset", recipe)
    matrix = faces.alignment(points)
    laid = faces.move(points, matrix)
    number = row["apex"]
    if pd.isna(number):
        number = _spot(files, row, onset, points, recipe)
    apex = _Frame(_file(files, row | {"apex": number}, "apex"))
    apex_points = _points(apex, "apex", recipe)
    made = {"apex": np.array(number)}
    pair = (faces.VERSION, onset.digest, apex.digest)
    if "points" in recipe.names:
        made["points"] = np.stack((points, apex_points))
    if "landmarks" in recipe.names:
        made["landmarks"] = faces.move(apex_points, matrix) * np.float32(motion.GRID / faces.SIZE)
    makers = {
        "frames": ((), lambda a, b: np.stack((a, b))),
        "flow": (
            (motion.VERSION, recipe.method),
            lambda a, b: motion.channels(
                motion.expression(a, b, laid, recipe.method),
                motion.face_region(laid, faces.SIZE),
            ),
        ),
        "flow_legacy": ((motion.VERSION, motion.PUBLISHED), motion.legacy),
    }
    for name, (parameters, make) in makers.items():
        if name in recipe.names:
            made[name] = _kept(
                name,
                (*pair, *parameters),
                recipe,
                lambda make=make: make(
                    faces.align(onset.image, matrix), faces.align(apex.image, matrix)
                ),
            )
    if "video" in recipe.names:
        made["video"] = _video(files, row, matrix, recipe)
    for name in ("keyframes", "rise"):
        if {name, TRACKED[name]} & set(recipe.names):
            made |= _sequence(name, files, row | {"apex": number}, points, matrix, recipe)
    return made


def _video(files, row: dict, matrix: np.ndarray, recipe: _Recipe) -> np.ndarray:
    """(VIDEO_FRAMES, SIZE, SIZE) uint8: between two frames their mean, weighted by nearness.

    A clip whose offset is not known lasts to its last frame.  Steps are even in the frames that
    are there, so that a missing one does not stop the clip.
    """
    from . import faces

    numbers = _numbers(files, row)
    steps = np.linspace(0, len(numbers) - 1, VIDEO_FRAMES)
    needed = sorted({int(side(step)) for step in steps for side in (np.floor, np.ceil)})
    frames = {i: _Frame(files[numbers[i]]) for i in needed}

    def interpolate() -> np.ndarray:
        seen = {i: faces.align(frame.image, matrix).astype(float) for i, frame in frames.items()}
        video = []
        for step in steps:
            before, after = int(np.floor(step)), int(np.ceil(step))
            video.append(seen[before] + (step - before) * (seen[after] - seen[before]))
        return np.rint(video).astype(np.uint8)

    digests = tuple(frame.digest for frame in frames.values())
    place = (faces.VERSION, matrix.tobytes(), tuple(steps), tuple(needed))
    return _kept("video", (*place, *digests), recipe, interpolate)


def _numbers(files: dict[int, Path], row: dict) -> list[int]:
    """The frames that are there from onset to offset."""
    first = int(row["onset"])
    last = max(files) if pd.isna(row["offset"]) else max(first, int(row["offset"]))
    return [number for number in sorted(files) if first <= number <= last]


def _sequence(name: str, files, row: dict, points, matrix, recipe: _Recipe) -> dict:
    """`keyframes` or `rise`, (COUNT, SIZE, SIZE) uint8, and the landmarks there (COUNT, 68, 2).

    Of `rise`, a frame that is not there is replaced by the nearest that is.
    """
    from . import faces, keyframes

    numbers = _numbers(files, row)
    if name == "rise":
        wanted = keyframes.rise(int(row["onset"]), int(row["apex"]))
        there = np.array([number for number in sorted(files) if number >= row["onset"]])
        numbers = [int(there[np.abs(there - number).argmin()]) for number in wanted]
    frames = {number: _Frame(files[number]) for number in numbers}
    digests = tuple(frame.digest for frame in frames.values())
    key = (faces.VERSION, keyframes.SELECTION_VERSION, matrix.tobytes(), tuple(numbers), *digests)
    larger = matrix * (keyframes.TRACK_SIZE / faces.SIZE)

    def follow() -> np.ndarray:
        seen = [
            faces.warp(faces.grey(f.image), larger, keyframes.TRACK_SIZE) for f in frames.values()
        ]
        course = keyframes.track(np.stack(seen), faces.move(points, larger))
        return course * np.float32(faces.SIZE / keyframes.TRACK_SIZE)

    course = dict(zip(frames, _kept(f"{name}_course", key, recipe, follow), strict=True))
    if name == "keyframes":
        every = np.stack([course[number] for number in numbers])
        numbers = [numbers[i] for i in keyframes.select(keyframes.landmark_motion(every))]

    def pick() -> np.ndarray:
        return np.stack([faces.align(frames[number].image, matrix) for number in numbers])

    return {
        name: _kept(name, (*key, tuple(numbers)), recipe, pick),
        TRACKED[name]: np.stack([course[number] for number in numbers]),
    }


def _file(files: dict[int, Path], row: dict, moment: str) -> Path:
    number = row[moment]
    folder = Path(row["frames"]).name
    if pd.isna(number):
        raise StudyError(f"its {moment} is not known")
    if int(number) not in files:
        span = f"{min(files)} to {max(files)}" if files else "nothing"
        raise StudyError(f"{moment} frame {number} is not in {folder}, which holds {span}")
    return files[int(number)]


def _points(frame: _Frame, moment: str, recipe: _Recipe) -> np.ndarray:
    """(68, 2) landmarks in pixels of the frame. Raises StudyError naming the frame without face."""
    from . import faces

    def find() -> np.ndarray:
        try:
            return faces.landmarks(frame.image)
        except faces.NoFace:
            return np.zeros((0, 2), np.float32)  # looked for in vain: worth remembering too

    points = _kept("points", (faces.VERSION, frame.digest), recipe, find)
    if not len(points):
        raise faces.NoFace(f"no face found in {moment} frame {frame.name}")
    return points


def _spot(files, row: dict, onset: _Frame, points: np.ndarray, recipe: _Recipe) -> int:
    """Frame number of the apex, between onset and offset of a clip whose sheet has none."""
    from . import faces, keyframes, motion

    last = max(files) if pd.isna(row["offset"]) else int(row["offset"])
    numbers = [number for number in files if int(row["onset"]) < number <= last]
    if not numbers:
        raise StudyError(f"no frame after the onset lies in {Path(row['frames']).name}")
    later = [_Frame(files[number]) for number in numbers]

    def find() -> np.ndarray:
        matrix = faces.alignment(points)
        aligned = [faces.align(frame.image, matrix) for frame in (onset, *later)]
        course = keyframes.movement(np.stack(aligned), faces.move(points, matrix))
        return np.array(keyframes.apex(course))

    digests = (frame.digest for frame in (onset, *later))
    versions = (faces.VERSION, motion.VERSION, keyframes.VERSION)
    position = _kept("apex", (*versions, *digests), recipe, find)
    return numbers[int(position) - 1]


# --- corpora of flow images -----------------------------------------------------------------------


def _from_flow_images(corpus: Corpus, names: tuple[str, ...]):
    points = megc2019_flow.landmarks(corpus) if "landmarks" in names else {}
    found, usable, reasons = [], [], []
    for i, row in enumerate(corpus.clips.to_dict("records")):
        key = tuple(row[column] for column in KEY)
        made = {"landmarks": points.get(key)}
        if isinstance(made["landmarks"], str):
            reasons.append((*key, made["landmarks"]))
            continue
        if "flow_legacy" in names:
            image = megc2019_flow.read_image(row["frames"])  # (28, 28, 3) u, v, strain
            made["flow_legacy"] = image.transpose(2, 0, 1).astype(np.float32)
        found.append(made)
        usable.append(i)
    return corpus.clips.iloc[usable].copy(), found, reasons


# --- the cache ------------------------------------------------------------------------------------


def _kept(kind: str, parts: tuple, recipe: _Recipe, make: Callable[[], np.ndarray]) -> np.ndarray:
    """What lies in the cache under the hash of `parts`, or what `make` gives, which is then kept.

    A file that cannot be read whole is said, removed and made again.
    """
    key = hashlib.sha256(repr((kind, *parts)).encode()).hexdigest()
    file = recipe.cache / kind / key[:2] / f"{key}.npz"
    if file.exists():
        try:
            # opened here: of a damaged file numpy leaves the handle open
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                return stored["value"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            warnings.warn(
                f"{file} in the cache is damaged ({error}): it is made again", stacklevel=2
            )
            file.unlink(missing_ok=True)
    if recipe.only_kept:
        raise _NotKept
    value = make()
    _write(file, value=value)
    return value


def _write(file: Path, **arrays: np.ndarray) -> None:
    """An .npz that is there whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, **arrays)
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# --- one file to take to another machine ----------------------------------------------------------


def save(
    views: Views, file: Path | str, name: str = "", classes: tuple[str, ...] = CLASSES
) -> Path:
    """One .npz that `load` reads without pickle, OpenCV or dlib; written by rename.

    name, classes: of the corpus, for `about`.  Where its frames lie stays behind.
    """
    file = Path(file)
    tables = {
        kind: np.frombuffer(table.to_json(orient="split").encode(), np.uint8)
        for kind, table in (
            ("clips", views.clips.assign(frames="")),
            ("exclusions", views.exclusions),
        )
    }
    told = {"name": name, "classes": classes}
    tables["about"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    _write(file, **tables, **{f"view_{name}": array for name, array in views.arrays.items()})
    return file


def about(file: Path | str) -> tuple[str, tuple[str, ...]]:
    """Name (empty where `save` was given none) and classes of the corpus whose views a file holds.

    Raises StudyError where the file does not say.
    """
    with np.load(Path(file), allow_pickle=False) as stored:
        if "about" not in stored.files:
            raise StudyError(f"{file} does not say of which corpus it is: save it again")
        told = json.loads(stored["about"].tobytes())
    return told["name"], tuple(told["classes"])


def load(file: Path | str) -> Views:
    """What `save` wrote. Raises StudyError where the file is something else."""
    file = Path(file)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            tables = {
                name: json.loads(stored[name].tobytes().decode())
                for name in ("clips", "exclusions")
            }
            arrays = {
                name.removeprefix("view_"): stored[name]
                for name in stored.files
                if name.startswith("view_")
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise StudyError(
            f"{file} holds no views ({error}): make it with views.save on the machine with the data"
        ) from error
    clips = pd.DataFrame(tables["clips"]["data"], columns=list(COLUMNS))
    for column in COLUMNS:
        kind = "Int64" if column in FRAME_NUMBERS else "float64" if column == "fps" else "str"
        clips[column] = clips[column].astype(kind)
    return Views(clips, exclusion_table(tables["exclusions"]["data"]), arrays)
