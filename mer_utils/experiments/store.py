"""Runs on disk: where they are, written fold by fold, read as far as they have come.

A finished run is `<key>.zip` (`archive`), the same bytes in data/runs/ and in
reports/runs/<corpus>/, where those that travel with the repository are kept. While it trains,
`data/runs/<key>/` holds experiment.json, provenance.json and `folds/<corpus>__<subject>.npz`. Every
file appears whole, by rename: a stopped run goes on, and a half-finished one can be read. What is
damaged all the same, as by a failing disk, is named in a warning, left out and trained again.
Trained weights, where they are asked for, are data/weights/<key>/<corpus>__<subject>.safetensors.
"""

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
from ..errors import StudyError
from ..training import one_of
from .archive import ARRAYS, Damaged, Stored, as_csv, as_json, packed, remembered, unpacked
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
    # with a + where files were changed since; empty without git
    describe = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    how = {"cwd": paths.ROOT, "capture_output": True, "text": True, "check": False}
    commit = subprocess.run(describe, **how).stdout.strip() if shutil.which("git") else ""
    provenance = {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "folds": folds,
        "device": device,
        "schedule": schedule.name,
        "why": schedule.why,
        "precision": experiment.precision,
        **({"leak": f"no result: {LEAKS[experiment.leak]}"} if experiment.leak else {}),
        "commit": commit,
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }
    path = paths.RUNS / experiment.key / "provenance.json"
    if path.is_file() and (first := _whole(path, _fields)):  # later sessions are added to it
        provenance = first | {"resumed": [*first.get("resumed", ()), provenance]}
    paths.write_whole(path, as_json(provenance))
    paths.write_whole(path.with_name("experiment.json"), as_json(asdict(experiment)))


def note(key: str, **facts: list[dict]) -> None:
    """What training subjects have `chosen`, into the provenance of a run, or of all its files."""
    path = paths.RUNS / key / "provenance.json"
    if file(key) is None:
        paths.write_whole(path, as_json(_fields(path) | facts))
        return
    run = read(key)
    content = packed(replace(run, provenance=run.provenance | facts))
    for copy in (paths.RUNS / f"{key}.zip", *paths.KEPT.glob(f"*/{key}.zip")):
        if copy.is_file():
            paths.write_whole(copy, content)


def chosen(key: str, what: str) -> list[dict]:
    """`budgets` or `temperatures` of the groups of left-out subjects, or the arms `tried` for them.

    Empty without any.
    """
    if file(key) is None and not (paths.RUNS / key / "experiment.json").is_file():
        return []
    return read(key).provenance.get(what, [])


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
    path = paths.RUNS / experiment.key / "folds" / f"{result.fold.name}.npz"
    paths.write_whole(path, content.getvalue())


def finish(key: str) -> None:
    """Bind the folds of a run into its file, if no other process was first, and delete them."""
    if file(key) is None:
        run = read(key)
        if file(key) is None:
            done, count = len(run.folds), run.provenance["folds"]
            if done < count:
                raise StudyError(f"run {key} has {done} of {count} folds: run it again")
            paths.write_whole(paths.RUNS / f"{key}.zip", packed(run))
    shutil.rmtree(paths.RUNS / key, ignore_errors=True)


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
    folds, facts, tables = _folds(key), [], []
    longest = max((len(fold["losses"]) for fold in folds.values()), default=0)
    predicted, losses = [np.empty((longest, 0), np.uint8)], []
    for name, fold in folds.items():
        probabilities, missing = fold["probabilities"], longest - len(fold["losses"])
        columns = {name: fold[name] for name in KEY} | {"label": classes[fold["label"]]}
        columns["predicted"] = classes[probabilities.argmax(1)]
        columns |= {f"p_{name}": probabilities[:, i] for i, name in enumerate(classes)}
        tables.append(pd.DataFrame(columns | {"epoch": int(fold["epoch"])}))
        facts.append((name, len(probabilities), float(fold["seconds"])))
        predicted.append(np.pad(fold["predicted"], ((0, missing), (0, 0)), "edge"))
        losses.append(np.pad(fold["losses"], (0, missing), "edge"))
    columns = [*KEY, "label", "predicted", *(f"p_{name}" for name in classes), "epoch"]
    rows = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return Stored(
        experiment,
        provenance,
        as_csv(rows),
        pd.DataFrame(facts, columns=["fold", "clips", "seconds"]),
        np.concatenate(predicted, axis=1),
        np.array(losses, np.float32),
    )


