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

EVENTS = ("", "2", "3")  # of a film, at the end of a heading
FIELDS = {"subject": ("Subject",), "clip": ("Filename",)}
for _end in EVENTS:  # other sheets have no second and third event
    FIELDS |= {f"onset{_end}": (f"Onset{_end}F", f"Onset{_end}")}
    FIELDS |= {f"offset{_end}": (f"Offset{_end}F", f"Offset{_end}")}
FIELDS |= {"first": ("FirstF",), "emotion": ("Emotion",)}
OTHER_CAMERAS = ("vis", "nir", "vis_long", "nir_long", "smic-vis-e", "smic-nir-e")


def read(copy: Copy) -> None:
    root = copy.find_frames()
    sheet = copy.read_sheet(root)
    films = copy.clip_folders(root, smic.clips)
    for row, notes, reason in copy.rows(sheet):
        film, place = row["clip"], f"{row['subject']}/{row['clip']}"
        frames = films.get((row["subject"], film.lower())) or copy.no_folder(root, place)
        reason = reason or (frames if isinstance(frames, str) else "")
        named, label = smic.named(film), copy.scheme.label(row["emotion"].lower())[0]
        if not named:
            reason = reason or f"'{film}' is no name of a film such as s1_ne_01"
        elif label not in ("", named):
            reason = reason or f"the sheet says {label}, the name {film} says {named}"
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
