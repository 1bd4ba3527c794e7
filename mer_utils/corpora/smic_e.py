"""SMIC-E, the long release of SMIC (HS camera): 157 films, `SMIC-HS-E_annotation.xlsx`, 100 fps.

Li et al., FG 2013. Frames `HS_long/SMIC_HS_E/s01/s1_ne_01/image559740.jpg`, with time before onset
and after offset; the sheet (tab HS) gives up to three events of a film. The second is a clip of
SMIC-HS under a name that the sheet does not say: here it is `<film>_event2`. VIS and NIR repeat the
people and are not read. Written from public readers, not from a copy. Quirks of the sheet: five
third events and one onset are before the film's first frame (the frames on disk say which number is
wrong), one third event is the second once more, one emotion contradicts the film's name.
"""

from . import smic
from .annotations import is_missing
from .reader import Copy

FIELDS = {
    "subject": ("Subject",),
    "clip": ("Filename",),
    "onset": ("OnsetF", "Onset"),
    "offset": ("OffsetF", "Offset"),
    "onset2": ("Onset2F", "Onset2"),  # which other sheets do not have
    "offset2": ("Offset2F", "Offset2"),
    "onset3": ("Onset3F", "Onset3"),
    "offset3": ("Offset3F", "Offset3"),
    "first": ("FirstF",),
    "emotion": ("Emotion",),
}
OTHER_CAMERAS = ("vis", "nir", "vis_long", "nir_long", "smic-vis-e", "smic-nir-e")


def read(copy: Copy) -> None:
    root = copy.find_frames()
    sheet = copy.read_sheet(root)
    films = copy.clip_folders(root, smic.clips)
    for row, notes, reason in copy.rows(sheet):
        film = row["clip"]
        folder = films.get((row["subject"], film.lower()))
        if folder is None:
            reason = reason or copy.no_folder(root, f"{row['subject']}/{film}")
        named, label = smic.named(film), copy.scheme.label(row["emotion"].lower())[0]
        if not named:
            reason = reason or f"'{film}' is no name of a film such as s1_ne_01"
        elif label not in ("", named):
            reason = reason or f"the sheet says {label}, the name {film} says {named}"
        for end in ("", "2", "3"):
            onset, offset = row[f"onset{end}"], row[f"offset{end}"]
            if end and all(cell == "0" or is_missing(cell) for cell in (onset, offset)):
                continue
            part = {"clip": f"{film}_event{end}", "onset": onset, "offset": offset} if end else {}
            event = copy.add(row | part, notes, reason)
            event.frames = folder
            if end:
                event.notes.append(f"event {end} of the film {film}")
            first = row["first"].removesuffix(".0")
            if event.numbers and first.isdecimal() and event.numbers["onset"] < int(first):
                # one of the two is wrong, and the frames on disk say which
                event.notes.append(f"the sheet's first frame {first} is after this onset")
    copy.leave_out_unlisted(films, sheet)
