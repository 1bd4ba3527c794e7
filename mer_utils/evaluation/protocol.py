"""Leave-one-subject-out folds: the left-out subject chooses nothing.

A person is (corpus, subject), since `01` of one corpus is not `01` of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import pandas as pd

from ..corpora.table import CLASSES, KEY
from ..errors import StudyError
from .scores import PERSON, classes_of


@dataclass(frozen=True, eq=False)
class Fold:
    """One left-out subject; positions into the clip table, in its order."""

    corpus: str
    subject: str
    train: np.ndarray  # int64
    test: np.ndarray  # int64

    @property
    def name(self) -> str:
        """`casme2__sub01`, for file names; signs that no file name may hold as %2F."""
        return "__".join(quote(part, safe=" ()+,;=@") for part in (self.corpus, self.subject))


def folds(clips: pd.DataFrame, classes: tuple[str, ...] = CLASSES) -> list[Fold]:
    """One fold per (corpus, subject), in sorted order.

    Raises StudyError for a clip listed twice, for a single subject, for a class without clips,
    and where leaving a subject out leaves clips of one class only.
    """
    check(clips, classes)
    return _leave_out(person_of(clips))


def _leave_out(names: Sequence[tuple[str, str]]) -> list[Fold]:
    """One fold per name, (corpus, subject), of those given for the clips."""
    folds = []
    for name in sorted(set(names)):
        test = np.array([other == name for other in names])
        folds.append(Fold(*name, np.flatnonzero(~test), np.flatnonzero(test)))
    return folds


def corpus_folds(clips: pd.DataFrame) -> list[Fold]:
    """One fold per left-out corpus, named `casme2__all`.

    Raises StudyError for a single corpus, and where the other corpora lack a class.
    """
    names = sorted(set(clips["corpus"]))
    if len(names) < 2:
        raise StudyError(f"there is no other corpus than {names[0]}: load several together")
    folds = _leave_out([(name, "all") for name in clips["corpus"]])
    for fold in folds:
        if missing := sorted(set(clips["label"]) - set(clips["label"].iloc[fold.train])):
            raise StudyError(
                f"class '{missing[0]}' is in {fold.corpus} alone: nobody else teaches it"
            )
    return folds


def person_of(clips: pd.DataFrame) -> list[tuple[str, str]]:
    """(corpus, subject) of every clip."""
    return list(clips[PERSON].itertuples(index=False, name=None))


def check(clips: pd.DataFrame, classes: tuple[str, ...] = CLASSES) -> None:
    """Refuse what leave-one-subject-out cannot score."""
    twice = clips.loc[clips.duplicated(KEY), KEY]
    if len(twice):
        key = " / ".join(twice.iloc[0])
        raise StudyError(f"clip {key} is in the clip table twice: remove one of the two")
    people = sorted(set(person_of(clips)))
    if len(people) < 2:
        raise StudyError(
            f"leave-one-subject-out needs two subjects or more, the corpus has {len(people)} "
            f"({' '.join(people[0]) if people else 'none'}): add the clips of others"
        )
    labels = set(clips["label"])
    if unknown := sorted(labels - set(classes)):
        raise StudyError(f"label {unknown[0]!r} is none of the classes {', '.join(classes)}")
    if missing := [name for name in classes if name not in labels]:
        raise StudyError(f"class '{missing[0]}' has no clip: add some, or load another corpus")
    check_folds(_leave_out(person_of(clips)), clips["label"])


def check_folds(folds: Sequence[Fold], labels: Sequence[str]) -> None:
    """Raises StudyError for a fold from which nothing can be learned, whoever made the folds."""
    labels = np.asarray(labels)
    for fold in folds:
        if len(set(labels[fold.train])) < 2:
            raise StudyError(
                f"leaving out {fold.corpus} {fold.subject} leaves {len(fold.train)} clips of fewer "
                "than two classes, from which nothing can be learned: add clips of other subjects"
            )


def dealt(clips: pd.DataFrame, count: int) -> np.ndarray:
    """(N,) group of every clip, 0 to count - 1: the subjects of each corpus are dealt in turn.

    Those with most clips come first: groups are alike in clips and corpora. No label counts.
    """
    sizes = clips.groupby(PERSON).size()
    order = sizes.sort_values(ascending=False, kind="stable").index
    order = sorted(order, key=lambda person: person[0])  # by corpus, which a sort leaves in order
    group = {person: number % count for number, person in enumerate(order)}
    return np.array([group[person] for person in person_of(clips)])


def fairest(runs: pd.DataFrame, name: str = "label") -> pd.DataFrame:
    """Runs or rows whose budget training subjects chose; of a system without such, all."""
    chosen = runs["selection"] == "inner"
    return runs[chosen | ~runs[name].isin(runs.loc[chosen, name])]


def subset(clips: pd.DataFrame, count: int = 6) -> np.ndarray:
    """Positions of the clips of `count` subjects that can be left out in turn, for a quick look.

    Those with the most classes come first; more are taken where so few cannot be scored.
    """
    classes = clips.groupby(PERSON)["label"].nunique()
    order = list(classes.sort_values(ascending=False, kind="stable").index)
    for number in range(min(count, len(order)), len(order) + 1):
        keep = np.flatnonzero(pd.MultiIndex.from_frame(clips[PERSON]).isin(order[:number]))
        if set(clips["label"].iloc[keep]) == set(clips["label"]):
            break
    return keep


# --- wrong on purpose, to price it in notebook 40 -------------------------------------------------


def random_folds(clips: pd.DataFrame, count: int = 10, seed: int = 0) -> list[Fold]:
    """Clips dealt to folds at random: a person's clips are on both sides of a fold."""
    return _leave_out([("random", str(number)) for number in _at_random(len(clips), count, seed)])


