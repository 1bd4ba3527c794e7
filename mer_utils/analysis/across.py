"""Does what is learned on some corpora hold on another, and how many people does it take?

A whole corpus is left out: another camera, other light, other people, another coder.  It chooses
nothing.  What is fitted on the clips of a corpus without their labels, the place of its landmarks,
is fitted on the left-out corpus too, as it would be on any new one.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import experiments, training
from ..errors import StudyError
from ..evaluation import protocol, scores, statistics
from ..experiments import budget

if TYPE_CHECKING:
    from ..preprocessing.views import Views

SIZES = (4, 8, 16, 32)  # training people; then everyone
TRIES = 1000  # random orders, until the first people show every class
LOST = ["lost", "lost low", "lost high"]


def left_out(system: str, views: "Views", classes: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Rows of every clip by what was learned on the other corpora; `selection` as in a run.

    A classifier's C is chosen by inner folds of the training corpora's subjects, as `budget` does;
    a network trains for the epochs of the small preset.
    """
    task, names = experiments.trial(system, views, seed=seed, classes=classes)
    folds, choices = protocol.corpus_folds(views.clips), None
    if hasattr(task.module, "ARMS"):
        groups = pd.Categorical(views.clips["corpus"]).codes  # sorted by name, as the folds are
        choices = budget.choose(task, training.train_folds, groups=groups)
    by_config: dict = {}  # folds of one budget train side by side
    for fold, choice in zip(folds, choices or [{"changes": {}}] * len(folds), strict=True):
        config = dataclasses.replace(task.config, **choice["changes"])
        by_config.setdefault(config, []).append(fold)
    parts = [
        experiments.rows_of(dataclasses.replace(task, config=config), names, of_config)
        for config, of_config in by_config.items()
    ]
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(system=system, selection="inner" if choices else "last")


def gaps(across: pd.DataFrame, loso: pd.DataFrame | None) -> list[dict]:
    """Of all clips and of each left-out corpus: `statistics.summary`, LOSO, its rule, and LOST.

    loso: rows of the same clips with one subject left out, if there are any.  `lost`: their UF1
    less that with the corpus left out, paired over subjects, with its 95 % interval.
    """
    lines = []
    for name in ("all", *sorted(set(across["corpus"]))):
        part = across if name == "all" else across[across["corpus"] == name]
        line = statistics.summary(part).iloc[0].to_dict() | {"corpus": name, "LOSO": np.nan}
        line |= dict.fromkeys(LOST, np.nan) | {"rule": "–"}
        if loso is not None:
            other = loso if name == "all" else loso[loso["corpus"] == name]
            line |= dict(zip(LOST, statistics.difference(other, part), strict=True))
            line |= {"LOSO": line["UF1"] + line["lost"], "rule": other["selection"].iloc[0]}
        lines.append(line)
    return lines


def fewer(
    clips: pd.DataFrame, folds: Sequence[protocol.Fold], draws: int, seed: int = 0
) -> Iterator[tuple[int, int, protocol.Fold]]:
    """(training people, draw, fold): each fold with nested random subsets of its training people.

    The left-out people of a fold stay the same.  The smallest subset of a draw shows every class.
    Everyone is one draw, called by the people of the smallest fold.  Raises StudyError where no
    such subset is found.
    """
    random = np.random.default_rng(seed)
    least = min(clips.iloc[fold.train].groupby(scores.PERSON).ngroups for fold in folds)
    for fold in folds:
        train = clips.iloc[fold.train]
        person, labels = train.groupby(scores.PERSON).ngroup().to_numpy(), train["label"].to_numpy()
        for draw in range(draws):
            orders = (random.permutation(person.max() + 1)[person] for _ in range(TRIES))
            fits = (order for order in orders if {*labels[order < SIZES[0]]} == {*labels})
            if (place := next(fits, None)) is None:
                raise StudyError(f"no {SIZES[0]} training subjects show every class: add clips")
            for size in (size for size in SIZES if size < least):
                name, kept = f"{fold.subject}, draw {draw}, {size}", fold.train[place < size]
                yield size, draw, dataclasses.replace(fold, subject=name, train=kept)
        yield least, 0, fold


def curve(
    system: str, views: "Views", classes: Sequence[str], draws: int = 5, seed: int = 0
) -> pd.DataFrame:
    """Rows of ten folds of whole subjects after learning from fewer `people`; `seed`: of a draw."""
    task, names = experiments.trial(system, views, classes=classes)
    folds = protocol.subject_folds(views.clips, seed=seed)
    subsets = {part[2].name: part for part in fewer(views.clips, folds, draws, seed)}
    rows = experiments.rows_of(task, names, [fold for *_, fold in subsets.values()])
    sizes, draw = (rows["fold"].map({n: s[i] for n, s in subsets.items()}) for i in (0, 1))
    return rows.assign(system=system, selection="last", people=sizes, seed=draw)
