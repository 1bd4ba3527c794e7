"""SMIC (HS camera): 164 clips of 16 subjects at 100 fps; the folders are the annotation.

Li et al., FG 2013. `SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp`: the class is a
folder, a clip begins at its first frame and ends at its last. No apex is given and none is
invented here: `apex_source` stays "" until key frames are spotted.
"""

import re
from pathlib import Path

from ..errors import StudyError
from .frames import folders
from .reader import Copy
from .table import CLASSES, nearest

CLIP = re.compile(r"s0*[0-9]{1,3}_(ne|po|sur)_[0-9]+", re.IGNORECASE)
CODES = {"ne": "negative", "po": "positive", "sur": "surprise"}
LONG = ("hs_long", "smic_hs_e", "smic-hs-e")  # SMIC-E: frames before onset and after offset too
LONGEST = 100  # frames, one second: far above any clip of SMIC-HS
NOT_MICRO = ("non_micro", "nonmicro")


def clips(folder: Path, depth: int = 3) -> list[Path]:
    """Clip folders below a subject's folder: directly, or under micro/<class>."""
    paths = []
    for child in folders(folder):
        if CLIP.fullmatch(child.name):
            paths.append(child)
        elif depth and child.name.lower() not in NOT_MICRO:
            paths += clips(child, depth - 1)
    return paths


def read(copy: Copy) -> None:
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
