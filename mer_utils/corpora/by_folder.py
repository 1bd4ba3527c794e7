"""Corpora whose folders are the annotation: AFEW, Oulu-CASIA, and videos in a folder of each class.

AFEW 7.0 (EmotiW): acted expressions in films, seven classes, no person named. Dhall et al., IEEE
MultiMedia 2012. `Train_AFEW/Angry/000046280.avi` (773 clips), `Val_AFEW/...` (383), and a test part
without labels. Every row has the subject `unknown`, which leave-one-subject-out refuses; the
official split begins the clip's name (`train_000046280`, `val_...`). No apex. Aligned faces of
newer drops are not read: their layout is not known here.

Oulu-CASIA: six posed expressions of 80 people, 25 fps, one light and camera at a time. Zhao et al.,
Image and Vision Computing 2011. `OriginalImg/VL/Strong/P001/Anger/000.jpeg`: camera (VL or NI),
light (Strong, Weak, Dark), person, class. A sequence ends at the peak: its last frame is the apex,
`apex_source` is `release`. VL/Strong is read (480 sequences), `PreProcess` copies where the
originals are missing, another light by giving its folder.

Class folders: `negative/EP02_01f.mp4` next to `clips.xlsx` (or .csv) with the columns Subject and
Filename, as the published CNN-GRU systems ask for. A name that the sheet has for two subjects (53
of CASME II) is left out, unless the file is called `<subject>_<name>.mp4`. The films are cut to the
expression; frame numbers of the sheet count in the uncut film, unread.

Onset is the first frame everywhere, the offset the last.
"""

import re
from collections import defaultdict

from ..errors import StudyError
from . import ids
from .frames import folders, videos
from .reader import Copy

SPLIT = re.compile(r"(train|val|validation|test)(?:_afew)?", re.IGNORECASE)
FIELDS = {"subject": ("Subject", "sub"), "clip": ("Filename", "filename_o", "clip", "name")}


def afew(copy: Copy) -> None:
    """AFEW."""
    level = [copy.path, *folders(copy.path)]
    below = [folder for child in level[1:] for folder in folders(child)]
    parts = [folder for folder in level if SPLIT.fullmatch(folder.name)]
    parts = parts or [folder for folder in below if SPLIT.fullmatch(folder.name)]
    if not parts:
        raise StudyError(
            f"{copy.path} holds no folder such as Train_AFEW: put Train_AFEW and Val_AFEW there, "
            f"as data/README.md shows"
        )
    copy.sources = [f"videos {part} (no sheet: the folders are the annotation)" for part in parts]
    for part in parts:
        name = SPLIT.fullmatch(part.name)[1].lower().replace("validation", "val")
        for folder in folders(part):
            emotion, films = folder.name.lower(), videos(folder)
            if not films and copy.scheme.label(emotion)[1]:
                copy.sources.append(f"not read: {folder}")
            for video in films:
                copy.add_cut(video, "unknown", f"{name}_{video.stem}", emotion, "")
        for video in videos(part):
            reason = f"no label: {part.name} has no folder of a class for it"
            copy.leave_out("unknown", f"{name}_{video.stem}", reason)


def oulu_casia(copy: Copy) -> None:
    """Oulu-CASIA."""
    for subject, person in copy.subjects(copy.find_frames()):
        for folder in folders(person):
            emotion = folder.name.lower()
            event = copy.add_cut(folder, subject, emotion, emotion, "")
            event.apex_source = "release"
            if event.numbers:
                event.numbers["apex"] = event.numbers["offset"]


def class_folders(copy: Copy) -> None:
    """Videos in a folder of each class."""
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
