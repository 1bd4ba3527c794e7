"""The arrays that systems take as inputs: flow, landmarks, key frames, computed once per clip.

`definitions.VIEWS` is the table of what frames give. Every clip needs a face in onset and apex,
whatever is asked for, so that all systems are given the same clips. OpenCV and dlib are imported
only where something is computed: `load` does without.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .. import environment, paths
from ..corpora import CLASSES, COLUMNS, KEY, Corpus, megc2019_flow
from ..corpora.table import FRAME_NUMBERS, FRAME_VIEWS, exclusion_table, nearest
from ..errors import StudyError
from . import cache

VIEWS = (*FRAME_VIEWS, "points")


@dataclass(frozen=True, eq=False)
class Views:
    """The usable clips of a corpus and their arrays, in the same order."""

    clips: pd.DataFrame  # corpora.COLUMNS; spotted apexes filled in; index 0..N-1
    exclusions: pd.DataFrame  # those of the reader, and clips that turned out unusable
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
        clips, results, reasons = _from_frames(corpus, names, jobs, progress, flow_method)
    else:
        clips, results, reasons = _from_flow_images(corpus, names)
    if not results:
        first = f"the first because {reasons[0][-1]}" if reasons else "it holds none"
        raise StudyError(f"no clip of {corpus.name} can be used, {first}")
    exclusions = exclusion_table([*corpus.exclusions.to_numpy().tolist(), *reasons])
    arrays = {name: np.stack([result[name] for result in results]) for name in names}
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
                remedy = "put landmarks.csv next to the images"
            raise StudyError(f"{corpus.name} has no view '{name}': {remedy}")


# --- corpora of frames ----------------------------------------------------------------------------


def _from_frames(corpus, names, jobs, progress, flow_method):
    """The usable clips, their arrays by view, and the reasons of the others."""
    import joblib
    from tqdm import tqdm

    from . import motion

    method = flow_method or motion.DEFAULT
    if method not in motion.METHODS:
        near = nearest(method, motion.METHODS)
        raise StudyError(f"flow method '{method}' is not known, the nearest is '{near}'")
    rows = corpus.clips.to_dict("records")
    task = (names, method, paths.CACHE)
    results = [_arrays_or_reason(row, *task, only_cached=True) for row in rows]
    missing = [i for i, result in enumerate(results) if result is None]
    if missing:
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            pool = joblib.Parallel(jobs or environment.cores(), return_as="generator")
            computed = pool(joblib.delayed(_arrays_or_reason)(rows[i], *task) for i in missing)
            bar = tqdm(
                zip(missing, computed, strict=True),
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
    clips["apex"] = pd.array([results[i].pop("apex") for i in usable], dtype="Int64")
    clips.loc[spotted, "apex_source"] = "spotted"
    return clips, [results[i] for i in usable], reasons


def _arrays_or_reason(
    row: dict, names: tuple[str, ...], method: str, folder: Path, only_cached: bool = False
) -> dict | str | None:
    """Apex and arrays of a clip, or why it cannot be used, or None where a value is not cached."""
    import cv2

    from .clip import Clip
    from .definitions import VIEWS

    if not only_cached:
        cv2.setNumThreads(1)  # this process is one of several
    try:
        clip = Clip(row, method, folder, only_cached)
        return {"apex": clip.apex_number} | {name: VIEWS[name](clip) for name in names}
    except cache.NotCached:
        return None
    except StudyError as error:
        return str(error)


# --- corpora of flow images -----------------------------------------------------------------------


def _from_flow_images(corpus: Corpus, names: tuple[str, ...]):
    points = megc2019_flow.landmarks(corpus) if "landmarks" in names else {}
    results, usable, reasons = [], [], []
    for i, row in enumerate(corpus.clips.to_dict("records")):
        key = tuple(row[column] for column in KEY)
        result = {"landmarks": points.get(key)}
        if isinstance(result["landmarks"], str):
            reasons.append((*key, result["landmarks"]))
            continue
        if "flow_legacy" in names:
            image = megc2019_flow.read_image(row["frames"])  # (28, 28, 3) u, v, strain
            result["flow_legacy"] = image.transpose(2, 0, 1).astype(np.float32)
        results.append(result)
        usable.append(i)
    return corpus.clips.iloc[usable].copy(), results, reasons


# --- one file to take to another machine ----------------------------------------------------------


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def save(
    views: Views, file: Path | str, name: str = "", classes: tuple[str, ...] = CLASSES
) -> Path:
    """One .npz that `load` reads without pickle, OpenCV or dlib; written by rename.

    name, classes: of the corpus, for `about`. The folders of its frames are left out.
    """
    file = Path(file)
    cache.write(
        file,
        clips=_bytes(views.clips.assign(frames="").to_json(orient="split")),
        exclusions=_bytes(views.exclusions.to_json(orient="split")),
        about=_bytes(json.dumps({"name": name, "classes": classes})),
        **{f"view_{view}": array for view, array in views.arrays.items()},
    )
    return file


def about(file: Path | str) -> tuple[str, tuple[str, ...]]:
    """Name (empty where `save` was given none) and classes of the corpus whose views a file holds.

    Raises StudyError where the file does not say.
    """
    try:
        with Path(file).open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            content = stored["about"].tobytes() if "about" in stored.files else b""
    except cache.UNREADABLE as error:
        raise StudyError(f"{file} holds no views ({error}): make it with `views`") from error
    if not content:
        raise StudyError(f"{file} does not say of which corpus it is: save it again")
    corpus = json.loads(content)
    return corpus["name"], tuple(corpus["classes"])


def load(file: Path | str) -> Views:
    """The views that `save` wrote. Raises StudyError where the file is something else."""
    file = Path(file)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            clips, exclusions = (json.loads(stored[n].tobytes()) for n in ("clips", "exclusions"))
            arrays = {
                name.removeprefix("view_"): stored[name]
                for name in stored.files
                if name.startswith("view_")
            }
    except cache.UNREADABLE as error:
        raise StudyError(
            f"{file} holds no views ({error}): make it with views.save on the machine with the data"
        ) from error
    table = pd.DataFrame(clips["data"], columns=list(COLUMNS))
    for column in COLUMNS:
        kind = "Int64" if column in FRAME_NUMBERS else "float64" if column == "fps" else "str"
        table[column] = table[column].astype(kind)
    return Views(table, exclusion_table(exclusions["data"]), arrays)
