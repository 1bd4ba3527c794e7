"""Clips of every corpus in one table, each left-out clip with its reason."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from .. import paths
from ..errors import StudyError
from . import apexes, errata, official
from .frames import entries, folders, frame_files, packed
from .reader import Copy, Release
from .releases import RELEASES
from .table import CLASSES, COLUMNS, FRAME_VIEWS, KEY, Corpus, clip_table, exclusion_table, unknown

CORPORA = tuple(RELEASES)
OWN = re.compile(r"own_[a-z0-9_]{1,30}")  # one of several sets of own clips

__all__ = ["CLASSES", "COLUMNS", "CORPORA", "FRAME_VIEWS", "KEY", "RELEASES"]
__all__ += ["Corpus", "default_folder", "frame_files", "load", "named", "release_of", "title"]


def release_of(name: str) -> Release:
    """The entry of a corpus; that of `own_pilot` is the entry of `own` under this name.

    Raises StudyError for a name that is not known.
    """
    if OWN.fullmatch(name):
        return replace(RELEASES["own"], name=name, title=f"your own clips, {name[4:]}")
    if name.startswith("own_"):
        raise StudyError(
            f"corpus '{name}' cannot be a name: write own_ and up to 30 small letters, digits or _"
        )
    if name not in RELEASES:
        raise unknown("corpus", name, CORPORA)
    return RELEASES[name]


def title(name: str) -> str:
    """What reports call a corpus: `casme2-5` is "CASME II, 5"; an unknown name stays as it is."""
    name, _, rest = name.partition("-")
    words = [word for word in _words(rest) if word]
    known = name in RELEASES or OWN.fullmatch(name)
    text = ", ".join([release_of(name).title if known else name, *words])
    return text[:1].upper() + text[1:]


def default_folder(name: str) -> Path:
    """The place of a corpus, as data/README.md shows it."""
    release = release_of(name)
    if release.synthetic:
        return paths.SYNTHETIC
    return paths.RAW / (name if release.folder is None else release.folder)


def _packed(folder: Path) -> str:
    """The archives in a folder and one below, as text."""
    places = [folder, *folders(folder)] if folder.is_dir() else []
    return ", ".join([name for place in places for name in packed(place)][:3])


def _as_text(rows: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """Bytes of a name on disk that are no UTF-8, as an archive from another system has, escaped."""
    return [tuple(t.encode("utf-8", "backslashreplace").decode() for t in row) for row in rows]


def _named_as_text(clips: Sequence[dict]) -> tuple[list[dict], list[tuple]]:
    """The clips whose names can be written, and (key, reason) of those whose cannot."""
    keys = [tuple(row[column] for column in (*KEY, "frames")) for row in clips]
    whole = [key == escaped for key, escaped in zip(keys, _as_text(keys), strict=True)]
    reason = "a name on its path is no UTF-8 text: rename it, or unpack the archive as UTF-8"
    misnamed = [(*key[:3], reason) for key, right in zip(keys, whole, strict=True) if not right]
    return [row for row, right in zip(clips, whole, strict=True) if right], misnamed


def _words(rest: str) -> tuple[str, str]:
    """What follows the name of a release: its classes, and where the apex comes from ("")."""
    words = rest.split("-")
    policies = [word for word in words if word in apexes.POLICIES]
    return "-".join(word for word in words if word not in policies), "".join(policies[-1:])


def named(
    name: str, classes: str | int | Sequence[str] | None = None, apex: str = "sheet"
) -> tuple:
    """(the usual spelling of a corpus's name, its Release, its Scheme, its policy of the apex).

    `casme2-3-sheet` is `casme2`; classes and apex as in `load`. Raises StudyError for what is
    unknown or cannot be a name, whether or not the corpus is here.
    """
    release, dash, rest = str(name).partition("-")
    release = release_of(release)
    of_name, policy = _words(rest)
    scheme = release.scheme(of_name if of_name or (dash and not policy) else classes)
    apex = policy or apex
    if apex not in apexes.POLICIES:
        raise unknown("apex", apex, apexes.POLICIES)
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
    classes for `own`. apex: where the apex comes from (see `apexes`). Both may be part of the name
    as well, `casme2-5-midpoint`: so is a corpus called whose scheme or apex is not the first, in
    its runs, its tables and its folder of reports, and never mixed with another. Raises StudyError,
    one sentence, for what the user can mend.
    """
    full_name, release, scheme, apex = named(name, classes, apex)
    name = release.name
    folder = Path(os.path.abspath(Path(path).expanduser())) if path else default_folder(name)
    if not (release.file and folder.is_file()):
        usual = f"put the {name} release there as data/README.md shows, or give its path"
        if folder.is_file():
            raise StudyError(f"{folder} is a file: give the folder of corpus '{name}'")
        if not folder.is_dir() or not entries(folder):
            state = "is empty" if folder.exists() else "does not exist"
            raise StudyError(f"{folder} {state}: {release.remedy or usual}")
    errata.check_corpora(CORPORA)
    try:
        copy = Copy(release, folder, name, scheme, apex).read()
    except StudyError as error:
        if not (archives := _packed(folder)):
            raise
        raise StudyError(f"{error}; not unpacked there: {archives}: unpack it") from error
    if apex != "sheet" and "frames" not in copy.views:
        raise StudyError(
            f"apex '{apex}' needs frames, which {name} has not: choose a corpus of frames"
        )
    rows, misnamed = _named_as_text(copy.clips)
    rows, without_apex = apexes.choose(apex, rows)
    folder = folder.parent if folder.is_file() else folder

    def told(rows: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
        # Below the corpus's own folder: a report must not name folders of this machine.
        inside, itself = f"{folder}{os.sep}", str(folder)
        return _as_text(
            [text.replace(inside, "").replace(itself, folder.name) for text in row] for row in rows
        )

    corpus = Corpus(
        name=full_name,
        path=folder,
        clips=clip_table(rows),
        exclusions=exclusion_table(told([*copy.exclusions, *misnamed, *without_apex])),
        classes=scheme.classes,
        views=copy.views,
        synthetic=release.synthetic,
        sources=tuple(sentence for (sentence,) in told(zip(copy.sources, strict=True))),
        scheme=scheme,
        apex=apex,
    )
    if release.official and len(official.difference(corpus)):
        raise StudyError(
            f"{folder} is not as it was published, copy it again: {official.sentence(corpus)}"
        )
    return corpus
