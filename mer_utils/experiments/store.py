"""A run is one file; this module alone knows its format.

A finished run is `<key>.zip`, the same bytes in data/runs/ and in reports/runs/<corpus>/, where
those that travel with the repository are kept:

    experiment.json  the fields of the Experiment: what decides every number
    provenance.json  what does not: commit, versions, device, times; what was `chosen`
    rows.csv         a row per clip: corpus, subject, clip, label, predicted, p_<class>, epoch
    folds.csv        a row per fold, in the order of the rows: fold, clips, seconds
    predicted.npy    (E, clips) uint8, class number after every epoch; E = 0 without epochs
    losses.npy       (folds, E) mean training loss of every epoch
                     where folds have unlike budgets, both go on with the last one's value to E

While it trains, `data/runs/<key>/` holds the two json files and `folds/<corpus>__<subject>.npz`.
Every file appears whole, by rename: a stopped run goes on, and a half-finished one can be read.
Trained weights, where they are asked for, are data/weights/<key>/<corpus>__<subject>.safetensors.
"""

import contextlib
import functools
import importlib.metadata
import io
import json
import platform
import shutil
import subprocess
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from .. import paths
from ..corpora.table import KEY
from ..errors import StudyError
from ..training import one_of
from .declaration import LEAKS, Experiment

COLUMNS = (
    *("key", "label", "system", "corpus", "preset", "seed", "selection", "labels", "leak"),
    *("precision", "config", "data", "version", "folds", "of", "device", "began"),
)
ARRAYS = ("predicted", "losses")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same run
DAMAGED = "{file} is damaged ({why}): delete it and run again, or take it from the repository again"


@dataclass(frozen=True, eq=False)
class Stored:
    """What a run holds so far."""

    experiment: Experiment
    provenance: dict
    rows: bytes  # rows.csv
    folds: pd.DataFrame  # fold, clips, seconds
    predicted: np.ndarray
    losses: np.ndarray


def file(key: str) -> Path | None:
    """The file of a finished run: the one that travels with the repository, or this machine's."""
    trained = paths.RUNS / f"{key}.zip"
    return next(paths.KEPT.glob(f"*/{key}.zip"), trained if trained.is_file() else None)


def folder(key: str) -> Path:
    """Where a run is written fold by fold."""
    return paths.RUNS / key


def finished_folds(key: str) -> set[str]:
    """Names of the folds of a run that are on disk."""
    if path := file(key):
        return set(_finished(path).folds["fold"])
    return {path.stem for path in _fold_files(key)}


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
    if path.is_file():  # a run that goes on: the first session stays, later ones are added
        first = json.loads(path.read_text(encoding="utf-8"))
        first.setdefault("resumed", []).append(provenance)
        provenance = first
    paths.write_whole(path, _json(provenance))
    paths.write_whole(path.with_name("experiment.json"), _json(asdict(experiment)))


def note(key: str, **facts: list[dict]) -> None:
    """What training subjects have `chosen`, into the provenance of a run, or of all its files."""
    path = folder(key) / "provenance.json"
    if file(key) is None:
        provenance = json.loads(path.read_text(encoding="utf-8"))
        paths.write_whole(path, _json(provenance | facts))
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


def packed(run: Stored) -> bytes:
    """A finished run as the bytes of its file."""
    contents = {
        "experiment.json": _json(asdict(run.experiment)),
        "provenance.json": _json(run.provenance),
        "rows.csv": run.rows,
        "folds.csv": _csv(run.folds),
    }
    for name in ARRAYS:
        array = io.BytesIO()
        np.save(array, getattr(run, name), allow_pickle=False)
        contents[f"{name}.npy"] = array.getvalue()
    return pack(contents)


def pack(contents: dict[str, bytes]) -> bytes:
    """A zip of these files: the same bytes for the same contents."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, part in contents.items():
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), part, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _json(values: dict) -> bytes:
    return json.dumps(values, indent=1).encode()


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def _commit() -> str:
    """The checkout's commit, with a + where files were changed since; empty outside git."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    answer = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip()


