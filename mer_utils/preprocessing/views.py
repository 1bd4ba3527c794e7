"""The arrays that systems take as inputs: flow, landmarks, key frames, computed once per clip.

`definitions.VIEWS` is the table of what frames give. Every clip needs a face in onset and apex,
whatever is asked for, so that all systems are given the same clips. OpenCV and dlib are imported
only where something is computed: `load` does without.
"""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .. import environment, paths
from ..corpora import CLASSES, COLUMNS, KEY, Corpus, megc2019_flow
from ..corpora import load as load_corpus
from ..corpora.table import FRAME_VIEWS, clip_table, exclusion_table, one_line, unknown
from ..errors import DiskError, StudyError
from . import cache, centring

VIEWS = (*FRAME_VIEWS, "points")
REMEDIES = {  # for a view that a corpus of flow images lacks
    "landmarks": "put landmarks.csv next to the images",
    "flow_centred_2": "put the other pipeline's images of these clips next to it (data/README.md)",
}


@dataclass(frozen=True, eq=False)
class Views:
    """Usable clips and their arrays, in one order. Raises StudyError for inf or nan."""

    clips: pd.DataFrame  # corpora.COLUMNS; spotted apexes filled in; index 0..N-1
    exclusions: pd.DataFrame  # those of the reader, and clips that turned out unusable
    arrays: dict[str, np.ndarray]  # view -> (N, ...)

    def __post_init__(self):
        if name := _unsound(self.arrays):
            bad = ~np.isfinite(self.arrays[name]).reshape(len(self.clips), -1).all(axis=1)
            key = "/".join(self.clips[KEY].iloc[np.argmax(bad)])
            raise StudyError(
                f"view '{name}' of clip {key} holds a value that is no finite number, as in "
                f"{bad.sum()} of {len(bad)} clips: compute the views again, or leave these out"
            )


def _unsound(arrays: Mapping[str, np.ndarray]) -> str:
    """The first view with a value that is no finite number, or ""."""
    kinds = (name for name, array in arrays.items() if array.dtype.kind == "f")
    return next((name for name in kinds if not np.isfinite(arrays[name]).all()), "")


def compute(
    corpus: Corpus,
    names: tuple[str, ...],
    jobs: int | None = None,
    progress: bool = True,
    flow_method: str | None = None,
) -> Views:
    """Views of all clips of a corpus. Raises StudyError where none of them can be used.

    jobs: processes, None for one per core, 0 to compute none: raises cache.NotCached where the
    cache lacks a value. flow_method: of view `flow`, None for motion.DEFAULT.
    """
    names = tuple(dict.fromkeys(names))
    _check(corpus, names)
    if "frames" in corpus.views:
        results = _from_frames(corpus, names, jobs, progress, flow_method)
    else:
        results = _from_flow_images(corpus, names)
    usable = np.array([isinstance(result, dict) for result in results], bool)
    reasons = corpus.clips.loc[~usable, list(KEY)].assign(
        reason=[result for result in results if isinstance(result, str)]
    )
    exclusions = exclusion_table(pd.concat([corpus.exclusions, reasons]).to_numpy())
    if not usable.any():
        left_out = [*reasons["reason"], *corpus.exclusions["reason"]]
        why = f"all {len(left_out)} are left out, one because {left_out[0]}" if left_out else ""
        raise StudyError(f"no clip of {corpus.name} can be used: {why or 'it has none'}")
    results = [result for result in results if isinstance(result, dict)]
    clips = corpus.clips[usable].reset_index(drop=True)
    if "frames" in corpus.views:
        clips.loc[clips["apex"].isna(), "apex_source"] = "spotted"
        clips["apex"] = pd.array([result["apex"] for result in results], dtype="Int64")
        notes = zip(clips["note"], (result["note"] for result in results), strict=True)
        clips["note"] = ["; ".join(filter(None, both)) for both in notes]
    elif "landmarks" in names:
        _register(results, clips["corpus"].to_numpy())
    # taken out view by view: else all of them would be in memory twice
    arrays = {name: np.stack([result.pop(name) for result in results]) for name in names}
    return Views(clips, exclusions, arrays)


def _check(corpus: Corpus, names: tuple[str, ...]) -> None:
    offered = (*corpus.views, "points") if "frames" in corpus.views else corpus.views
    for name in names:
        if name not in VIEWS:
            raise unknown("view", name, VIEWS)
        if name not in offered:
            remedy = f"it offers {', '.join(corpus.views)}; the others need the clips' frames"
            raise StudyError(f"{corpus.name} has no view '{name}': {REMEDIES.get(name, remedy)}")


def _from_frames(corpus, names, jobs, progress, method) -> list[dict | str]:
    """Apex, note and arrays of every clip, or the reason why it cannot be used."""
    from tqdm import tqdm

    from . import motion

    method = method or motion.DEFAULT
    motion.check(method)
    rows, task = corpus.clips.to_dict("records"), (names, method, paths.CACHE)
    results = [_arrays_or_reason(row, *task, only_cached=True) for row in rows]
    missing = [place for place, result in enumerate(results) if result is None]
    if missing and jobs == 0:
        raise cache.NotCached
    title, items = f"views of {corpus.name}", [(rows[place], *task) for place in missing]
    computed = environment.each(jobs, f"computed {title}", _arrays_or_reason, items)
    hidden = not (missing and progress)
    for number, result in tqdm(computed, title, len(items), unit="clip", disable=hidden):
        results[missing[number]] = result
    return results


