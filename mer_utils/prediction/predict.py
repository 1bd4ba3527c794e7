"""Films of people in no corpus, read by the models of a run: what moves, and what it looks like."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..corpora.table import FRAME_VIEWS, Corpus, clip_table, exclusion_table
from ..errors import StudyError
from ..preprocessing import spotting
from ..preprocessing import views as all_views
from .models import Models

NOTHING, UNREADABLE = "nothing seen", "not readable"
SPREAD = (0.05, 0.95)  # of the members' probabilities
MOMENTS = ["onset", "apex", "offset"]


@dataclass(frozen=True, eq=False)
class Reading:
    """What was found in films, and what the models say of it."""

    films: dict[str, spotting.Film]  # by their name
    refused: dict[str, str]  # film -> why it cannot be read, in one sentence
    table: pd.DataFrame  # a row for each movement, and one for each film in which none was seen
    clips: pd.DataFrame  # the movements that were read, in the order of `arrays`
    arrays: dict[str, np.ndarray]  # their views


def predict(
    places: Sequence[Path | str],
    models: Models,
    *,
    onset: int | None = None,
    apex: int | None = None,
    offset: int | None = None,
    jobs: int = 1,
    progress: bool = True,
) -> Reading:
    """Search films for movements, and read each by all members.

    places: videos or folders of frames; onset, apex, offset: frame numbers where they are known, of
    one film.  A film that cannot be read is refused with its reason, and the others are read.
    Raises StudyError where two films have one name, and for frame numbers of several films.
    """
    moments = {"onset": onset, "apex": apex, "offset": offset}
    names = [Path(place).name for place in places]
    if twice := [name for name in names if names.count(name) > 1]:
        raise StudyError(f"two films are called {twice[0]}: rename one, or read them one by one")
    if len(names) > 1 and any(number is not None for number in moments.values()):
        raise StudyError("onset, apex and offset are of one film: read the films one by one")
    films, refused, rows = {}, {}, []
    for name, place in zip(names, map(Path, places), strict=True):
        try:
            films[name] = film = spotting.search(place, **moments, progress=progress)
        except StudyError as error:
            refused[name] = str(error)
            continue
        movements = film.intervals[film.intervals["seen"]].to_dict("records")
        for number, line in enumerate(movements, start=1):
            row = {"corpus": "film", "subject": name, "clip": str(number), "fps": film.fps}
            row |= {moment: int(line[moment]) for moment in MOMENTS}
            rows.append(row | {"frames": str(place.resolve())})
    clips, arrays, unusable = _views_of(clip_table(rows), models, jobs)
    return Reading(films, refused, _table(films, clips, arrays, unusable, models), clips, arrays)


def _views_of(clips: pd.DataFrame, models: Models, jobs: int):
    """Usable clips and their views; (film, reason) of each that cannot be used."""
    usable, unusable, none = [], [], exclusion_table([])
    for number in range(len(clips)):  # one by one: what is wrong with one is its own reason
        one = clips.iloc[[number]].reset_index(drop=True)
        film = one["subject"].item()
        corpus = Corpus(film, Path(), one, none, models.classes, FRAME_VIEWS, synthetic=False)
        try:
            usable.append(all_views.compute(corpus, models.views, jobs, progress=False))
        except StudyError as error:
            unusable.append((film, str(error)))
    arrays = {
        name: np.concatenate([views.arrays[name] for views in usable])
        for name in (models.views if usable else ())
    }
    tables = [views.clips for views in usable] or [clips[:0]]
    return pd.concat(tables, ignore_index=True), arrays, unusable


def _table(films, clips: pd.DataFrame, arrays, unusable, models: Models) -> pd.DataFrame:
    """A row for each movement, then one for each film without: `Reading.table`.

    Its moments in frames and seconds, what is predicted, the probability of each class with its
    spread over the members, and a warning.
    """
    classes = [f"{part}_{name}" for name in models.classes for part in ("p", "low", "high")]
    read = clips[["subject", *MOMENTS]].rename(columns={"subject": "film"})
    if len(clips):
        by_member = models.probabilities(arrays, clips)  # (K, n, C)
        low, high = np.quantile(by_member, SPREAD, axis=0)
        mean = by_member.mean(axis=0)
        read["seconds"] = (clips["onset"].astype(float) - 1) / clips["fps"]  # at the onset
        read["predicted"] = np.array(models.classes)[mean.argmax(axis=1)]
        read[classes] = np.stack((mean, low, high), axis=2).reshape(len(clips), -1).astype(float)
        read["warning"] = models.known.strange(arrays[models.known.view])
    others = [(film, UNREADABLE, reason) for film, reason in unusable]
    listed = {*read["film"], *(film for film, *_ in others)}
    others += [(film, NOTHING, "") for film in films if film not in listed]
    others = pd.DataFrame(others, columns=["film", "predicted", "warning"])
    columns = ["film", *MOMENTS, "seconds", "predicted", *classes, "warning"]
    table = pd.concat([part for part in (read, others) if len(part)] or [others])
    table = table.reindex(columns=columns).astype(dict.fromkeys(MOMENTS, "Int64"))
    return table.sort_values(["film", "onset"], kind="stable", ignore_index=True)
