"""What a run is: every value that moves a number of it, and the name that these values give it."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import systems, training
from ..corpora import ids
from ..corpora.table import CLASSES, KEY
from ..errors import StudyError
from ..evaluation import protocol
from ..preprocessing.views import REMEDIES, Views
from ..systems import inputs
from . import budget

ANY_PRECISION = "any"  # of an estimator of scikit-learn: it has one way to compute
VERSION = 2  # counts up when a change of the training code moves a prediction
CONTROL = "subject_folds"  # is honest, but leaves out several subjects at once
# Trained wrong on purpose, so that notebook 40 can price it: never a result.
LEAKS = {
    "scaler": "the scaler of the inputs was fitted on all clips, the left-out subject's too",
    "graph": "the graph was counted over all clips, the left-out subject's too",
    "random_folds": "clips were dealt to ten folds at random, so that a person is on both sides",
    CONTROL: "whole subjects were dealt to ten folds, to compare random folds with",
    "clip_names": "a clip's file name alone said whose it is, so that namesakes change hands",
}
CHOICES = {  # of a field of an Experiment
    "preset": systems.PRESETS,
    "selection": ("last", "inner"),
    "labels": ("true", "permuted"),
    "precision": training.PRECISIONS,
    "leak": ("", *LEAKS),
}


@dataclass(frozen=True)
class Experiment:
    """Everything that changes a number of a run, and nothing that does not."""

    system: str  # name in SYSTEMS, or name/ablation
    corpus: str
    preset: str  # "small" | "paper"
    seed: int
    selection: str  # "last": the Config as it is | "inner": a budget chosen by training subjects
    labels: str  # "true" | "permuted", to see chance
    config: str  # resolved fields of the system's Config, as JSON
    data: str  # hash of clip keys, labels, action units, inputs and files of weights
    classes: tuple[str, ...] = CLASSES
    precision: str = "fp32"  # of matrix products: "fp32" | "tf32" | "bf16" | "fp64" | "any"
    version: int = VERSION
    leak: str = ""  # a name in LEAKS: trained wrong on purpose, no result

    @property
    def label(self) -> str:
        """What tables call it: a leaky run never goes by the name of its system."""
        return f"{self.system} (leak: {self.leak})" if self.leak else self.system

    @property
    def key(self) -> str:
        """Readable first, a hash of every field last."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        marks = "-permuted" if self.labels == "permuted" else ""
        marks += f"-LEAK-{self.leak}" if self.leak else ""
        system = self.system.replace("/", "+")
        return f"{self.corpus}-{system}-{self.selection}-seed{self.seed}{marks}-{digest}"

    @classmethod
    def of(cls, fields: dict) -> "Experiment":
        """From the fields as JSON holds them. Raises TypeError for others."""
        return cls(**fields | {"classes": tuple(fields["classes"])})

    def __str__(self) -> str:
        fields = ", ".join(f"{name}={value}" for name, value in json.loads(self.config).items())
        return f"{self.key}\n{fields}"


