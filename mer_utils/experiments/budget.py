"""A budget chosen inside the training folds: learning rate, regularisation, epochs.

A schedule that suits one network starves another, and the left-out subject may not choose.  So the
subjects are dealt to five groups.  For each group, its subjects left out, three inner folds of
whole subjects train every arm: three learning rates, as described and with more dropout and weight
decay, for half as many epochs again.  The arm and the epoch with the best balanced Brier score of
the inner subjects, smoothed over epochs, are the budget of the group's subjects; each of them is
then left out as always, and the network trained again on all others.  The choice for a subject has
never seen it.

The Brier score (1950) looks at probabilities: on 442 clips UF1 picks by luck.  Balanced: the mean
over classes of the mean over their clips.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import systems, training
from ..errors import StudyError
from ..evaluation import protocol
from ..evaluation.protocol import Fold

GROUPS = 5  # of left-out subjects, that share a budget
INNER = 3  # folds of the others
RATES = (0.25, 1.0, 4.0)  # of the preset's learning rate
LONGER = 1.5  # times the preset's epochs
SMOOTH = 5  # epochs


def arms(module, config) -> list[dict]:
    """Changes of a Config to choose from: the system's own ARMS, or those of every network."""
    if hasattr(module, "ARMS"):
        return list(module.ARMS)
    more = {"weight_decay": max(2 * config.weight_decay, 1e-3)}
    if hasattr(config, "dropout"):
        more["dropout"] = max(config.dropout, 0.3)
    rates = [{"learning_rate": rate * config.learning_rate} for rate in RATES]
    epochs = {"epochs": round(LONGER * config.epochs)}
    return [rate | epochs | extra for extra in ({}, more) for rate in rates]


def inner_folds(clips: pd.DataFrame, groups=None) -> dict[int, list[Fold]]:
    """The inner folds of every group, without the subjects of the group; groups: (N,)."""
    groups, folds = protocol.dealt(clips, GROUPS) if groups is None else groups, {}
    for group in np.unique(groups).tolist():
        others = np.flatnonzero(groups != group)
        inner = protocol.dealt(clips.iloc[others], INNER)
        folds[group] = [
            Fold(
                f"group {group}",
                f"inner {number}",
                others[inner != number],
                others[inner == number],
            )
            for number in np.unique(inner)
        ]
    return folds


def check(clips: pd.DataFrame) -> None:
    """Raises StudyError where an inner fold has nothing to learn."""
    for fold in itertools.chain(*inner_folds(clips).values()):
        if clips["label"].iloc[fold.train].nunique() < 2:
            raise StudyError(
                "selection inner: with a group of subjects left out and a third of the others set "
                "aside to choose a budget, fewer than two classes are left: take selection last"
            )


def choose(
    task: training.Task, train: Callable, progress=False, groups=None, tried=(), keep=None
) -> list[dict]:
    """The budget of every group: group, changes of the Config, score (balanced Brier, 0 to 2).

    task: with the Config as given; train(task, folds) yields results; groups: as `inner_folds`.
    tried: for each arm that is known already, what it gave every group; keep(tried) is called after
    each arm.  An arm that diverges in any fold is no choice: its list is empty.  Raises
    StudyError where all do.
    """
    by_group, choices = inner_folds(task.clips, groups), arms(task.module, task.config)
    folds, tried = list(itertools.chain(*by_group.values())), list(tried)
    counts = {"total": len(choices) * len(folds), "initial": len(tried) * len(folds)}
    bar = tqdm(desc="choosing a budget", unit="fold", disable=not progress, **counts)
    for changes in choices[len(tried) :]:
        config = dataclasses.replace(task.config, **changes)
        arm, results = dataclasses.replace(task, config=config, keep_weights=None), {}
        scored = []
        with contextlib.suppress(training.Diverged):
            for result in train(arm, folds):
                results[result.fold.name] = result.errors
                bar.update()
        for group, inner in by_group.items() if len(results) == len(folds) else ():
            curve = smoothed(balanced(task.labels, inner, [results[f.name] for f in inner]))
            epoch = int(curve.argmin())
            epochs = {"epochs": epoch + 1} if systems.neural(task.module) else {}
            score = round(float(curve[epoch]), 4)
            scored.append({"group": group, "changes": changes | epochs, "score": score})
        tried.append(scored)
        if keep:
            keep(tried)
    bar.close()
    if not any(tried):
        raise StudyError(
            f"{task.name} diverges at every learning rate tried: set a lower learning_rate"
        )
    scored = sorted(itertools.chain(*tried), key=lambda line: -line["score"])
    best = {line["group"]: line for line in scored}
    return [best[group] for group in by_group]


def balanced(labels: np.ndarray, folds: Sequence[Fold], errors: Sequence[np.ndarray]) -> np.ndarray:
    """(E,) mean over classes of the mean error of their clips, over all inner folds."""
    label = labels[np.concatenate([fold.test for fold in folds])]
    error = np.concatenate(errors, axis=1)  # (E, clips)
    return np.mean([error[:, label == name].mean(1) for name in np.unique(label)], axis=0)


def smoothed(curve: np.ndarray) -> np.ndarray:
    """Mean of SMOOTH epochs around each; fewer at both ends."""
    return pd.Series(curve).rolling(SMOOTH, center=True, min_periods=1).mean().to_numpy()
