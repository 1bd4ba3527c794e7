"""The study as one command: views once, every notebook in a fresh kernel, a report of each."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from .. import environment, paths
from ..errors import StudyError
from . import execution
from .execution import EXECUTED, FAILED, Job

if TYPE_CHECKING:
    import pandas as pd

    from ..corpora import Corpus
    from ..experiments import Experiment
    from ..preprocessing.views import Views

# Nothing above needs more than Python: `--help` works before there is an environment.

SELECTIONS = ("last", "inner")  # test_picked is computed afterwards, to price the leak
TEMPLATE = "41_loso"  # the only notebook that trains: one report per run
ABLATIONS, ANSWERS = "ablations", "52_ablations"  # the word that trains what the notebook reads
TYPICAL_SECONDS = 12.0  # of a notebook that trains nothing, on 2 cores; only for the time left
TRAINING_SECONDS = 90.0  # of a run nobody has timed here yet
ARGUMENT_ERROR, FAILURE, INTERRUPTED = 2, 1, 130

EPILOG = """
examples:
  ./run_all.sh                                        everything, on the synthetic corpora
  ./run_all.sh --notebooks 00,01                      two notebooks only
  ./run_all.sh --corpus megc2019_flow --systems svm,mhssa_gcn --seeds 0,1,2
  ./run_all.sh --systems mhssa_gcn/as_coded --set mhssa_gcn.learning_rate=1e-3
  ./run_all.sh ablations --systems mhssa_gcn --seeds 0,1,2
                                                      trains what 52_ablations asks and is missing
  ./run_all.sh test -k protocol                       part of the test suite

Finished folds are kept under data/runs: a stopped command goes on where it stopped.
Exit status: 0 all reports made; 1 a notebook failed (the index says which); 2 a mistake in the
command line or the data, told in one line; 130 interrupted.
"""


class Parser(argparse.ArgumentParser):
    """One line for a mistake, with the option that was probably meant."""

    def error(self, message: str) -> NoReturn:
        raise StudyError(message)

    def parse(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        words = list(sys.argv[1:] if arguments is None else arguments)
        command = words.pop(0) if words[:1] == [ABLATIONS] else "study"
        options, unknown = self.parse_known_args(words)
        options.command = command
        if unknown:
            word = unknown[0].partition("=")[0]
            known = [name for action in self._actions for name in action.option_strings]
            known.append(ABLATIONS)
            meant = difflib.get_close_matches(word, known, n=1, cutoff=0.0)
            raise StudyError(f"{word} is not known, the nearest is {meant[0]}; see --help")
        return options


def parser() -> Parser:
    """The command line; `run_all.sh` hands everything over to it."""
    systems = ", ".join(
        sorted(
            path.stem
            for path in (paths.PACKAGE / "systems").glob("*.py")
            if "\nTITLE" in path.read_text(encoding="utf-8")
        )
    )
    made = Parser(
        prog="./run_all.sh",
        usage="%(prog)s [ablations] [options]",
        description="Runs the notebooks of the study in fresh kernels and makes reports of them. "
        "With the word ablations: trains every system (or --systems) as described and with each "
        "change that 52_ablations asks about, as far as that is missing, and answers it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    data = made.add_argument_group("what to study")
    data.add_argument(
        "--corpus",
        default="synthetic",
        metavar="NAME",
        help="synthetic (default), casme2, samm, smic, megc2019, megc2019_flow, own (a csv of your "
        "clips) or another; `python -m mer_utils.corpora` names all and what is there; casme2-5 is "
        "casme2 in five classes, casme2-midpoint with another apex (data/README.md)",
    )
    data.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="folder of that corpus; default: data/raw/NAME, as data/README.md shows",
    )
    data.add_argument(
        "--systems",
        type=_names,
        metavar="A,B",
        help="systems to train, a variant as system/variant; default: all that the corpus can "
        f"feed; known: {systems}",
    )
    data.add_argument(
        "--seeds", type=_seeds, default=(0,), metavar="0,1", help="one run for each; default: 0"
    )
    data.add_argument(
        "--preset",
        default="small",
        choices=("small", "paper"),
        help="small (default): sized for a laptop; paper: every number as published",
    )
    data.add_argument(
        "--selection",
        type=_selections,
        default=("last",),
        metavar="last,inner",
        help="who picks the epoch: nobody (last, default) or subjects of the training set (inner)",
    )
    data.add_argument(
        "--epochs",
        type=_positive,
        metavar="N",
        help="train all neural systems for N epochs instead of the preset's",
    )
    data.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SYSTEM.FIELD=VALUE",
        help="change one field of one system's Config; may be given more than once",
    )
    how = made.add_argument_group("how to run it")
    how.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="to train")
    how.add_argument(
        "--precision",
        default="fp32",
        choices=("fp32", "tf32", "bf16"),
        help="of matrix products while training; runs of two precisions never share a table",
    )
    how.add_argument(
        "--dask",
        default="",
        metavar="ADDRESS",
        help="train on the workers of this Dask scheduler, as tcp://host:8786",
    )
    how.add_argument(
        "--jobs",
        type=_positive,
        default=environment.cores(),
        metavar="N",
        help="processes at once; default: one per core (%(default)s here)",
    )
    how.add_argument(
        "--keep-weights", action="store_true", help="keep the trained weights of every fold"
    )
    how.add_argument(
        "--notebooks",
        type=_names,
        metavar="01,41",
        help="only these, by number or name; what they need is not run first",
    )
    how.add_argument(
        "--again",
        action="store_true",
        help="make every report again, also where nothing that it shows has changed",
    )
    how.add_argument(
        "--smoke",
        action="store_true",
        help="a quick look: notebooks cut their work short, reports go to a folder of their own",
    )
    return made


@dataclasses.dataclass(frozen=True)
class Study:
    """A checked command line: what is to be run."""

    options: argparse.Namespace
    subjects: int  # of the usable clips: as many folds has every run
    data: str  # hash of the clip table, what was left out of it, and every view
    experiments: tuple[Experiment, ...]
    changes: dict[str, dict]  # key of an experiment -> parameters of its own for TEMPLATE
    notebooks: tuple[Path, ...]

    @property
    def folder(self) -> str:
        """Name of this study's folder below reports/html and reports/executed."""
        return self.options.corpus + ("-smoke" if self.options.smoke else "")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    began = time.monotonic()
    study = prepare(options)
    try:
        failed = run(study)
    finally:
        index = write_index()
    pages_of = paths.HTML / study.folder
    _write_lock()
    if study.experiments and not options.smoke and options.command == "study":
        write_results(study)
    for name in failed:
        print(f"FAILED: {name}; {pages_of / name}.html ends with the error")
    print(f"Reports after {_clock(time.monotonic() - began)}: {index}")
    return FAILURE if failed else 0


