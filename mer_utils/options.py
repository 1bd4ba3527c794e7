"""The options of the command line, and how a mistake in them is said.

Nothing here needs more than Python itself.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

from . import environment, paths
from .errors import StudyError

VERBS = {
    "run": "the notebooks in fresh kernels, and reports of them; the default",
    "ablations": "the same for every question of 52_ablations: trains what is missing, answers it",
    "train": "systems without notebooks, on a corpus or on saved views",
    "list": "the runs on disk",
    "keep": "copy the finished runs of a corpus to reports/runs",
    "restore": "copy the kept runs of a corpus to data/runs",
    "scores": "scores of a MEGC2019 log, or scores, intervals and tests of a csv of rows",
    "corpora": "what is in a corpus and what is wrong with it; without a name: what is there",
    "synthetic": "make the synthetic corpora",
    "views": "compute the views of a corpus and save them as one file",
    "official": "the table of the official list, from the challenge's own csv",
    "readme": "write the tables of README.md again",
    "environment": "does this Python hold every pin; what is to be installed; what is",
}
USAGE = "./run_all.sh [VERB] [options]"
EPILOG = f"""
verbs (./run_all.sh VERB --help says more):
{chr(10).join(f"  {verb:<12} {purpose}" for verb, purpose in VERBS.items())}
  test         the test suite; what follows goes to pytest (--all: the slow tests too)

examples:
  ./run_all.sh                                        everything, on the synthetic corpora
  ./run_all.sh --notebooks 00,01                      two notebooks only
  ./run_all.sh --plan                                 what would run, and for how long
  ./run_all.sh --study my_study.yml                   the runs that a file declares
  ./run_all.sh --corpus megc2019_flow --systems svm,mhssa_gcn --seeds 0,1,2
  ./run_all.sh --systems mhssa_gcn/as_coded --set mhssa_gcn.learning_rate=1e-3
  ./run_all.sh ablations --systems mhssa_gcn --seeds 0,1,2

Finished folds are kept under data/runs: a stopped command goes on where it stopped.
Exit status: 0 all reports made; 1 a notebook failed (the index says which); 2 a mistake in the
command line or the data, said in one line; 130 interrupted.
"""


HELP = {
    "corpus": "synthetic (default), casme2, samm, smic, megc2019, megc2019_flow, own (a csv of "
    "your clips) or another; `./run_all.sh corpora` names all and what is there; casme2-5 is "
    "casme2 in five classes, casme2-midpoint with another apex (data/README.md)",
    "data": "folder of that corpus; default: data/raw/NAME, as data/README.md shows",
    "study": "the runs that this file declares, instead of those of notebooks/studies or of the "
    "options below",
    "systems": "systems to train, an ablation as system/ablation; default: all that the corpus "
    "can feed; known: ",
    "preset": "small (default): sized for a laptop; paper: every number as published",
    "selection": "what picks the epoch: nothing (last, default) or training subjects (inner)",
    "epochs": "train all neural systems for N epochs instead of the preset's",
    "set": "change one field of one system's Config; may be given more than once",
    "precision": "of matrix products while training; two precisions never share a table",
    "dask": "train on the workers of this Dask scheduler, as tcp://host:8786",
    "jobs": "processes at once; default: one per core (%(default)s here)",
    "notebooks": "only these, by number or name; what they need is not run first",
    "plan": "say what would run, what is there and how long it takes; train nothing",
    "again": "make every report again, also where nothing that it shows has changed",
    "smoke": "a quick look: notebooks cut their work short, reports go to a folder of their own",
}


class Parser(argparse.ArgumentParser):
    """One line for a mistake, with the option that was probably meant."""

    def error(self, message: str) -> NoReturn:
        raise StudyError(message)

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        options, unknown = self.parse_known_args(words)
        if unknown:
            word = unknown[0].partition("=")[0]
            choices = [name for action in self._actions for name in action.option_strings]
            raise unknown_name("", word, [*choices, *VERBS], "; see --help")
        return options


def unknown_name(what: str, word: str, choices: Collection[str], more: str = "") -> StudyError:
    nearest = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.0)
    return StudyError(f"{what} '{word}' is not known, the nearest is '{nearest[0]}'{more}".strip())


def run_parser(verb: str) -> Parser:
    """Options of `run` and `ablations`."""
    files = (paths.PACKAGE / "systems").glob("*.py")
    known = sorted(path.stem for path in files if "\nTITLE" in path.read_text(encoding="utf-8"))
    parser = Parser(
        prog="./run_all.sh",
        usage=USAGE if verb == "run" else f"./run_all.sh {verb} [options]",
        description="Runs the notebooks of the study in fresh kernels and makes reports of them."
        if verb == "run"
        else "Trains every system as described and with each change that 52_ablations asks about, "
        "as far as that is missing, and answers it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    data = parser.add_argument_group("what to study").add_argument
    data("--corpus", metavar="NAME", help=HELP["corpus"])
    data("--data", type=Path, metavar="PATH", help=HELP["data"])
    data("--study", type=Path, metavar="FILE", help=HELP["study"])
    data("--systems", type=names, metavar="A,B", help=HELP["systems"] + ", ".join(known))
    data("--seeds", type=seeds, metavar="0,1", help="one run for each; default: 0")
    data("--preset", choices=("small", "paper"), help=HELP["preset"])
    data("--selection", type=names, metavar="last,inner", help=HELP["selection"])
    data("--epochs", type=positive, metavar="N", help=HELP["epochs"])
    data("--set", action="append", default=[], metavar="SYSTEM.FIELD=VALUE", help=HELP["set"])
    how = parser.add_argument_group("how to run it").add_argument
    how("--device", default="auto", choices=("auto", "cpu", "cuda"), help="to train")
    how("--precision", choices=("fp32", "tf32", "bf16"), help=HELP["precision"])
    how("--dask", default="", metavar="ADDRESS", help=HELP["dask"])
    how("--jobs", type=positive, default=environment.cores(), metavar="N", help=HELP["jobs"])
    how("--keep-weights", action="store_true", help="keep the trained weights of every fold")
    if verb == "run":
        how("--notebooks", type=names, metavar="01,41", help=HELP["notebooks"])
    how("--plan", action="store_true", help=HELP["plan"])
    how("--again", action="store_true", help=HELP["again"])
    how("--smoke", action="store_true", help=HELP["smoke"])
    return parser


def parser_of(verb: str) -> Parser:
    """An empty parser of one of the other verbs."""
    return Parser(
        prog=f"./run_all.sh {verb}",
        description=f"{VERBS[verb][0].upper()}{VERBS[verb][1:]}.",
        allow_abbrev=False,
    )


# --- values ---------------------------------------------------------------------------------------


def names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not names:
        raise argparse.ArgumentTypeError("give one name or more, with commas between them")
    return names


def seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in names(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are not whole numbers like 0,1,2") from error


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
