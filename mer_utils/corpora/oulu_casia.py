"""Oulu-CASIA: six posed expressions of 80 people, 25 fps, one light and camera at a time.

Zhao et al., Image and Vision Computing 2011. `OriginalImg/VL/Strong/P001/Anger/000.jpeg`: camera
(VL or NI), light (Strong, Weak, Dark), the person, the class. A sequence goes from neutral to
the peak, so that its last frame is the apex: `apex_source` is `release`. Without a choice VL/Strong
is read (480 sequences); another light is read by giving its folder. `PreProcess` copies are read
where the originals are missing. The case of the class folders differs between copies.
"""

from .frames import folders
from .reader import Copy, Reading


def read(copy: Copy) -> Reading:
    for subject, person in copy.subjects(copy.find_frames()):
        for folder in folders(person):
            emotion = folder.name.lower()
            event = copy.add_folder(folder, subject, emotion, emotion, "")
            event.apex_source = "release"
            if event.numbers:
                event.numbers["apex"] = event.numbers["offset"]
    return copy.settle()
