"""Runs the study: views once, every notebook in a fresh kernel, a report of each."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import nbformat
import pandas as pd

from .. import environment, experiments, paths
from ..evaluation import logs, statistics
from ..experiments import store
from ..preprocessing.views import Views
from . import execution, pages, plan
from .execution import EXECUTED, FAILED, Job
from .progress import Progress, Step, clock, say
from .request import TEMPLATE, Request, metadata, prepare, trained_at_once


def main(options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    began = time.monotonic()
    request = prepare(options)
    same = source_hash() + (data_hash(request.given) if request.given else "")
    stages = stages_of(request, same)
    steps = [step for stage in stages for step in stage]
    progress = Progress(steps, trained_at_once(options))
    if options.plan:
        print(plan.table(steps).to_string(index=False))
    say(progress.outlook())
    if options.plan:
        return 0
    try:
        failed = run(request, stages, progress, same)
    finally:
        index = write_index()
    pages.write(paths.REPORTS / "environment.lock", environment.lock())
    if request.runs and not (options.smoke or options.ablations):
        write_results(request)
    for name in failed:
        say(f"FAILED: {name}; {paths.HTML / request.folder / name}.html ends with the error")
    say(f"Reports after {clock(time.monotonic() - began)}: {index}")
    return int(bool(failed))


# --- jobs -----------------------------------------------------------------------------------------


def stages_of(request: Request, same: str) -> tuple[list[Step], list[Step], list[Step]]:
    """Notebooks before the training; runs to train; reports of finished runs, and what reads them.

    same: hash of what all reports show.
    """
    options = request.options
    data = str(options.data.expanduser().resolve()) if options.data else ""
    shared = {"corpus": request.corpus, "data": data, "smoke": options.smoke}
    shared |= {"runs": request.groups}
    before, training, after = [], [], []
    for path in request.notebooks:
        if path.stem == TEMPLATE:
            for experiment, own in request.runs.items():
                finished = store.file(experiment.key)
                if options.ablations and finished:
                    continue  # 52_ablations reads it; a page for each of a hundred is of no use
                name = f"{TEMPLATE}-{experiment.key}"
                label = f"{own['label']}, {experiment.selection}, seed {experiment.seed}"
                job = _job(request, path, name, label, shared | own)
                (after if finished else training).append((job, experiment))
        else:
            early = path.stem < TEMPLATE and not path.stem.startswith("40")
            (before if early else after).append((_job(request, path, path.stem, "", shared), None))
    # the systems with most to train are last in the table: first, so that none is left alone
    training.reverse()
    unchanged = {job.name for job, _ in before if not options.again and is_made(job, same)}
    if not training:  # else the runs on disk will be others
        read = same + runs_hash()
        unchanged |= {job.name for job, _ in after if not options.again and is_made(job, read)}
    return tuple(
        [plan.step(request, job, experiment, job.name in unchanged) for job, experiment in stage]
        for stage in (before, training, after)
    )


def _job(request: Request, path: Path, name: str, label: str, given: dict) -> Job:
    """A job that passes what the notebook's parameters cell knows, and nothing else."""
    known = execution.parameters(path)
    return Job(
        notebook=str(path),
        name=name,
        corpus=request.folder,
        executed=str(paths.EXECUTED / request.folder),
        html=str(paths.HTML / request.folder),
        parameters={field: value for field, value in given.items() if field in known},
        label=label,
        seconds=metadata(path).get("seconds", plan.TYPICAL_SECONDS),
    )


def run(request: Request, stages: Sequence[list[Step]], progress: Progress, same: str) -> list[str]:
    """Make all reports; names of those whose notebook failed. Others go on."""
    before, training, after = stages
    at_once = max(1, min(request.options.jobs, 4))
    failed = execute(before, at_once, progress, same)
    failed += execute(training, trained_at_once(request.options), progress, same)
    return failed + execute(after, at_once, progress, same + runs_hash())


def execute(steps: Sequence[Step], at_once: int, progress: Progress, same: str) -> list[str]:
    """Run the jobs of steps as processes of their own, `at_once` at a time; names of failed ones.

    same: hash of what all of them show, to tell later whether a report would be the same.
    """
    running: dict[str, tuple[Job, subprocess.Popen]] = {}
    failed, waiting = [], []
    for step in steps:
        if step.unchanged:
            progress.ended(step.job, "nothing has changed")
        else:
            waiting.append(step.job)
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                running[job.name] = (job, _start(job))
                progress.started(job)
            time.sleep(0.2)
            progress.tick()
            for name, (job, process) in list(running.items()):
                status = process.poll()
                if status is None:
                    continue
                del running[name]
                process.stdin.close()
                if status not in (EXECUTED, FAILED):
                    _record_crash(job, status)
                if status == EXECUTED:
                    _log(job).unlink(missing_ok=True)
                    _mark(job).write_text(_made_from(job, same), encoding="utf-8")
                else:
                    _mark(job).unlink(missing_ok=True)
                    failed.append(name)
                progress.ended(job, "" if status == EXECUTED else "FAILED, the others go on")
    finally:
        for _, process in running.values():
            process.stdin.close()  # tells it to stop its kernel and itself
        for _, process in running.values():
            process.wait()
    return failed


