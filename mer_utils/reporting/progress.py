"""What each report needs and how long it takes, before it is made and while it is."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .. import experiments, paths
from ..experiments import Experiment, store
from . import pages
from .execution import Job
from .pages import clock
from .request import TEMPLATE, Request, choose_notebooks, groups_of, metadata

EVERY = 15.0  # seconds between two lines about a run that trains
READERS = 2  # notebooks that train nothing gain by running two at a time, not by more
TYPICAL_SECONDS = 15.0  # of a notebook without a page whose `seconds` do not say more
START_SECONDS = 9.0  # of a notebook that trains: kernel, imports, figures
LEAST_SECONDS = 5.0  # still to be expected of a notebook that takes longer than was expected


@dataclass(frozen=True)
class Step:
    """One report to make."""

    job: Job
    state: str  # what is there already, and why it is made or left
    seconds: float  # expected; 0 where nothing has changed
    run: Experiment | None = None  # that it trains
    folds: int = 0  # of that run, in all
    done: int = 0  # of them, before

    def left(self, passed: float) -> float:
        """Seconds still expected: by the folds that have ended, before the first as expected."""
        if self.run and passed:
            done = len(store.finished_folds(self.run.key))
            if done > self.done:
                return max(passed * (self.folds - done) / (done - self.done), LEAST_SECONDS)
        return max(self.seconds - passed, LEAST_SECONDS)


def step(request: Request, job: Job, run: Experiment | None, unchanged: bool) -> Step:
    """What is done for one report."""
    if run and not store.file(run.key):
        folds = len(experiments.folds_of(run, request.views_of(run).clips))
        done = len(store.finished_folds(run.key))
        state = f"trains: {done} of {folds} folds are there" if done else f"trains {folds} folds"
        seconds = START_SECONDS + _training_seconds(request, run) * (1 - done / folds)
        return Step(job, state, seconds, run, folds, done)
    if unchanged:
        return Step(job, "nothing has changed", 0.0)
    page = pages.load(job.page) if job.page.is_file() else None
    seconds = metadata(Path(job.notebook)).get("seconds", TYPICAL_SECONDS)
    state = "a report of the run that is there" if run else "a report"
    return Step(job, state, page.seconds if page else seconds)


def _training_seconds(request: Request, run: Experiment) -> float:
    """Of the same system trained on this machine before, else from a few timed steps."""
    jobs = request.runs[run]["jobs"]
    same = experiments.find(system=run.system, corpus=run.corpus, config=run.config)
    for key in same["key"][same["folds"] == same["of"]]:
        if (paths.RUNS / f"{key}.zip").is_file():
            return store.seconds(key) / jobs
    return experiments.expected_seconds(run, request.views_of(run), request.options.device, jobs)


def plan(steps: list[Step]) -> str:
    """A line a report: what is done for it, and its expected time."""
    if not steps:
        return "Nothing to run: no notebook that was asked for has a run or a view to show."
    lines = [(step.job.label or step.job.name, step.state, clock(step.seconds)) for step in steps]
    return pd.DataFrame(lines, columns=["report", "what", "time"]).to_string(index=False)


def undated_plan(options: argparse.Namespace) -> str:
    """The plan of a command whose clips or views are still to be made: as declared, no times."""
    corpus, groups = groups_of(options)
    names = [path.stem for path in choose_notebooks(options)]
    lines = [(name, "a report") for name in names if name != TEMPLATE]
    if TEMPLATE in names:
        study = experiments.study(corpus, groups, options.smoke)
        for run in pd.concat([study.missing, study.runs.assign(why="trained")]).itertuples():
            if options.ablations or not run.ablation:
                lines.append((f"{run.label}, {run.selection}, seed {run.seed}", run.why))
    table = pd.DataFrame(lines, columns=["report", "what"]).to_string(index=False)
    return f"{table}\nFirst the views of {corpus} are computed; only then are the times known."


class Progress:
    """How many reports are made, and how long the others will take."""

    def __init__(self, steps: list[Step], trained_at_once: int):
        self.steps = {step.job.name: step for step in steps}
        self.to_come = dict(self.steps)
        self.trained_at_once = trained_at_once
        self.began: dict[str, float] = {}
        self.next_line = 0.0

    def left(self) -> float:
        """Seconds until all is done."""
        now, by_kind = time.monotonic(), {"trains": 0.0, "reads": 0.0}
        for name, step in self.to_come.items():
            if step.seconds:
                passed = now - self.began.get(name, now)
                by_kind["trains" if step.run else "reads"] += step.left(passed)
        return by_kind["trains"] / self.trained_at_once + by_kind["reads"] / READERS

    def outlook(self) -> str:
        runs = sum(step.run is not None for step in self.steps.values())
        counts = f"{counted(len(self.steps), 'report')}, {counted(runs, 'run')} to train"
        return f"{counts}: about {clock(self.left())}"

    def started(self, job: Job) -> None:
        self.began[job.name] = time.monotonic()
        self.next_line = self.began[job.name] + EVERY

    def tick(self) -> None:
        """A line now and then about each run that trains."""
        if time.monotonic() < self.next_line:
            return
        self.next_line = time.monotonic() + EVERY
        for name, step in self.to_come.items():
            if step.run and name in self.began:
                done, left = len(store.finished_folds(step.run.key)), clock(self.left())
                say(f"        {name}: {done} of {step.folds} subjects, about {left} left")

    def ended(self, job: Job, remark: str = "") -> None:
        del self.to_come[job.name]
        total, began, left = len(self.steps), self.began.get(job.name), self.left()
        parts = [clock(time.monotonic() - began) if began else "", remark]
        parts.append(f"about {clock(left)} left" if left else "")
        number = f"[{total - len(self.to_come):>2}/{total}]"
        say(f"{number} {job.label or job.name}: {', '.join(filter(None, parts))}")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def say(line: str) -> None:
    print(line, flush=True)
