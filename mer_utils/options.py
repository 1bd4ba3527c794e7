"""The options of the command line, and how a mistake in them is said.

Nothing here needs more than Python itself.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from . import paths
from .errors import StudyError

VERBS = {
    "run": "run the notebooks in fresh kernels and make reports of them; the default",
    "ablations": "train what 52_ablations asks about, as far as it is missing, and answer it",
    "train": "train systems without notebooks, on a corpus or on saved views",
    "predict": "what moves in films of one's own, and what it looks like; a page and a csv",
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
  ./run_all.sh predict my_film.mp4                    what moves in it, and what it looks like

Finished folds are kept under data/runs: a stopped command goes on where it stopped.
Exit status: 0 all reports made; 1 a notebook failed (the index says which); 2 a mistake in the
command line or the data, said in one line; 130 interrupted.
"""


HELP = {
    "corpus": "synthetic (default), casme2, samm, smic, megc2019, megc2019_flow, own (a csv of "
    "your clips) or another; `./run_all.sh corpora` names all and what is there; casme2-5 is "
    "casme2 in five classes, casme2-midpoint with another apex (data/README.md)",
    "data": "folder of that corpus; default: data/raw/NAME, as data/README.md shows; `train` takes "
    "a file of saved views too",
    "study": "the runs that this file declares, instead of those of notebooks/studies or of the "
    "options below",
    "systems": "systems to train, an ablation as system/ablation; default: all that the corpus "
    "can feed; known: ",
    "preset": "small (default): sized for a laptop; paper: every number as published",
    "selection": "the budget: as it is (last, default) or chosen by training subjects (inner)",
    "epochs": "train all neural systems for N epochs instead of the preset's",
    "set": "change one field of one system's Config; may be given more than once",
    "precision": "of matrix products while training; two precisions never share a table",
    "dask": "train on the workers of this Dask scheduler, as tcp://host:8786",
    "notebooks": "only these, by number or name; what they need is not run first",
    "plan": "say what would run, what is there and how long it takes; make nothing",
    "again": "make every report again, also where nothing that it shows has changed",
    "smoke": "a quick look: notebooks cut their work short, reports go to a folder of their own",
    "for-prediction": "keep the networks as one file that `predict` reads, with a card",
    "show-faces": "the page shows the face of the film: keep it to yourself",
    "file": "a log in the MEGC2019 format (scores of each corpus), or a csv of prediction rows as "
    "reports/predictions has them (intervals and tests too)",
    "classes": "of a log: names of classes 0, 1, ...; default: negative,positive,surprise",
}


class Parser(argparse.ArgumentParser):
    """One line for a mistake, with the option that was probably meant."""

    def error(self, message: str) -> NoReturn:
        words = message.removeprefix("argument ").replace("invalid choice: ", "unknown: ")
        raise StudyError(f"{words}; {self.prog} --help says what can be given")

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


def names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not names:
        raise argparse.ArgumentTypeError("give one name or more, with commas between them")
    return names


def seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(whole(word) for word in names(text))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are not whole numbers like 0,1,2") from error


def whole(text: str, least: int = 0) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
    return int(text)


positive = partial(whole, least=1)


def change(text: str) -> tuple[str, str]:
    """`a=1e-3` -> ("a", "1e-3")."""
    name, equals, value = text.partition("=")
    if not (equals and name):
        raise argparse.ArgumentTypeError(f"{text!r} changes no field: write NAME=VALUE")
    return name, value


def new_file(text: str) -> Path:
    path = Path(text).expanduser()
    if path.suffix != ".npz" or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no .npz file: give a name such as views.npz")
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path.parent} is no folder: make it, or write elsewhere")
    return path


