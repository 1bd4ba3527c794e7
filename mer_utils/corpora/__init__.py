"""Clips of every corpus in one table, each left-out clip with its reason."""

import os
from pathlib import Path

from .. import paths
from ..errors import StudyError
from . import casme2, megc2019, megc2019_flow, samm, smic
from .frames import entries, frame_files
from .table import (
    CLASSES,
    COLUMNS,
    EXCLUSION_COLUMNS,
    FRAME_VIEWS,
    KEY,
    Corpus,
    clip_table,
    exclusion_table,
    nearest,
)

CORPORA = ("synthetic", "casme2", "samm", "smic", "megc2019", "megc2019_flow")

__all__ = [
    "CLASSES",
    "COLUMNS",
    "CORPORA",
    "EXCLUSION_COLUMNS",
    "FRAME_VIEWS",
    "KEY",
    "Corpus",
    "frame_files",
    "load",
]


def load(name: str, path: Path | str | None = None) -> Corpus:
    """Reads a corpus from `path`, or from where data/README.md says it lies.

    Raises StudyError, one sentence, for what the user can mend.
    """
    if name not in CORPORA:
        raise StudyError(
            f"corpus '{name}' is not known, the nearest is '{nearest(name, CORPORA)}': "
            f"choose one of {', '.join(CORPORA)}"
        )
    default = {"synthetic": paths.SYNTHETIC, "megc2019": paths.RAW}.get(name, paths.RAW / name)
    folder = Path(os.path.abspath(Path(path).expanduser())) if path else default
    _check_folder(name, folder)
    views = FRAME_VIEWS
    if name == "megc2019_flow":
        rows, exclusions, sources, views = megc2019_flow.read(folder)
    elif name == "megc2019":
        rows, exclusions, sources = megc2019.read(folder)
    elif name == "synthetic":
        rows, exclusions, sources = megc2019.read(folder, "synthetic_", remedy=_MAKE_SYNTHETIC)
    else:
        reader = {"casme2": casme2.read, "samm": samm.read, "smic": smic.read}[name]
        rows, exclusions, sources = reader(folder)
    return Corpus(
        name=name,
        path=folder,
        clips=clip_table(rows),
        exclusions=exclusion_table(exclusions),
        classes=CLASSES,
        views=tuple(views),
        synthetic=name == "synthetic",
        # Below the corpus's own folder: a report should not tell where on a disk that lies.
        sources=tuple(
            text.replace(f"{folder}{os.sep}", "").replace(str(folder), folder.name)
            for text in sources
        ),
    )


_MAKE_SYNTHETIC = "make it with `python -m mer_utils.corpora.synthetic`"


def _check_folder(name: str, folder: Path) -> None:
    if folder.is_dir() and entries(folder):
        return
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file: give the folder of corpus '{name}'")
    remedy = f"put the {name} release there as data/README.md shows, or give its path"
    if name == "synthetic":
        remedy = _MAKE_SYNTHETIC
    elif name == "megc2019":
        remedy = "put the folders casme2, samm and smic there as data/README.md shows"
    raise StudyError(f"{folder} {'is empty' if folder.exists() else 'does not exist'}: {remedy}")
