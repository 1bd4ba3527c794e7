"""SMIC and SMIC-E (HS camera, 100 fps): 164 clips of 16 subjects, and the 157 films they are of.

Li et al., FG 2013.

SMIC: `SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp`: the folders are the annotation,
a clip begins at its first frame and ends at its last. No apex is given and none is invented here.

SMIC-E: sheet `SMIC-HS-E_annotation.xlsx` (tab HS) gives up to three events of a film, frames
`HS_long/SMIC_HS_E/s01/s1_ne_01/image559740.jpg` begin before the onset and end after the offset.
The second event is a clip of SMIC under a name that the sheet does not say: here it is
`<film>_event2`. VIS and NIR repeat the people and are not read. Written from public readers, not
from a copy. Quirks of the sheet: five third events and one onset are before the film's first frame
(the frames on disk say which number is wrong), one third event is the second once more, one emotion
contradicts the film's name.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import StudyError
from .frames import below
from .reader import Copy
from .sheets import is_missing
from .table import CLASSES, nearest

CLIP = re.compile(r"s0*[0-9]{1,3}_(ne|po|sur)_[0-9]+", re.IGNORECASE)
CODES = {"ne": "negative", "po": "positive", "sur": "surprise"}
LONG = ("hs_long", "smic_hs_e", "smic-hs-e")  # folders of SMIC-E
LONGEST = 100  # frames, one second: far above any clip of SMIC-HS
NOT_MICRO = ("non_micro", "nonmicro")
EVENTS = ("", "2", "3")  # of a film, at the end of a heading
E_FIELDS = {"subject": ("Subject",), "clip": ("Filename",), "first": ("FirstF",)}
E_FIELDS |= {"emotion": ("Emotion",)}
for _name in (f"{name}{end}" for end in EVENTS for name in ("Onset", "Offset")):
    E_FIELDS[_name.lower()] = (f"{_name}F", _name)  # other sheets have no second and third event
OTHER_CAMERAS = ("vis", "nir", "vis_long", "nir_long", "smic-vis-e", "smic-nir-e")


def clips(folder: Path) -> Iterator[Path]:
    """Clip folders below a subject's folder: directly, or under micro/<class>."""
    return below(folder, CLIP.fullmatch, NOT_MICRO, depth=3)


def read(copy: Copy) -> None:
    """SMIC."""
    root = copy.find_frames()
    if root.name.lower() in LONG:
        raise StudyError(
            f"{root} is the long release SMIC-E, whose first frame is not the onset: put "
            f"SMIC_all_raw or SMIC_all_cropped there"
        )
    for (subject, clip), folder in copy.clip_folders(root, clips).items():
        emotion, above = named(folder.name), folder.parent.name
        reason = ""
        if above.lower() in CLASSES and above.lower() != emotion:
            reason = f"the folder says {above.lower()}, the name {folder.name} says {emotion}"
        # copies without a folder of the class have the subject's or `micro` above
        elif above.lower() not in (emotion, "micro") and not copy.is_subject(above):
            near = nearest(above, CLASSES)
            reason = f"folder '{above}' is no emotion of SMIC, the nearest is '{near}'"
        elif not clip.startswith(f"{subject}_"):
            reason = f"clip {folder.name} is in the folder of subject {subject}"
        event = copy.add_cut(folder, subject, clip, emotion, reason)
        if event.numbers:
            span = event.numbers["offset"] - event.numbers["onset"] + 1
            if missing := span - len(copy.frame_names(folder)):
                event.notes.append(f"{missing} frame numbers are missing between")
            if span > LONGEST:
                event.notes.append(f"{span} frames, longer than any clip of SMIC-HS: from SMIC-E?")
    subjects = {event.subject for event in copy.events}
    for subject, folder in copy.subjects(root):
        if subject not in subjects:
            copy.leave_out(subject, "", f"{folder} holds no clip such as micro/negative/s1_ne_01")


def named(name: str) -> str:
    """The class that a clip's name says, "" if it is no name of a clip."""
    match = CLIP.fullmatch(name)
    return CODES[match[1].lower()] if match else ""


def read_e(copy: Copy) -> None:
    """SMIC-E."""
    root = copy.find_frames()
    sheet = copy.read_sheet(root)
    films = copy.clip_folders(root, clips)
    for row, notes, reason in copy.rows(sheet):
        film, place = row["clip"], f"{row['subject']}/{row['clip']}"
        frames = films.get((row["subject"], film.lower())) or copy.no_folder(root, place)
        reason = reason or (frames if isinstance(frames, str) else "")
        coded, label = named(film), copy.scheme.label(row["emotion"].lower())[0]
        if not coded:
            reason = reason or f"'{film}' is no name of a film such as s1_ne_01"
        elif label not in ("", coded):
            reason = reason or f"the sheet says {label}, the name {film} says {coded}"
        for end in EVENTS:
            onset, offset = row[f"onset{end}"], row[f"offset{end}"]
            if end and all(cell == "0" or is_missing(cell) for cell in (onset, offset)):
                continue
            part = {"clip": f"{film}_event{end}", "onset": onset, "offset": offset} if end else {}
            event_of = [f"event {end} of the film {film}"] if end else []
            event = copy.add(row | part, [*notes, *event_of], reason, frames)
            first = row["first"].removesuffix(".0")
            if event.numbers and first.isdecimal() and event.numbers["onset"] < int(first):
                # one of the two is wrong, and the frames on disk say which
                event.notes.append(f"the sheet's first frame {first} is after this onset")
    copy.leave_out_unlisted(films, sheet)