def _arrays_or_reason(
    row: dict, names: tuple[str, ...], method: str, folder: Path, only_cached: bool = False
) -> dict | str | None:
    """Apex, note and arrays of a clip, or why it cannot be used, or None if it is not cached."""
    import cv2

    from . import motion
    from .clip import Clip
    from .definitions import VIEWS

    if not only_cached:
        cv2.setNumThreads(1)  # this process is one of several
    try:
        clip = Clip(row, method, folder, only_cached)
        arrays = {name: VIEWS[name](clip) for name in names}
    except cache.NotCached:
        return None
    except DiskError:
        raise
    except StudyError as error:
        return str(error)
    except Exception as error:  # of this clip alone: the others go on
        return f"{type(error).__name__}: {one_line(error)}"
    if name := _unsound(arrays):
        return f"its view '{name}' holds a value that is no finite number"
    notes = [clip.note, motion.doubt(arrays["flow"]) if "flow" in arrays else ""]
    return {"apex": clip.apex_number, "note": "; ".join(filter(None, notes))} | arrays


def _from_flow_images(corpus: Corpus, names: tuple[str, ...]) -> list[dict | str]:
    """Arrays of every clip, or the reason why it has no landmarks."""
    points = megc2019_flow.landmarks(corpus) if "landmarks" in names else {}
    second = _second_images(corpus) if "flow_centred_2" in names else []
    results = []
    for place, (*key, file) in enumerate(corpus.clips[[*KEY, "frames"]].to_numpy()):
        landmarks = points.get(tuple(key))
        result = {"landmarks": landmarks}
        if names:  # a corpus that is only listed has no images
            result["flow_legacy"] = _channels_first(file)
            result["flow_centred"] = centring.centred(result["flow_legacy"])
        if second:
            result["flow_centred_2"] = centring.centred(_channels_first(second[place]))
        results.append(landmarks if isinstance(landmarks, str) else result)
    return results


def _channels_first(file: str) -> np.ndarray:
    return megc2019_flow.read_image(file).transpose(2, 0, 1).astype(np.float32)  # (3, 28, 28)


def _second_images(corpus: Corpus) -> list[str]:
    """Of every clip, in order, the flow image by the other pipeline. Raises StudyError."""
    name = megc2019_flow.SECOND[corpus.release]
    second = load_corpus(name, corpus.path.parent / name)
    rows = (set(map(tuple, one.clips[[*KEY, "label"]].to_numpy())) for one in (corpus, second))
    if other := sorted(set.symmetric_difference(*rows)):
        raise StudyError(
            f"{second.path} has not the clips and labels of {corpus.path}, {'/'.join(other[0])} is "
            "in one of them only: complete both, or move one of them elsewhere"
        )
    return second.clips["frames"].tolist()


def _register(results: list[dict], corpora: np.ndarray) -> None:
    """Move landmarks to where the flow images have the face; a warning where they never fit."""
    from . import registration

    given = (
        np.stack([result[name] for result in results]) for name in ("landmarks", "flow_legacy")
    )
    moved, table = registration.registered(*given, corpora)
    for result, points in zip(results, moved, strict=True):
        result["landmarks"] = points
    for line in table[table["fit after"] < registration.FITS].to_dict("records"):
        message = (
            f"the landmarks of {line['corpus']} do not fit its flow images, however they are moved "
            f"(they explain {line['fit after']:.0%} of where the images move): check landmarks.csv"
        )
        warnings.warn(message, stacklevel=3)


def save(
    views: Views, file: Path | str, name: str = "", classes: tuple[str, ...] = CLASSES
) -> Path:
    """One .npz that `load` reads without pickle, OpenCV or dlib; written by rename.

    name, classes: of the corpus, for `about`. The folders of its frames are left out.
    """
    texts = {
        "clips": views.clips.assign(frames="").to_json(orient="split"),
        "exclusions": views.exclusions.to_json(orient="split"),
        "about": json.dumps({"name": name, "classes": classes}),
    }
    arrays = {part: np.frombuffer(text.encode(), np.uint8) for part, text in texts.items()}
    cache.write(Path(file), **arrays, **{f"view_{one}": a for one, a in views.arrays.items()})
    return Path(file)


@contextmanager
def _opened(file: Path | str) -> Iterator[np.lib.npyio.NpzFile]:
    try:
        with cache.opened(Path(file)) as stored:
            yield stored
    except StudyError:
        raise
    except Exception as error:  # of whatever is damaged
        remedy = "make it with `views` on the machine with the data"
        raise StudyError(f"{file} holds no views ({one_line(error)}): {remedy}") from error


def about(file: Path | str) -> tuple[str, tuple[str, ...]]:
    """Name, "" where `save` was given none, and classes of a file's corpus. Raises StudyError."""
    with _opened(file) as stored:
        if "about" not in stored:
            raise StudyError(f"{file} does not say of which corpus it is: save it again")
        corpus = json.loads(stored["about"].tobytes())
        return corpus["name"], tuple(corpus["classes"])


def load(file: Path | str) -> Views:
    """The views that `save` wrote. Raises StudyError where the file is something else."""
    with _opened(file) as stored:
        texts = (stored[name].tobytes() for name in ("clips", "exclusions"))
        clips, exclusions = (json.loads(text)["data"] for text in texts)
        clips = pd.DataFrame(clips, columns=list(COLUMNS)).astype(clip_table([]).dtypes)
        names = [name for name in stored if name.startswith("view_")]
        arrays = {name.removeprefix("view_"): stored[name] for name in names}
        if unlike := [name for name, array in arrays.items() if len(array) != len(clips)]:
            raise ValueError(f"its view {unlike[0]} is of other clips")
        return Views(clips, exclusion_table(exclusions), arrays)
