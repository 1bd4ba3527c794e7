"""AFEW 7.0 (EmotiW): acted expressions in films, seven classes, no person named.

Dhall et al., IEEE MultiMedia 2012. `Train_AFEW/Angry/000046280.avi` (773 clips), `Val_AFEW/...`
(383), and a test part without labels. Nobody says who is in a clip: every row has the subject
`unknown`, which leave-one-subject-out refuses; the official split begins the clip's name
(`train_000046280`, `val_...`). Onset 1, the offset the last frame, no apex. Aligned faces of newer
drops are not read: their layout is not known here.
"""

import re

from ..errors import StudyError
from .frames import folders, videos
from .reader import Copy

SPLIT = re.compile(r"(train|val|validation|test)(?:_afew)?", re.IGNORECASE)
PERSON = "unknown"


def read(copy: Copy) -> None:
    path = copy.path
    level = [path, *folders(path)]
    below = [folder for child in level[1:] for folder in folders(child)]
    parts = [folder for folder in level if SPLIT.fullmatch(folder.name)]
    parts = parts or [folder for folder in below if SPLIT.fullmatch(folder.name)]
    if not parts:
        raise StudyError(
            f"{path} holds no folder such as Train_AFEW: put Train_AFEW and Val_AFEW there, as "
            f"data/README.md shows"
        )
    copy.sources = [f"videos {part} (no sheet: the folders are the annotation)" for part in parts]
    for part in parts:
        name = SPLIT.fullmatch(part.name)[1].lower().replace("validation", "val")
        for folder in folders(part):
            emotion, films = folder.name.lower(), videos(folder)
            if not films and copy.scheme.label(emotion)[1]:
                copy.sources.append(f"not read: {folder}")
            for video in films:
                copy.add_cut(video, PERSON, f"{name}_{video.stem}", emotion, "")
        for video in videos(part):
            reason = f"no label: {part.name} has no folder of a class for it"
            copy.leave_out(PERSON, f"{name}_{video.stem}", reason)
