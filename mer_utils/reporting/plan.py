"""What a command would do: every report, what is there already, and how long it takes."""

from pathlib import Path

import pandas as pd

from .. import experiments, paths, systems, training
from ..experiments import Experiment, store
from . import pages
from .execution import Job
from .progress import Step, clock
from .request import Request

TYPICAL_SECONDS = 15.0  # of a notebook whose metadata have no `seconds`
START_SECONDS = 9.0  # of a notebook that trains: kernel, imports, figures
CLASSIFIER_SECONDS = 5.0  # of a run of scikit-learn's estimators


def step(request: Request, job: Job, run: Experiment | None, unchanged: bool) -> Step:
    """What is done for one report."""
    if run and not store.file(run.key):
        count = len(experiments.folds_of(run, request.views_of(run).clips))
        done = len(store.finished_folds(run.key))
        state = f"trains: {done} of {count} folds are there" if done else f"trains {count} folds"
        seconds = START_SECONDS + _training_seconds(request, run) * (1 - done / count)
        return Step(job, state, seconds, run, count)
    if unchanged:
        return Step(job, "nothing has changed", 0.0)
    path = Path(job.html) / f"{job.name}.html"
    page = pages.load(path) if path.is_file() else None
    state = "a report of the run that is there" if run else "a report"
    return Step(job, state, page.seconds if page else job.seconds)


def table(steps: list[Step]) -> pd.DataFrame:
    """report, what is done, expected time."""
    return pd.DataFrame(
        {
            "report": [step.job.label or step.job.name for step in steps],
            "what": [step.state for step in steps],
            "time": [clock(step.seconds) for step in steps],
        }
    )


def _training_seconds(request: Request, run: Experiment) -> float:
    """Of the same system trained on this machine before, else from a few timed steps."""
    jobs = request.runs[run]["jobs"]
    same = experiments.find(system=run.system, corpus=run.corpus, config=run.config)
    for key in same["key"][same["folds"] == same["of"]]:
        if (paths.RUNS / f"{key}.zip").is_file():
            return store.seconds(key) / jobs
    views = request.views_of(run)
    task = experiments.task_of(run, views, request.options.device)
    if not systems.neural(task.module):
        return CLASSIFIER_SECONDS
    return training.estimate(task, experiments.folds_of(run, views.clips), jobs)