def subject_folds(clips: pd.DataFrame, count: int = 10, seed: int = 0) -> list[Fold]:
    """What `random_folds` are compared with: as many folds, as large, of whole subjects."""
    person = pd.factorize(pd.Series(person_of(clips)))[0]
    numbers = _at_random(person.max() + 1, count, seed)[person]
    return _leave_out([("subjects", str(number)) for number in numbers])


def _at_random(size: int, count: int, seed: int) -> np.ndarray:
    """(size,) the number of a random group for each, groups as equal as can be."""
    numbers = np.sort(np.arange(size) % count)
    return numbers[np.random.default_rng(seed).permutation(size).argsort()]


def folds_by_name(clips: pd.DataFrame) -> list[Fold]:
    """The file name of a clip says whose it is, as in one published code.

    Names repeat within a corpus (CASME II has EP03_02 of six people); a dictionary from name to
    subject keeps the last one, so that a person's clips are on both sides of a fold.
    """
    owner = clips.groupby(["corpus", "clip"])["subject"].transform("last")
    return _leave_out(person_of(clips.assign(subject=owner)))


def oracle(rows: pd.DataFrame, predicted: np.ndarray) -> pd.DataFrame:
    """Oracle selection: rows at the epoch picked on the test subject. Its price, never a result.

    rows: of one run; predicted (E, rows): class numbers after every epoch.  Per subject the epoch
    of highest accuracy counts, the later of equals (HTNet's rule).  Without epochs there are none.
    """
    if not predicted.size:
        return rows[:0]
    classes = pd.Index(classes_of(rows))
    person = rows.groupby(PERSON).ngroup().to_numpy()
    hits = np.zeros((person.max() + 1, len(predicted)))
    np.add.at(hits, person, (predicted == classes.get_indexer(rows["label"])).T)
    best = len(predicted) - 1 - hits[:, ::-1].argmax(1)
    chosen = predicted[best[person], np.arange(len(rows))]
    return rows.assign(predicted=np.array(classes)[chosen], epoch=best[person] + 1)
