"""The command line: `python -m mer_utils VERB ...`, with `./run_all.sh` in front of it.

Nothing here imports more than Python itself before a verb is chosen: `--help` and `environment`
work before any package is installed.
"""

from __future__ import annotations

import itertools
import sys
from argparse import Namespace
from collections.abc import Sequence

from . import environment, paths
from .errors import StudyError
from .options import VERBS, parser_of, unknown_name

ARGUMENT_ERROR, FAILURE, INTERRUPTED = 2, 1, 130


def main(words: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if words is None else words)
    verb = words.pop(0) if words and not words[0].startswith("-") else "run"
    try:
        if verb not in VERBS:
            raise unknown_name("verb", verb, VERBS, "; see --help")
        return globals()[f"_{verb}"](parser_of(verb).parse(words)) or 0
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return ARGUMENT_ERROR
    except BrokenPipeError:  # `| head` closed the pipe
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno not in paths.REFUSALS:
            raise
        print(
            f"error: {paths.disk_error(error, error.filename or 'a disk', 'used')}", file=sys.stderr
        )
        return ARGUMENT_ERROR
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on where it stopped.", file=sys.stderr)
        return INTERRUPTED


# --- a function for each verb: its options in, what it says out, None or an exit status back ------


def _run(options: Namespace) -> int:
    from .reporting import driver

    options.jobs = options.jobs or environment.cores()
    return driver.main(options)


_ablations = _run


def _train(options: Namespace) -> None:
    from . import experiments, systems
    from .evaluation import scores

    given, chosen = vars(options), list(dict.fromkeys(itertools.chain(*options.systems)))
    changes = {system: _changes(system, chosen, options.set) for system in chosen}
    if options.for_prediction:
        from .prediction import models  # needs more than training does
    for system, overrides in changes.items():  # before anything is computed
        _, config = systems.resolve(system, overrides, options.preset)
        if options.epochs and hasattr(config, "epochs"):
            overrides.setdefault("epochs", options.epochs)
        if options.for_prediction:
            models.check(system)
    views, corpus, classes = _views_of(options)
    fields = {name: given[name] for name in ("preset", "selection", "labels", "precision", "leak")}
    ways = ("jobs", "device", "keep_weights", "schedule", "stack", "dask")
    given["keep_weights"] |= options.for_prediction
    for system, seed in itertools.product(chosen, options.seeds):
        more = fields | {"classes": classes, "seed": seed}
        experiment = experiments.declare(system, corpus, views, **changes[system], **more)
        print(experiment)
        if options.leak:
            print(f"no result: {experiments.LEAKS[options.leak]}")
        rows = experiments.run(experiment, views, **{name: given[name] for name in ways})
        print(scores.sentence(rows, experiment.classes))
        if options.calibrate:
            from .experiments import calibration  # needs statsmodels, which training does without

            where = {"jobs": options.jobs, "device": options.device}
            print(calibration.calibrate(experiment, views, **where))
        if notes := systems.notes([system]):
            print(notes)
        if options.for_prediction:
            print(models.save_models(experiment, views, corpus.startswith("synthetic")))


def _changes(system: str, chosen: Sequence[str], changes: Sequence[tuple[str, str]]) -> dict:
    """What `--set` changes of a system: FIELD of all that are trained, SYSTEM.FIELD of one."""
    owners, own = {name.partition("/")[0] for name in chosen}, {}
    for name, value in changes:
        owner, _, field = name.rpartition(".")
        if owner and owner not in owners:
            raise unknown_name("--set: system", owner, owners)
        if owner in ("", system.partition("/")[0]):
            own[field] = value
    return own


def _views_of(options: Namespace):
    """Views, name and classes of a corpus, or of a file of saved views."""
    from .preprocessing import views

    if options.data is not None and options.data.suffix == ".npz":
        name, classes = views.about(options.data)
        name = options.corpus or name
        if not name:
            raise StudyError(f"{options.data} does not name its corpus: give --corpus")
        return views.load(options.data), name, classes
    from . import corpora

    corpus = corpora.load(options.corpus or "synthetic", options.data)
    return views.compute(corpus, corpus.views, jobs=options.jobs), corpus.name, corpus.classes


def _predict(options: Namespace) -> int:
    from .reporting import films

    return films.main(options)


def _list(_: Namespace) -> None:
    from . import experiments

    runs = experiments.find()
    if runs.empty:
        print("no runs yet")
    for run in runs.itertuples():  # the key, as long as it is, last
        folds = f"{run.folds}/{run.of}"
        print(f"{run.began[:10]}  {folds:>5} folds  {run.preset:<5}  {run.precision:<4}  {run.key}")


def _keep(options: Namespace) -> None:
    from .experiments import store

    copies = getattr(store, options.verb)(options.corpus)
    target = paths.KEPT / options.corpus if options.verb == "keep" else paths.RUNS
    print(f"runs copied to {target}: {len(copies)}")


_restore = _keep


def _scores(options: Namespace) -> None:
    from .corpora.table import CLASSES
    from .evaluation import logs, scores, statistics

    if ".csv" not in options.file.suffixes:
        classes = options.classes or CLASSES
        rows = logs.read_log(options.file, classes)
        tables = [scores.table(rows, classes=classes)]
        more = "Intervals and tests need prediction rows: ./run_all.sh scores ROWS.csv.gz"
    elif options.classes:
        raise StudyError(f"{options.file} names its classes itself: leave out --classes")
    else:
        rows = logs.read_rows(options.file)
        tables = [table for table in statistics.against_the_best(rows) if len(table)]
        more = "" if len(tables) > 1 else "One system alone: there is nothing to compare it with."
    for table in tables:
        print(table.to_string(index=False, float_format="{:.4f}".format), end="\n\n")
    print("\n".join(filter(None, [*logs.remarks(rows), more])))


def _corpora(options: Namespace) -> None:
    from .corpora import load, summary

    if options.name:
        corpus = load(options.name, options.path or options.data, options.classes, options.apex)
    print(summary.text(corpus) if options.name else summary.census_text())


def _synthetic(options: Namespace) -> None:
    from . import synthetic

    print(synthetic.sentence(synthetic.write(options.folder, options.seed, options.jobs)))


def _views(options: Namespace) -> None:
    from .preprocessing import views

    computed, name, classes = _views_of(options)
    print(views.save(computed, options.file, name, classes))


def _official(options: Namespace) -> None:
    from .corpora import official

    print(official.write_table(options.list))


def _readme(_: Namespace) -> None:
    from .reporting import pages, readme

    print(readme.write(), pages.write_index(readme.REPORTS, committed=True), sep="\n")


def _environment(options: Namespace) -> int | None:
    if options.requirements:
        print("\n".join(environment.requirements()))
    elif options.lock:
        print(environment.lock(), end="")
    elif folder := environment.other_checkout():
        raise StudyError(
            f"{sys.prefix} is the environment of the checkout {folder}, which would lose it: let "
            "MER_VENV name another folder, or leave it out"
        )
    elif problems := environment.problems():
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        print("; ".join(problems[:3]) + more, file=sys.stderr)
        return FAILURE
    return None
