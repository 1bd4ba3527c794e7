"""Videos in a folder for each class, and a sheet that says who is in them.

`negative/EP02_01f.mp4` beside `clips.xlsx` (or .csv) with the columns Subject and Filename, as the
published CNN-GRU systems ask for. A clip's name alone is not its key: CASME II gives 53 names to
two subjects or more. So a name that the sheet has for two subjects is left out, unless the file is
called `<subject>_<name>.mp4`. The films are cut to the expression: onset 1, the offset the last
frame, and frame numbers of the sheet, which count in the uncut film, are not read.
"""

from collections import defaultdict
from pathlib import Path

from ..errors import StudyError
from . import ids, release, sheets
from .frames import VIDEOS, entries, folders
from .schemes import Scheme

FIELDS = {"subject": ("Subject", "sub"), "clip": ("Filename", "filename_o", "clip", "name")}


def read(
    path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list[str]]:
    """Rows for `clip_table`, rows for `exclusion_table`, sentences on what was read."""
    known = {folder.name.lower(): folder for folder in folders(path)}
    classes = {name: known[name] for name in scheme.classes if name in known}
    if not classes:
        raise StudyError(
            f"{path} holds no folder named as a class: put the videos into "
            f"{', '.join(scheme.classes)}, or name your classes"
        )
    file = sheets.find([path], ("clips.*",), "clips", fits=_fits)
    people = _people(file)
    sources = [f"sheet {file}: {sum(map(len, people.values()))} names"]
    sources += [f"videos {folder}" for folder in classes.values()]
    sources += [f"not read: {known[name]}" for name in known.keys() - classes.keys()]
    events = []
    for label, folder in classes.items():
        for entry in entries(folder):
            video = Path(entry.path)
            if video.suffix.lower() not in VIDEOS:
                continue
            subject, clip, reason = _who(video.stem.strip(), people, file.name)
            if not reason and not video.stat().st_size:
                reason = f"{video.name} is an empty file: copy it again"
            numbers = {"onset": 1}
            events.append(release.Event(subject, clip, numbers, video, label, label, reason=reason))
    return *release.settle(events, corpus, None, release.Listing()), sources


def _columns(cells: list) -> dict[str, int]:
    heads = [sheets.letters(cell) for cell in cells]
    found = {}
    for name, headings in FIELDS.items():
        at = [heads.index(sheets.letters(one)) for one in headings if sheets.letters(one) in heads]
        found |= {name: at[0]} if at else {}
    return found


def _fits(path: Path) -> bool:
    return sheets.holds(path, "subject", "clip", fields=FIELDS)


def _people(file: Path) -> dict[str, set[str]]:
    """Clip name in lower case -> subjects that the sheet gives it to. Raises StudyError."""
    for grid in sheets.grids(file).values():
        for number, cells in enumerate(grid[:60]):
            columns = _columns(cells)
            if len(columns) < 2:
                continue
            people, spelled = defaultdict(set), {}
            for row in grid[number + 1 :]:
                subject, clip = (
                    sheets.text_of(row[at]) if at < len(row) else "" for at in columns.values()
                )
                if subject and clip:  # 1 and 01 in one sheet are one person
                    people[clip.lower()].add(spelled.setdefault(_plain(subject), subject))
            return dict(people)
    raise StudyError(f"{file} has no header row with the columns Subject and Filename")


def _who(stem: str, people: dict[str, set[str]], sheet: str) -> tuple[str, str, str]:
    """(subject, clip, "") of a file's name, or what is wrong with it."""
    subjects = people.get(stem.lower(), set())
    if len(subjects) == 1:
        return next(iter(subjects)), stem, ""
    if len(subjects) > 1:
        names = " and ".join(sorted(subjects))
        return (
            "",
            stem,
            f"{sheet} gives this name to the subjects {names}: call it <subject>_{stem}",
        )
    for number in range(1, stem.count("_") + 1):
        parts = stem.split("_")
        person, clip = "_".join(parts[:number]), "_".join(parts[number:])
        known = people.get(clip.lower(), set())
        same = [subject for subject in known if _same(subject, person)]
        if len(same) == 1:
            return same[0], clip, ""
    return "", stem, f"{sheet} has no row for it"


def _same(subject: str, other: str) -> bool:
    """01, sub01 and 1 are one person; so are s1 and s01."""
    return _plain(subject) == _plain(other)


def _plain(subject: str) -> str:
    digits = ids.plain(subject).lower().removeprefix("sub").removeprefix("s")
    return str(int(digits)) if digits.isdecimal() else subject.lower()
