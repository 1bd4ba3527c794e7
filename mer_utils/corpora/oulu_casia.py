"""Oulu-CASIA: six posed expressions of 80 people, 25 fps, one light and camera at a time.

Zhao et al., Image and Vision Computing 2011. `OriginalImg/VL/Strong/P001/Anger/000.jpeg`: camera
(VL or NI), light (Strong, Weak, Dark), the person, the class. A sequence goes from neutral to
the peak, so that its last frame is the apex: `apex_source` is `release`. Without a choice VL/Strong
is read (480 sequences); another light is read by giving its folder. `PreProcess` copies are read
where the originals are missing. The case of the class folders differs between copies.
"""

import re
from pathlib import Path

from ..errors import StudyError
from . import ids, release
from .frames import folders, frame_files, subjects_root
from .schemes import Scheme

FPS = 25.0
SUBJECT = re.compile(r"p[0-9]{3}", re.IGNORECASE)
PREFER = ("originalimg/vl/strong", "vl/strong", "vl_acropped/strong", "strong")


def read(
    path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list[str]]:
    """Rows for `clip_table`, rows for `exclusion_table`, sentences on what was read."""
    root, others = subjects_root(path, SUBJECT, PREFER, (), "OriginalImg/VL/Strong/P001")
    sources = [f"frames {root} (no sheet: the folders are the annotation)"]
    sources += [f"not read: {other}" for other in others]
    events = []
    for person in folders(root):
        if not SUBJECT.fullmatch(person.name):
            continue
        subject = ids.subject(corpus, person.name)
        for folder in folders(person):
            emotion = folder.name.lower()
            label, reason = scheme.label(emotion)
            try:
                numbers = list(frame_files(folder))
            except StudyError as error:
                numbers, reason = [], reason or str(error)
            if len(numbers) < 2:
                reason = (
                    reason or f"{emotion} holds {len(numbers)} images: neutral and peak need two"
                )
            ends = (
                {"onset": numbers[0], "apex": numbers[-1], "offset": numbers[-1]} if numbers else {}
            )
            events.append(
                release.Event(subject, emotion, ends, folder, label, emotion, reason=reason)
            )
    rows, exclusions = release.settle(events, corpus, FPS, release.Listing())
    return [row | {"apex_source": "release"} for row in rows], exclusions, sources
