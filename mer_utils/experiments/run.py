"""Trains what is missing of a run; a fold is written when it ends."""

import contextlib
import dataclasses
import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import paths, systems, training
from ..corpora.table import CLASSES, KEY
from ..errors import StudyError
from ..evaluation import protocol
from ..preprocessing.mirror import mirrored
from ..preprocessing.views import Views
from ..training import cluster
from . import budget, store
from .declaration import ANY_PRECISION, CONTROL, Experiment, config_of, data_hash, resolve


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
    address of a scheduler, or `local`; its workers train, and this process writes.
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
        training.check(task.config, task.precision, task.device)
        chosen = training.choose_schedule(task, missing, schedule)
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

        def train(task: training.Task, folds: Sequence[protocol.Fold]):
            if workers:
                return workers.train(task, folds, chosen, stack)
            return training.train_task(task, folds, chosen, jobs, stack, _ticks(bar))

        results = _by_budget(experiment, task, missing, train, progress)
        for done, result in enumerate(results, start=before + 1):
            if finished:
                _check_same(experiment, views.clips, result)
            elif store.file(key) is None:  # another process may have finished it meanwhile
                store.write_fold(experiment, views.clips, task.labels, result)
            bar.update(max(0, done - bar.n))
    store.finish(key)
    return store.load(key)


def _by_budget(experiment: Experiment, task, folds: Sequence, train, progress: bool):
    """Results of all folds; where a budget is chosen, of each group of subjects with its own.

    It is chosen once, with seed 0 and no leak: other seeds and leaks of the same run take it over
    where it is on disk.
    """
    if experiment.selection == "last":
        yield from train(task, folds)
        return
    first = dataclasses.replace(experiment, seed=0, leak="")
    shared = store.budgets(experiment.key)
    if not shared and experiment.labels == "true":
        shared = store.budgets(first.key)
    if not shared:
        seed = 0 if experiment.labels == "true" else task.seed
        shared = budget.choose(dataclasses.replace(task, seed=seed), train, progress)
    if not store.budgets(experiment.key):
        store.note(experiment.key, budgets=shared)
    groups = protocol.dealt(task.clips, budget.GROUPS)
    for each in shared:
        config = dataclasses.replace(task.config, **each["changes"])
        own = [fold for fold in folds if groups[fold.test[0]] == each["group"]]
        yield from train(dataclasses.replace(task, config=config), own) if own else ()


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
    labels = pd.Categorical(views.clips["label"], experiment.classes).codes.astype(np.int64)
    if experiment.labels == "permuted":
        labels = protocol.permuted(labels, experiment.seed)
    weights = paths.WEIGHTS / experiment.key if keep_weights and systems.neural(module) else None
    return training.Task(
        module,
        config,
        features_of(module, config, views),
        views.clips,
        labels,
        n_classes=len(experiment.classes),
        seed=experiment.seed,
        device=training.choose_device(device),
        keep_weights=weights,
        precision="fp32" if experiment.precision == ANY_PRECISION else experiment.precision,
        leak=experiment.leak,
    )


def features_of(module, config, views: Views) -> dict[str, np.ndarray]:
    """What a system makes of the views; where its Config says `mirror`, also of their images."""
    features = module.features(views.arrays, views.clips, config)
    if not getattr(config, "mirror", False):
        return features
    seen = module.features(mirrored(views.arrays), views.clips, config)
    return {name: np.concatenate((features[name], seen[name])) for name in features}


def folds_of(experiment: Experiment, clips: pd.DataFrame) -> list[protocol.Fold]:
    """One per left-out subject; those of a leak of the folds are made wrong on purpose.

    Raises StudyError for folds from which nothing can be learned.
    """
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
    seconds = training.estimate(task, folds, jobs)
    return f"{outlook}; about {tqdm.format_interval(seconds)} (min:s)"


def try_folds(
    system: str,
    views: Views,
    folds: Sequence[protocol.Fold],
    labels: Sequence[str] | None = None,
    *,
    jobs: int | None = None,
    **options,
) -> pd.DataFrame:
    """`rows_of` of `trial`: any folds and any labels, kept nowhere; options as `trial` takes them.

    To show in notebook 40 what a wrong protocol would have said; results come from `run`.
    """
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
    task = training.Task(
        module,
        config,
        features_of(module, config, views),
        views.clips,
        pd.Categorical(labels, classes).codes.astype(int),
        n_classes=len(classes),
        seed=seed,
        device=training.choose_device("auto"),
        leak=leak,
    )
    return task, classes


def rows_of(task: training.Task, classes: np.ndarray, folds: Sequence, jobs=None) -> pd.DataFrame:
    """Rows (key, label, predicted, seed, fold, p_<class>) in the order of the clips.

    A clip has a row for every fold that tests it.  Raises StudyError for a fold without two classes
    to learn.
    """
    protocol.check_folds(folds, task.labels)
    rows = []
    for result in training.train_folds(task, folds, jobs=jobs):
        test, probabilities = result.fold.test, result.probabilities
        own = task.clips.iloc[test][list(KEY)].set_axis(test)
        own["label"] = classes[task.labels[test]]
        own["predicted"] = classes[probabilities.argmax(1)]
        own = own.assign(seed=task.seed, fold=result.fold.name)
        rows.append(own.assign(**{f"p_{n}": probabilities[:, i] for i, n in enumerate(classes)}))
    return pd.concat(rows).sort_index(kind="stable").reset_index(drop=True)
