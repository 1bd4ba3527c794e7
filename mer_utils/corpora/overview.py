"""What is in data/raw: which releases are recognised, which are missing and where they go."""

from contextlib import suppress
from pathlib import Path

import pandas as pd

from .. import paths
from ..errors import StudyError
from . import OWN, RELEASES, default_folder, load, release_of, summary
from .frames import folders

COLUMNS = ("corpus", "place", "state", "clips", "subjects", "left out", "message")
READ, BROKEN, MISSING, OTHER = "read", "cannot be read", "missing", "other name"
TITLES = {
    READ: "read",
    BROKEN: "there, but it cannot be read",
    OTHER: "there, under a name that is no corpus",
    MISSING: "missing: where it goes, and what it looks like",
}


def census() -> pd.DataFrame:
    """One row per corpus, columns COLUMNS, and one per folder of data/raw under another name."""
    raw = folders(paths.RAW) if paths.RAW.is_dir() else []
    names = [*RELEASES, *(folder.name for folder in raw if OWN.fullmatch(folder.name))]
    places = {name: default_folder(name) for name in names}
    unknown = [folder for folder in raw if folder not in places.values()]
    rows = [_corpus(name, place) for name, place in places.items()] + list(map(_unknown, unknown))
    numbers = dict.fromkeys(("clips", "subjects", "left out"), "Int64")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(numbers)


def _place(folder: Path) -> str:
    """Below the data folder: a report must not name folders of this machine."""
    return folder.relative_to(paths.DATA).as_posix()


def _corpus(name: str, folder: Path) -> dict:
    release = release_of(name)
    row = {"corpus": name, "place": _place(folder)}
    needed = [folder / part.name for part in release.parts] or [folder]
    if not all(path.is_dir() for path in needed):
        return row | {"state": MISSING, "message": release.example}
    try:
        corpus = load(name)
    except StudyError as error:
        message = str(error).replace(f"{paths.DATA}/", "")
        # of two corpora that share a folder, one may be there without the other
        alone = release.folder is not None and "has no annotation sheet" in message
        return row | {"state": MISSING if alone else BROKEN, "message": message}
    people = len(summary.by_subject(corpus))
    row |= {"clips": len(corpus.clips), "subjects": people, "left out": len(corpus.exclusions)}
    return row | {"state": READ, "message": "; ".join(corpus.sources)}


def _unknown(folder: Path) -> dict:
    """Every reader is tried on a folder that has no corpus's name."""
    matches = {}
    for name, release in RELEASES.items():
        with suppress(StudyError):
            if not release.parts and (clips := len(load(name, folder).clips)):
                matches[name] = f"{name} ({clips} clips)"
    message = "no reader recognises it: see data/README.md"
    if matches:
        like, place = " or ".join(matches.values()), f"raw/{next(iter(matches))}"
        message = f"looks like {like}: rename it to {place}, link it there, or give its path"
    return {"corpus": folder.name, "place": _place(folder), "state": OTHER, "message": message}


def text() -> str:
    """The census as the command line prints it."""
    table = census()
    lines = [f"Under {paths.DATA}:"]
    for state, title in TITLES.items():
        part = table[table["state"] == state].to_dict("records")
        lines += ["", f"{title}:"] if part else []
        for row in part:
            message = row["message"]
            if state == READ:
                message = "{clips} clips of {subjects} subjects, {left out} left out".format(**row)
            lines += summary.wrapped(f"{row['corpus']} ({row['place']}): {message}", indent=6)
    command = "`./run_all.sh corpora NAME`"
    return "\n".join([*lines, "", f"{command} says more about one; data/README.md about all."])
