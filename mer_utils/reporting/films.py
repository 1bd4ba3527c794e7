"""The page of one's own films: `./run_all.sh predict FILM...`, and what 60_predict needs for it."""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from .. import corpora, experiments, paths
from ..errors import StudyError
from ..experiments import store
from ..prediction import models
from ..prediction.models import Models
from ..prediction.predict import NOTHING, UNREADABLE, Reading
from ..preprocessing import regions, views
from ..synthetic import films as made_films
from . import execution, pages, report
from .execution import FAILED, Job
from .plots import faces as face_plots
from .plots import people

NOTEBOOK = "60_predict"
FOLDER = "films"  # below reports/html


def main(options: argparse.Namespace) -> int:
    """Make the page of films and the csv beside it; 0, or 1 where the notebook failed."""
    for place in options.films:
        if not place.exists():
            raise StudyError(f"{place} does not exist: give the path of a film or of its frames")
    file = options.model or models.file_of(options.corpus, options.system)
    models.load(file)  # refused before a kernel starts
    name = re.sub(r"[^\w-]+", "_", options.films[0].stem) or "film"
    given = {key: getattr(options, key) for key in ("onset", "apex", "offset", "show_faces")}
    job = Job(
        notebook=str(paths.NOTEBOOKS / f"{NOTEBOOK}.ipynb"),
        name=name,
        corpus=FOLDER,
        executed=str(paths.EXECUTED / FOLDER),
        html=str(paths.HTML / FOLDER),
        parameters=given
        | {"films": [str(place.resolve()) for place in options.films]}
        | {"model": str(Path(file).resolve()), "table": str(paths.HTML / FOLDER / f"{name}.csv")},
        label=name,
    )
    status = execution.run(job, told=sys.stderr)
    page = pages.load(job.page)
    print(f"{page.error or page.answer}\n{job.page}")
    pages.write_index(paths.REPORTS)
    return int(status == FAILED)


def models_of(
    file: str, corpus: str, system: str, data: str, groups: list[dict], smoke: bool
) -> Models:
    """Models of a file; without one, those of the study's run of a system, kept as a file first.

    Ends the notebook where that run is not finished or its weights are not there.
    """
    if file:
        return models.load(file)
    runs = experiments.study(corpus, groups, smoke).results
    runs = runs[runs["label"] == system]
    if runs.empty:
        report.stop(f"No run of {system} on {corpus} is finished: {models.remedy(corpus, system)}.")
    experiment = store.read(runs["key"].iloc[0]).experiment
    target = models.file_of(experiment.corpus, system)
    if target.is_file() and (kept := models.load(target)).is_of(experiment):
        return kept
    try:
        loaded = corpora.load(corpus, data or None)
        seen = views.compute(loaded, loaded.views, progress=False)
        seen = experiments.subset(seen) if smoke else seen
        return models.load(models.save_models(experiment, seen, loaded.synthetic))
    except StudyError as error:
        report.stop(f"There are no models to read a film with: {error}.")


def example() -> list[Path]:
    """Films of synthetic people whom no corpus holds: one with two expressions, one at rest."""
    return made_films.example(paths.DATA / "films")


def places(maps: np.ndarray, points: np.ndarray) -> list[str]:
    """Facial region whose landmark is nearest to the most evidence of each map (n, 28, 28)."""
    of = [
        region
        for region, members in zip(regions.REGIONS, regions.POINTS, strict=True)
        for _ in members
    ]
    tokens = np.concatenate(regions.POINTS)
    found = []
    for one, face in zip(maps, points, strict=True):
        y, x = np.unravel_index(one.argmax(), one.shape)
        distance = np.hypot(*(face[tokens] - (x + 0.5, y + 0.5)).T)
        found.append(of[int(distance.argmin())])
    return found


def faces(reading: Reading) -> None:
    """Onset and apex of what was read, for the reader's own eyes."""
    shown = people.may_be_shown()
    people.announce(True)  # asked for by the film's owner
    try:
        for number, name in enumerate(reading.clips["subject"]):
            pair = reading.arrays["frames"][number]
            marks = np.empty((2, 0, 2))
            report.show(
                face_plots.pictures(pair, marks, ["onset", "apex"]),
                alt=f"Onset and apex of a movement in {name}.",
            )
    finally:
        people.announce(shown)


def shown(reading: Reading, known: Models) -> pd.DataFrame:
    """The table of a reading for the eye: one column for each class, with its spread."""
    table = reading.table
    found = table[["film", "onset", "apex", "offset", "predicted"]].copy()
    for name in known.classes:
        parts = table[[f"{part}_{name}" for part in ("p", "low", "high")]].to_numpy(float)
        texts = [f"{p:.2f} ({low:.2f} to {high:.2f})" for p, low, high in parts]
        found[name] = np.where(np.isnan(parts[:, 0]), "", texts)
    return found.assign(warning=table["warning"])


def sentence(reading: Reading, known: Models) -> str:
    """What was found in all films."""
    table, parts = reading.table, []
    read = table[table["predicted"].isin(known.classes)]
    for line in read.to_dict("records"):
        which = line["predicted"]
        p, low, high = (line[f"{part}_{which}"] for part in ("p", "low", "high"))
        doubt = f", doubtful because {line['warning']}" if line["warning"] else ""
        parts.append(
            f"{line['film']}, frame {line['apex']}: {which} {p:.2f} ({low:.2f} to {high:.2f} over "
            f"the networks){doubt}"
        )
    parts += [f"{name}: {NOTHING}" for name in table.loc[table["predicted"] == NOTHING, "film"]]
    parts += table.loc[table["predicted"] == UNREADABLE, "warning"].tolist()
    parts += list(reading.refused.values())
    trust = f" {models.SYNTHETIC}" if known.card["synthetic"] else ""
    return f"Movements read: {len(read)}. {'; '.join(parts)}.{trust}"