# --- reading --------------------------------------------------------------------------------------


def read(key: str) -> Stored:
    """A run as far as it has come. Raises StudyError without it, and for a damaged file."""
    if path := file(key):
        return _finished(path)
    try:
        return _underway(key)
    except (OSError, StudyError):
        if path := file(key):  # another process has finished it meanwhile
            return _finished(path)
        raise


def _finished(path: Path) -> Stored:
    facts = path.stat()
    return _unpacked(path, facts.st_mtime_ns, facts.st_size)


@functools.cache
def _unpacked(path: Path, *_) -> Stored:
    """The contents of a run's file, kept for as long as the file does not change."""
    try:
        with zipfile.ZipFile(path) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
        run = Stored(
            Experiment.of(json.loads(contents["experiment.json"])),
            json.loads(contents["provenance.json"]),
            contents["rows.csv"],
            pd.read_csv(io.BytesIO(contents["folds.csv"]), dtype={"fold": str}),
            *(np.load(io.BytesIO(contents[f"{n}.npy"]), allow_pickle=False) for n in ARRAYS),
        )
        if run.experiment.key != path.stem or run.predicted.shape[1] != run.folds["clips"].sum():
            raise ValueError("it does not hold the run of its name")
    except (EOFError, OSError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise StudyError(DAMAGED.format(file=path, why=error)) from error
    return run


def _underway(key: str) -> Stored:
    experiment, provenance = _declared(key)
    classes = np.array(experiment.classes)
    names, folds, tables = [], [], []
    for path in _fold_files(key):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                fold = dict(arrays)
        except (EOFError, OSError, ValueError, zipfile.BadZipFile) as error:
            raise StudyError(DAMAGED.format(file=path, why=error)) from error
        probabilities = fold["probabilities"]
        columns = {name: fold[name] for name in KEY} | {"label": classes[fold["label"]]}
        columns["predicted"] = classes[probabilities.argmax(1)]
        columns |= {f"p_{name}": probabilities[:, i] for i, name in enumerate(classes)}
        tables.append(pd.DataFrame(columns | {"epoch": int(fold["epoch"])}))
        names.append((path.stem, len(probabilities), float(fold["seconds"])))
        folds.append(fold)
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
        _csv(rows),
        pd.DataFrame(names, columns=["fold", "clips", "seconds"]),
        np.concatenate(predicted, axis=1),
        *(np.array([fold[name] for fold in folds], np.float32) for name in ARRAYS[1:]),
    )


def _declared(key: str) -> tuple[Experiment, dict]:
    """Experiment and provenance of a run underway."""
    paths_of_both = [folder(key) / name for name in ("experiment.json", "provenance.json")]
    if not paths_of_both[0].is_file():
        raise StudyError(f"run {key} is not there: train it in notebook 41")
    fields, provenance = (json.loads(path.read_text(encoding="utf-8")) for path in paths_of_both)
    return Experiment.of(fields), provenance


def _fold_files(key: str) -> list[Path]:
    return sorted(path for path in folder(key).glob("folds/*.npz") if path.name[0] != ".")


def load(key: str) -> pd.DataFrame:
    """All rows written so far: run, system, seed, selection, key columns, label, predicted,
    p_<class>, epoch.  `system` is the run's label."""
    run = read(key)
    text = dict.fromkeys((*KEY, "label", "predicted"), str)
    try:
        rows = pd.read_csv(io.BytesIO(run.rows), dtype=text, keep_default_na=False)
    except ValueError as error:  # pandas' own errors are of this kind
        raise StudyError(DAMAGED.format(file=file(key) or folder(key), why=error)) from error
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
        with contextlib.suppress(OSError, StudyError):  # another process has finished it meanwhile
            runs[key] = (*_declared(key), len(_fold_files(key)))
    for path in (*paths.RUNS.glob("*.zip"), *paths.KEPT.glob("*/*.zip")):
        run = _finished(path)
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
        if path.is_file() and not copy.is_file():
            paths.write_whole(copy, path.read_bytes())
            copies.append(copy)
    return copies
