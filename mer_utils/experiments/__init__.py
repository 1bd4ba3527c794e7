"""Declares a run, runs what is missing of it, loads its rows; a fold is written when it ends.

    python -m mer_utils.experiments list
    python -m mer_utils.experiments run ststnet mhssa_gcn --corpus megc2019_flow --data PATH

A run lies in data/runs/<key>/: `experiment.json`, what decides every number; `provenance.json`,
what does not (commit, versions, device); `folds/`, rows and per-epoch predictions of each left-out
subject; `weights/` where they were asked for; once all folds are there, `rows.csv` and `calls.npy`,
the same in one file, for tables of a thousand runs.  Every file appears whole, by rename, so that
a killed run goes on where it stopped and a half-finished one can be read.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import paths
from ..corpora.table import CLASSES, KEY, nearest
from ..errors import StudyError
from ..evaluation import logs, protocol, scores

if TYPE_CHECKING:
    from ..preprocessing.views import Views

LABELS = ("true", "permuted")
ANY_PRECISION = "any"  # of an estimator of scikit-learn: it has one way to compute
RUN_COLUMNS = (
    *("key", "system", "corpus", "preset", "seed", "selection", "labels", "config", "data"),
    *("precision", "version", "folds", "of", "device", "began", "leak"),
)
# Done wrong on purpose, to price it in notebook 40: never a result, and in no table of results.
LEAKS = {
    "scaler": "the scaler of the inputs was fitted on all clips, the left-out subject's too",
    "graph": "the graph was counted over all clips, the left-out subject's too",
    "random_folds": "clips were dealt to ten folds at random, so that a person is on both sides",
    "clip_names": "a clip's file name alone said whose it is, so that namesakes change hands",
}
REMEDIES = {"landmarks": "put landmarks.csv beside the images"}  # of a view that is not there
VERSION = 2  # counts up when a change of the harness moves a prediction
BEFORE = logs.REQUIRED  # any classes follow


@dataclass(frozen=True)
class Experiment:
    """Everything that changes a number of a run, and nothing that does not."""

    system: str  # name in SYSTEMS, or name/variant
    corpus: str
    preset: str  # "small" | "paper"
    seed: int
    selection: str  # "last": the epochs given | "inner": training subjects pick the epoch
    labels: str  # "true" | "permuted", to see chance
    config: str  # resolved fields of the system's Config, as JSON
    data: str  # hash of clip keys, labels, action units, inputs and files of weights
    classes: tuple[str, ...] = CLASSES
    precision: str = "fp32"  # of matrix products: "fp32" | "tf32" | "bf16" | "fp64" | "any"
    version: int = VERSION
    leak: str = ""  # a name in LEAKS: done wrong on purpose, no result

    @property
    def declared(self) -> dict:
        """Every field as JSON takes it; `leak` only where there is one, as keys had it before."""
        fields = dataclasses.asdict(self)
        return fields if self.leak else {k: v for k, v in fields.items() if k != "leak"}

    @property
    def entry(self) -> str:
        """What its rows call it: a leaky run never goes by the name of its system."""
        return f"{self.system} (leak: {self.leak})" if self.leak else self.system

    @property
    def key(self) -> str:
        """Readable first, a hash of everything last."""
        words = json.dumps(self.declared, sort_keys=True)
        digest = hashlib.sha256(words.encode()).hexdigest()[:8]
        name = self.system.replace("/", "+")
        chance = "-permuted" if self.labels == "permuted" else ""
        chance += f"-LEAK-{self.leak}" if self.leak else ""
        return f"{self.corpus}-{name}-{self.selection}-seed{self.seed}{chance}-{digest}"

    @property
    def folder(self) -> Path:
        return paths.RUNS / self.key

    def __str__(self) -> str:
        fields = ", ".join(f"{name}={value}" for name, value in json.loads(self.config).items())
        return f"{self.key}\n{fields}"


def declare(
    system: str,
    corpus: str,
    views: "Views",
    *,
    preset: str = "small",
    seed: int = 0,
    selection: str = "last",
    labels: str = "true",
    classes: Sequence[str] = CLASSES,
    precision: str = "fp32",
    leak: str = "",
    **overrides,
) -> Experiment:
    """Resolve every name and field of a run against the views at hand; trains nothing.

    A system without epochs has none to pick: its selection is `last`.  Raises StudyError for what
    is unknown, where the corpus lacks a view that the system reads, and for a leak that the system
    has no place for.
    """
    from .. import systems
    from ..training import PRECISIONS, SELECTIONS

    for what, word, known in (
        ("selection", selection, SELECTIONS),
        ("labels", labels, LABELS),
        ("precision", precision, PRECISIONS),
        ("leak", leak, ("", *LEAKS)),
    ):
        if word not in known:
            known = [name for name in known if name]
            raise StudyError(
                f"{what} '{word}' is not known, the nearest is '{nearest(word, known)}': "
                f"choose one of {', '.join(known)}"
            )
    if seed < 0:
        raise StudyError(f"seed {seed} is below 0: give a whole number from 0 up")
    module, config = _resolve(system, corpus, views, overrides, preset)
    protocol.check(views.clips, tuple(classes))
    _check_trains(module, config, views.clips, tuple(classes), selection)
    if overrides and systems.neural(module):
        _check_built(system, module, config, views, len(classes))
    _check_leak(leak, system, module, config, views, selection)
    return Experiment(
        system=system,
        corpus=corpus,
        preset=preset,
        seed=int(seed),
        selection=selection if systems.neural(module) else "last",
        labels=labels,
        config=json.dumps(dataclasses.asdict(config), sort_keys=True),
        data=_data(module, config, views),
        classes=tuple(classes),
        precision=precision if systems.neural(module) else ANY_PRECISION,
        leak=leak,
    )


def _check_trains(
    module, config, clips: pd.DataFrame, classes: tuple[str, ...], selection: str
) -> None:
    """Refuse before the first fold what every fold would refuse."""
    from .. import systems

    if not systems.neural(module):
        return
    counts = clips["label"].value_counts().reindex(classes, fill_value=0).to_numpy(copy=True)
    if hasattr(module, "loss"):
        module.loss(config, counts)
    if hasattr(module, "check"):
        module.check(clips, config)
    if selection == "inner":
        for fold in protocol.folds(clips, classes):
            train, _ = protocol.inner_split(clips, fold)
            if clips["label"].iloc[train].nunique() < 2:
                raise StudyError(
                    f"selection inner: with {fold.corpus} {fold.subject} left out and others set "
                    "aside to pick the epoch, fewer than two classes are left to learn: take "
                    "selection last"
                )


def _check_built(system: str, module, config, views: "Views", n_classes: int) -> None:
    """Raises StudyError where fields changed by hand do not go together in a network."""
    from .. import systems, training

    coded = views.clips["action_units"].fillna("") != ""
    few = np.argsort(~coded.to_numpy(), kind="stable")[:4]  # a graph of no units is refused
    clips, arrays = views.clips.iloc[few], {name: all_[few] for name, all_ in views.arrays.items()}
    try:
        features = module.features(arrays, clips, config)
        context = systems.fit_context(module, clips, features, config)
        training.try_network(module, config, n_classes, context)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise StudyError(
            f"{system} cannot be built with these settings ({error}): change one of them"
        ) from error


def _check_leak(leak: str, system: str, module, config, views: "Views", selection: str) -> None:
    """Refuse a leak that would change nothing, or nothing that can be told apart."""
    from .. import systems

    neural = systems.neural(module)
    if leak == "scaler" and (neural or not hasattr(module.estimator(config, 3, 0), "steps")):
        raise StudyError(f"leak scaler: {system} has no scaler to fit; take hoof or lbp_top")
    if leak == "graph" and not (neural and _graph_changes(module, config, views)):
        raise StudyError(
            f"leak graph: {system} has the same graph without the left-out subject's clips; take "
            "mhssa_gcn on a corpus with action units"
        )
    if leak in ("random_folds", "clip_names") and selection != "last":
        raise StudyError(f"leak {leak}: its folds are no persons, so that none can pick an epoch")
    if leak == "clip_names" and not views.clips["clip"].duplicated().any():
        raise StudyError(
            "leak clip_names: no two clips have one name here, so that nobody is taken for another"
        )


def _graph_changes(module, config, views: "Views") -> bool:
    """Whether any left-out subject's clips change what is learned before training."""
    from .. import systems

    inputs = module.features(views.arrays, views.clips, config)
    whole = systems.fit_context(module, views.clips, inputs, config)
    for fold in protocol.folds(views.clips, tuple(dict.fromkeys(views.clips["label"]))):
        part = {name: values[fold.train] for name, values in inputs.items()}
        own = systems.fit_context(module, views.clips.iloc[fold.train], part, config)
        if any(not np.array_equal(values, own[name]) for name, values in whole.items()):
            return True
    return False


