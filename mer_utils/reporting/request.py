"""What a command asks for: its corpus, the runs of its study, its notebooks; checked first."""

import argparse
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import corpora, experiments, paths, synthetic, training
from ..errors import StudyError
from ..experiments import Experiment, studies
from ..experiments.studies import Line
from ..options import unknown_name
from ..preprocessing import views as all_views
from ..preprocessing.cache import NotCached
from ..preprocessing.views import Views

TEMPLATE = "41_loso"  # the only notebook that trains: one report per run
ANSWERS = "52_ablations"  # reads what `ablations` trains
DECLARED = ("preset", "seed", "selection", "precision", "leak")  # of a run, for `declare`


@dataclass(frozen=True)
class Request:
    """A checked command line: what is to be run."""

    options: argparse.Namespace
    corpus: str
    groups: list[dict]  # the runs of the study
    notebooks: tuple[Path, ...]
    runs: dict[Experiment, dict]  # to train, and parameters of their own for TEMPLATE
    views: dict[str, Views]  # that runs train on, by their `inputs`
    given: Views | None = None  # of the whole corpus; None where only rows are read

    @property
    def folder(self) -> str:
        """Name of this study's folder below reports/html and reports/executed."""
        return self.corpus + ("-smoke" if self.options.smoke else "")

    def views_of(self, run: Experiment) -> Views:
        return self.views[self.runs[run]["inputs"]]


def prepare(options: argparse.Namespace) -> Request:
    """Check everything that was asked for, make the synthetic corpora, compute the views.

    Raises StudyError, and NotCached where something would have to be made for a mere plan.
    """
    notebooks = choose_notebooks(options)
    corpus, groups = groups_of(options)
    corpus, release, *_ = corpora.named(corpus)  # casme2-3 is casme2
    studies.expand(groups)  # refuses an unknown system, preset or field
    trains = any(path.stem == TEMPLATE for path in notebooks)
    if options.systems and not trains:
        print(f"Nothing is trained: {TEMPLATE} is not among these notebooks", flush=True)
    if all(metadata(path).get("reads") == "rows" for path in notebooks):
        return Request(options, corpus, groups, notebooks, {}, {})
    jobs = 0 if options.plan else options.jobs
    if release.name == "synthetic" and options.data is None:
        if jobs:
            synthetic.write(jobs=jobs)
        elif not paths.SYNTHETIC.is_dir():
            raise NotCached
    loaded = corpora.load(corpus, options.data)
    counts = f"{len(loaded.clips)} clips of {len(loaded.classes)} classes"
    print(f"{corpus}: {counts}; views {', '.join(loaded.views)}", flush=True)
    notebooks = _fed(notebooks, loaded, by_name=bool(options.notebooks))
    views = all_views.compute(loaded, loaded.views, jobs)
    if len(views.exclusions):
        print(left_out(views, loaded, options.data), flush=True)
    by_inputs = {"": experiments.subset(views) if options.smoke else views}
    groups = studies.pinned(groups, corpus, by_inputs[""])
    runs = declare(options, groups, loaded, by_inputs) if trains else {}
    return Request(options, corpus, groups, notebooks, runs, by_inputs, views)


def left_out(views: Views, loaded: corpora.Corpus, data: Path | None) -> str:
    """How many clips are left out and why, and what names each of them."""
    reasons = views.exclusions["reason"].map(_kind).value_counts()
    kinds = [f"{number} {kind}" for kind, number in reasons.head(3).items()]
    kinds += [f"{reasons[3:].sum()} for other reasons"] if len(reasons) > 3 else []
    words = ["./run_all.sh", "corpora", loaded.name, *([str(data)] if data else [])]
    command = f"`{shlex.join(words)}` names each"
    if more := len(views.exclusions) - len(loaded.exclusions):
        command += f" but {more}, which 01_corpora names too"
    total = len(views.exclusions) + len(views.clips)
    return f"{len(views.exclusions)} of {total} clips left out ({'; '.join(kinds)}); {command}"


def _kind(reason: str) -> str:
    """A reason without its line, its numbers and its names: `onset frame … is not in …`."""
    reason = re.split(r"[:;,(]", re.sub(r"^\S+ line \d+: ", "", reason))[0]
    return re.sub(r"'[^']*'|\S*[\d/\\]\S*", "…", reason).strip()


def groups_of(options: argparse.Namespace) -> tuple[str, list[dict]]:
    """Corpus and runs: of a study file, of the options, or of the corpus's own study file."""
    fields = ("systems", "seeds", "preset", "selections", "precision", "epochs")
    given = {name: getattr(options, name) for name in fields} | {"set": dict(options.set)}
    given = {name: value for name, value in given.items() if value}
    if options.study:
        if given:
            raise StudyError(
                f"--study declares the runs: leave out --{next(iter(given))}, or write it in "
                f"{options.study}"
            )
        corpus, groups = studies.read(options.study)
        if options.corpus not in (None, corpus):
            raise StudyError(f"{options.study} is of {corpus}, --corpus says {options.corpus}")
        return corpus, groups
    corpus = options.corpus or "synthetic"
    if not given:
        return corpus, [dict(group) for group in studies.groups_of(corpus)]
    if "all" in given.get("systems", ()):
        del given["systems"]
    return corpus, [given, given | {"ablations": True}] if options.ablations else [given]