def parser_of(verb: str) -> Parser:
    """What a verb takes. Its options come with `verb` and `ablations`, and `notebooks` as None."""
    study = verb in ("run", "ablations")
    parser = Parser(
        prog=f"./run_all.sh{'' if verb == 'run' else f' {verb}'}",
        usage=f"./run_all.sh {'[VERB]' if verb == 'run' else verb} [options]" if study else None,
        description=f"{VERBS[verb][0].upper()}{VERBS[verb][1:]}.",
        epilog=EPILOG if study else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(verb=verb, ablations=verb == "ablations", notebooks=None)
    add = parser.add_argument
    match verb:
        case "run" | "ablations" | "train":
            _add_training(parser, verb)
        case "predict":
            add("films", nargs="+", type=Path, metavar="FILM", help="a film, or a folder of frames")
            add("--system", default="mhssa_gcn", help="whose networks answer (mhssa_gcn)")
            add("--corpus", default="synthetic", help="on which they were trained (synthetic)")
            add("--model", type=Path, help="a file that `train --for-prediction` wrote, instead")
            for name in ("onset", "apex", "offset"):
                add(f"--{name}", type=int, metavar="FRAME", help="where it is known, of one film")
            add("--show-faces", action="store_true", help=HELP["show-faces"])
        case "keep" | "restore":
            add("corpus", help="its name, as megc2019_flow")
        case "scores":
            add("file", type=Path, help=HELP["file"])
            add("--classes", type=names, help=HELP["classes"])
        case "corpora":
            add("name", nargs="?", help="a corpus; without: what is under data/raw")
            add("path", nargs="?", help="its folder; by default data/raw/NAME")
            add("--data", type=Path, metavar="PATH", help="the same, as other commands call it")
            add("--classes", help="number of classes of a scheme of it; names with commas for own")
            add("--apex", default="sheet", help="where the apex comes from")
        case "synthetic":
            add("folder", nargs="?", help="where to (default: data/synthetic)")
            add("--seed", type=whole, default=0, help="another seed, other faces (0)")
            add("--jobs", type=positive, help="processes (default: one per core)")
        case "views":
            add("corpus")
            add("file", type=new_file, help="an .npz file to write; `train --data` reads it")
            add("--data", type=Path, help="folder of the corpus")
            add("--jobs", type=positive)
        case "official":
            add("list", type=Path, help="the challenge's csv")
        case "environment":
            add = parser.add_mutually_exclusive_group().add_argument
            add("--check", action="store_true", help="do all pins hold? exit 1 if not")
            add("--requirements", action="store_true", help="print the list for pip")
            add("--lock", action="store_true", help="print every installed package")
    return parser


def _add_training(parser: Parser, verb: str) -> None:
    """What `run`, `ablations` and `train` take."""
    files = (paths.PACKAGE / "systems").glob("*.py")
    systems = sorted(path.stem for path in files if "\nTITLE" in path.read_text(encoding="utf-8"))
    train = verb == "train"
    data = parser.add_argument_group("what to train" if train else "what to study").add_argument
    how = parser.add_argument_group("how to run it").add_argument
    data("--corpus", metavar="NAME", help=HELP["corpus"])
    data("--data", type=Path, metavar="PATH", help=HELP["data"])
    data("--seeds", "--seed", type=seeds, metavar="0,1", help="one run for each; default: 0")
    data("--preset", choices=("small", "paper"), help=HELP["preset"])
    data("--epochs", type=positive, metavar="N", help=HELP["epochs"])
    field = "[SYSTEM.]FIELD=VALUE" if train else "SYSTEM.FIELD=VALUE"
    data("--set", type=change, action="append", default=[], metavar=field, help=HELP["set"])
    how("--device", default="auto", choices=("auto", "cpu", "cuda"), help="to train")
    precisions = ("fp32", "tf32", "bf16", "fp64")[: 4 if train else 3]
    how("--precision", choices=precisions, help=HELP["precision"])
    how("--dask", metavar="ADDRESS", help=HELP["dask"])
    how("--jobs", type=positive, metavar="N", help="processes at once; default: one per core")
    how("--keep-weights", action="store_true", help="keep the trained weights of every fold")
    if train:
        parser.set_defaults(preset="small", seeds=(0,), precision="fp32")
        help_ = "names, with blanks or commas between"
        parser.add_argument("systems", nargs="+", type=names, help=f"{help_}: {', '.join(systems)}")
        data("--selection", default="last", help=HELP["selection"])
        data("--labels", default="true", help="true, or permuted to see chance")
        data("--leak", default="", help="train wrong on purpose, to price it; no result")
        how("--schedule", default="auto", help="auto, stacked or loop")
        how("--stack", type=positive, help="folds side by side; default: what fits")
        how("--calibrate", action="store_true", help="choose temperatures too, for 56")
        how("--for-prediction", action="store_true", help=HELP["for-prediction"])
        return
    parser.set_defaults(dask="")
    data("--study", type=Path, metavar="FILE", help=HELP["study"])
    data("--systems", type=names, metavar="A,B", help=HELP["systems"] + ", ".join(systems))
    data("--selection", dest="selections", type=names, metavar="last,inner", help=HELP["selection"])
    if verb == "run":
        how("--notebooks", type=names, metavar="01,41", help=HELP["notebooks"])
    for name in ("plan", "again", "smoke"):
        how(f"--{name}", action="store_true", help=HELP[name])
