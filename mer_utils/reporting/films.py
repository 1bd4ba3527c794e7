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
from ..preprocessing import views
from . import execution, pages, report
from .execution import FAILED, Job
from .plots import faces as face_plots
from .plots import people

FOLDER = "films"  # below reports/html


def main(options: argparse.Namespace) -> int:
    """Make the page of films and the csv beside it; 0, or 1 where no film could be read."""
    for place in options.films:
        if not place.exists():
            raise StudyError(f"{place} does not exist: give the path of a film or of its frames")
    file = options.model or models.file_of(options.corpus, options.system)
    models.load(file)  # refused before a kernel starts
    name = re.sub(r"[^\w-]+", "_", options.films[0].stem) or "film"
    html, executed = paths.HTML / FOLDER, paths.EXECUTED / FOLDER
    given = {key: getattr(options, key) for key in ("onset", "apex", "offset", "show_faces")}
    given |= {"films": [str(place.resolve()) for place in options.films]}
    table = html / f"{name}.csv"
    table.unlink(missing_ok=True)
    given |= {"model": str(Path(file).resolve()), "table": str(table)}
    notebook = str(paths.NOTEBOOKS / "60_predict.ipynb")
    job = Job(notebook, name, FOLDER, str(executed), str(html), given, name)
    status = execution.run(job, progress=sys.stderr)
    page = pages.load(job.page)
    print(f"{page.error or page.answer}\n{job.page}")
    pages.write_index(paths.REPORTS)
    return int(status == FAILED or not table.is_file())


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
        report.stop(
            f"No run of {system} on {corpus} is finished: {models.how_to_make(corpus, system)}."
        )
    experiment = store.read(runs["key"].iloc[0]).experiment
    target = models.file_of(experiment.corpus, system)
    if target.is_file() and (kept := models.load(target)).card["key"] == experiment.key:
        return kept
    try:
        loaded = corpora.load(corpus, data or None)
        learned = views.compute(loaded, loaded.views, progress=False)
        learned = experiments.subset(learned) if smoke else learned
        return models.load(models.save_models(experiment, learned, loaded.synthetic))
    except StudyError as error:
        report.stop(f"There are no models to read a film with: {error}.")


def faces(reading: Reading) -> None:
    """Onset and apex of what was read, for the reader's own eyes."""
    before, marks = people.may_be_shown(), np.empty((2, 0, 2))
    people.announce(True)  # asked for by the film's owner
    try:
        for name, pair in zip(reading.clips["subject"], reading.arrays["frames"], strict=True):
            figure = face_plots.pictures(pair, marks, ["onset", "apex"])
            report.show(figure, alt=f"Onset and apex of a movement in {name}.")
    finally:
        people.announce(before)


def shown(reading: Reading, networks: Models) -> pd.DataFrame:
    """The table of a reading for the eye: one column for each class, with its spread."""
    table, columns = reading.table, {}
    for name in networks.classes:
        parts = table[[f"{part}_{name}" for part in ("p", "low", "high")]].to_numpy(float)
        texts = [f"{p:.2f} ({low:.2f} to {high:.2f})" for p, low, high in parts]
        columns[name] = np.where(np.isnan(parts[:, 0]), "", texts)
    facts = table[["film", "onset", "apex", "offset", "predicted"]]
    return facts.assign(**columns, warning=table["warning"])


def sentence(reading: Reading, networks: Models) -> str:
    """What was found in all films."""
    table, parts = reading.table, []
    read = table[table["predicted"].isin(networks.classes)]
    for line in read.to_dict("records"):
        label = line["predicted"]
        doubt = f", doubtful because {line['warning']}" if line["warning"] else ""
        p, low, high = (line[f"{part}_{label}"] for part in ("p", "low", "high"))
        parts.append(
            f"{line['film']}, frame {line['apex']}: {label} {p:.2f} ({low:.2f} to {high:.2f} over "
            f"the networks){doubt}"
        )
    parts += [f"{name}: {NOTHING}" for name in table.loc[table["predicted"] == NOTHING, "film"]]
    parts += table.loc[table["predicted"] == UNREADABLE, "warning"].tolist()
    parts += list(reading.refused.values())
    said = [f"Movements read: {len(read)}. {'; '.join(parts)}."]
    said += [f"{name}: {' '.join(f.quality)}" for name, f in reading.films.items() if f.quality]
    return " ".join((*said, models.beware(networks.card))).strip()