def choose_notebooks(options: argparse.Namespace) -> tuple[Path, ...]:
    """Notebooks by number or name; all of them without a choice. In order."""
    wanted = (TEMPLATE, ANSWERS) if options.ablations else options.notebooks
    every = {path.stem: path for path in sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}
    if not every:
        raise StudyError(f"{paths.NOTEBOOKS} holds no notebook; restore the folder from git")
    numbers = {name.partition("_")[0]: name for name in every}
    names = {word: numbers.get(word, word.removesuffix(".ipynb")) for word in wanted or every}
    if wrong := [word for word, name in names.items() if name not in every]:
        raise unknown_name("notebook", wrong[0], every)
    return tuple(path for name, path in every.items() if name in names.values())


def metadata(notebook: Path) -> dict:
    return json.loads(notebook.read_text(encoding="utf-8"))["metadata"]


def _fed(notebooks: Sequence[Path], corpus, by_name: bool) -> tuple[Path, ...]:
    """Notebooks whose `needs` the corpus has; the others are named, or refused where asked for."""
    lacking = {}
    for path in notebooks:
        lacks = [view for view in metadata(path).get("needs", []) if view not in corpus.views]
        if lacks:
            lacking[path] = f"{path.stem}: {corpus.name} has no {', '.join(lacks)}"
    for message in lacking.values():
        if by_name:
            raise StudyError(f"{message}; data/README.md says what a corpus may hold")
        print(f"Without {message}", flush=True)
    return tuple(path for path in notebooks if path not in lacking)


def declare(
    options: argparse.Namespace, groups: list[dict], corpus, by_inputs: dict[str, Views]
) -> dict[Experiment, dict]:
    """The runs to train, each with the parameters of its own; what the corpus cannot feed is said.

    by_inputs: the usual views as "", to which those of other inputs are added.  Ablations are
    trained by the command of that name.
    """
    runs, refused, taken, why = {}, {}, 0, ""
    elsewhere = studies.read_elsewhere(corpus.name, by_inputs[""])
    for line in studies.expand(groups):
        if line.ablation and not options.ablations:
            continue
        parameters = parameters_of(line, options)
        # the last notebooks ask what the networks have learned
        parameters["keep_weights"] |= corpus.synthetic and not line.ablation
        try:
            if line.inputs not in by_inputs:
                jobs = 0 if options.plan else options.jobs
                views = experiments.views_of(corpus, line.inputs, jobs)
                by_inputs[line.inputs] = experiments.subset(views) if options.smoke else views
            name = experiments.corpus_name(corpus.name, line.inputs, options.smoke)
            given = {field: parameters[field] for field in DECLARED} | line.overrides
            given |= {"classes": corpus.classes}
            run = experiments.declare(line.system, name, by_inputs[line.inputs], **given)
        except StudyError as error:
            same = {name: getattr(line, name) for name in ("system", *DECLARED)}
            found = experiments.find(corpus=corpus.name, labels="true", **same)
            if not line.inputs and found["data"].isin(elsewhere).any():
                taken += 1  # it reads a view that this copy of the corpus lacks
                continue
            if line.by_name and not line.ablation:
                raise
            refused.setdefault(str(error), []).append(line.label)
            continue
        kept = replace(run, data=elsewhere.get(run.data, run.data))
        if experiments.file(kept.key) and kept != run:
            taken += 1  # as it is: 41 would train it on the landmarks of this machine
        elif not experiments.file(kept.key) and (why := _untrainable(kept, run, options)):
            refused.setdefault(why, []).append(line.label)
        else:
            runs[run] = parameters
    for reason, labels in refused.items():
        print(f"Without {', '.join(dict.fromkeys(labels))}: {reason}", flush=True)
    if taken:
        print(
            f"As they are in reports/runs: {taken} of the runs, of other landmarks than these or "
            "of a view that is not here; move that folder away to train all anew",
            flush=True,
        )
    if why and not (runs or taken):
        raise StudyError(f"no run can be trained here: {why}")
    return runs


def _untrainable(kept: Experiment, run: Experiment, options: argparse.Namespace) -> str:
    """Why this machine cannot train a run that belongs to those in reports/runs, or ""."""
    if kept != run:
        return (
            "the landmarks are fitted otherwise on this machine than for the runs in reports/runs: "
            "train it where those were trained, or move them away to train all anew"
        )
    on_cpu = not options.dask and training.choose_device(options.device) == "cpu"
    if run.precision == "tf32" and on_cpu:
        return "precision tf32 is a GPU's: train it on one, or with another --precision"
    return ""


def parameters_of(line: Line, options: argparse.Namespace) -> dict:
    """What TEMPLATE is given for one run."""
    names = ("label", "system", "preset", "selection", "seed", "leak", "overrides", "inputs")
    return {name: getattr(line, name) for name in names} | {
        "precision": "fp32" if line.precision == "any" else line.precision,
        "device": options.device,
        "dask": options.dask,
        "jobs": max(1, options.jobs // trained_at_once(options)),
        "keep_weights": options.keep_weights,
    }


def trained_at_once(options: argparse.Namespace) -> int:
    """Two runs share the cores, one starts while the other trains; alone on GPU or cluster."""
    alone = options.dask or training.choose_device(options.device) == "cuda"
    return 1 if alone else min(2, options.jobs)