def prepare(options: argparse.Namespace) -> Study:
    """Check everything that was asked for, make the synthetic corpora, compute the views.

    Raises StudyError before the first notebook runs.
    """
    ablating = options.command == ABLATIONS
    if ablating and options.notebooks:
        raise StudyError(f"ablations runs {TEMPLATE} and {ANSWERS}: leave --notebooks out")
    chosen = choose_notebooks((TEMPLATE, ANSWERS) if ablating else options.notebooks)
    # imported here: pandas and torch take seconds, and a typing mistake should not
    from .. import corpora
    from ..preprocessing import views

    release = options.corpus.partition("-")[0]
    if release not in corpora.CORPORA:
        raise _unknown("corpus", release, corpora.CORPORA)
    plans = plan_ablations(options) if ablating else plan_systems(options)
    if release == "synthetic" and options.data is None:
        from .. import synthetic

        synthetic.write(jobs=options.jobs)
    loaded = corpora.load(options.corpus, options.data)
    options.corpus = loaded.name  # casme2-3 is casme2
    told = f"{len(loaded.clips)} clips of {len(loaded.classes)} classes"
    _say(f"{options.corpus}: {told}; views {', '.join(loaded.views)}")
    chosen = _fed(chosen, loaded, options.notebooks)
    computed = views.compute(loaded, loaded.views, jobs=options.jobs)
    changes: dict[Experiment, dict] = {}
    if any(path.stem == TEMPLATE for path in chosen):
        changes = declare(options, plans, loaded, computed)
    subjects = len(computed.clips[["corpus", "subject"]].drop_duplicates())
    by_key = {experiment.key: own for experiment, own in changes.items()}
    return Study(options, subjects, data_hash(computed), tuple(changes), by_key, chosen)