def _start(job: Job) -> subprocess.Popen:
    """A job as a process of its own session: it is stopped through its stdin, by nothing else."""
    surroundings = {
        # one thread each: runs side by side, and training uses a process per core
        "OMP_NUM_THREADS": "1",
        **os.environ,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": os.pathsep.join(
            filter(None, (str(paths.ROOT), os.environ.get("PYTHONPATH")))
        ),
    }
    log = _log(job)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        return subprocess.Popen(
            execution.command(job),
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=surroundings,
            start_new_session=True,
        )


def _record_crash(job: Job, status: int) -> None:
    """A page for a job whose process ended before it could make one."""
    lines = _log(job).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    error = RuntimeError(f"the process of this notebook ended with {how}: {(lines or [''])[-1]}")
    notebook = nbformat.read(job.notebook, as_version=4)
    execution.write(job, execution.stopped(notebook, error), time.time())


def _log(job: Job) -> Path:
    """What a job's process itself prints; kept when it failed."""
    return Path(job.executed) / f"{job.name}.log"


# --- whether a report would show the same ---------------------------------------------------------


def data_hash(views: Views) -> str:
    """Changes with every clip, every exclusion and every value of a view."""
    tables = [
        table.drop(columns="frames", errors="ignore") for table in (views.clips, views.exclusions)
    ]
    text = "".join(table.to_csv(index=False) for table in tables)
    return _hash(text.encode(), experiments.fingerprint(views, tuple(views.arrays)).encode())


def source_hash() -> str:
    """Of every file of the package, and of the packages installed."""
    sources = sorted(path for path in paths.PACKAGE.rglob("*") if path.is_file())
    contents = [path.read_bytes() for path in sources if path.suffix != ".pyc"]
    return _hash(*contents, environment.lock().encode())


def runs_hash() -> str:
    """Of which runs are on disk, and how many folds of each."""
    files = [*paths.RUNS.glob("*.zip"), *paths.KEPT.glob("*/*.zip"), *paths.RUNS.glob("*/folds/*")]
    names = sorted(f"{path.parent.parent.name} {path.name}" for path in files)
    return _hash("\n".join(names).encode())


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _made_from(job: Job, same: str) -> str:
    """Hash of all that a report shows: notebook, parameters, sources, data, runs."""
    parameters = json.dumps(job.parameters, sort_keys=True)
    return _hash(Path(job.notebook).read_bytes(), parameters.encode(), same.encode())


def _mark(job: Job) -> Path:
    return execution.executed_copy(job).with_suffix(".made")


def is_made(job: Job, same: str) -> bool:
    page, mark = Path(job.html) / f"{job.name}.html", _mark(job)
    there = page.is_file() and mark.is_file()
    return there and mark.read_text(encoding="utf-8") == _made_from(job, same)


# --- what is left when all is done ----------------------------------------------------------------


def write_index(html: Path | None = None) -> Path:
    """The page that lists every report made so far, of every corpus; those of a clone too."""
    html = html or paths.HTML
    reports = [pages.load(path) for path in sorted(html.glob("*/*.html"))]
    results = {
        path.stem.removesuffix("_results"): pd.read_csv(path)
        for path in sorted(paths.TABLES.glob("*_results.csv"))
    }
    pages.write(html / "index.html", pages.index([report for report in reports if report], results))
    return html / "index.html"


def write_results(request: Request) -> pd.DataFrame:
    """The table and the rows of the study's finished runs, ablations and leaks left out."""
    study = experiments.study(request.corpus, request.groups)
    runs = study.runs[~study.runs["ablation"].astype(bool) & (study.runs["leak"] == "")]
    if not len(runs):
        return pd.DataFrame()
    rows = study.rows(runs)
    logs.write_rows(rows, paths.PREDICTIONS / f"{request.corpus}.csv.gz")
    presets = runs.drop_duplicates(["label", "selection"])[["label", "selection", "preset"]]
    presets = presets.rename(columns={"label": "system"})
    table = statistics.summary(rows).merge(presets, on=["system", "selection"])
    path = paths.TABLES / f"{request.corpus}_results.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.4f", lineterminator="\n")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    say(f"Table of all that was run on {request.corpus}: {path}")
    return table


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
