"""Videos in a folder for each class, and a sheet that says who is in them.

`negative/EP02_01f.mp4` next to `clips.xlsx` (or .csv) with the columns Subject and Filename, as the
published CNN-GRU systems ask for. A name that the sheet has for two subjects (53 of CASME II) is
left out, unless the file is called `<subject>_<name>.mp4`. The films are cut to the expression:
onset 1, the offset the last frame; frame numbers of the sheet count in the uncut film, unread.
"""

from collections import defaultdict

from ..errors import StudyError
from . import ids
from .frames import folders, videos
from .reader import Copy

FIELDS = {"subject": ("Subject", "sub"), "clip": ("Filename", "filename_o", "clip", "name")}


def read(copy: Copy) -> None:
    unread = {folder.name.lower(): folder for folder in folders(copy.path)}
    names = [name for name in copy.scheme.classes if name.lower() in unread]
    classes = {name: unread.pop(name.lower()) for name in names}
    if not classes:
        raise StudyError(
            f"{copy.path} holds no folder named as a class: put the videos into "
            f"{', '.join(copy.scheme.classes)}, or name your classes"
        )
    sheet = copy.read_sheet(copy.path)
    copy.sources += [f"videos {folder}" for folder in classes.values()]
    copy.sources += [f"not read: {folder}" for folder in unread.values()]
    people, subjects = defaultdict(set), {}  # clip name in lower case -> subjects who have one
    for row in sheet.rows:  # 1 and 01 in one sheet are one person
        subject = subjects.setdefault(ids.person(row["subject"]), row["subject"])
        people[row["clip"].lower()].add(subject)
    for label, folder in classes.items():
        for video in videos(folder):
            subject, clip, reason = _who(video.stem.strip(), people, sheet.path.name)
            copy.add_cut(video, subject, clip, label, reason)


def _who(stem: str, people: dict[str, set[str]], sheet: str) -> tuple[str, str, str]:
    """(subject, clip, "") of a file's name, or what is wrong with it."""
    subjects = people.get(stem.lower(), set())
    if len(subjects) == 1:
        return *subjects, stem, ""
    if subjects:
        names = " and ".join(sorted(subjects))
        reason = f"{sheet} gives this name to the subjects {names}: call it <subject>_{stem}"
        return "", stem, reason
    parts = stem.split("_")
    for number in range(1, len(parts)):
        person, clip = ids.person("_".join(parts[:number])), "_".join(parts[number:])
        same = [name for name in people.get(clip.lower(), ()) if ids.person(name) == person]
        if len(same) == 1:
            return same[0], clip, ""
    return "", stem, f"{sheet} has no row for it"