def data_hash(views: Views) -> str:
    """Changes with every clip, every exclusion and every value of a view."""
    from .. import experiments

    tables = [frame.drop(columns="frames", errors="ignore") for frame in
              (views.clips, views.exclusions)]  # fmt: skip
    text = "".join(frame.to_csv(index=False) for frame in tables)
    return _hash(text.encode(), experiments.fingerprint(views, tuple(views.arrays)).encode())


def choose_notebooks(wanted: Sequence[str] | None, folder: Path | None = None) -> tuple[Path, ...]:
    """Notebooks by number or name; all of them without a choice. In order."""
    folder = folder or paths.NOTEBOOKS
    known = {path.stem: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not known:
        raise StudyError(f"{folder} holds no notebook; restore the folder from git")
    if wanted is None:
        return tuple(known.values())
    numbers = {name.partition("_")[0]: name for name in known}
    chosen = set()
    for word in wanted:
        name = numbers.get(word, word.removesuffix(".ipynb"))
        if name not in known:
            raise _unknown("notebook", word, known)
        chosen.add(name)
    return tuple(path for name, path in known.items() if name in chosen)


def _fed(chosen: Sequence[Path], corpus: Corpus, by_name: Sequence[str] | None) -> tuple[Path, ...]:
    """Notebooks whose views (`needs` in their metadata) the corpus has; what is left out is said.

    Raises StudyError for one that was asked for by name.
    """
    fed = []
    for path in chosen:
        needs = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("needs", [])
        lacks = [view for view in needs if view not in corpus.views]
        if not lacks:
            fed.append(path)
            continue
        told = f"{path.stem}: {corpus.name} has no {', '.join(lacks)}"
        if by_name:
            raise StudyError(f"{told}; data/README.md says what a corpus may hold")
        _say(f"Without {told}")
    return tuple(fed)


def plan_systems(options: argparse.Namespace) -> list[tuple[str, dict, str]]:
    """(system, overrides, inputs) of every run: fields that --epochs and --set change."""
    from .. import systems

    chosen = options.systems
    if chosen in (None, ("all",)):
        chosen = tuple(systems.SYSTEMS)
    return _overridden(options, [(name, "") for name in chosen])


def plan_ablations(options: argparse.Namespace) -> list[tuple[str, dict, str]]:
    """The same for every question that `ablations` asks of the systems chosen."""
    from .. import systems
    from ..analysis import ablations

    chosen = options.systems
    if chosen in (None, ("all",)):
        chosen = tuple(systems.SYSTEMS)
    return _overridden(options, ablations.plans(chosen, options.preset))


def _overridden(
    options: argparse.Namespace, plans: list[tuple[str, str]]
) -> list[tuple[str, dict, str]]:
    from .. import systems

    common: dict[str, dict] = {name: {} for name, _ in plans}
    for name, fields in common.items():
        module, config = systems.resolve(name, {}, options.preset)
        if options.epochs and hasattr(config, "epochs"):
            fields["epochs"] = options.epochs
    for change in options.set:
        target, equals, value = change.partition("=")
        name, dot, field = target.rpartition(".")
        if not (equals and dot and name and field):
            raise StudyError(f"--set {change}: write it as SYSTEM.FIELD=VALUE")
        mine = [full for full in common if name in (full, full.partition("/")[0])]
        if not mine:
            raise _unknown("system of --set", name, common)
        for full in mine:
            common[full][field] = value
    found = [(name, common[name], inputs) for name, inputs in plans]
    for name, overrides in common.items():
        systems.resolve(name, overrides, options.preset)  # refuses an unknown field
    return found


def declare(
    options: argparse.Namespace,
    plans: Sequence[tuple[str, dict, str]],
    corpus: Corpus,
    views: Views,
) -> dict[Experiment, dict]:
    """One experiment per plan, selection and seed, and the parameters of its own.

    What the corpus cannot feed is said.
    """
    from .. import experiments
    from ..analysis import ablations

    declared: dict[Experiment, dict] = {}
    known, said = {"": views}, set()
    for system, overrides, inputs in plans:
        try:
            if inputs not in known:
                known[inputs] = ablations.views_of(corpus, inputs, options.jobs, progress=True)
            for selection in options.selection:
                for seed in options.seeds:
                    experiment = experiments.declare(
                        system,
                        ablations.corpus_name(options.corpus, inputs),
                        known[inputs],
                        preset=options.preset,
                        seed=seed,
                        selection=selection,
                        precision=options.precision,
                        classes=corpus.classes,
                        **overrides,
                    )
                    # where a change changes nothing here, the run is the system's own
                    described = dataclasses.replace(experiment, system=system.partition("/")[0])
                    if described not in declared:
                        declared[experiment] = {"overrides": overrides, "inputs": inputs}
        except StudyError as error:
            by_name = options.systems not in (None, ("all",)) and options.command == "study"
            if by_name:
                raise
            words = [system, *(f"{field}={value}" for field, value in overrides.items())]
            words += [f"~{inputs}"] if inputs else []
            if str(error) not in said:
                _say(f"Without {' '.join(words)}: {error}")
            said.add(str(error))
    return declared


def jobs(study: Study) -> tuple[list[Job], list[tuple[Job, Experiment]], list[Job]]:
    """The notebooks before the training, the runs that train, the notebooks that read them."""
    options = study.options
    shared = {
        "corpus": options.corpus,
        "data": str(options.data.expanduser().resolve()) if options.data else "",
        "smoke": options.smoke,
    }
    before, training, after = [], [], []
    beside = trained_at_once(options)
    for path in study.notebooks:
        known = execution.parameters(path)
        if path.stem != TEMPLATE:
            stage = before if path.stem < TEMPLATE and not path.stem.startswith("40") else after
            stage.append(_job(study, path, path.stem, "", shared, known))
            continue
        for experiment in study.experiments:
            if options.command == ABLATIONS and finished_folds(experiment) == study.subjects:
                continue  # 52_ablations reads it; a hundred reports of one run each nobody would
            own = study.changes[experiment.key] | {
                "system": experiment.system,
                "preset": options.preset,
                "selection": experiment.selection,
                "seed": experiment.seed,
                "device": options.device,
                "precision": options.precision,
                "dask": options.dask,
                "jobs": max(1, options.jobs // beside),
                "keep_weights": options.keep_weights,
            }
            label = f"{experiment.system}, {experiment.selection}, seed {experiment.seed}"
            changed = study.changes[experiment.key]
            if options.command == ABLATIONS and not changed["inputs"]:
                label += "".join(f", {k}={v}" for k, v in changed["overrides"].items())
            label += f", inputs {changed['inputs']}" if changed["inputs"] else ""
            name = f"{TEMPLATE}-{experiment.key}"
            job = _job(study, path, name, label, shared | own, known)
            training.append((job, experiment))
    return before, training, after


def _job(study: Study, path: Path, name: str, label: str, given: dict, known: dict) -> Job:
    """A job that passes what the notebook's parameters cell knows, and nothing else."""
    return Job(
        notebook=str(path),
        name=name,
        corpus=study.folder,
        executed=str(paths.EXECUTED / study.folder),
        html=str(paths.HTML / study.folder),
        parameters={field: value for field, value in given.items() if field in known},
        label=label,
    )


def run(study: Study) -> list[str]:
    """Run all jobs; names of the reports whose notebook failed. Others go on."""
    before, training, after = jobs(study)
    unfinished = {
        job.name: experiment
        for job, experiment in training
        if finished_folds(experiment) < study.subjects
    }
    _tell_of_kept(study.options.corpus, {run.key for run in unfinished.values()})
    beside = trained_at_once(study.options)
    every = [*before, *(job for job, _ in training), *after]
    clock = Clock(every, unfinished, study.subjects, beside)
    at_once = max(1, min(study.options.jobs, 4))
    # a run that is finished already trains nothing: its report is made like any other
    finished = [job for job, _ in training if job.name not in unfinished]
    # the systems with most to train stand last in the table: first, so that none is left alone
    trained = [job for job, _ in reversed(training) if job.name in unfinished]
    same = source_hash() + study.data
    failed = execute(before, at_once, clock, study, same)
    failed += execute(trained, beside, clock, study, same)
    return failed + execute([*finished, *after], at_once, clock, study, same + runs_hash())


def _tell_of_kept(corpus: str, unfinished: set[str]) -> None:
    """Say how runs that lie beside the reports are had without training."""
    from ..experiments import archive

    if found := unfinished & archive.kept(corpus):
        _say(
            f"{len(found)} of {len(unfinished)} runs to train are in {paths.KEPT / corpus}: "
            f"`python -m mer_utils.experiments.archive restore {corpus}` lays them out untrained"
        )


def trained_at_once(options: argparse.Namespace) -> int:
    """Two runs share the cores, so that one trains while the other starts or draws its report.

    A GPU, and workers elsewhere, get one run after the other: each of them fills those.
    """
    from .. import training

    alone = options.dask or training.choose_device(options.device) == "cuda"
    return 1 if alone else min(2, options.jobs)


def execute(batch: Sequence[Job], at_once: int, clock: Clock, study: Study, same: str) -> list[str]:
    """Run jobs as processes of their own, `at_once` beside each other; names of failed ones.

    same: hash of what all of them show.  A report made from the same notebook, parameters and
    sources is left as it is.
    """
    running: dict[str, tuple[Job, subprocess.Popen]] = {}
    failed, waiting = [], []
    for job in batch:
        if not study.options.again and _is_made(job, same):
            clock.unchanged(job)
        else:
            waiting.append(job)
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                running[job.name] = (job, _start(job))
                clock.started(job)
            time.sleep(0.2)
            clock.tick()
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
                clock.ended(job, ok=status == EXECUTED)
    finally:
        for _, process in running.values():
            process.stdin.close()  # tells it to stop its kernel and itself
        for _, process in running.values():
            process.wait()
    return failed


def source_hash() -> str:
    """Of every file of the package, and of the packages installed."""
    sources = sorted(path for path in paths.PACKAGE.rglob("*") if path.is_file())
    contents = [path.read_bytes() for path in sources if path.suffix != ".pyc"]
    return _hash(*contents, environment.lock().encode())


def runs_hash() -> str:
    """Of which runs are on disk, and how many folds of each."""
    runs = sorted(path.parent for path in paths.RUNS.glob("*/experiment.json"))
    folds = [f"{run.name} {len(list((run / 'folds').glob('*.csv')))}" for run in runs]
    return _hash("\n".join(folds).encode())


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


def _is_made(job: Job, same: str) -> bool:
    page, mark = Path(job.html) / f"{job.name}.html", _mark(job)
    there = page.is_file() and mark.is_file()
    return there and mark.read_text(encoding="utf-8") == _made_from(job, same)


def finished_folds(experiment: Experiment) -> int:
    """How many left-out subjects of a run are on disk."""
    return len(list((paths.RUNS / experiment.key / "folds").glob("*.csv")))


class Clock:
    """Lines of progress, with the time left as far as earlier runs tell it."""

    EVERY = 15.0  # seconds between two lines about a run that trains

    def __init__(
        self,
        all_jobs: Sequence[Job],
        training: dict[str, Experiment],
        subjects: int,
        beside: int = 1,
    ):
        self.beside = beside  # how many runs train at once
        self.training = training  # names of the jobs that have something to train
        self.subjects = subjects
        self.expected = {job.name: self._expected(job) for job in all_jobs}
        self.began: dict[str, float] = {}
        self.folds: dict[str, int] = {}  # how many were there when a run began
        self.count = 0
        self.next_line = 0.0

    def _expected(self, job: Job) -> float:
        if job.name in self.training:
            return TRAINING_SECONDS
        page = Path(job.html) / f"{job.name}.html"
        if TEMPLATE in job.name or not page.is_file():
            return TYPICAL_SECONDS
        from . import pages  # takes a second, which only who made reports before has to wait

        before = pages.load(page)
        return before.seconds if before else TYPICAL_SECONDS

    def left(self) -> float:
        """Seconds left; reports made side by side are counted at two at a time."""
        now = time.monotonic()
        alone = shared = 0.0
        for name, expected in self.expected.items():
            seconds = max(expected - (now - self.began.get(name, now)), 1.0)
            if name in self.training:
                alone += seconds
            else:
                shared += seconds
        return alone / self.beside + shared / 2

    def started(self, job: Job) -> None:
        self.began[job.name] = time.monotonic()
        self.next_line = time.monotonic() + self.EVERY
        if job.name in self.training:
            self.folds[job.name] = finished_folds(self.training[job.name])

    def tick(self) -> None:
        """A line now and then about a run that trains: its folds, and the time left."""
        now = time.monotonic()
        if now < self.next_line:
            return
        self.next_line = now + self.EVERY
        for name, began in self.began.items():
            if name in self.training and name in self.expected:
                done = finished_folds(self.training[name])
                new = done - self.folds[name]
                if new:
                    share = new / (self.subjects - self.folds[name])
                    self.expected[name] = (now - began) / share
                _say(f"        {name}: {done} of {self.subjects} subjects, {self._left()}")

    def ended(self, job: Job, ok: bool) -> None:
        self.count += 1
        seconds = time.monotonic() - self.began[job.name]
        total = self.count + len(self.expected) - 1
        del self.expected[job.name]
        what = "" if ok else "  FAILED, the others go on"
        left = self._left() if self.expected else ""
        _say(f"[{self.count:>2}/{total}] {job.label or job.name}: {_clock(seconds)}{what}  {left}")

    def unchanged(self, job: Job) -> None:
        """A report that is left as it is."""
        self.count += 1
        total = self.count + len(self.expected) - 1
        del self.expected[job.name]
        _say(f"[{self.count:>2}/{total}] {job.label or job.name}: nothing has changed")

    def _left(self) -> str:
        return f"about {_clock(self.left())} left"


def write_index(html: Path | None = None) -> Path:
    """The page that lists every report made so far, of every corpus; those of a clone too."""
    import pandas as pd

    from . import pages

    html = html or paths.HTML
    reports = [pages.load(path) for path in sorted(html.glob("*/*.html"))]
    results = {
        path.stem.removesuffix("_results"): pd.read_csv(path)
        for path in sorted(paths.TABLES.glob("*_results.csv"))
    }
    pages.write(html / "index.html", pages.index([known for known in reports if known], results))
    return html / "index.html"


def write_results(study: Study) -> pd.DataFrame:
    """Print the table of this study's finished runs.

    Kept are the table and the rows of all that may stand beside them, trained now or before.
    """
    import pandas as pd

    from .. import experiments
    from ..corpora.table import KEY
    from ..evaluation import logs, statistics

    rows = [
        experiments.load(experiment)
        for experiment in study.experiments
        if finished_folds(experiment) == study.subjects
    ]
    if not rows:
        return pd.DataFrame()
    rows = pd.concat(rows, ignore_index=True)
    runs = experiments.comparable(study.options.corpus, rows.drop_duplicates(KEY))
    asked = {experiment.system for experiment in study.experiments}
    beside = runs[~runs["system"].str.contains("/") | runs["system"].isin(asked)]
    every = experiments.gather(beside)
    logs.write_rows(every, paths.PREDICTIONS / f"{study.options.corpus}.csv.gz")
    path = paths.TABLES / f"{study.options.corpus}_results.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    presets = beside.drop_duplicates(["system", "selection"])[["system", "selection", "preset"]]
    table = statistics.summary(every).merge(presets, on=["system", "selection"])
    table.to_csv(path, index=False, float_format="%.4f", lineterminator="\n")
    shown = statistics.summary(rows)
    print(shown.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    print(f"Table of all that was run on {study.options.corpus}: {path}")
    return table


def _start(job: Job) -> subprocess.Popen:
    """A job as a process of its own session: it is stopped through its stdin, by nobody else."""
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
    import nbformat

    words = _log(job).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    error = RuntimeError(f"the process of this notebook ended with {how}: {(words or [''])[-1]}")
    notebook = nbformat.read(job.notebook, as_version=4)
    execution.write(job, execution.stopped(notebook, error), time.time())


def _log(job: Job) -> Path:
    """What a job's process itself prints; kept when it failed."""
    return Path(job.executed) / f"{job.name}.log"


def _write_lock() -> None:
    from . import pages

    pages.write(paths.REPORTS / "environment.lock", environment.lock())


def _unknown(what: str, name: str, known: Iterable[str]) -> StudyError:
    meant = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    return StudyError(f"{what} {name!r} is not known, the nearest is {meant[0]!r}")


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not names:
        raise argparse.ArgumentTypeError("give one name or more, with commas between them")
    return names


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in _names(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are not whole numbers like 0,1,2") from error


def _selections(text: str) -> tuple[str, ...]:
    names = _names(text)
    for name in names:
        if name not in SELECTIONS:
            raise argparse.ArgumentTypeError(str(_unknown("selection", name, SELECTIONS)))
    return names


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, flush=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(ARGUMENT_ERROR)
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on where it stopped.", file=sys.stderr)
        sys.exit(INTERRUPTED)
