"""Runs on disk: where they are, written fold by fold, read as far as they have come.

A finished run is `<key>.zip` (`archive`), the same bytes in data/runs/ and in
reports/runs/<corpus>/, where those that travel with the repository are kept. While it trains,
`data/runs/<key>/` holds experiment.json, provenance.json and `folds/<corpus>__<subject>.npz`. Every
file appears whole, by rename: a stopped run goes on, and a half-finished one can be read. What is
damaged all the same, as by a failing disk, is named in a warning, left out and trained again.
Trained weights, where they are asked for, are data/weights/<key>/<corpus>__<subject>.safetensors.
"""

import functools
import importlib.metadata
import io
import json
import platform
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from .. import paths
from ..corpora.table import KEY
from ..errors import DiskError, StudyError
from ..preprocessing import cache
from ..training import one_of
from .archive import ARRAYS, Damaged, Stored, as_csv, as_json, packed, unpacked
from .declaration import LEAKS, Experiment

COLUMNS = (
    *("key", "label", "system", "corpus", "preset", "seed", "selection", "labels", "leak"),
    *("precision", "config", "data", "version", "folds", "of", "device", "began"),
)


def file(key: str) -> Path | None:
    """The file of a finished run: the one that travels with the repository, or this machine's."""
    places = [*paths.KEPT.glob(f"*/{key}.zip"), paths.RUNS / f"{key}.zip"]
    return next((path for path in places if path.is_file() and _whole(path, unpacked)), None)


def _whole(path: Path, read: Callable):
    """What a file holds, None of a damaged one, which a warning names."""
    try:
        return read(path)
    except Damaged as error:
        warnings.warn(str(error), stacklevel=2)
        return None


def folder(key: str) -> Path:
    """Where a run is written fold by fold."""
    return paths.RUNS / key


def finished_folds(key: str) -> dict[str, int]:
    """The folds of a run that are whole on disk, and how many clips each has."""
    if path := file(key):
        folds = unpacked(path).folds
        return dict(zip(folds["fold"], folds["clips"], strict=True))
    try:
        return {name: len(fold["label"]) for name, fold in _folds(key).items()}
    except FileNotFoundError:  # another process has finished it meanwhile
        return finished_folds(key)


# --- writing --------------------------------------------------------------------------------------


def begin(experiment: Experiment, folds: int, device: str, schedule) -> None:
    """provenance first: where experiment.json is, the other is too."""
    packages = ("torch", "numpy", "pandas", "scikit-learn")
    provenance = {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "folds": folds,
        "device": device,
        "schedule": schedule.name,
        "why": schedule.why,
        "precision": experiment.precision,
        **({"leak": f"no result: {LEAKS[experiment.leak]}"} if experiment.leak else {}),
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }
    path = folder(experiment.key) / "provenance.json"
    first = path.is_file() and _whole(path, _fields)
    if first:  # a run that goes on: the first session stays, later ones are added
        first.setdefault("resumed", []).append(provenance)
        provenance = first
    paths.write_whole(path, as_json(provenance))
    paths.write_whole(path.with_name("experiment.json"), as_json(asdict(experiment)))


def note(key: str, **facts: list[dict]) -> None:
    """What training subjects have `chosen`, into the provenance of a run, or of all its files."""
    path = folder(key) / "provenance.json"
    if file(key) is None:
        paths.write_whole(path, as_json(_fields(path) | facts))
        return
    run = read(key)
    content = packed(replace(run, provenance=run.provenance | facts))
    for copy in (paths.RUNS / f"{key}.zip", *paths.KEPT.glob(f"*/{key}.zip")):
        if copy.is_file():
            paths.write_whole(copy, content)


def chosen(key: str, what: str) -> list[dict]:
    """`budgets` or `temperatures` of the groups of left-out subjects; empty without any."""
    if file(key) is None and not (folder(key) / "experiment.json").is_file():
        return []
    return read(key).provenance.get(what, [])


def budgets(key: str) -> list[dict]:
    """The budget that was chosen for each group of left-out subjects."""
    return chosen(key, "budgets")


def write_fold(experiment: Experiment, clips: pd.DataFrame, labels: np.ndarray, result) -> None:
    """One fold as it ends. result: a `training.FoldResult`; labels: class number of every clip."""
    test, content = result.fold.test, io.BytesIO()
    np.savez_compressed(
        content,
        **{name: clips[name].iloc[test].to_numpy(dtype=str) for name in KEY},
        label=labels[test].astype(np.uint8),
        probabilities=result.probabilities,
        epoch=result.epoch,
        **{name: getattr(result, name) for name in ARRAYS},
        seconds=round(result.seconds, 3),
    )
    path = folder(experiment.key) / "folds" / f"{result.fold.name}.npz"
    paths.write_whole(path, content.getvalue())


