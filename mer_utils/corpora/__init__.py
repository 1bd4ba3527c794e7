"""Clips of every corpus in one table, each left-out clip with its reason."""

import os
from collections.abc import Sequence
from pathlib import Path

from .. import paths
from ..errors import StudyError
from . import (
    afew,
    apexes,
    casme2,
    casme3,
    casme3_c,
    casme_squared,
    class_folders,
    megc2019,
    megc2019_flow,
    oulu_casia,
    own,
    samm,
    schemes,
    smic,
    smic_e,
)
from .frames import entries, frame_files, frame_names
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

# One reader each: read(folder, name, scheme, apex) -> rows, exclusions, sources (, views offered)
RELEASES = {
    "casme2": casme2.read,
    "samm": samm.read,
    "smic": smic.read,
    "smic_e": smic_e.read,
    "casme_squared": casme_squared.read,
    "casme_squared_macro": casme_squared.read,
    "casme3": casme3.read,
    "casme3_c": casme3_c.read,
    "afew": afew.read,
    "oulu_casia": oulu_casia.read,
}
OWN = ("own", "class_folders")  # a laboratory's: its classes may be named
CORPORA = ("synthetic", "casme2", "samm", "smic", "megc2019", "megc2019_flow", *OWN) + tuple(
    name for name in RELEASES if name not in ("casme2", "samm", "smic")
)
SHARED = {"casme_squared_macro": "casme_squared", "casme3_c": "casme3"}  # one release, two corpora

__all__ = [
    "CLASSES",
    "COLUMNS",
    "CORPORA",
    "EXCLUSION_COLUMNS",
    "FRAME_VIEWS",
    "KEY",
    "OWN",
    "RELEASES",
    "SHARED",
    "Corpus",
    "default_folder",
    "frame_files",
    "load",
]


def default_folder(name: str) -> Path:
    """Where data/README.md says that a corpus lies."""
    places = {"synthetic": paths.SYNTHETIC, "megc2019": paths.RAW}
    return places.get(name, paths.RAW / SHARED.get(name, name))


def load(
    name: str,
    path: Path | str | None = None,
    classes: str | int | Sequence[str] | None = None,
    apex: str = "sheet",
) -> Corpus:
    """Reads a corpus from `path`, or from where data/README.md says it lies.

    classes: the number of classes of one of the corpus's schemes (see `schemes`), None for its
    first; names of classes for `own`. apex: where the apex comes from (see `apexes`). Both may
    stand in the name as well, `casme2-5-midpoint`: so is a corpus called whose scheme or apex is
    not the first, in its runs, its tables and its folder of reports, and never mixed with another.
    Raises StudyError, one sentence, for what the user can mend.
    """
    name, *words = str(name).split("-")
    for word in words:
        if word in apexes.POLICIES:
            apex = word
        else:
            classes = word
    if name not in CORPORA:
        raise StudyError(
            f"corpus '{name}' is not known, the nearest is '{nearest(name, CORPORA)}': "
            f"choose one of {', '.join(CORPORA)}"
        )
    scheme = schemes.own(classes) if name in OWN else schemes.find(name, classes)
    apexes.check(apex)
    if name == "megc2019_flow" and apex != "sheet":
        raise StudyError(
            f"apex '{apex}' needs frames, which megc2019_flow has not: choose a corpus of frames"
        )
    folder = Path(os.path.abspath(Path(path).expanduser())) if path else default_folder(name)
    _check_folder(name, folder)
    views = FRAME_VIEWS
    if name == "megc2019_flow":
        rows, exclusions, sources, views = megc2019_flow.read(folder)
    elif name == "megc2019":
        rows, exclusions, sources = megc2019.read(folder, apex=apex)
    elif name == "synthetic":
        rows, exclusions, sources = megc2019.read(folder, "synthetic_", _MAKE_SYNTHETIC, apex)
    elif name == "own":
        rows, exclusions, sources = own.read(folder, scheme, apex)
        folder = folder.parent if folder.is_file() else folder
    elif name == "class_folders":
        rows, exclusions, sources = class_folders.read(folder, name, scheme, apex)
    else:
        rows, exclusions, sources, *offered = RELEASES[name](folder, name, scheme, apex)
        views = offered[0] if offered else views
    rows, without = apexes.choose(apex, rows, frame_names)
    usual = schemes.own() if name in OWN else schemes.find(name)
    called = [name, *([scheme.name] if scheme.name != usual.name else [])]
    return Corpus(
        name="-".join([*called, *([apex] if apex != "sheet" else [])]),
        path=folder,
        clips=clip_table(rows),
        exclusions=exclusion_table([*exclusions, *without]),
        classes=scheme.classes,
        views=tuple(views),
        synthetic=name == "synthetic",
        # Below the corpus's own folder: a report should not tell where on a disk that lies.
        sources=tuple(
            text.replace(f"{folder}{os.sep}", "").replace(str(folder), folder.name)
            for text in sources
        ),
        scheme=scheme,
        apex=apex,
    )


_MAKE_SYNTHETIC = "make it with `python -m mer_utils.synthetic`"


def _check_folder(name: str, folder: Path) -> None:
    if name == "own" and folder.is_file():
        return
    if folder.is_dir() and entries(folder):
        return
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file: give the folder of corpus '{name}'")
    remedy = f"put the {name} release there as data/README.md shows, or give its path"
    if name == "synthetic":
        remedy = _MAKE_SYNTHETIC
    elif name == "megc2019":
        remedy = "put the folders casme2, samm and smic there as data/README.md shows"
    elif name == "own":
        remedy = f"put {own.NAME} there as data/README.md shows, or give its path"
    raise StudyError(f"{folder} {'is empty' if folder.exists() else 'does not exist'}: {remedy}")
