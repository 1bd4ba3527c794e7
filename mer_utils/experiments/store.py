"""A run is one file; this module alone knows its format.

A finished run is `<key>.zip`, the same bytes in data/runs/ and in reports/runs/<corpus>/, where
those that travel with the repository are kept:

    experiment.json  the fields of the Experiment: what decides every number
    provenance.json  what does not: commit, versions, device, times
    rows.csv         a row per clip: corpus, subject, clip, label, predicted, p_<class>, epoch
    folds.csv        a row per fold, in the order of the rows: fold, clips, seconds
    predicted.npy    (E, clips) uint8, class number after every epoch; E = 0 without epochs
    losses.npy       (folds, E) mean training loss of every epoch
    validation.npy   (folds, E, 2) UF1 and cross-entropy of the subjects that pick the epoch

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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from .. import paths
from ..corpora.table import KEY, nearest
from ..errors import StudyError
from .declaration import LEAKS, Experiment

COLUMNS = (
    *("key", "label", "system", "corpus", "preset", "seed", "selection", "labels", "leak"),
    *("precision", "config", "data", "version", "folds", "of", "device", "began"),
)
ARRAYS = ("predicted", "losses", "validation")
ROW_TEXT = {name: str for name in (*KEY, "label", "predicted")}
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
    validation: np.ndarray


def file(key: str) -> Path | None:
    """The file of a finished run: the one that travels with the repository, or this machine's."""
    kept = next(paths.KEPT.glob(f"*/{key}.zip"), None)
    trained = paths.RUNS / f"{key}.zip"
    return kept or (trained if trained.is_file() else None)


def folder(key: str) -> Path:
    """Where a run is written fold by fold."""
    return paths.RUNS / key


def finished_folds(key: str) -> set[str]:
    """Names of the folds of a run that are on disk."""
    if path := file(key):
        return set(_finished(path)["folds"]["fold"])
    return {path.stem for path in _fold_files(key)}


# --- writing --------------------------------------------------------------------------------------


def begin(experiment: Experiment, folds: int, device: str, schedule) -> None:
    """provenance first: where experiment.json is, the other is too."""
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
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("torch", "numpy", "pandas", "scikit-learn")
        },
    }
    path = folder(experiment.key) / "provenance.json"
    if path.is_file():  # a run that goes on: the first session stays, later ones are added
        first = json.loads(path.read_text(encoding="utf-8"))
        first.setdefault("resumed", []).append(provenance)
        provenance = first
    paths.write_whole(path, _json(provenance))
    paths.write_whole(path.with_name("experiment.json"), _json(asdict(experiment)))


def write_fold(experiment: Experiment, clips: pd.DataFrame, labels: np.ndarray, result) -> None:
    """One fold as it ends. result: a `training.FoldResult`; labels: class number of every clip."""
    test = result.fold.test
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        **{name: clips[name].iloc[test].to_numpy(dtype=str) for name in KEY},
        label=labels[test].astype(np.uint8),
        probabilities=result.probabilities,
        epoch=result.epoch,
        predicted=result.predicted,
        losses=result.losses,
        validation=result.validation,
        seconds=round(result.seconds, 3),
    )
    path = folder(experiment.key) / "folds" / f"{result.fold.name}.npz"
    paths.write_whole(path, packed.getvalue())


def finish(key: str) -> None:
    """Bind the folds of a run into its file; they are deleted once it is there.

    Where another process that trains the same run was first, its file stays.
    """
    if file(key) is None:
        run = read(key)
        if file(key) is None:
            _check_whole(run)
            paths.write_whole(paths.RUNS / f"{key}.zip", _packed(run))
    shutil.rmtree(folder(key), ignore_errors=True)


def _check_whole(run: Stored) -> None:
    if len(run.folds) < run.provenance["folds"]:
        raise StudyError(
            f"run {run.experiment.key} has {len(run.folds)} of {run.provenance['folds']} folds: "
            "run it again"
        )


