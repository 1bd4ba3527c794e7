"""SMIC-E, the long release of SMIC (HS camera): 157 films, `SMIC-HS-E_annotation.xlsx`, 100 fps.

Li et al., FG 2013. Frames `HS_long/SMIC_HS_E/s01/s1_ne_01/image559740.jpg`, with time before the
onset and after the offset; the sheet (tab HS) gives up to three events of each film. The films hold
the 164 clips of SMIC-HS: the second event of a film is a clip of its own there, under a name that
the sheet does not say. Here it is `<film>_event2`. VIS and NIR repeat the people and are not read.

Known from public readers of this release, not from a copy of it: an event before the film's first
frame (five third events) and a sheet that contradicts a film's name are left out with that reason.
"""

from pathlib import Path

from . import errata, ids, release, sheets, smic
from .frames import subjects_root
from .schemes import Scheme

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
VERSIONS = {157: "the tab HS of SMIC-HS-E_annotation"}
NO_EVENT = ("", "0", "/", "-", "nan")
OTHER_CAMERAS = ("vis", "nir", "vis_long", "nir_long", "smic-vis-e", "smic-nir-e")


def read(
    path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list[str]]:
    """Rows for `clip_table`, rows for `exclusion_table`, sentences on what was read."""
    root, others = subjects_root(
        path, smic.SUBJECT, smic.LONG, OTHER_CAMERAS, "HS_long/SMIC_HS_E/s01"
    )
    places, beside = sheets.around(path, root, smic.SUBJECT)
    file = sheets.find(places, ("SMIC-HS-E_annotation*",), "SMIC-E", beside, _fits)
    sheet = sheets.read(file, FIELDS, OPTIONAL, tab="HS")
    sources = [sheet.sentence(), *release.version(sheet, corpus, VERSIONS), f"frames {root}"]
    sources += [f"not read: {other}" for other in others]
    films = release.clip_folders(root, corpus, smic.SUBJECT, smic.clips)
    known = errata.known()
    events = [
        event
        for text in sheet.rows
        for event in _events(text, sheet, known, corpus, scheme, films, root)
    ]
    listed = {(event.subject, event.clip.lower()) for event in events}
    events += [
        release.Event(
            *(subject, ids.clip(corpus, film.name)),
            reason=f"{subject}/{film.name} on disk has no row in {file.name}",
        )
        for (subject, name), film in films.items()
        if (subject, name) not in listed
    ]
    return *release.settle(events, corpus, smic.FPS, release.Listing()), sources


def _fits(path: Path) -> bool:
    """A sheet under another name: only SMIC-E's has second and third events."""
    return sheets.holds(path, "subject", "clip", "onset", "onset2", fields=FIELDS)


def _events(
    text: dict[str, str],
    sheet: sheets.Sheet,
    known: errata.Known,
    corpus: str,
    scheme: Scheme,
    films: dict[tuple[str, str], Path],
    root: Path,
) -> list[release.Event]:
    """The events of one row: the film's own, and what its second and third pairs of columns say."""
    try:
        subject = ids.subject(corpus, text["subject"])
    except ValueError as error:
        return [release.Event(text["subject"], text["clip"], reason=f"{error} ({sheet.path.name})")]
    film = ids.clip(corpus, text["clip"])
    row, notes, reason = errata.apply(
        known, corpus, sheet.sha256, text | {"subject": subject, "clip": film}, scheme.name
    )
    folder = films.get((subject, film.lower()))
    if folder is None:
        reason = reason or f"no folder {subject}/{film} in {root}"
    label, contradiction = _label(film, row["emotion"].lower(), scheme)
    found = []
    for number in (1, 2, 3):
        ending = str(number) if number > 1 else ""
        onset, offset = row[f"onset{ending}"], row[f"offset{ending}"]
        if number > 1 and onset in NO_EVENT and offset in NO_EVENT:
            continue
        numbers, wrong = release.frame_numbers({"onset": onset, "apex": "", "offset": offset})
        first = row["first"].removesuffix(".0")
        if not wrong and first.isdigit() and numbers["onset"] < int(first):
            wrong = f"onset {numbers['onset']} lies before the film's first frame {first}"
        found.append(
            release.Event(
                subject,
                film if number == 1 else f"{film}_event{number}",
                numbers,
                folder,
                label,
                row["emotion"].lower(),
                notes=[*notes, *([f"event {number} of the film {film}"] if number > 1 else [])],
                reason=reason or contradiction or wrong,
            )
        )
    return found


def _label(film: str, emotion: str, scheme: Scheme) -> tuple[str, str]:
    """(class, "") or ("", what is wrong): the film's name and the sheet must say the same."""
    label, unmapped = scheme.label(emotion)
    named = smic.CLIP.fullmatch(film)
    if named is None:
        return "", f"'{film}' is no name of a film such as s1_ne_01"
    says = smic.CODES[named[1].lower()]
    if label and label != says:
        return "", f"the sheet says {label}, the name {film} says {says}"
    return label, unmapped
