"""SMIC-E, the long release of SMIC (HS camera): 157 films, `SMIC-HS-E_annotation.xlsx`, 100 fps.

Li et al., FG 2013. Frames `HS_long/SMIC_HS_E/s01/s1_ne_01/image559740.jpg`, with time before the
onset and after the offset; the sheet (tab HS) gives up to three events of each film. The films hold
the 164 clips of SMIC-HS: the second event of a film is a clip of its own there, under a name that
the sheet does not say. Here it is `<film>_event2`. VIS and NIR repeat the people and are not read.

Known from public readers of this release, not from a copy of it: an event before the film's first
frame (five third events) and a sheet that contradicts a film's name are left out with that reason.
"""

from . import smic
from .reader import Copy, Reading
from .table import Scheme

FIELDS = {
    "subject": ("Subject",),
    "clip": ("Filename",),
    "onset": ("OnsetF", "Onset"),
    "offset": ("OffsetF", "Offset"),
    "onset2": ("Onset2F", "Onset2"),
    "offset2": ("Offset2F", "Offset2"),
    "onset3": ("Onset3F", "Onset3"),
    "offset3": ("Offset3F", "Offset3"),
    "first": ("FirstF",),
    "emotion": ("Emotion",),
}
OPTIONAL = ("onset2", "offset2", "onset3", "offset3", "first")
NO_EVENT = ("", "0", "/", "-", "nan")
OTHER_CAMERAS = ("vis", "nir", "vis_long", "nir_long", "smic-vis-e", "smic-nir-e")


def read(copy: Copy) -> Reading:
    root = copy.find_frames()
    sheet = copy.read_sheet(root)
    films = copy.clip_folders(root, smic.clips)
    for row, notes, reason in copy.rows(sheet):
        film = row["clip"]
        folder = films.get((row["subject"], film.lower()))
        if folder is None:
            reason = reason or f"no folder {row['subject']}/{film} in {root}"
        reason = reason or _contradiction(film, row["emotion"].lower(), copy.scheme)
        for number, end in enumerate(("", "2", "3"), start=1):
            onset, offset = row[f"onset{end}"], row[f"offset{end}"]
            if end and onset in NO_EVENT and offset in NO_EVENT:
                continue
            part = {"clip": f"{film}_event{end}", "onset": onset, "offset": offset} if end else {}
            event = copy.add(row | part, notes, reason)
            event.frames = folder
            if end:
                event.notes.append(f"event {number} of the film {film}")
            first = row["first"].removesuffix(".0")
            if not event.reason and first.isdigit() and event.numbers["onset"] < int(first):
                onset = event.numbers["onset"]
                event.reason = f"onset {onset} is before the film's first frame {first}"
    copy.leave_out_unlisted(films, sheet)
    return copy.settle()


def _contradiction(film: str, emotion: str, scheme: Scheme) -> str:
    """How the film's name and the sheet differ, or ""."""
    code = smic.CLIP.fullmatch(film)
    if code is None:
        return f"'{film}' is no name of a film such as s1_ne_01"
    label, unmapped = scheme.label(emotion)
    named = smic.CODES[code[1].lower()]
    if not unmapped and label != named:
        return f"the sheet says {label}, the name {film} says {named}"
    return ""
