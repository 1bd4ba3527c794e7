"""Runs the study: views once, every notebook in a fresh kernel, a report of each."""

import argparse
import contextlib
import glob
import hashlib
import json
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from operator import attrgetter
from pathlib import Path

import nbformat

from .. import environment, experiments, paths
from ..corpora.table import FRAME_NUMBERS, KEY
from ..evaluation import logs, statistics
from ..experiments import store
from ..preprocessing.cache import NotCached
from ..preprocessing.views import Views
from . import execution, exports, pages
from .execution import FAILED, STOPPED, Job
from .progress import Progress, Step, clock, counted, plan, say, step, undated_plan
from .request import TEMPLATE, Request, prepare, trained_at_once


def main(options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidied up as after Ctrl-C
    began = time.monotonic()
    if paths.ROOT in paths.DATA.parents and paths.DATA != paths.ROOT / "data" and not options.plan:
        pages.write(paths.DATA / ".gitignore", "*\n")  # no face gets into a commit
    try:
        request = prepare(options)
    except NotCached:
        print(undated_plan(options))
        return 0
    same = source_hash() + (data_hash(request.given) if request.given else "")
    if not options.plan:
        forget_other_clips(request)
    before, training, after = stages_of(request, same)
    steps, side_by_side = [*before, *training, *after], trained_at_once(options)
    progress = Progress(steps, side_by_side)
    if options.plan:
        print(plan(steps), progress.outlook(), sep="\n")
        return 0
    say(progress.outlook())
    at_once = min(options.jobs, 4)
    try:
        failed = execute([*before, *training], at_once, progress, same, trained=side_by_side)
        failed += execute(after, at_once, progress, same, runs_hash(request.corpus))
    finally:
        index = pages.write_index(paths.REPORTS)
    pages.write(paths.REPORTS / "environment.lock", environment.lock())
    if request.runs and not (options.smoke or options.ablations):
        write_results(request)
    for name in failed:
        page = paths.HTML / request.folder / f"{name}.html"
        say(f"FAILED: {name}: {pages.load(page).error}; {page} ends with the error")
    say(f"Reports after {clock(time.monotonic() - began)}: {index}")
    return int(bool(failed))


# --- jobs -----------------------------------------------------------------------------------------


def stages_of(request: Request, same: str) -> list[list[Step]]:
    """Notebooks before the training; runs to train; finished runs, and what reads them."""
    options = request.options
    data = str(options.data.expanduser().resolve()) if options.data else ""
    shared = {"corpus": request.corpus, "data": data, "smoke": options.smoke}
    shared |= {"runs": request.groups}
    before, training, after = [], [], []
    for path in request.notebooks:
        if path.stem != TEMPLATE:
            early = path.stem < TEMPLATE and not path.stem.startswith("40")
            (before if early else after).append((_job(request, path, path.stem, "", shared), None))
            continue
        for experiment, fields in request.runs.items():
            finished = store.file(experiment.key)
            if options.ablations and finished:
                continue  # 52_ablations reads it; a page for each of a hundred is of no use
            label = f"{fields['label']}, {experiment.selection}, seed {experiment.seed}"
            job = _job(request, path, f"{TEMPLATE}-{experiment.key}", label, shared | fields)
            (after if finished else training).append((job, experiment))
    # what reads runs is left alone only where none is to be trained: else they will be others
    runs = "to be trained" if training else runs_hash(request.corpus)

    def stage(jobs: list[tuple], runs: str = "") -> list[Step]:
        unchanged = [not options.again and is_made(job, same, runs) for job, _ in jobs]
        return [step(request, *job, left) for job, left in zip(jobs, unchanged, strict=True)]

    stages = stage(before), stage(training), stage(after, runs)
    # those that take longest first, so that none is left alone
    return [sorted(steps, key=attrgetter("seconds"), reverse=True) for steps in stages]


def _job(request: Request, path: Path, name: str, label: str, given: dict) -> Job:
    """A job that passes what the notebook's parameters cell knows, and nothing else."""
    names, folder = execution.parameters(path), request.folder
    given = {name: value for name, value in given.items() if name in names}
    given = json.loads(json.dumps(given))  # papermill would write a tuple as a text
    places = str(paths.EXECUTED / folder), str(paths.HTML / folder)
    return Job(str(path), name, folder, *places, given, label)


def execute(
    steps: Sequence[Step],
    at_once: int,
    progress: Progress,
    same: str,
    runs: str = "",
    trained: int | None = None,
) -> list[str]:
    """Run the jobs, `at_once` at a time; names of failed ones.  same, runs: as `_made_from`.

    trained: of those that train, at most so many at a time; None for `at_once`.
    """
    slots = threading.Semaphore(trained or at_once)
    failed = []
    for one in steps:
        if not one.seconds:
            progress.ended(one.job, "nothing has changed")

    def make(one: Step) -> str:
        with slots if one.folds else contextlib.nullcontext():
            return run(one.job)

    def run(job: Job) -> str:
        progress.started(job)
        job.file(".made").unlink(missing_ok=True)
        try:
            return execution.run(job)
        except Exception as error:  # no page can be made of what came out: one that says so
            notebook = nbformat.read(job.notebook, as_version=4)
            execution.write(job, notebook, time.time(), error)
            return FAILED

    with ThreadPoolExecutor(at_once) as pool:
        jobs = {pool.submit(make, one): one.job for one in steps if one.seconds}
        waiting = set(jobs)
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                progress.tick()
                for future in done:
                    job, status = jobs[future], future.result()
                    page, remark = pages.load(job.page), ""
                    if status == FAILED:
                        failed.append(job.name)
                        remark = f"FAILED with {page.error}, the others go on"
                    else:
                        job.file(".made").write_text(_made_from(job, same, runs), encoding="utf-8")
                        remark = page.answer.rstrip(".") if status == STOPPED else ""
                    progress.ended(job, remark)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in jobs):  # interrupted
                execution.interrupt()
                time.sleep(0.2)
    return failed


