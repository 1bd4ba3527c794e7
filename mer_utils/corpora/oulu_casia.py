"""Oulu-CASIA: six posed expressions of 80 people, 25 fps, one light and camera at a time.

Zhao et al., Image and Vision Computing 2011. `OriginalImg/VL/Strong/P001/Anger/000.jpeg`: camera
(VL or NI), light (Strong, Weak, Dark), person, class. A sequence ends at the peak: its last frame
is the apex, `apex_source` is `release`. VL/Strong is read (480 sequences), `PreProcess` copies
where the originals are missing, another light by giving its folder.
"""

from .frames import folders
from .reader import Copy


def read(copy: Copy) -> None:
    for subject, person in copy.subjects(copy.find_frames()):
        for folder in folders(person):
            emotion = folder.name.lower()
            event = copy.add_cut(folder, subject, emotion, emotion, "")
            event.apex_source = "release"
            if event.numbers:
                event.numbers["apex"] = event.numbers["offset"]
