"""Clips of every corpus in one table, each left-out clip with its reason."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .. import paths
from ..errors import StudyError
from . import errata, official, table
from .frames import entries, folders, frame_files, packed
from .reader import Copy, Release
from .releases import RELEASES
from .table import CLASSES, COLUMNS, FRAME_VIEWS, KEY, Corpus, Scheme

CORPORA = tuple(RELEASES)
OWN = re.compile(r"own_[a-z0-9_]{1,30}")  # one of several sets of own clips

__all__ = ["CLASSES", "COLUMNS", "CORPORA", "FRAME_VIEWS", "KEY", "RELEASES"]
__all__ += ["Corpus", "default_folder", "frame_files", "load", "named", "release_of", "title"]


def release_of(name: str) -> Release:
    """The entry of a corpus; that of `own_pilot` is `own` under this name. Raises StudyError."""
    if OWN.fullmatch(name):
        return replace(RELEASES["own"], name=name, title=f"your own clips, {name[4:]}")
    if name.startswith("own_"):
        raise StudyError(
            f"corpus '{name}' cannot be a name: write own_ and up to 30 small letters, digits or _"
        )
    if name not in RELEASES:
        raise table.unknown("corpus", name, CORPORA)
    return RELEASES[name]


def title(name: str) -> str:
    """What reports call a corpus: `casme2-5` is "CASME II, 5"; an unknown name stays as it is."""
    name, _, rest = name.partition("-")
    is_known = name in RELEASES or OWN.fullmatch(name)
    parts = (release_of(name).title if is_known else name.replace("_", " "), *_words(rest))
    text = ", ".join(filter(None, parts))
    return text[:1].upper() + text[1:]


def default_folder(name: str) -> Path:
    """The place of a corpus, as data/README.md shows it."""
    release = release_of(name)
    below = release.name if release.folder is None else release.folder
    return paths.SYNTHETIC if release.synthetic else paths.RAW / below


def _words(rest: str) -> tuple[str, str]:
    """What follows the name of a release: its classes, and where the apex comes from ("")."""
    words = rest.split("-")
    policies = [word for word in words if word in table.APEXES]
    return "-".join(word for word in words if word not in table.APEXES), "".join(policies[-1:])


def named(
    name: str, classes: str | int | Sequence[str] | None = None, apex: str = "sheet"
) -> tuple[str, Release, Scheme, str]:
    """(usual spelling, Release, Scheme, apex policy) of a name; classes, apex as `load`."""
    release, dash, rest = str(name).partition("-")
    release = release_of(release)
    of_name, policy = _words(rest)
    scheme = release.scheme(of_name if of_name or (dash and not policy) else classes)
    apex = policy or apex
    if apex not in table.APEXES:
        raise table.unknown("apex", apex, table.APEXES)
    first = scheme.name == release.scheme().name
    parts = [release.name, "" if first else scheme.name, "" if apex == "sheet" else apex]
    return "-".join(filter(None, parts)), release, scheme, apex


def load(
    name: str,
    path: Path | str | None = None,
    classes: str | int | Sequence[str] | None = None,
    apex: str = "sheet",
) -> Corpus:
    """Reads a corpus from `path`, or from its place in data/README.md.

    classes: the number of classes of one of the corpus's schemes, None for its first; names of
    classes for `own`. apex: where the apex comes from (see `table`). Both may be part of the name,
    `casme2-5-midpoint`, and are part of that of runs, tables and reports. Raises StudyError.
    """
    full_name, release, scheme, apex = named(name, classes, apex)
    name = release.name
    folder = Path(os.path.abspath(Path(path).expanduser())) if path else default_folder(name)
    if folder.is_file() and not release.file:
        raise StudyError(f"{folder} is a file: give the folder of corpus '{name}'")
    if not folder.is_file() and not (folder.is_dir() and entries(folder)):
        state = "is empty" if folder.exists() else "does not exist"
        usual = f"put the {name} release there as data/README.md shows, or give its path"
        raise StudyError(f"{folder} {state}: {release.remedy or usual}")
    errata.check_corpora(CORPORA)
    try:
        copy = Copy(release, folder, name, scheme, apex).read()
    except StudyError as error:
        places = [folder, *folders(folder)] if folder.is_dir() else []
        archives = ", ".join([file for place in places for file in packed(place)][:3])
        if not archives:
            raise
        raise StudyError(f"{error}; not unpacked there: {archives}: unpack it") from error
    if apex != "sheet" and "frames" not in copy.views:
        raise StudyError(
            f"apex '{apex}' needs frames, which {name} has not: choose a corpus of frames"
        )
    rows, without_apex = table.choose_apexes(apex, copy.clips)
    folder = folder.parent if folder.is_file() else folder

    def below(text: str) -> str:
        """As seen from the corpus's folder: a report must not name folders of this machine."""
        text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), folder.name)
        return text.encode("utf-8", "backslashreplace").decode()  # of names that are no UTF-8

    exclusions = (*copy.exclusions, *without_apex)
    corpus = Corpus(
        name=full_name,
        path=folder,
        clips=table.clip_table(rows),
        exclusions=table.exclusion_table([map(below, row) for row in exclusions]),
        classes=scheme.classes,
        views=copy.views,
        synthetic=release.synthetic,
        sources=tuple(map(below, copy.sources)),
        scheme=scheme,
        apex=apex,
    )
    if release.official and len(official.difference(corpus)):
        raise StudyError(
            f"{folder} is not as it was published, copy it again: {official.sentence(corpus)}"
        )
    return corpus