# --- whether a report would show the same ---------------------------------------------------------


def data_hash(views: Views) -> str:
    """Changes with every clip, every exclusion and every value of a view."""
    tables = (views.clips.drop(columns="frames", errors="ignore"), views.exclusions)
    texts = [table.to_csv(index=False) for table in tables]
    return _hash(texts, experiments.fingerprint(views, tuple(views.arrays)))


def source_hash() -> str:
    """Of every file of the package, and of the packages installed."""
    files = sorted(path for path in paths.PACKAGE.rglob("*") if path.is_file())
    contents = [path.read_bytes() for path in files if path.suffix != ".pyc"]
    return _hash(contents, environment.lock())


def runs_hash(corpus: str) -> str:
    """Of which runs of a corpus are on disk, the size of each file, and how many folds of each."""
    name = f"{glob.escape(corpus)}[-~]*"
    files = [*paths.RUNS.glob(f"{name}.zip"), *paths.KEPT.glob(f"*/{name}.zip")]
    sizes = [(path.parent.name, path.name, path.stat().st_size) for path in files]
    folds = [(path.parent.parent.name, path.name) for path in paths.RUNS.glob(f"{name}/folds/*")]
    return _hash(sorted(sizes), sorted(folds))


def _hash(*parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _made_from(job: Job, same: str, runs: str) -> str:
    """Hash of all that a report shows: notebook, parameters, what is the `same` for all, `runs`."""
    notebook, parameters = Path(job.notebook), json.dumps(job.parameters, sort_keys=True)
    runs = "" if notebook.stem == TEMPLATE else runs
    return _hash(notebook.read_bytes(), parameters, same, runs)


def is_made(job: Job, same: str, runs: str = "") -> bool:
    mark = job.file(".made")
    there = job.page.is_file() and mark.is_file()
    return there and mark.read_text(encoding="utf-8") == _made_from(job, same, runs)


def forget_other_clips(request: Request) -> None:
    """Remove this corpus's reports of other clips, so that counts and scores never mix."""
    corpus, folder = request.corpus, request.folder
    if not request.given or (paths.KEPT / corpus).is_dir():
        return
    mark = paths.EXECUTED / folder / "clips"
    now = _hash(request.given.clips[[*KEY, "label", *FRAME_NUMBERS]].to_csv(index=False))
    if mark.is_file() and mark.read_text(encoding="utf-8") != now:
        kept = [paths.PREDICTIONS / f"{corpus}.csv.gz", paths.TABLES / f"{corpus}_results.csv"]
        for executed in mark.parent.glob("*.ipynb"):
            with contextlib.suppress(ValueError):  # a damaged one names no files
                kept += exports.files(nbformat.read(executed, as_version=4), corpus)
        reports = list((paths.HTML / folder).glob("*.html"))
        for path in [*mark.parent.glob("*.*"), *reports, *([] if request.options.smoke else kept)]:
            path.unlink(missing_ok=True)
        say(
            f"{counted(len(reports), 'report')} of {folder} on other clips, and their tables "
            "and figures, are removed; data/README.md says how to keep data of your own apart"
        )
    pages.write(mark, now)


# --- what is left when all is done ----------------------------------------------------------------


def write_results(request: Request) -> None:
    """The table and the rows of the study's finished runs, ablations and leaks left out."""
    study, names = experiments.study(request.corpus, request.groups), ["system", "selection"]
    runs = study.results
    if runs.empty:
        return
    rows = study.rows(runs)
    logs.write_rows(rows, paths.PREDICTIONS / f"{request.corpus}.csv.gz")
    presets = runs.assign(system=runs["label"])[[*names, "preset"]].drop_duplicates(names)
    table = statistics.summary(rows).merge(presets, on=names)
    path = paths.TABLES / f"{request.corpus}_results.csv"
    pages.write(path, table.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
    print(table.to_string(index=False, float_format="{:.3f}".format))
    say(f"Table of all that was run on {request.corpus}: {path}")
