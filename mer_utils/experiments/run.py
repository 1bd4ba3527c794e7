"""Trains what is missing of a run; a fold is written when it ends."""

import contextlib
import dataclasses
import hashlib
import sys
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import paths, systems, training
from ..corpora.table import CLASSES, KEY
from ..errors import StudyError
from ..evaluation import protocol
from ..preprocessing import cache
from ..preprocessing.mirror import mirrored
from ..preprocessing.views import Views
from ..training import cluster
from . import budget, store
from .declaration import ANY_PRECISION, CONTROL, Experiment, config_of, data_hash, resolve, subset

PICTURES = {"frames", "video", "keyframes", "rise"}  # views


def run(
    experiment: Experiment,
    views: Views,
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

    Folds that are there stay as they are.  keep_weights: folds without weights in data/weights are
    trained again; of a finished run, the weights must give the predictions that it holds.
    schedule, stack: as `training.choose_schedule` and `training.train_task` take them.  dask: the
    address of a scheduler whose workers train, or `local`; this process writes.
    """
    key = experiment.key
    folds = folds_of(experiment, views.clips)
    missing = _missing(experiment, folds, keep_weights)
    if not missing:
        store.finish(key)
        return store.load(key)
    task = task_of(experiment, views, device if dask is None else "cpu", keep_weights)
    with contextlib.ExitStack() as open_until_done:
        workers = None
        if dask is not None:
            workers = open_until_done.enter_context(cluster.connect(dask, jobs))
            task = dataclasses.replace(task, device=workers.place(device))
        else:
            task = training.sharing(task)  # once for all budgets and groups
        training.check(task.config, task.precision, task.device)
        chosen = (workers or training).choose_schedule(task, missing, schedule)
        finished = store.file(key) is not None  # and weights alone are missing
        if not finished:
            place = workers.describe(task.device) if workers else training.device_name(task.device)
            store.begin(experiment, len(folds), place, chosen)
        before = len(folds) - len(missing)
        name = f"{experiment.label} seed {experiment.seed}"
        bar = tqdm(desc=name, total=len(folds), initial=before, unit="fold", disable=not progress)
        open_until_done.enter_context(bar)
        if progress and not workers:
            bar.write(_outlook(task, missing, chosen, jobs), file=sys.stderr)

        def train(task: training.Task, folds: Sequence[protocol.Fold], tick=None):
            if workers:
                return workers.train(task, folds, chosen, stack)
            return training.train_task(task, folds, chosen, jobs, stack, tick)

        results = _by_budget(experiment, task, missing, train, progress, _ticks(bar))
        for done, result in enumerate(results, start=before + 1):
            if finished:
                _check_same(experiment, views.clips, result)
            elif store.file(key) is None:  # another process may have finished it meanwhile
                store.write_fold(experiment, views.clips, task.labels, result)
            bar.update(max(0, done - bar.n))
    store.finish(key)
    return store.load(key)


def _by_budget(experiment: Experiment, task, folds: Sequence, train, progress: bool, tick):
    """Results of all folds, each group of subjects with its budget, chosen once for all seeds."""
    if experiment.selection == "last":
        yield from train(task, folds, tick)
        return
    key, permuted = experiment.key, experiment.labels == "permuted"
    first = experiment if permuted else dataclasses.replace(experiment, seed=0, leak="")
    choices = store.chosen(key, "budgets") or store.chosen(first.key, "budgets")
    if not choices:
        choices = budget.choose(
            dataclasses.replace(task, seed=first.seed),
            *(train, progress),
            tried=store.chosen(key, "tried") or store.chosen(first.key, "tried"),
            keep=lambda tried: store.note(key, tried=tried),
        )
    if not store.chosen(key, "budgets"):
        store.note(key, budgets=choices)
    groups = protocol.dealt(task.clips, budget.GROUPS)
    for choice in choices:
        config = dataclasses.replace(task.config, **choice["changes"])
        of_group = [fold for fold in folds if groups[fold.test[0]] == choice["group"]]
        with_budget = dataclasses.replace(task, config=config)
        yield from train(with_budget, of_group, tick) if of_group else ()


def _ticks(bar: tqdm):
    """Moves the bar, by parts of a fold, while a stack trains whose folds all end at once."""
    folds = float(bar.n)

    def tick(part: float) -> None:
        nonlocal folds
        folds += part
        bar.update(max(0, int(folds) - bar.n))

    return tick


def task_of(
    experiment: Experiment, views: Views, device: str = "auto", keep_weights: bool = False
) -> training.Task:
    """All that its folds share. Raises StudyError where it was declared on other data."""
    module, _ = systems.resolve(experiment.system)
    config = config_of(module, experiment.config)
    if data_hash(module, config, views) != experiment.data:
        raise StudyError(
            f"run {experiment.key} was declared on other data than it is given: declare it again"
        )
    weights = paths.WEIGHTS / experiment.key if keep_weights and systems.neural(module) else None
    precision = "fp32" if experiment.precision == ANY_PRECISION else experiment.precision
    more = {"seed": experiment.seed, "leak": experiment.leak, "precision": precision}
    labels, classes = views.clips["label"], experiment.classes
    task = _task(module, config, views, labels, classes, device, keep_weights=weights, **more)
    if experiment.labels == "true":
        return task
    permuted = np.random.default_rng(experiment.seed).permutation(task.labels)
    return dataclasses.replace(task, labels=permuted)


def expected_seconds(experiment: Experiment, views: Views, device: str, jobs: int) -> float:
    """Of a run that trains all its folds, from the inputs and a few steps of a few subjects."""
    module, _ = systems.resolve(experiment.system)
    config, few = config_of(module, experiment.config), views if experiment.leak else subset(views)
    began, given = time.perf_counter(), (few.clips["label"], experiment.classes, device)
    task = _task(module, config, few, *given, features_of)
    seconds = (time.perf_counter() - began) * len(views.clips) / len(few.clips)
    if not systems.neural(module):
        return seconds
    folds = (folds_of(experiment, part.clips) for part in (few, views))
    return seconds + training.estimate(task, *folds, jobs)


def _task(module, config, views: Views, labels, classes, device: str, inputs=None, **more):
    codes = pd.Categorical(labels, classes).codes.astype(np.int64)
    more |= {"n_classes": len(classes), "device": training.choose_device(device)}
    features = (inputs or kept_features)(module, config, views)
    return training.Task(module, config, features, views.clips, codes, **more)


def kept_features(module, config, views: Views) -> dict[str, np.ndarray]:
    """`features_of`; those of pictures, which take seconds, are kept for a system's last Config."""
    if not PICTURES & {*systems.inputs.views_needed(module, config)}:
        return features_of(module, config, views)
    sources = [*paths.PACKAGE.glob("preprocessing/*.py"), *paths.PACKAGE.glob("systems/*.py")]
    code = [file.read_bytes() for file in sorted(sources)]
    given = repr((code, config, data_hash(module, config, views)))
    given = hashlib.sha256(given.encode()).hexdigest()
    file = paths.CACHE / "features" / f"{module.__name__.rpartition('.')[2]}.npz"
    if (stored := cache.read(file)) and stored.pop("given", "") == given:
        return stored
    features = features_of(module, config, views)
    cache.write(file, given=np.array(given), **features)
    return features


def features_of(module, config, views: Views) -> dict[str, np.ndarray]:
    """What a system makes of the views; where its Config says `mirror`, also of their images."""
    features = module.features(views.arrays, views.clips, config)
    if not getattr(config, "mirror", False):
        return features
    images = module.features(mirrored(views.arrays), views.clips, config)
    return {name: np.concatenate((features[name], images[name])) for name in features}


def folds_of(experiment: Experiment, clips: pd.DataFrame) -> list[protocol.Fold]:
    """One per left-out subject, or a leak's wrong ones. StudyError where nothing can be learned."""
    deals = {"random_folds": protocol.random_folds, CONTROL: protocol.subject_folds}
    if experiment.leak in deals:
        folds = deals[experiment.leak](clips, seed=experiment.seed)
    elif experiment.leak == "clip_names":
        folds = protocol.folds_by_name(clips)
    else:
        return protocol.folds(clips, experiment.classes)
    protocol.check_folds(folds, clips["label"])
    return folds


def _missing(experiment: Experiment, folds: Sequence, keep_weights: bool) -> list:
    """The folds that are not on disk, or whose weights are not where they are asked for."""
    done = store.finished_folds(experiment.key)
    if keep_weights and systems.neural(systems.resolve(experiment.system)[0]):
        kept = {path.stem for path in training.whole_weights(paths.WEIGHTS / experiment.key)}
        done = {name: clips for name, clips in done.items() if name in kept}
    return [fold for fold in folds if done.get(fold.name) != len(fold.test)]


def _check_same(experiment: Experiment, clips: pd.DataFrame, result) -> None:
    """Raises StudyError where weights trained now predict something else than the run holds."""
    rows = store.load(experiment.key).set_index(list(KEY))["predicted"]
    keys = pd.MultiIndex.from_frame(clips.iloc[result.fold.test][list(KEY)])
    predicted = np.array(experiment.classes)[result.probabilities.argmax(1)]
    if (rows.reindex(keys).to_numpy() != predicted).any():
        raise StudyError(
            f"the weights of {experiment.key}, fold {result.fold.name}, predict something else "
            f"than the run holds: delete {store.file(experiment.key)} and train it here"
        )


def _outlook(task: training.Task, folds: Sequence, schedule, jobs: int | None) -> str:
    """What will be done, and about how long it will take, from a few timed steps."""
    outlook = f"{len(folds)} folds, {schedule.name}: {schedule.why}"
    if not systems.neural(task.module) or schedule.name == "stacked":
        return outlook  # a stack tells by its first epochs, which the bar counts
    seconds = training.estimate(task, folds, folds, jobs)
    return f"{outlook}; about {tqdm.format_interval(seconds)} (min:s)"


def try_folds(system: str, views: Views, folds, labels=None, *, jobs=None, **options):
    """`rows_of` of `trial`: any folds and labels, kept nowhere."""
    return rows_of(*trial(system, views, labels, **options), folds, jobs)


def trial(
    system: str,
    views: Views,
    labels: Sequence[str] | None = None,
    *,
    seed: int = 0,
    leak: str = "",
    classes: Sequence[str] = CLASSES,
) -> tuple[training.Task, np.ndarray]:
    """What folds at the small preset share, and the classes in their order.

    classes: of the corpus, in its order; those that no label has are left out.  leak: "scaler" or
    "graph" is fitted on all clips.
    """
    module, config = resolve(system, "these views", views, {}, "small")
    labels = np.asarray(views.clips["label"] if labels is None else labels)
    classes = np.array([name for name in classes if name in set(labels)], object)
    return _task(module, config, views, labels, classes, "auto", seed=seed, leak=leak), classes


def rows_of(task: training.Task, classes: np.ndarray, folds: Sequence, jobs=None) -> pd.DataFrame:
    """Rows (key, label, predicted, seed, fold, p_<class>), one for every fold that tests a clip."""
    protocol.check_folds(folds, task.labels)
    rows = []
    for result in training.train_folds(task, folds, jobs=jobs):
        test, probabilities = result.fold.test, result.probabilities
        part = task.clips.iloc[test][list(KEY)].set_axis(test)
        part["label"] = classes[task.labels[test]]
        part["predicted"] = classes[probabilities.argmax(1)]
        part = part.assign(seed=task.seed, fold=result.fold.name)
        rows.append(part.assign(**{f"p_{n}": probabilities[:, i] for i, n in enumerate(classes)}))
    return pd.concat(rows).sort_index(kind="stable").reset_index(drop=True)
