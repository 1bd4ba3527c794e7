"""AFEW 7.0 (EmotiW): acted expressions in films, seven classes, no person named.

Dhall et al., IEEE MultiMedia 2012. `Train_AFEW/Angry/000046280.avi`, `Val_AFEW/...`; 773 and 383
clips, and a test part without labels. Nobody says who is in a clip, so nobody can be left out:
every row has the subject `unknown`, which leave-one-subject-out refuses, and the official split
stands before the clip's name (`train_000046280`, `val_...`) and in `split`. The whole clip is the
expression: onset 1, the offset its last frame, no apex. Aligned faces that newer drops add are not
read: what lies where in them is not known here.
"""

import re
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from . import release
from .frames import VIDEOS, entries, folders
from .schemes import Scheme

SPLIT = re.compile(r"(train|val|validation|test)(?:_afew)?", re.IGNORECASE)
PERSON = "unknown"


def read(
    path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list[str]]:
    """Rows for `clip_table`, rows for `exclusion_table`, sentences on what was read."""
    parts = [folder for folder in [path, *folders(path)] if SPLIT.fullmatch(folder.name)]
    if not parts:
        parts = [f for child in folders(path) for f in folders(child) if SPLIT.fullmatch(f.name)]
    if not parts:
        raise StudyError(
            f"{path} holds no folder such as Train_AFEW: put Train_AFEW and Val_AFEW there, as "
            f"data/README.md shows"
        )
    sources = [f"videos {part} (no sheet: the folders are the annotation)" for part in parts]
    events = []
    for part in parts:
        split = SPLIT.fullmatch(part.name)[1].lower().replace("validation", "val")
        for folder in folders(part):
            label, reason = scheme.label(folder.name.lower())
            if reason and not _videos(folder):
                sources.append(f"not read: {folder}")
                continue
            events += [
                _event(video, split, label, folder.name.lower(), reason)
                for video in _videos(folder)
            ]
        events += [
            _event(video, split, "", "", f"no label: {part.name} has no folder of a class for it")
            for video in _videos(part)
        ]
    return *release.settle(events, corpus, None, release.Listing()), sources


def _videos(folder: Path) -> list[Path]:
    return [Path(e.path) for e in entries(folder) if Path(e.name).suffix.lower() in VIDEOS]


def _event(video: Path, split: str, label: str, emotion: str, reason: str) -> release.Event:
    if not reason and not video.stat().st_size:
        reason = f"{video.name} is an empty file: copy it again"
    return release.Event(
        *(PERSON, f"{split}_{video.stem}", {"onset": 1}, video, label, emotion), reason=reason
    )


def split(clips: pd.DataFrame) -> pd.Series:
    """ "train" or "val" of each clip of a table that `read` made."""
    return clips["clip"].str.partition("_")[0]
