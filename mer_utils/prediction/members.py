"""The models of a run's folds, each with all that it needs to read other clips.

A member has learned from all subjects of a run but one.  Of the clips of that subject it is the one
honest reader; of other people's clips all members are asked, and how far they disagree is what
another choice of training subjects would have changed.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from .. import environment, experiments, systems, training
from ..evaluation import protocol
from ..experiments import budget, store
from ..experiments.run import features_of
from ..preprocessing.views import Views
from ..systems.inputs import Arrays
from ..training import fold as training_fold
from ..training.numerics import numerics


@dataclass(frozen=True, eq=False)
class Member:
    """One fold's model."""

    name: str  # of the fold: the subject that it has not seen
    module: object  # the system's
    config: object  # with the budget of the fold
    n_classes: int
    model: object  # a network in evaluation mode, or an estimator of scikit-learn
    context: Arrays = dataclasses.field(default_factory=dict)  # of the network, to build it again

    def features(self, arrays: Arrays, clips: pd.DataFrame) -> Arrays:
        """What the model is given of views; where it uses mirror images, theirs behind them."""
        return features_of(self.module, self.config, Views(clips, clips, arrays))

    def probabilities(self, arrays: Arrays, clips: pd.DataFrame) -> np.ndarray:
        """(n, C) float32 of the clips whose views these are, every clip by itself."""
        features, places = self.features(arrays, clips), np.arange(len(clips))
        mirror = len(clips) if getattr(self.config, "mirror", False) else 0
        if not isinstance(self.model, torch.nn.Module):
            return training_fold.decided(self.model, features["x"], places, self.n_classes, mirror)
        kind = next(self.model.parameters()).dtype
        data = {name: torch.as_tensor(values) for name, values in features.items()}
        data = {n: v.to(kind) if v.is_floating_point() else v for n, v in data.items()}
        return training.predict(self.model, data, places, mirror)


def members(
    experiment, views: Views, places: np.ndarray | None = None
) -> Iterator[tuple[protocol.Fold, Member]]:
    """(fold, its model) of every fold of a finished run, or of those that left out clips at places.

    On the CPU.  Networks come from data/weights; estimators of scikit-learn are fitted again.
    Raises StudyError where weights are not there.
    """
    for task, fold in _folds(experiment, views, places):
        yield fold, _member(task, fold)


def ask(
    experiment, views: Views, places: np.ndarray, question: Callable[..., Any]
) -> Iterator[tuple[np.ndarray, Any]]:
    """(rows, `question(rows, fold, member)`) of `members`, as they end, one process per core.

    rows: of `places`, whose clips the member has not seen; it is made in the process that asks it.
    """
    items = [(question, places, *one) for one in _folds(experiment, views, places)]
    if systems.neural(systems.resolve(experiment.system)[0]):
        _member(*items[0][2:])  # weights that are not there are missed before processes begin
    return (one for _, one in environment.each(None, f"asked {experiment.label}", _answer, items))


def _answer(question, places, task, fold) -> tuple[np.ndarray, Any]:
    rows = np.flatnonzero(np.isin(places, fold.test))
    with numerics("fp32", task.device):
        return rows, question(rows, fold, _member(task, fold))


def _folds(experiment, views, places) -> list[tuple[training.Task, protocol.Fold]]:
    task = experiments.task_of(experiment, views, "cpu", keep_weights=True)
    budgets = {one["group"]: one["changes"] for one in store.chosen(experiment.key, "budgets")}
    groups, found = protocol.dealt(views.clips, budget.GROUPS), []
    for fold in experiments.folds_of(experiment, views.clips):
        if places is None or np.isin(fold.test, places).any():
            changes = budgets[groups[fold.test[0]]] if budgets else {}
            config = dataclasses.replace(task.config, **changes)
            found.append((dataclasses.replace(task, config=config), fold))
    return found


def _member(task: training.Task, fold: protocol.Fold) -> Member:
    given = fold.name, task.module, task.config, task.n_classes
    if not systems.neural(task.module):
        return Member(*given, training_fold.fitted(task, fold, task.features["x"]))
    features = {name: values[fold.train] for name, values in task.features.items()}
    context = systems.fit_context(task.module, task.clips.iloc[fold.train], features, task.config)
    net = training.new_network(*given[1:], context).to(task.dtype)
    file = task.keep_weights / f"{fold.name}.safetensors"
    return Member(*given, training.load_weights(net, file).eval(), context)
