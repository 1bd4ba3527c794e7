"""What is in data/raw: which releases are recognised, which are missing and where they go."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .. import paths
from ..errors import StudyError
from . import RELEASES, default_folder, load, summary
from .frames import folders

COLUMNS = ("corpus", "place", "state", "clips", "subjects", "left out", "message")
READ, BROKEN, MISSING, OTHER = "read", "cannot be read", "missing", "other name"


def report(
    name: str | None = None,
    path: Path | str | None = None,
    classes: str | int | Sequence[str] | None = None,
    apex: str = "sheet",
) -> str:
    """The text of the command `corpora [NAME [PATH]]`: one corpus, without a name all of them.

    Of one: counts, clips left out and why, the comparison with the official list or with the
    counts of a complete copy. The arguments are those of `load`. Raises StudyError.
    """
    return summary.text(load(name, path, classes, apex)) if name else text()


def census() -> pd.DataFrame:
    """One row per corpus, columns COLUMNS, and one per folder of data/raw under another name."""
    rows = [_corpus(name) for name in RELEASES]
    if paths.RAW.is_dir():
        places = {default_folder(name) for name in RELEASES}
        rows += [_unknown(folder) for folder in folders(paths.RAW) if folder not in places]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {"clips": "Int64", "subjects": "Int64", "left out": "Int64"}
    )


def _place(folder: Path) -> str:
    """Below the data folder: a report must not name folders of this machine."""
    return folder.relative_to(paths.DATA).as_posix()


def _corpus(name: str) -> tuple:
    release, folder = RELEASES[name], default_folder(name)
    place = name, _place(folder)
    needed = [folder / part.name for part in release.parts] or [folder]
    if not all(path.is_dir() for path in needed):
        return *place, MISSING, None, None, None, release.example
    try:
        corpus = load(name)
    except StudyError as error:
        message = str(error).replace(f"{paths.DATA}/", "")
        # of two corpora that share a folder, one may be there without the other
        alone = release.folder is not None and "has no annotation sheet" in message
        return *place, MISSING if alone else BROKEN, None, None, None, message
    people = len(corpus.clips[["corpus", "subject"]].drop_duplicates())
    numbers = len(corpus.clips), people, len(corpus.exclusions)
    return *place, READ, *numbers, "; ".join(corpus.sources)


def _unknown(folder: Path) -> tuple:
    """Every reader is tried on a folder that has no corpus's name."""
    matches = {}
    for name, release in RELEASES.items():
        try:
            clips = 0 if release.parts else len(load(name, folder).clips)
        except StudyError:
            continue
        if clips:
            matches[name] = f"{name} ({clips} clips)"
    message = "no reader recognises it: see data/README.md"
    if matches:
        message = (
            f"looks like {' or '.join(matches.values())}: rename it to raw/{next(iter(matches))}, "
            f"link it there, or give its path"
        )
    return folder.name, _place(folder), OTHER, None, None, None, message


def text() -> str:
    """The census as the command line prints it."""
    table = census()
    lines = [f"Under {paths.DATA}:"]
    for state, title in (
        (READ, "read"),
        (BROKEN, "there, but it cannot be read"),
        (OTHER, "there, under a name that is no corpus"),
        (MISSING, "missing: where it goes, and what it looks like"),
    ):
        part = table[table["state"] == state]
        if len(part):
            lines += ["", f"{title}:"]
        for row in part.to_dict("records"):
            message = row["message"]
            if state == READ:
                message = "{clips} clips of {subjects} subjects, {left out} left out".format(**row)
            lines += summary.wrapped(f"{row['corpus']} ({row['place']}): {message}", indent=6)
    command = "`./run_all.sh corpora NAME`"
    return "\n".join([*lines, "", f"{command} says more about one; data/README.md about all."])
