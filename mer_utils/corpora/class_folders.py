"""Videos in a folder for each class, and a sheet that says who is in them.

`negative/EP02_01f.mp4` next to `clips.xlsx` (or .csv) with the columns Subject and Filename, as the
published CNN-GRU systems ask for. A clip's name alone is not its key: CASME II gives 53 names to
two subjects or more. So a name that the sheet has for two subjects is left out, unless the file is
called `<subject>_<name>.mp4`. The films are cut to the expression: onset 1, the offset the last
frame, and frame numbers of the sheet, which count in the uncut film, are not read.
"""

from collections import defaultdict
from functools import partial

from ..errors import StudyError
from . import ids, sheets
from .frames import folders, videos
from .reader import Copy, Reading

FIELDS = {"subject": ("Subject", "sub"), "clip": ("Filename", "filename_o", "clip", "name")}


def read(copy: Copy) -> Reading:
    by_name = {folder.name.lower(): folder for folder in folders(copy.path)}
    classes = {name: by_name.pop(name) for name in copy.scheme.classes if name in by_name}
    if not classes:
        raise StudyError(
            f"{copy.path} holds no folder named as a class: put the videos into "
            f"{', '.join(copy.scheme.classes)}, or name your classes"
        )
    fits = partial(sheets.holds, fields=FIELDS)
    file = sheets.find([copy.path], copy.release.sheet_files, copy.release.title, fits)
    people = _people(sheets.read(file, FIELDS))
    copy.sources = [f"sheet {file}: {sum(map(len, people.values()))} names"]
    copy.sources += [f"videos {folder}" for folder in classes.values()]
    copy.sources += [f"not read: {folder}" for folder in by_name.values()]
    for label, folder in classes.items():
        for video in videos(folder):
            subject, clip, reason = _who(video.stem.strip(), people, file.name)
            copy.add_video(video, subject, clip, label, label, reason)
    return copy.settle()


def _people(sheet: sheets.Sheet) -> dict[str, set[str]]:
    """Clip name in lower case -> subjects that the sheet gives it to."""
    people, spelled = defaultdict(set), {}
    for row in sheet.rows:  # 1 and 01 in one sheet are one person
        people[row["clip"].lower()].add(spelled.setdefault(_plain(row["subject"]), row["subject"]))
    return dict(people)


def _who(stem: str, people: dict[str, set[str]], sheet: str) -> tuple[str, str, str]:
    """(subject, clip, "") of a file's name, or what is wrong with it."""
    subjects = people.get(stem.lower(), set())
    if len(subjects) == 1:
        return next(iter(subjects)), stem, ""
    if len(subjects) > 1:
        names = " and ".join(sorted(subjects))
        reason = f"{sheet} gives this name to the subjects {names}: call it <subject>_{stem}"
        return "", stem, reason
    parts = stem.split("_")
    for number in range(1, len(parts)):
        person, clip = "_".join(parts[:number]), "_".join(parts[number:])
        same = [one for one in people.get(clip.lower(), ()) if _plain(one) == _plain(person)]
        if len(same) == 1:
            return same[0], clip, ""
    return "", stem, f"{sheet} has no row for it"


def _plain(subject: str) -> str:
    """01, sub01 and 1 are one person; so are s1 and s01."""
    digits = ids.plain(subject).lower().removeprefix("sub").removeprefix("s")
    return str(int(digits)) if digits.isdecimal() else subject.lower()
