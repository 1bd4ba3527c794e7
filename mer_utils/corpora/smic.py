"""SMIC (HS camera): 164 clips of 16 subjects at 100 fps; the folders are the annotation.

Li et al., FG 2013. `SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp`: the class is a
folder, a clip begins at its first frame and ends at its last, an apex is not given (and not
invented here: `apex_source` stays "" until key frames are spotted).
"""

import re
from pathlib import Path

from ..errors import StudyError
from . import ids
from .frames import folders, frame_files, subjects_root
from .schemes import Scheme
from .table import CLASSES, KEY, nearest

FPS = 100.0
SUBJECT = re.compile(r"s[0-9]+", re.IGNORECASE)
CLIP = re.compile(r"s[0-9]+_(ne|po|sur)_[0-9]+", re.IGNORECASE)
CODES = {"ne": "negative", "po": "positive", "sur": "surprise"}
OTHER_CAMERAS = ("vis", "nir")  # SMIC-VIS and SMIC-NIR repeat the HS subjects
LONG = ("hs_long", "smic_hs_e", "smic-hs-e")  # SMIC-E: frames before onset and after offset too
LONGEST = 100  # frames, one second: far above any clip of SMIC-HS
NOT_MICRO = ("non_micro", "nonmicro")


def clips(folder: Path, depth: int = 3) -> list[Path]:
    """Clip folders below a subject's folder: directly, or under micro/<class>."""
    found = []
    for child in folders(folder):
        if CLIP.fullmatch(child.name):
            found.append(child)
        elif depth and child.name.lower() not in NOT_MICRO:
            found += clips(child, depth - 1)
    return found


def _emotion(folder: Path) -> tuple[str, str]:
    """(class, "") or ("", what is wrong): folder and clip name must say the same."""
    named = CODES[CLIP.fullmatch(folder.name)[1].lower()]
    above = folder.parent.name.lower()
    if above == "micro" or SUBJECT.fullmatch(above):  # copies without the folder of the class
        return named, ""
    if above not in CLASSES:
        near = nearest(above, CLASSES)
        return "", f"folder '{folder.parent.name}' is no emotion of SMIC, the nearest is '{near}'"
    if above != named:
        return "", f"the folder says {above}, the name {folder.name} says {named}"
    return above, ""


def read(
    path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list[str]]:
    """Rows for `clip_table`, rows for `exclusion_table`, sentences on what was read."""
    root, others = subjects_root(path, SUBJECT, ("raw", "crop"), (*OTHER_CAMERAS, *LONG), "HS/s1")
    if root.name.lower() in LONG:
        raise StudyError(
            f"{root} is the long release SMIC-E, whose first frame is not the onset: put "
            f"SMIC_all_raw or SMIC_all_cropped there"
        )
    sources = [f"frames {root} (no sheet: the folders are the annotation)"]
    sources += [f"not read: {other}" for other in others]
    rows, exclusions, seen = [], [], {}
    for subject_folder in folders(root):
        if not SUBJECT.fullmatch(subject_folder.name):
            continue
        subject = ids.subject(corpus, subject_folder.name)
        clip_folders = clips(subject_folder)
        if not clip_folders:
            reason = f"{subject_folder} holds no clip such as micro/negative/s1_ne_01"
            exclusions.append((corpus, subject, "", reason))
        for folder in clip_folders:
            clip = ids.clip(corpus, folder.name)
            if (subject, clip) in seen:
                other = seen[subject, clip]
                raise StudyError(f"{other} and {folder} are folders of one clip: keep one")
            seen[subject, clip] = folder
            emotion, reason = _emotion(folder)
            label, unmapped = scheme.label(emotion) if emotion else ("", "")
            reason = reason or unmapped
            files: dict[int, Path] = {}
            try:
                files = frame_files(folder)
            except StudyError as error:
                reason = reason or str(error)
            if not reason and not clip.startswith(f"{subject}_"):
                reason = f"clip {folder.name} lies in the folder of subject {subject_folder.name}"
            if not reason and len(files) < 2:
                reason = f"{folder.name} holds {len(files)} images: onset and offset need two"
            if not reason:
                ends = (files[min(files)], files[max(files)])
                empty = [file.name for file in ends if not file.stat().st_size]
                reason = f"{folder.name}/{empty[0]} is an empty file" if empty else ""
            if reason:
                exclusions.append((corpus, subject, clip, reason))
                continue
            span = max(files) - min(files) + 1
            notes = [f"{span - len(files)} frame numbers are missing between"] * (span > len(files))
            if span > LONGEST:
                notes.append(f"{span} frames, longer than any clip of SMIC-HS: from SMIC-E?")
            rows.append(
                dict(zip(KEY, (corpus, subject, clip), strict=True))
                | {"label": label, "emotion": emotion, "onset": min(files), "offset": max(files)}
                | {"apex_source": "", "fps": FPS, "frames": str(folder)}
                | {"note": "; ".join(notes)}
            )
    return rows, exclusions, sources