def folds_of(experiment: Experiment, clips: pd.DataFrame) -> list[protocol.Fold]:
    """One per left-out subject; those of a leak of the folds are made wrong on purpose."""
    if experiment.leak == "random_folds":
        return protocol.random_folds(clips, seed=experiment.seed)
    if experiment.leak == "clip_names":
        return protocol.folds_by_name(clips)
    return protocol.folds(clips, experiment.classes)


def _resolve(system: str, corpus: str, views: "Views", overrides: dict, preset: str):
    from .. import systems

    module, config = systems.resolve(system, overrides, preset)
    config = systems.inputs.resolved(config, views.arrays)
    for name in _needs(module, config):
        if name not in views.arrays:
            remedy = REMEDIES.get(name, "choose a corpus of original frames")
            raise StudyError(f"{system} needs the view '{name}', which {corpus} has not: {remedy}")
    return module, config


def _config(module, told: str):
    """The Config that was declared as JSON."""
    fields = json.loads(told).items()
    return module.Config(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields})


def _needs(module, config) -> tuple[str, ...]:
    from .. import systems

    return systems.views_needed(module, config)


def _data(module, config, views: "Views") -> str:
    """`fingerprint` of what a run reads, and of files that its configuration names."""
    found = fingerprint(views, _needs(module, config))
    if not (files := _files_of(module, config)):
        return found
    digest = hashlib.sha256(found.encode())
    for file in files:
        try:
            digest.update(Path(file).read_bytes())
        except OSError as error:
            raise StudyError(
                f"{module.__name__.rpartition('.')[2]}: {file} cannot be read ({error.strerror}): "
                "name a file that is there"
            ) from error
    return digest.hexdigest()[:16]