def finish(key: str) -> None:
    """Bind the folds of a run into its file; they are deleted once it is there.

    Where another process that trains the same run was first, its file stays.
    """
    if file(key) is None:
        run = read(key)
        if file(key) is None:
            done, count = len(run.folds), run.provenance["folds"]
            if done < count:
                raise StudyError(f"run {key} has {done} of {count} folds: run it again")
            paths.write_whole(paths.RUNS / f"{key}.zip", packed(run))
    shutil.rmtree(folder(key), ignore_errors=True)


def _commit() -> str:
    """The checkout's commit, with a + where files were changed since; empty outside git."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    answer = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip()


# --- reading --------------------------------------------------------------------------------------


def read(key: str) -> Stored:
    """A run as far as it has come. Raises StudyError without it."""
    if path := file(key):
        return unpacked(path)
    try:
        return _underway(key)
    except (OSError, StudyError):
        if path := file(key):  # another process has finished it meanwhile
            return unpacked(path)
        raise


def _underway(key: str) -> Stored:
    experiment, provenance = _declared(key)
    classes = np.array(experiment.classes)
    names, folds, tables = [], [], []
    for stem, fold in _folds(key).items():
        probabilities = fold["probabilities"]
        columns = {name: fold[name] for name in KEY} | {"label": classes[fold["label"]]}
        columns["predicted"] = classes[probabilities.argmax(1)]
        columns |= {f"p_{name}": probabilities[:, i] for i, name in enumerate(classes)}
        tables.append(pd.DataFrame(columns | {"epoch": int(fold["epoch"])}))
        names.append((stem, len(probabilities), float(fold["seconds"])))
        folds.append(fold.copy())
    columns = [*KEY, "label", "predicted", *(f"p_{name}" for name in classes), "epoch"]
    rows = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    longest = max((len(fold["predicted"]) for fold in folds), default=0)
    for fold in folds:
        missing = longest - len(fold["predicted"])
        fold["predicted"] = np.pad(fold["predicted"], ((0, missing), (0, 0)), "edge")
        fold["losses"] = np.pad(fold["losses"], (0, missing), "edge")
    predicted = [fold["predicted"] for fold in folds] or [np.empty((0, 0), np.uint8)]
    return Stored(
        experiment,
        provenance,
        as_csv(rows),
        pd.DataFrame(names, columns=["fold", "clips", "seconds"]),
        np.concatenate(predicted, axis=1),
        *(np.array([fold[name] for fold in folds], np.float32) for name in ARRAYS[1:]),
    )


def _declared(key: str) -> tuple[Experiment, dict]:
    """Experiment and provenance of a run underway."""
    path = folder(key) / "experiment.json"
    if not path.is_file():
        raise StudyError(f"run {key} is not there: train it in notebook 41")
    try:
        fields, provenance = _fields(path), _fields(path.with_name("provenance.json"))
        experiment = Experiment.of(fields)
    except (FileNotFoundError, LookupError, TypeError) as error:
        raise Damaged(path, error) from error
    if experiment.key != key:
        raise Damaged(path, f"it declares the run {experiment.key}")
    return experiment, provenance


def _fields(path: Path) -> dict:
    """What a json file holds. Raises Damaged and FileNotFoundError."""
    try:
        return {**json.loads(path.read_bytes())}
    except (TypeError, ValueError) as error:
        raise Damaged(path, error) from error


def _folds(key: str) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of every fold that is whole, by its name."""
    files = sorted(path for path in folder(key).glob("folds/*.npz") if path.name[0] != ".")
    folds = {path.stem: _whole(path, _fold) for path in files}
    return {name: fold for name, fold in folds.items() if fold}


