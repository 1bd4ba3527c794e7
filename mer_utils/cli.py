"""The command line: `python -m mer_utils VERB ...`, with `./run_all.sh` in front of it.

Nothing here imports more than Python itself before a verb is chosen: `--help` and `environment`
work before any package is installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import environment, paths
from .errors import StudyError
from .options import VERBS, names, parser_of, positive, run_parser, unknown_name

ARGUMENT_ERROR, FAILURE, INTERRUPTED = 2, 1, 130


def main(words: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if words is None else words)
    verb = words.pop(0) if words and not words[0].startswith("-") else "run"
    try:
        if verb == "notebook":  # one job of the driver, in a process of its own
            from .reporting import execution

            return execution.main(words[0])
        if verb not in VERBS:
            raise unknown_name("verb", verb, VERBS, "; see --help")
        return globals()[f"_{verb}"](words)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return ARGUMENT_ERROR
    except BrokenPipeError:  # `| head` closed the pipe
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on where it stopped.", file=sys.stderr)
        return INTERRUPTED


# --- the study ------------------------------------------------------------------------------------


def _run(words: Sequence[str], verb: str = "run") -> int:
    options = run_parser(verb).parse(words)
    options.ablations = verb == "ablations"
    if options.ablations:
        options.notebooks = None
    from .reporting import driver

    return driver.main(options)


def _ablations(words: Sequence[str]) -> int:
    return _run(words, "ablations")


def _train(words: Sequence[str]) -> int:
    parser = parser_of("train")
    add = parser.add_argument
    add("systems", nargs="+")
    add("--corpus", help="its name; default: synthetic, or that of saved views")
    add("--data", type=Path, help="folder of the corpus, or a file of saved views")
    add("--preset", default="small")
    add("--selection", default="last")
    add("--labels", default="true", help="true, or permuted to see chance")
    add("--seed", type=int, default=0)
    add("--jobs", type=positive)
    add("--device", default="auto", help="auto, cpu or cuda")
    add("--precision", default="fp32", help="fp32, tf32, bf16 or fp64")
    add("--schedule", default="auto", help="auto, stacked or loop")
    add("--stack", type=positive, help="folds side by side; default: what fits")
    add("--dask", metavar="ADDRESS", help="train on the workers of this scheduler")
    add("--keep-weights", action="store_true")
    add("--leak", default="", help="train wrong on purpose, to price it; no result")
    add("--set", action="append", default=[], metavar="FIELD=VALUE")
    options = parser.parse(words)
    overrides = dict(_change(change, "FIELD=VALUE") for change in options.set)
    from . import experiments, systems
    from .evaluation import scores

    for system in options.systems:
        systems.resolve(system, overrides, options.preset)  # before anything is computed
    views, corpus, classes = _views_of(options)
    names = ("preset", "seed", "selection", "labels", "precision", "leak")
    fields = {name: getattr(options, name) for name in names}
    how = {
        name: getattr(options, name)
        for name in ("jobs", "device", "keep_weights", "schedule", "stack", "dask")
    }
    for system in options.systems:
        experiment = experiments.declare(
            system, corpus, views, classes=classes, **fields, **overrides
        )
        print(experiment)
        if options.leak:
            print(f"no result: {experiments.LEAKS[options.leak]}")
        rows = experiments.run(experiment, views, **how)
        print(scores.sentence(rows, experiment.classes))
    return 0


def _views_of(options: argparse.Namespace):
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


# --- the other verbs ------------------------------------------------------------------------------


def _list(words: Sequence[str]) -> int:
    parser_of("list").parse(words)
    from . import experiments

    runs = experiments.find().drop(columns=["label", "config", "data", "version"])
    print(runs.to_string(index=False) if len(runs) else "no runs yet")
    return 0


def _keep(words: Sequence[str], verb: str = "keep") -> int:
    parser = parser_of(verb)
    parser.add_argument("corpus", help="its name, as megc2019_flow")
    corpus = parser.parse(words).corpus
    from .experiments import store

    copies = getattr(store, verb)(corpus)
    target = paths.KEPT / corpus if verb == "keep" else paths.RUNS
    print(f"runs copied to {target}: {len(copies)}")
    return 0


def _restore(words: Sequence[str]) -> int:
    return _keep(words, "restore")


def _scores(words: Sequence[str]) -> int:
    parser = parser_of("scores")
    parser.add_argument("file", type=Path, help="a log in the MEGC2019 format, or a csv of rows")
    parser.add_argument(
        "--classes",
        type=names,
        default=("negative", "positive", "surprise"),
        help="names of classes 0, 1, ... of a log",
    )
    options = parser.parse(words)
    from .evaluation import logs, scores, statistics

    if ".csv" in options.file.suffixes:
        tables = statistics.against_the_best(logs.read_rows(options.file))
    else:
        rows = logs.read_log(options.file, options.classes)
        tables = [scores.table(rows, classes=options.classes)]
    for table in tables:
        print(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"), end="\n\n")
    return 0


def _corpora(words: Sequence[str]) -> int:
    parser = parser_of("corpora")
    parser.add_argument("name", nargs="?", help="a corpus; without: what is under data/raw")
    parser.add_argument("path", nargs="?", help="its folder; by default data/raw/NAME")
    parser.add_argument(
        "--classes", help="number of classes of one of its schemes; names with commas for own"
    )
    parser.add_argument("--apex", default="sheet", help="where the apex comes from")
    options = parser.parse(words)
    from .corpora import overview

    print(overview.report(options.name, options.path, options.classes, options.apex))
    return 0


def _synthetic(words: Sequence[str]) -> int:
    parser = parser_of("synthetic")
    parser.add_argument("folder", nargs="?", help="where to (default: data/synthetic)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other faces (0)")
    parser.add_argument("--jobs", type=positive, help="processes (default: one per core)")
    options = parser.parse(words)
    from . import synthetic

    print(synthetic.sentence(synthetic.write(options.folder, options.seed, options.jobs)))
    return 0


def _views(words: Sequence[str]) -> int:
    parser = parser_of("views")
    parser.add_argument("corpus")
    parser.add_argument("file", type=Path, help="an .npz file to write; `train --data` reads it")
    parser.add_argument("--data", type=Path, help="folder of the corpus")
    parser.add_argument("--jobs", type=positive)
    options = parser.parse(words)
    from .preprocessing import views

    computed, name, classes = _views_of(options)
    print(views.save(computed, options.file, name, classes))
    return 0


def _official(words: Sequence[str]) -> int:
    parser = parser_of("official")
    parser.add_argument("list", type=Path, help="the challenge's csv")
    options = parser.parse(words)
    from .corpora import official

    print(official.write_table(options.list))
    return 0


def _readme(words: Sequence[str]) -> int:
    parser_of("readme").parse(words)
    from .reporting import readme

    print(readme.write())
    return 0


def _environment(words: Sequence[str]) -> int:
    parser = parser_of("environment")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="do all pins hold? exit 1 if not")
    choice.add_argument("--requirements", action="store_true", help="print the list for pip")
    choice.add_argument("--lock", action="store_true", help="print every installed package")
    options = parser.parse(words)
    if options.requirements:
        print("\n".join(environment.requirements()))
    elif options.lock:
        print(environment.lock(), end="")
    elif problems := environment.problems():
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        print("; ".join(problems[:3]) + more, file=sys.stderr)
        return FAILURE
    return 0


# --- values of options ----------------------------------------------------------------------------


def _change(text: str, form: str) -> tuple[str, object]:
    """`a=1e-3` -> ("a", "1e-3")."""
    name, equals, value = text.partition("=")
    if not (equals and name):
        raise StudyError(f"--set {text}: write it as {form}")
    return name, value
