"""Leave-one-subject-out folds: the left-out subject chooses nothing.

Persons are told apart by (corpus, subject), since `01` of one corpus is not `01` of another.
"""

import math
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import pandas as pd

from ..corpora.table import CLASSES
from ..errors import StudyError

KEY = ["corpus", "subject", "clip"]
INNER_SHARE = 0.2  # of the training subjects, held out to pick the epoch


@dataclass(frozen=True, eq=False)
class Fold:
    """One left-out subject; positions into the clip table, in its order."""

    corpus: str
    subject: str
    train: np.ndarray  # int64
    test: np.ndarray  # int64

    @property
    def name(self) -> str:
        """`casme2__sub01`, the name of the fold's files; signs no file name may hold as %2F."""
        return "__".join(quote(part, safe=" ()+,;=@") for part in (self.corpus, self.subject))


def folds(clips: pd.DataFrame, classes: tuple[str, ...] = CLASSES) -> list[Fold]:
    """One fold per (corpus, subject), in sorted order.

    Raises StudyError for a clip that stands twice, for one subject alone, for a class without
    clips, and where leaving a subject out leaves one class only to learn from.
    """
    check(clips, classes)
    person = person_of(clips)
    found = []
    for corpus, subject in sorted(set(person)):
        left_out = np.array([each == (corpus, subject) for each in person])
        fold = Fold(corpus, subject, np.flatnonzero(~left_out), np.flatnonzero(left_out))
        assert not {person[i] for i in fold.train} & {person[i] for i in fold.test}
        found.append(fold)
    return found


def person_of(clips: pd.DataFrame) -> list[tuple[str, str]]:
    """(corpus, subject) of every clip."""
    return list(zip(clips["corpus"], clips["subject"], strict=True))


def check(clips: pd.DataFrame, classes: tuple[str, ...] = CLASSES) -> None:
    """Refuse what leave-one-subject-out cannot score."""
    twice = clips.duplicated(KEY)
    if twice.any():
        key = " / ".join(clips.loc[twice, KEY].iloc[0])
        raise StudyError(f"clip {key} stands twice in the clip table: remove one of the two")
    people = clips[["corpus", "subject"]].drop_duplicates()
    if len(people) < 2:
        only = " ".join(people.iloc[0]) if len(people) else "none"
        raise StudyError(
            f"leave-one-subject-out needs two subjects or more, the corpus has {len(people)} "
            f"({only}): add the clips of others"
        )
    strange = sorted(set(clips["label"]) - set(classes))
    if strange:
        raise StudyError(f"label {strange[0]!r} is none of the classes {', '.join(classes)}")
    for name in classes:
        if not (clips["label"] == name).any():
            raise StudyError(f"class '{name}' has no clip: add some, or load another corpus")
    for (corpus, subject), part in clips.groupby(["corpus", "subject"]):
        if clips.drop(part.index)["label"].nunique() < 2:
            raise StudyError(
                f"leaving out {corpus} {subject} leaves clips of one class only, from which "
                "nothing can be learned: add clips of other subjects"
            )


def inner_split(clips: pd.DataFrame, fold: Fold) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation positions inside `fold.train`, no subject in both.

    The next fifth of the subjects in order after the left-out one, around the end: the rule of the
    unified macro/micro system, the one code of the five that kept the test subject out of it.
    """
    person = person_of(clips)
    order = sorted(set(person))
    place = order.index((fold.corpus, fold.subject))
    others = order[place + 1 :] + order[:place]
    held_out = set(others[: math.ceil(INNER_SHARE * len(others))])
    validates = np.array([person[i] in held_out for i in fold.train])
    return fold.train[~validates], fold.train[validates]


def few(clips: pd.DataFrame, count: int = 6) -> np.ndarray:
    """Positions of the clips of `count` subjects that can be left out in turn, for a quick look.

    Those with the most classes come first; more are taken where so few cannot be scored.
    """
    classes = clips.groupby(["corpus", "subject"])["label"].nunique()
    order = list(classes.sort_values(ascending=False, kind="stable").index)
    person = person_of(clips)
    for number in range(min(count, len(order)), len(order) + 1):
        chosen = set(order[:number])
        keep = np.flatnonzero([each in chosen for each in person])
        if set(clips["label"].iloc[keep]) == set(clips["label"]):
            return keep
    return np.arange(len(clips))


def permuted(labels: np.ndarray, seed: int) -> np.ndarray:
    """The labels of all clips in a random order: what is learned from them is chance."""
    return np.random.default_rng(seed).permutation(labels)


def random_folds(clips: pd.DataFrame, count: int = 10, seed: int = 0) -> list[Fold]:
    """The wrong way, shown once in notebook 40: a person's clips lie on both sides of a fold."""
    order = np.random.default_rng(seed).permutation(len(clips))
    return [
        Fold("random", str(number), np.sort(np.setdiff1d(order, part)), np.sort(part))
        for number, part in enumerate(np.array_split(order, count))
    ]


def folds_by_name(clips: pd.DataFrame) -> list[Fold]:
    """The wrong way of one published code: the file name of a clip says whose it is.

    Names repeat within a corpus (CASME II has EP03_02 of six people); a dictionary from name to
    subject keeps the last one, so that a person's clips end up with others, on both sides.
    """
    owner = {
        (row.corpus, row.clip): row.subject
        for row in clips[["corpus", "clip", "subject"]].itertuples()
    }
    taken_for = [(row.corpus, owner[row.corpus, row.clip]) for row in clips.itertuples()]
    found = []
    for corpus, subject in sorted(set(taken_for)):
        left_out = np.array([each == (corpus, subject) for each in taken_for])
        found.append(Fold(corpus, subject, np.flatnonzero(~left_out), np.flatnonzero(left_out)))
    return found


def test_picked(epochs: pd.DataFrame, ties: str = "last") -> pd.DataFrame:
    """Rows of the epoch that is best *on the left-out subject*: never a result, only its price.

    epochs: rows with `epoch`, key, `label`, `predicted` of every epoch of one run.  Per subject
    the epoch of highest accuracy counts, the later one of equals (HTNet's rule; `ties="first"` is
    CausalNet's).
    """
    if ties not in ("last", "first"):
        raise StudyError(f"ties '{ties}' is not known: choose last or first")
    right = epochs.assign(right=epochs["label"] == epochs["predicted"])
    by_epoch = right.groupby(["corpus", "subject", "epoch"], as_index=False)["right"].mean()
    by_epoch = by_epoch.sort_values("epoch", ascending=ties == "first", kind="stable")
    best = by_epoch.sort_values("right", ascending=False, kind="stable")
    best = best.drop_duplicates(["corpus", "subject"])[["corpus", "subject", "epoch"]]
    return epochs.merge(best, on=["corpus", "subject", "epoch"])


test_picked.__test__ = False  # not one of pytest's