def _declared(key: str) -> tuple[Experiment, dict]:
    """Experiment and provenance of a run underway."""
    path = paths.RUNS / key / "experiment.json"
    if not path.is_file():
        raise StudyError(f"run {key} is not there: train it in notebook 41")
    try:
        provenance = _fields(path.with_name("provenance.json"))
        experiment = Experiment.of(_fields(path))
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
    files = sorted(path for path in (paths.RUNS / key).glob("folds/*.npz") if path.name[0] != ".")
    folds = {path.stem: _whole(path, _fold) for path in files}
    return {name: fold for name, fold in folds.items() if fold}


@remembered
def _fold(path: Path, content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a fold, as `write_fold` wrote them."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        fold = dict(stored)
    clips, classes = fold["probabilities"].shape
    counts = {fold["predicted"].shape[1], *(len(fold[name]) for name in (*KEY, "label"))}
    highest = max(fold["label"].max(), fold["predicted"].max(initial=0))
    agree = counts == {clips} and highest < classes
    agree = agree and len(fold["losses"]) == len(fold["predicted"])
    if not (agree and np.isfinite(fold["probabilities"]).all()):
        raise ValueError("its arrays do not agree")
    return fold


def load(key: str) -> pd.DataFrame:
    """All rows written so far: run, system, seed, selection, key columns, label, predicted,
    p_<class>, epoch.  `system` is the run's label."""
    run = read(key)
    rows, of = run.table(), run.experiment
    facts = {"run": key, "system": of.label, "seed": of.seed, "selection": of.selection}
    return rows.assign(**facts)[[*facts, *rows]]


def epochs(key: str) -> pd.DataFrame:
    """Predictions after every epoch: epoch, key, label, predicted; none of a system without."""
    run = read(key)
    count, clips = run.predicted.shape
    rows = run.table()[[*KEY, "label"]].take(np.tile(np.arange(clips), count))
    rows.insert(0, "epoch", np.repeat(np.arange(1, count + 1), clips))
    predicted = np.array(run.experiment.classes)[run.predicted.ravel()]
    return rows.assign(predicted=predicted).reset_index(drop=True)


def curves(key: str) -> pd.DataFrame:
    """Training loss of every fold and epoch."""
    run = read(key)
    names = pd.Index(run.folds["fold"], name="fold")
    losses = run.losses if len(names) else np.empty((0, 0))
    table = pd.DataFrame(losses, names, range(1, losses.shape[1] + 1)).rename_axis(columns="epoch")
    return table.stack().rename("loss").reset_index()


def seconds(key: str) -> float:
    """What training the folds that are there has taken, all together."""
    return float(read(key).folds["seconds"].sum())


def find(**filters) -> pd.DataFrame:
    """Runs on disk: what was declared, folds done and in all.  filters: columns, as leak=""."""
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
        provenance
        | asdict(experiment)
        | {"key": key, "label": experiment.label, "folds": folds, "of": provenance["folds"]}
        for key, (experiment, provenance, folds) in sorted(runs.items())
    ]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    for name, value in filters.items():
        one_of("column", name, COLUMNS)
        table = table[table[name] == value]
    return table.reset_index(drop=True)


# --- runs that travel with the repository ---------------------------------------------------------


def keep(corpus: str) -> list[Path]:
    """Copy the finished runs of a corpus to reports/runs; the new files. StudyError without any."""
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
    """Copies of those files that are whole, where there is no whole copy yet."""
    copies = []
    for path in files:
        copy = target / path.name
        there = copy.is_file() and _whole(copy, unpacked)
        if path.is_file() and not there and _whole(path, unpacked):
            paths.write_whole(copy, path.read_bytes())
            copies.append(copy)
    return copies