def _fold(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a fold, as `write_fold` wrote them. Raises Damaged."""
    facts = path.stat()
    return _arrays(path, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(4096)
def _arrays(path: Path, *_) -> dict[str, np.ndarray]:
    try:
        with cache.opened(path) as stored:
            fold = dict(stored)
        clips, classes = fold["probabilities"].shape
        counts = {fold["predicted"].shape[1], *(len(fold[name]) for name in (*KEY, "label"))}
        highest = max(fold["label"].max(), fold["predicted"].max(initial=0))
        agree = counts == {clips} and highest < classes
        agree = agree and len(fold["losses"]) == len(fold["predicted"])
        if not (agree and np.isfinite(fold["probabilities"]).all()):
            raise ValueError("its arrays do not agree")
    except (DiskError, FileNotFoundError):
        raise
    except Exception as error:  # zipfile, zlib and numpy have a dozen for damaged bytes
        raise Damaged(path, error) from error
    return fold


def load(key: str) -> pd.DataFrame:
    """All rows written so far: run, system, seed, selection, key columns, label, predicted,
    p_<class>, epoch.  `system` is the run's label."""
    run = read(key)
    rows = run.table()
    rows.insert(0, "run", key)
    rows.insert(1, "system", run.experiment.label)
    rows.insert(2, "seed", run.experiment.seed)
    rows.insert(3, "selection", run.experiment.selection)
    return rows


def predicted(key: str) -> np.ndarray:
    """(E, clips) class numbers after every epoch, clips as in `load`; E = 0 without epochs."""
    return read(key).predicted.astype(int)


def epochs(key: str) -> pd.DataFrame:
    """What the left-out subjects were predicted as after every epoch: epoch, key, label, predicted.

    To price the oracle selection in notebook 40; empty for a system without epochs.
    """
    classes = np.array(read(key).experiment.classes)
    rows, classes_by_epoch = load(key)[[*KEY, "label"]], predicted(key)
    count, clips = classes_by_epoch.shape
    table = rows.take(np.tile(np.arange(clips), count)).reset_index(drop=True)
    table.insert(0, "epoch", np.repeat(np.arange(1, count + 1), clips))
    return table.assign(predicted=classes[classes_by_epoch.ravel()])


def curves(key: str) -> pd.DataFrame:
    """Training loss of every fold and epoch."""
    run = read(key)
    count, length = run.losses.shape if len(run.losses) else (0, 0)
    table = run.folds[["fold"]].loc[np.repeat(run.folds.index, length)].reset_index(drop=True)
    table = table.assign(epoch=np.tile(np.arange(1, length + 1), count), loss=run.losses.ravel())
    return table


def seconds(key: str) -> float:
    """What training the folds that are there has taken, all together."""
    return float(read(key).folds["seconds"].sum())


def find(**filters) -> pd.DataFrame:
    """Runs on disk, a row each: key, label, what was declared, folds done and in all.

    filters: columns and the value they must have, as `corpus="synthetic", labels="true"`.
    """
    runs = {}
    for path in paths.RUNS.glob("*/experiment.json"):
        key = path.parent.name
        try:
            runs[key] = (*_declared(key), len(_folds(key)))
        except (OSError, StudyError) as error:
            if path.is_file():  # else another process has finished it meanwhile
                warnings.warn(str(error), stacklevel=2)
    for path in (*paths.RUNS.glob("*.zip"), *paths.KEPT.glob("*/*.zip")):
        if run := _whole(path, unpacked):
            runs[path.stem] = (run.experiment, run.provenance, len(run.folds))
    lines = [
        asdict(experiment)
        | {"key": key, "label": experiment.label, "folds": folds, "of": provenance["folds"]}
        | {name: provenance[name] for name in ("device", "began")}
        for key, (experiment, provenance, folds) in sorted(runs.items())
    ]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    for name, value in filters.items():
        one_of("column", name, COLUMNS)
        table = table[table[name] == value]
    return table.reset_index(drop=True)


# --- runs that travel with the repository ---------------------------------------------------------


def keep(corpus: str) -> list[Path]:
    """Copy every finished run of a corpus that is not kept yet to reports/runs; the new files.

    Raises StudyError where there is no finished run.
    """
    keys = find(corpus=corpus, labels="true").query("folds == of")["key"]
    if not len(keys):
        raise StudyError(f"{corpus} has no finished run in {paths.RUNS}: train one in notebook 41")
    return _copied((paths.RUNS / f"{key}.zip" for key in keys), paths.KEPT / corpus)


def restore(corpus: str) -> list[Path]:
    """Copy the kept runs of a corpus to data/runs; those that were not there."""
    kept = sorted((paths.KEPT / corpus).glob("*.zip"))
    if not kept:
        raise StudyError(
            f"{paths.KEPT / corpus} holds no run: `python -m mer_utils keep {corpus}` writes them"
        )
    return _copied(kept, paths.RUNS)


def _copied(files: Iterable[Path], target: Path) -> list[Path]:
    copies = []
    for path in files:
        copy = target / path.name
        there = copy.is_file() and _whole(copy, unpacked)
        if path.is_file() and not there and _whole(path, unpacked):
            paths.write_whole(copy, path.read_bytes())
            copies.append(copy)
    return copies