def _packed(run: Stored) -> bytes:
    contents = {
        "experiment.json": _json(asdict(run.experiment)),
        "provenance.json": _json(run.provenance),
        "rows.csv": run.rows,
        "folds.csv": run.folds.to_csv(index=False, lineterminator="\n").encode(),
    }
    for name in ARRAYS:
        packed = io.BytesIO()
        np.save(packed, getattr(run, name), allow_pickle=False)
        contents[f"{name}.npy"] = packed.getvalue()
    return pack(contents)


def pack(contents: dict[str, bytes]) -> bytes:
    """A zip of these files: the same bytes for the same contents."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _json(values: dict) -> bytes:
    return json.dumps(values, indent=1).encode()


def _commit() -> str:
    """The checkout's commit, with a + where files were changed since; empty outside git."""
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip()


# --- reading --------------------------------------------------------------------------------------


def read(key: str) -> Stored:
    """A run as far as it has come. Raises StudyError without it, and for a damaged file."""
    if path := file(key):
        return Stored(**_finished(path))
    try:
        return _underway(key)
    except (OSError, StudyError):
        if path := file(key):  # another process has finished it meanwhile
            return Stored(**_finished(path))
        raise


def _finished(path: Path) -> dict:
    facts = path.stat()
    return _unpacked(path, facts.st_mtime_ns, facts.st_size)


