"""CAS(ME)^3: part A, 860 micro-expressions of 94 subjects, and part C, 165 of a mock crime.

Li et al., IEEE TPAMI 2022; 30 fps, 1280x720; depth is not read.

Part A: sheet `cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx`, tab label. Frames circulate as films of
several expressions, `part_A/spNO.1/a/color/355.jpg`, and as clips,
`Part_A_ME_clip/frame/spNO.1_a_355/355.jpg`, which are read first. A clip's name here is film and
onset (`a_355`). Quirks of the sheet: apex = onset in 55 rows, before it in two, offset 0 in two, 72
rows longer than two seconds; a tenth of the clips lacks frames. Rows that contradict themselves are
left out. Two published corrections name such rows by number only (128, 749) and are not applied.

Part C: sheet `CAS(ME)3_part_C_ME.xlsx` with sub, count, onset, offset, au, emotion: no apex, no
folder, and emotions that are classes already (negative 99, surprise 30, others 20, positive 16).
Public readers find the frames in the one film of each subject, `part_C/1/a/color/355.jpg`; without
any, the clips are listed, but offer nothing to compute. The release's text counts 160, the sheet
165. A clip's name here is its `count`.
"""

import re
from collections import defaultdict
from pathlib import Path

from ..errors import StudyError
from .frames import folders
from .reader import Copy

LONGEST = 60  # frames, two seconds
CLIP = r"spno\.?(0*[0-9]{1,4})_([a-z][0-9]*)_([0-9]+)"
SUBJECT = rf"{CLIP}|spno\.?0*[0-9]{{1,4}}"  # a folder of a clip, or of a subject's films
C_FIELDS = {"subject": ("sub", "Subject"), "clip": ("count",), "onset": ("onset",)}
C_FIELDS |= {"offset": ("offset",), "action_units": ("au", "AUs", "Action Units")}
C_FIELDS |= {"emotion": ("emotion",)}


def read(copy: Copy) -> None:
    """Part A."""
    root = copy.find_frames()
    sheet = copy.read_sheet(root)
    clips = _clips(root, copy)
    films = {} if clips else _films(root, copy)
    for row in sheet.rows:
        row["film"] = row["clip"]
        row["clip"] += f"_{row['onset'].removesuffix('.0')}"
    for row, notes, reason in copy.rows(sheet):
        subject, film, clip = row["subject"], row["film"].lower(), row["clip"].lower()
        frames = clips.get((subject, clip)) if clips else films.get((subject, film))
        place = f"{subject}_{clip}" if clips else f"{subject}/{film}"
        event = copy.add(row, notes, reason, frames or copy.no_folder(root, place))
        if event.numbers.get("offset", 0) - event.numbers.get("onset", 0) >= LONGEST:
            event.notes.append("longer than two seconds")
    listed = {(event.subject, event.clip.lower()) for event in copy.events}
    for key, folder in clips.items():  # not every part of a film is an expression
        if key not in listed:
            copy.leave_out(*key, f"{folder.name} on disk has no row in {sheet.path.name}")


def _clips(root: Path, copy: Copy) -> dict[tuple[str, str], Path]:
    """(subject, film_onset in lower case) -> folder of colour frames."""
    clips = {}
    for folder in folders(root):
        if match := re.fullmatch(CLIP, folder.name, re.IGNORECASE):
            subject = copy.release.names.subject(match[1])
            clips[subject, f"{match[2]}_{int(match[3])}".lower()] = folder
    return clips


def _films(root: Path, copy: Copy) -> dict[tuple[str, str], Path]:
    """(subject, film in lower case) -> folder of colour frames."""
    return {
        (subject, film.name.lower()): next(iter(_colour(film)), film)
        for subject, person in copy.subjects(root)
        for film in folders(person)
    }


def _colour(film: Path) -> list[Path]:
    return [folder for folder in folders(film) if folder.name.lower() == "color"]


def read_c(copy: Copy) -> None:
    """Part C."""
    films = defaultdict(list)  # subject -> folders of colour frames
    try:
        root = copy.find_frames()
    except StudyError:
        root, copy.views = None, ()
        copy.sources.append("no frames found: the clips can be counted, and nothing computed")
    for subject, person in copy.subjects(root) if root else ():
        for place in (person, *folders(person)):
            films[subject] += _colour(place)
    sheet = copy.read_sheet(root or copy.path)
    for row, notes, reason in copy.rows(sheet):
        subject, colour = row["subject"], films[row["subject"]]
        wrong = f"{len(colour)} films of subject {subject} in {root}: one is needed"
        frames = wrong if root and len(colour) != 1 else next(iter(colour), None)
        copy.add(row, [*notes, "no apex in the sheet"], reason, frames)