def declare(
    system: str,
    corpus: str,
    views: Views,
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

    The selection of a system with nothing to choose is `last`.  Raises StudyError for what is
    unknown, for a view that the corpus lacks, and for a leak that the system has no place for.
    """
    given = {"selection": selection, "labels": labels, "precision": precision, "leak": leak}
    for name, value in given.items():
        training.one_of(name, value, CHOICES[name])
    if seed < 0:
        raise StudyError(f"seed {seed} is below 0: give a whole number from 0 up")
    if why := ids.flaw(corpus, ids.LONGEST_CLIP):
        raise StudyError(f"corpus {corpus!r} {why}: give it another name")
    classes = tuple(classes)
    module, config = resolve(system, corpus, views, overrides, preset)
    protocol.check(views.clips, classes)
    selection = selection if systems.has_budget(module) else "last"
    if selection == "inner":
        budget.check(views.clips)
    if hasattr(module, "loss"):  # refuses what every fold would refuse, as `check` does
        counts = views.clips["label"].value_counts()
        module.loss(config, counts.reindex(classes).to_numpy(copy=True))
    if hasattr(module, "check"):
        module.check(views.clips, config)
    if systems.neural(module) and overrides:
        _check_built(system, module, config, views, len(classes))
    if leak:
        _check_leak(leak, system, module, config, views, selection)
    fields = json.dumps(dataclasses.asdict(config), sort_keys=True)
    data = data_hash(module, config, views)
    precision = precision if systems.neural(module) else ANY_PRECISION
    declared = system, corpus, preset, int(seed), selection, labels, fields, data, classes
    return Experiment(*declared, precision, leak=leak)


def resolve(system: str, corpus: str, views: Views, overrides: dict, preset: str):
    """Module and Config of a system whose inputs the corpus has."""
    module, config = systems.resolve(system, overrides, preset)
    config = inputs.resolved(config, views.arrays)
    for name in inputs.views_needed(module, config):
        if name not in views.arrays:
            remedy = REMEDIES.get(name, "choose a corpus of original frames")
            raise StudyError(f"{system} needs the view '{name}', which {corpus} has not: {remedy}")
    return module, config


def config_of(module, text: str):
    """The Config that was declared as JSON."""
    fields = json.loads(text).items()
    return module.Config(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields})


# --- refused before the first fold ----------------------------------------------------------------


def _check_built(system: str, module, config, views: Views, n_classes: int) -> None:
    """Raises StudyError where fields changed by hand do not go together in a network."""
    coded = views.clips["action_units"].fillna("") != ""
    few = np.argsort(~coded.to_numpy(), kind="stable")[:4]  # a graph of no units is refused
    clips, arrays = views.clips.iloc[few], {n: values[few] for n, values in views.arrays.items()}
    try:
        features = module.features(arrays, clips, config)
        context = systems.fit_context(module, clips, features, config)
        training.new_network(module, config, n_classes, context)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise StudyError(
            f"{system} cannot be built with these settings ({error}): change one of them"
        ) from error


def _check_leak(leak: str, system: str, module, config, views: Views, selection: str) -> None:
    """Refuse a leak that would change nothing, or nothing that can be told from the honest run."""
    neural, clips, why = systems.neural(module), views.clips, ""
    if leak == "scaler" and (neural or not hasattr(module.estimator(config, 3, 0), "steps")):
        why = f"{system} has no scaler to fit; take hoof or lbp_top"
    elif leak == "graph" and not (neural and _graph_changes(module, config, views)):
        why = (
            f"{system} has the same graph without the left-out subject's clips; take mhssa_gcn on "
            "a corpus with action units"
        )
    elif leak in ("random_folds", CONTROL, "clip_names") and selection != "last":
        why = "its folds are no persons, so that none can choose a budget"
    elif leak == "clip_names" and not clips["clip"].duplicated().any():
        why = "no two clips have one name here, so that no clip changes hands"
    elif leak == "clip_names":
        try:
            protocol.check_folds(protocol.folds_by_name(clips), clips["label"])
        except StudyError as error:
            why = f"by their names alone, clips are dealt badly here: {error}"
    if why:
        raise StudyError(f"leak {leak}: {why}")


def _graph_changes(module, config, views: Views) -> bool:
    """Whether any left-out subject's clips change what is learned before training."""
    features = module.features(views.arrays, views.clips, config)

    def context(places: np.ndarray) -> dict:
        part = {name: values[places] for name, values in features.items()}
        return systems.fit_context(module, views.clips.iloc[places], part, config)

    of_all = context(np.arange(len(views.clips)))
    folds = protocol.folds(views.clips, tuple(views.clips["label"].unique()))
    parts = (context(fold.train) for fold in folds)
    return any(not np.array_equal(of_all[n], part[n]) for part in parts for n in of_all)


# --- what a run was given -------------------------------------------------------------------------


def data_hash(module, config, views: Views) -> str:
    """`fingerprint` of what a run reads, and of the files that its configuration names."""
    views_hash = fingerprint(views, inputs.views_needed(module, config))
    digest = hashlib.sha256(views_hash.encode())
    files = module.files(config) if hasattr(module, "files") else ()
    for file in files:
        try:
            digest.update(Path(file).read_bytes())
        except OSError as error:
            raise StudyError(
                f"{module.__name__.rpartition('.')[2]}: {file} cannot be read ({error.strerror}): "
                "name a file that is there"
            ) from error
    return digest.hexdigest()[:16] if files else views_hash


@functools.lru_cache(maxsize=64)
def fingerprint(views: Views, names: tuple[str, ...]) -> str:
    """16 hex digits that change with any clip, label, action unit or input value."""
    digest = hashlib.sha256()
    table = views.clips[[*KEY, "label", "action_units"]].astype(str)
    digest.update(table.to_json(orient="values").encode())
    for name in sorted(names):
        array = np.ascontiguousarray(views.arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def subset(views: Views, count: int = 6) -> Views:
    """The clips of a handful of subjects, for a quick look at how everything runs; no result."""
    keep = protocol.subset(views.clips, count)
    return dataclasses.replace(
        views,
        clips=views.clips.iloc[keep].reset_index(drop=True),
        arrays={name: array[keep] for name, array in views.arrays.items()},
    )