def _files_of(module, config) -> tuple[str, ...]:
    return module.files(config) if hasattr(module, "files") else ()


def fingerprint(views: "Views", names: Sequence[str]) -> str:
    """16 hex digits that change with any clip, label, action unit or input value."""
    digest = hashlib.sha256()
    table = views.clips[["corpus", "subject", "clip", "label", "action_units"]].astype(str)
    digest.update(table.to_json(orient="values").encode())
    for name in sorted(names):
        array = np.ascontiguousarray(views.arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def run(
    experiment: Experiment,
    views: "Views",
    *,
    jobs: int | None = None,
    device: str = "auto",
    keep_weights: bool = False,
    progress: bool = True,
    schedule: str = "auto",
    stack: int | None = None,
    dask: str | None = None,
) -> pd.DataFrame:
    """Train the folds that are not there yet, write each as it ends, return all rows.

    Nothing is deleted: a fold that is there is kept as it is, unless keep_weights asks for weights
    that it has not; then it is trained again.  schedule, stack: as
    `training.train_task` takes them.  dask: the address of a scheduler, or `local`; its workers
    train, and this process writes.
    """
    from .. import systems, training

    module, _ = systems.resolve(experiment.system)
    config = _config(module, experiment.config)
    if _data(module, config, views) != experiment.data:
        raise StudyError(
            f"run {experiment.key} was declared on other data than it is given: declare it again"
        )
    folds = folds_of(experiment, views.clips)
    weights = experiment.folder / "weights" if keep_weights and systems.neural(module) else None
    missing = [fold for fold in folds if not _finished(experiment, fold, weights)]
    if not missing:
        bind(experiment)
        return load(experiment)
    code = {name: number for number, name in enumerate(experiment.classes)}
    labels = views.clips["label"].map(code).to_numpy(np.int64)
    if experiment.labels == "permuted":
        labels = protocol.permuted(labels, experiment.seed)
    task = training.Task(
        module,
        config,
        module.features(views.arrays, views.clips, config),
        views.clips,
        labels,
        n_classes=len(experiment.classes),
        seed=experiment.seed,
        selection=experiment.selection,
        device=training.choose_device(device) if dask is None else device,
        precision="fp32" if experiment.precision == ANY_PRECISION else experiment.precision,
        keep_weights=weights,
        leak=experiment.leak,
    )
    with contextlib.ExitStack() as open_until_done:
        cluster = None
        if dask is not None:
            from ..training.cluster import connect

            cluster = open_until_done.enter_context(connect(dask, jobs))
            task = dataclasses.replace(task, device=cluster.place(device))
        training.check(config, experiment.selection, task.precision, task.device)
        chosen = training.choose_schedule(task, missing, schedule)
        where = cluster.describe(task.device) if cluster else training.device_name(task.device)
        _begin(experiment, folds, where, chosen)
        with tqdm(
            desc=f"{experiment.entry} seed {experiment.seed}",
            total=len(folds),
            initial=len(folds) - len(missing),
            unit="fold",
            disable=not progress,
        ) as bar:
            if cluster:
                results = cluster.train(task, missing, chosen, stack)
            else:
                if progress:
                    bar.write(_outlook(task, missing, chosen, jobs), file=sys.stderr)
                tick = _Ticks(bar)
                results = training.train_task(task, missing, chosen, jobs, stack, tick)
            for done, result in enumerate(results, start=len(folds) - len(missing) + 1):
                _write(experiment, views.clips, labels, result)
                bar.update(max(0, done - bar.n))
    bind(experiment)
    return load(experiment)


class _Ticks:
    """Moves the bar while a stack trains, whose folds all end at once."""

    def __init__(self, bar: tqdm):
        self.bar, self.folds = bar, float(bar.n)

    def __call__(self, folds: float) -> None:
        self.folds += folds
        self.bar.update(max(0, int(self.folds) - self.bar.n))


def _outlook(task, folds: Sequence[protocol.Fold], schedule, jobs: int | None) -> str:
    """What will be done, and about how long it will take, from a few timed steps."""
    from .. import systems, training

    told = f"{len(folds)} folds, {schedule.name}: {schedule.why}"
    if not systems.neural(task.module) or schedule.name == "stacked":
        return told  # a stack tells by its first epochs, which the bar counts
    seconds = training.estimate(task, folds, jobs)
    return f"{told}; about {tqdm.format_interval(seconds)} (min:s)"


def try_folds(
    system: str,
    views: "Views",
    folds: Sequence[protocol.Fold],
    labels: Sequence[str] | None = None,
    *,
    seed: int = 0,
    jobs: int | None = None,
    leak: str = "",
    classes: Sequence[str] = CLASSES,
) -> pd.DataFrame:
    """Rows (key, label, predicted, seed, p_<class>) of any folds and any labels, kept nowhere.

    For showing in notebook 40 what a wrong protocol would have said; results come from `run`.
    classes: of the corpus, in its order; those that no label has are left out.  leak: as
    `training.Task` takes it.
    """
    from .. import training

    module, config = _resolve(system, "these views", views, {}, "small")
    labels = np.asarray(views.clips["label"] if labels is None else labels)
    classes = np.array([name for name in classes if name in set(labels)])
    numbers = pd.Categorical(labels, classes).codes.astype(int)
    inputs = module.features(views.arrays, views.clips, config)
    task = training.Task(
        module,
        config,
        inputs,
        views.clips,
        numbers,
        n_classes=len(classes),
        seed=seed,
        device=training.choose_device("auto"),
        leak=leak,
    )
    probabilities = np.empty((len(labels), len(classes)))
    for result in training.train_folds(task, folds, jobs=jobs):
        probabilities[result.fold.test] = result.probabilities
    predicted = classes[probabilities.argmax(1)].astype(object)
    rows = views.clips[KEY].assign(label=labels, predicted=predicted, seed=seed)
    return rows.assign(**{f"p_{name}": probabilities[:, i] for i, name in enumerate(classes)})


def load(experiment: Experiment | str) -> pd.DataFrame:
    """All rows written so far; empty where no fold has ended. Raises StudyError without the run."""
    return _rows(_sources(experiment))


def epochs(experiment: Experiment | str) -> pd.DataFrame:
    """What the left-out subjects were given after every epoch: epoch, key, label, predicted.

    For pricing the leak in notebook 40; empty for a system without epochs.
    """
    classes = np.array(_read(_folder(experiment))["classes"])
    columns = ["epoch", *KEY, "label", "predicted"]
    rows = load(experiment)[[*KEY, "label"]]
    if not len(rows):
        return pd.DataFrame(columns=columns)
    called = calls(experiment)  # in the order of the rows
    count, clips = called.shape
    found = rows.take(np.tile(np.arange(clips), count)).reset_index(drop=True)
    found["epoch"] = np.repeat(np.arange(1, count + 1), clips)
    return found.assign(predicted=classes[called.ravel()])[columns]


def calls(experiment: Experiment | str) -> np.ndarray:
    """(E, clips) class numbers after every epoch, clips as in `load`; E = 0 without epochs.

    What `epochs` holds, for a thousand runs at once.
    """
    folder = _folder(experiment)
    if _bound(folder):
        return np.load(folder / "calls.npy", allow_pickle=False).astype(int)
    return _calls(_files(experiment))


def _calls(files: Sequence[str]) -> np.ndarray:
    found = []
    for file in files:
        file = f"{file[:-4]}.npz"
        try:
            with np.load(file, allow_pickle=False) as stored:
                found.append(stored["predicted"].astype(int))  # (E, n)
        except (OSError, LookupError, ValueError, zipfile.BadZipFile) as error:
            raise StudyError(
                f"{file} is damaged ({error}): delete the csv of its name and run again"
            ) from error
    return np.concatenate(found, axis=1) if found else np.empty((0, 0), int)


def curves(experiment: Experiment | str) -> pd.DataFrame:
    """Training loss of every epoch and fold, and the inner subjects' score where there are any."""
    found = []
    for file in sorted((_folder(experiment) / "folds").glob("*.csv")):
        with np.load(file.with_suffix(".npz"), allow_pickle=False) as stored:
            losses, validation = stored["losses"], stored["validation"]
        frame = pd.DataFrame({"epoch": np.arange(1, len(losses) + 1), "loss": losses})
        if len(validation):
            frame["validation UF1"], frame["validation loss"] = validation.T
        found.append(frame.assign(fold=file.stem))
    columns = ["fold", "epoch", "loss"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def find(**filters) -> pd.DataFrame:
    """Runs on disk, one row each: key, what was declared, folds done and in all.

    filters: columns and the value they must have, as `corpus="synthetic", labels="true"`.
    """
    found = []
    for file in sorted(paths.RUNS.glob("*/experiment.json")):
        folder = file.parent
        declared = _read(folder)
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        found.append(
            {
                "key": folder.name,
                **{k: declared[k] for k in ("system", "corpus", "preset", "seed")},
                **{k: declared[k] for k in ("selection", "labels", "config", "data")},
                "precision": declared.get("precision", "fp32"),  # older runs had no other
                "version": declared["version"],
                "folds": len(_files(folder.name)),
                "of": provenance["folds"],
                "device": provenance["device"],
                "began": provenance["began"],
                "leak": declared.get("leak", ""),
            }
        )
    frame = pd.DataFrame(found, columns=list(RUN_COLUMNS))
    for name, value in filters.items():
        if name not in frame:
            raise StudyError(
                f"experiments.find has no column '{name}', the nearest is "
                f"'{nearest(name, frame.columns)}'"
            )
        frame = frame[frame[name] == value]
    return frame.reset_index(drop=True)


def finished(corpus: str, clips: pd.DataFrame) -> pd.DataFrame:
    """Finished runs with true labels that predict the same of these `clips`, oldest first.

    None with a leak is among them: those are asked for by `leaks.trained`.  Runs on fewer of the
    clips, as a quick look makes them, give way to runs on more, and of as many the newest count.
    """
    runs = find(corpus=corpus, labels="true", leak="").sort_values("began", kind="stable")
    runs = runs[runs["folds"] == runs["of"]]
    known = frozenset(_told(clips))
    rows = _many(runs["key"])
    told = {key: frozenset(_told(part)) for key, part in rows.items()}
    if not any(found <= known for found in told.values()):
        return runs[:0].reset_index(drop=True)
    most = max((told[key] for key in runs["key"][::-1] if told[key] <= known), key=len)
    return runs[[told[key] == most for key in runs["key"]]].reset_index(drop=True)


def comparable(corpus: str, clips: pd.DataFrame, precision: str | None = None) -> pd.DataFrame:
    """Finished runs that may stand in one table, as `find` lists them.

    All networks in it are of one precision: the one asked for, or else that in which most systems
    are there, fp32 before others.  Of each system and selection the newest counts, and with it
    those that differ from it in the seed alone: another size or other fields are another system.
    Runs with fields changed by hand count only where there is none with fewer changes to its
    preset.  Systems that read the same views were given the same: where flow was computed anew,
    a run on the older flow gives way.
    """
    runs = finished(corpus, clips)
    reads = pd.Series([_reads(run) for run in runs.itertuples()], runs.index, dtype=object)
    runs = runs[runs["data"] == runs.groupby(reads)["data"].transform("last")]
    precision = precision or _most_used_precision(runs)
    runs = runs[runs["precision"].isin([precision, ANY_PRECISION])]
    # one changed field asks a question of notebook 52; it does not replace the system it asks about
    pixels = runs["config"].map(lambda config: json.loads(config).get("flow") == "flow").any()
    flow = "flow" if pixels else "flow_legacy"  # what `auto` means on this corpus
    runs = runs.assign(changed=[_changed_fields(run, flow) for run in runs.itertuples()])
    runs = runs.sort_values("changed", ascending=False, kind="stable")  # began, within
    what = ["preset", "config", "data", "version"]
    newest = runs.groupby(["system", "selection"])[what].transform("last")
    runs = runs[(runs[what] == newest).all(axis=1)].drop(columns="changed")
    runs = runs.drop_duplicates(["system", "selection", "seed"], keep="last")
    return runs.sort_values(["system", "selection", "seed"], ignore_index=True)


def _most_used_precision(runs: pd.DataFrame) -> str:
    networks = runs[runs["precision"] != ANY_PRECISION]
    counts = networks.groupby("precision")["system"].nunique()
    return max(counts.index, key=lambda name: (counts[name], name == "fp32"), default="fp32")


def _told(rows: pd.DataFrame) -> zip:
    """(corpus, subject, clip, label) of every row."""
    return zip(*(rows[name].tolist() for name in (*KEY, "label")), strict=True)


def _reads(run) -> tuple[str, ...]:
    """The views and files that a run was given; of what cannot be known, a name of its own."""
    from .. import systems

    try:
        module, _ = systems.resolve(run.system)
        config = _config(module, run.config)
    except (StudyError, TypeError):  # a system or field of an older version
        return (run.key,)
    return (*_needs(module, config), *_files_of(module, config))


def _changed_fields(run, flow: str) -> int:
    """How many of a run's fields are not its preset's, where `auto` means `flow`."""
    from .. import systems

    try:
        _, config = systems.resolve(run.system, {}, run.preset)
    except StudyError:  # a system or variant of an older version
        return len(json.loads(run.config))
    own = json.loads(json.dumps(dataclasses.asdict(systems.inputs.resolved(config, {flow}))))
    told = json.loads(run.config)
    return sum(told.get(name) != value for name, value in own.items())


def gather(runs: pd.DataFrame) -> pd.DataFrame:
    """All rows of the runs that `comparable` or `find` lists. Raises StudyError without any."""
    if not len(runs):
        raise StudyError("no finished run on these clips: train one in notebook 41")
    return pd.concat(_many(runs["key"]).values(), ignore_index=True)


def few(views: "Views", count: int = 6) -> "Views":
    """The clips of a handful of subjects, for a quick look at how everything runs; no result."""
    keep = protocol.subset(views.clips, count)
    return dataclasses.replace(
        views,
        clips=views.clips.iloc[keep].reset_index(drop=True),
        arrays={name: array[keep] for name, array in views.arrays.items()},
    )


# --- files ----------------------------------------------------------------------------------------


def _folder(experiment: Experiment | str) -> Path:
    folder = experiment.folder if isinstance(experiment, Experiment) else paths.RUNS / experiment
    if not (folder / "experiment.json").is_file():
        raise StudyError(f"run {folder.name} is not there: train it in notebook 41")
    return folder


def _files(experiment: Experiment | str) -> list[str]:
    """The folds of a run that are there: the csv is written last, then all is.

    As text: of a thousand runs, making a Path of every fold takes longer than reading it.
    """
    folder = os.fspath(_folder(experiment) / "folds")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [f"{folder}{os.sep}{name}" for name in names
            if name.endswith(".csv") and name[0] != "."]  # fmt: skip


def bind(experiment: Experiment | str) -> None:
    """Write rows and calls of all folds that are there into one file each, if they are not yet.

    Opening 68 small files a run is most of what tables of a thousand runs would wait for.
    """
    folder = _folder(experiment)
    if _bound(folder) or not _files(experiment):
        return
    changed = os.stat(folder / "folds").st_mtime_ns  # before they are listed
    files = _files(experiment)
    texts = [_content(file) for file in files]
    head = texts[0].partition(b"\n")[0] + b"\n"
    buffer = io.BytesIO()
    np.save(buffer, _calls(files).astype(np.uint8), allow_pickle=False)
    paths.write_whole(folder / "calls.npy", buffer.getvalue())
    rows = folder / "rows.csv"
    paths.write_whole(rows, head + b"".join(text[len(head) :] for text in texts))
    os.utime(rows, ns=(changed, changed))


def _bound(folder: Path) -> bool:
    """Whether `rows.csv` is there, of the time at which a fold last came, went or was replaced."""
    try:
        times = [os.stat(folder / name).st_mtime_ns for name in ("rows.csv", "folds")]
    except OSError:
        return False
    return times[0] == times[1]


def _sources(experiment: Experiment | str) -> list[str]:
    """The files that hold a run's rows: one, where they are bound."""
    folder = _folder(experiment)
    return [os.fspath(folder / "rows.csv")] if _bound(folder) else _files(experiment)


# Of runs that were read in this process, as long as no file of theirs has changed since.
_READ: dict[str, tuple[tuple, pd.DataFrame]] = {}


def _state(key: str) -> tuple:
    """Name, size and time of every file that holds rows."""
    facts = [(file, os.stat(file)) for file in _sources(key)]
    return tuple((file, found.st_size, found.st_mtime_ns) for file, found in facts)


def seconds(experiment: Experiment | str) -> float:
    """What training the folds that are there has taken, all together.

    No column of `find`: a file a fold is half of all that the comparing notebooks would read.
    """
    return sum(float(_content(f"{file[:-4]}.seconds")) for file in _files(experiment))


def _content(file: str) -> bytes:
    with open(file, "rb", buffering=0) as stream:
        return stream.read()


def _many(keys: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Rows of every run by its key, those not read yet parsed together."""
    states = {key: _state(key) for key in keys}
    new = [key for key, state in states.items() if key not in _READ or _READ[key][0] != state]
    files = {key: [file for file, *_ in states[key]] for key in new}
    texts = {key: [_content(file) for file in files[key]] for key in new}
    whole = _together(
        [text for key in new for text in texts[key]], [file for key in new for file in files[key]]
    )
    ends = np.cumsum([sum(text.count(b"\n") - 1 for text in texts[key]) for key in new])
    parts = np.split(np.arange(len(whole)), ends[:-1])
    if len(new) and ends[-1] != len(whole):  # a name with a line break in it
        parts, whole = None, [_together(texts[key], files[key]) for key in new]
    for number, key in enumerate(new):
        rows = whole.take(parts[number]) if parts is not None else whole[number]
        _READ[key] = (states[key], rows.reset_index(drop=True))
    return {key: _READ[key][1] for key in states}


def _rows(files: Sequence[str]) -> pd.DataFrame:
    return _together([_content(file) for file in files], files)


def _together(texts: Sequence[bytes], files: Sequence[str]) -> pd.DataFrame:
    """Rows of all files, parsed at once: one by one, thousands of small files take minutes."""
    if not texts:
        return pd.DataFrame(columns=list(logs.ROW_COLUMNS))
    head = texts[0].partition(b"\n")[0] + b"\n"
    if all(text.startswith(head) and text.endswith(b"\n") for text in texts):
        whole = head + b"".join(text[len(head) :] for text in texts)
        with contextlib.suppress(StudyError):
            return _parsed(whole, files[0])
    # runs of other classes, or a damaged file, which is named
    each = [_parsed(text, file) for text, file in zip(texts, files, strict=True)]
    return pd.concat(each, ignore_index=True)


def _parsed(text: bytes, file: str) -> pd.DataFrame:
    try:
        rows = pd.read_csv(io.BytesIO(text), dtype=logs.TEXT, keep_default_na=False)
    except ValueError as error:  # pandas' own errors are of this kind
        raise StudyError(f"{file} is damaged ({error}): delete it and run again") from error
    if tuple(rows.columns[: len(BEFORE)]) != BEFORE:
        raise StudyError(f"{file} is damaged (other columns): delete it and run again")
    return rows


def _read(folder: Path) -> dict:
    return json.loads((folder / "experiment.json").read_text(encoding="utf-8"))


def _finished(experiment: Experiment, fold: protocol.Fold, weights: Path | None) -> bool:
    """The csv is written last: where it is, the fold is whole."""
    done = (experiment.folder / "folds" / f"{fold.name}.csv").is_file()
    return done and (weights is None or (weights / f"{fold.name}.safetensors").is_file())


def _begin(experiment: Experiment, folds: Sequence[protocol.Fold], where: str, schedule) -> None:
    """provenance first: whoever finds experiment.json finds the other too."""
    provenance = {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "folds": len(folds),
        "device": where,
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
    folder = experiment.folder
    file = folder / "provenance.json"
    if file.is_file():  # a run that goes on: the first session stays, later ones stand below it
        first = json.loads(file.read_text(encoding="utf-8"))
        first.setdefault("resumed", []).append(provenance)
        provenance = first
    _replace(file, json.dumps(provenance, indent=1))
    _replace(folder / "experiment.json", json.dumps(experiment.declared, indent=1))


def _commit() -> str:
    """The checkout's commit, with a + where files were changed since; empty outside git."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip()


def _write(experiment: Experiment, clips: pd.DataFrame, labels: np.ndarray, result) -> None:
    fold = result.fold
    classes = np.array(experiment.classes)
    rows = clips.iloc[fold.test][KEY].reset_index(drop=True)
    rows = pd.DataFrame(
        {
            "run": experiment.key,
            "system": experiment.entry,
            "seed": experiment.seed,
            "selection": experiment.selection,
            **{name: rows[name] for name in KEY},
            "label": classes[labels[fold.test]],
            "predicted": classes[result.probabilities.argmax(1)],
            **{f"p_{name}": result.probabilities[:, i] for i, name in enumerate(classes)},
            "epoch": result.epoch,
        }
    )
    folder = experiment.folder / "folds"
    arrays = folder / f".{fold.name}.{os.getpid()}.npz"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        arrays, predicted=result.predicted, validation=result.validation, losses=result.losses
    )
    arrays.replace(folder / f"{fold.name}.npz")
    _replace(folder / f"{fold.name}.seconds", f"{result.seconds:.3f}")
    _replace(folder / f"{fold.name}.csv", rows.to_csv(index=False))


def _replace(path: Path, text: str) -> None:
    paths.write_whole(path, text.encode())


# --- command line ---------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mer_utils.experiments", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="runs on disk")
    train = actions.add_parser("run", help="train systems on a corpus, or on saved views")
    train.add_argument("systems", nargs="+")
    train.add_argument("--corpus", help="its name; default: synthetic, or that of saved views")
    train.add_argument("--data", type=Path, help="folder of the corpus, or a file of saved views")
    train.add_argument("--preset", default="small")
    train.add_argument("--selection", default="last")
    train.add_argument("--labels", default="true")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--jobs", type=int)
    train.add_argument("--device", default="auto", help="auto, cpu or cuda")
    train.add_argument("--precision", default="fp32", help="fp32, tf32, bf16 or fp64")
    train.add_argument("--schedule", default="auto", help="auto, stacked or loop")
    train.add_argument("--stack", type=int, help="folds side by side; default: as many as fit")
    train.add_argument("--dask", metavar="ADDRESS", help="train on the workers of this scheduler")
    train.add_argument("--keep-weights", action="store_true")
    train.add_argument(
        "--leak", default="", help=f"wrong on purpose, to price it: {', '.join(LEAKS)}; no result"
    )
    train.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    options = parser.parse_args(arguments)
    if options.action == "list":
        shown = find().drop(columns=["config", "data", "version"])
        print(shown.to_string(index=False) if len(shown) else "no runs yet")
        return 0
    overrides = {}
    for change in options.set:
        field, equals, value = change.partition("=")
        if not equals:
            raise StudyError(f"--set {change}: write it as FIELD=VALUE")
        overrides[field] = value
    from .. import systems
    from ..preprocessing import views as views_module

    if options.data is not None and options.data.suffix == ".npz":
        views = views_module.load(options.data)
        name, classes = views_module.about(options.data)
        name = options.corpus or name
        if not name:
            raise StudyError(f"{options.data} does not name its corpus: give --corpus")
    else:
        from .. import corpora

        corpus = corpora.load(options.corpus or "synthetic", options.data)
        views = views_module.compute(corpus, corpus.views, jobs=options.jobs)
        name, classes = corpus.name, corpus.classes
    for system in options.systems:
        systems.resolve(system, overrides, options.preset)  # a field, and nothing else, may be set
        experiment = declare(
            system,
            name,
            views,
            classes=classes,
            preset=options.preset,
            seed=options.seed,
            selection=options.selection,
            labels=options.labels,
            precision=options.precision,
            leak=options.leak,
            **overrides,
        )
        print(experiment)
        if options.leak:
            print(f"no result: {LEAKS[options.leak]}")
        began = time.monotonic()
        rows = run(
            experiment,
            views,
            jobs=options.jobs,
            device=options.device,
            keep_weights=options.keep_weights,
            schedule=options.schedule,
            stack=options.stack,
            dask=options.dask,
        )
        print(f"{scores.sentence(rows, experiment.classes)}; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