@functools.cache
def _unpacked(path: Path, *_) -> dict:
    """The contents of a run's file, kept for as long as the file does not change."""
    try:
        with zipfile.ZipFile(path) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
        run = {
            "experiment": Experiment.of(json.loads(contents["experiment.json"])),
            "provenance": json.loads(contents["provenance.json"]),
            "rows": contents["rows.csv"],
            "folds": pd.read_csv(io.BytesIO(contents["folds.csv"]), dtype={"fold": str}),
        }
        for name in ARRAYS:
            run[name] = np.load(io.BytesIO(contents[f"{name}.npy"]), allow_pickle=False)
        fits = run["predicted"].shape[1] == run["folds"]["clips"].sum()
    except (EOFError, OSError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise StudyError(DAMAGED.format(file=path, why=error)) from error
    if run["experiment"].key != path.stem or not fits:
        raise StudyError(DAMAGED.format(file=path, why="it does not hold the run of its name"))
    return run


def _underway(key: str) -> Stored:
    experiment, provenance = _declared(key)
    classes = np.array(experiment.classes)
    folds = [(path.stem, _fold(path)) for path in _fold_files(key)]
    tables = [
        pd.DataFrame(
            {name: fold[name] for name in KEY}
            | {"label": classes[fold["label"]]}
            | {"predicted": classes[fold["probabilities"].argmax(1)]}
            | {f"p_{name}": fold["probabilities"][:, i] for i, name in enumerate(classes)}
            | {"epoch": int(fold["epoch"])}
        )
        for _, fold in folds
    ]
    columns = [*KEY, "label", "predicted", *(f"p_{name}" for name in classes), "epoch"]
    rows = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    counts = [(name, len(fold["clip"]), float(fold["seconds"])) for name, fold in folds]
    return Stored(
        experiment,
        provenance,
        rows.to_csv(index=False, lineterminator="\n").encode(),
        pd.DataFrame(counts, columns=["fold", "clips", "seconds"]),
        np.concatenate([fold["predicted"] for _, fold in folds], axis=1)
        if folds
        else np.empty((0, 0), np.uint8),
        np.array([fold["losses"] for _, fold in folds], np.float32),
        np.array([fold["validation"] for _, fold in folds], np.float32),
    )


def _declared(key: str) -> tuple[Experiment, dict]:
    """Experiment and provenance of a run underway."""
    path = folder(key)
    if not (path / "experiment.json").is_file():
        raise StudyError(f"run {key} is not there: train it in notebook 41")
    fields, provenance = (
        json.loads((path / name).read_text(encoding="utf-8"))
        for name in ("experiment.json", "provenance.json")
    )
    return Experiment.of(fields), provenance


def _fold_files(key: str) -> list[Path]:
    return sorted(path for path in folder(key).glob("folds/*.npz") if path.name[0] != ".")


def _fold(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (EOFError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise StudyError(DAMAGED.format(file=path, why=error)) from error


def load(key: str) -> pd.DataFrame:
    """All rows written so far: run, system, seed, selection, key columns, label, predicted,
    p_<class>, epoch.  `system` is the run's label."""
    run = read(key)
    try:
        rows = pd.read_csv(io.BytesIO(run.rows), dtype=ROW_TEXT, keep_default_na=False)
    except ValueError as error:  # pandas' own errors are of this kind
        raise StudyError(DAMAGED.format(file=file(key) or folder(key), why=error)) from error
    names = ("run", key), ("system", run.experiment.label), ("seed", run.experiment.seed)
    for place, (name, value) in enumerate([*names, ("selection", run.experiment.selection)]):
        rows.insert(place, name, value)
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
    """Training loss of every fold and epoch, and the inner subjects' score where there are any."""
    run = read(key)
    tables = []
    for fold, losses, validation in zip(run.folds["fold"], run.losses, run.validation, strict=True):
        table = pd.DataFrame({"fold": fold, "epoch": np.arange(1, len(losses) + 1), "loss": losses})
        if len(validation):
            table["validation UF1"], table["validation loss"] = validation.T
        tables.append(table)
    empty = pd.DataFrame(columns=["fold", "epoch", "loss"])
    return pd.concat(tables, ignore_index=True) if tables else empty


def seconds(key: str) -> float:
    """What training the folds that are there has taken, all together."""
    return float(read(key).folds["seconds"].sum())


def find(**filters) -> pd.DataFrame:
    """Runs on disk, a row each: key, label, what was declared, folds done and in all.

    filters: columns and the value they must have, as `corpus="synthetic", labels="true"`.
    """
    lines = {}
    for path in sorted(paths.RUNS.glob("*/experiment.json")):
        key = path.parent.name
        with contextlib.suppress(OSError, StudyError):  # another process has finished it meanwhile
            lines[key] = (*_declared(key), len(_fold_files(key)))
    for path in (*sorted(paths.RUNS.glob("*.zip")), *sorted(paths.KEPT.glob("*/*.zip"))):
        run = _finished(path)
        lines[path.stem] = (run["experiment"], run["provenance"], len(run["folds"]))
    table = pd.DataFrame(
        [
            asdict(experiment)
            | {"key": key, "label": experiment.label, "folds": folds, "of": provenance["folds"]}
            | {name: provenance[name] for name in ("device", "began")}
            for key, (experiment, provenance, folds) in sorted(lines.items())
        ],
        columns=list(COLUMNS),
    )
    for name, value in filters.items():
        if name not in table:
            raise StudyError(
                f"experiments.find has no column '{name}', the nearest is "
                f"'{nearest(name, table.columns)}'"
            )
        table = table[table[name] == value]
    return table.reset_index(drop=True)


# --- runs that travel with the repository ---------------------------------------------------------


def keep(corpus: str) -> list[Path]:
    """Copy every finished run of a corpus that is not kept yet to reports/runs; the new files.

    Raises StudyError where there is no finished run.
    """
    runs = find(corpus=corpus, labels="true").query("folds == of")
    if not len(runs):
        raise StudyError(f"{corpus} has no finished run in {paths.RUNS}: train one in notebook 41")
    return _copied(runs["key"], paths.RUNS, paths.KEPT / corpus)


def restore(corpus: str) -> list[Path]:
    """Copy the kept runs of a corpus to data/runs; those that were not there."""
    keys = [path.stem for path in sorted((paths.KEPT / corpus).glob("*.zip"))]
    if not keys:
        raise StudyError(
            f"{paths.KEPT / corpus} holds no run: `python -m mer_utils keep {corpus}` writes them"
        )
    return _copied(keys, paths.KEPT / corpus, paths.RUNS)


def _copied(keys: Sequence[str], source: Path, target: Path) -> list[Path]:
    copies = []
    for key in keys:
        path = target / f"{key}.zip"
        if not path.is_file() and (source / path.name).is_file():
            paths.write_whole(path, (source / path.name).read_bytes())
            copies.append(path)
    return copies
