"""CAS(ME)^3 part A: 860 micro-expressions of 94 subjects, 30 fps, 1280x720 with depth.

Li et al., IEEE TPAMI 2022. Sheet `cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx`, tab label. The
frames circulate as whole films, `part_A/spNO.1/a/color/355.jpg`, each with several expressions in
it, and as clips, `Part_A_ME_clip/frame/spNO.1_a_355/355.jpg`, which are read where both lie side
by side. Depth is not read. A clip's name here is film and onset (`a_355`), as in the latter.

Known quirks of the sheet: apex = onset in 55 rows, before it in two, offset 0 in two, 72 rows
longer than two seconds, `Others` beside `others`; a tenth of the clips lacks frames. Rows that
contradict themselves are left out with what they say; two published corrections of such rows (128
and 749) name them by row number only, so they are not applied here.
"""

import re
from pathlib import Path

from . import errata, ids, release, sheets
from .frames import folders, subjects_root
from .schemes import Scheme

FPS = 30.0
LONGEST = 60  # frames, two seconds
PATTERNS = ("cas(me)3_part_A_ME*",)
FIELDS = {**sheets.FIELDS, "clip": ("Filename", "Seq")}
VERSIONS = {860: "cas(me)3_part_A_ME_label_JpgIndex_v2"}
FILMS = re.compile(r"spno\.?[0-9]+", re.IGNORECASE)
CLIPS = re.compile(r"spno\.?([0-9]+)_([a-z][0-9]*)_([0-9]+)", re.IGNORECASE)
EITHER = re.compile(f"{CLIPS.pattern}|{FILMS.pattern}", re.IGNORECASE)
AVOID = ("depth", "video", "part_b", "part_c")  # not colour frames of part A


def read(
    path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list[str]]:
    """Rows for `clip_table`, rows for `exclusion_table`, sentences on what was read."""
    root, others = subjects_root(
        path, EITHER, ("me_clip", "frame", "part_a"), AVOID, "part_A/spNO.1"
    )
    places, beside = sheets.around(path, root, EITHER)
    file = sheets.find(places, PATTERNS, "CAS(ME)^3 part A", beside, _fits)
    sheet = sheets.read(file, FIELDS, tab="label")
    sources = [sheet.sentence(), *release.version(sheet, corpus, VERSIONS), f"frames {root}"]
    sources += [f"not read: {other}" for other in others]
    on_disk, clips = _folders(root, corpus)
    known, events, used = errata.known(), [], set()
    for text in sheet.rows:
        film, onset = text["clip"], text["onset"].removesuffix(".0")
        clip = f"{film}_{onset}"
        try:
            subject = ids.subject(corpus, text["subject"])
        except ValueError as error:
            reason = f"{error} ({sheet.path.name})"
            events.append(release.Event(text["subject"], clip, reason=reason))
            continue
        row, notes, reason = errata.apply(
            known, corpus, sheet.sha256, text | {"subject": subject, "clip": clip}, scheme.name
        )
        emotion = row["emotion"].lower()
        label, unmapped = scheme.label(emotion)
        numbers, wrong = release.frame_numbers(row, apex)
        if wrong and row["offset"] == "0":
            wrong = "offset 0 in the sheet: nobody coded its end"
        key = (subject, clip.lower()) if clips else (subject, film.lower())
        folder = on_disk.get(key)
        used.add(key)
        if folder is None:
            wrong = wrong or f"no folder {subject}{'_' if clips else '/'}{key[1]} in {root}"
        length = numbers.get("offset", 0) - numbers.get("onset", 0) + 1
        if length > LONGEST:
            notes.append("longer than two seconds")
        events.append(
            release.Event(
                *(subject, clip, numbers, folder, label, emotion, row["action_units"], notes),
                reason=reason or unmapped or wrong,
            )
        )
    if clips:  # of a film nobody expects that every part of it is an expression
        events += [
            release.Event(
                key[0], key[1], reason=f"{folder.name} on disk has no row in {sheet.path.name}"
            )
            for key, folder in on_disk.items()
            if key not in used
        ]
    return *release.settle(events, corpus, FPS, release.Listing()), sources


def _fits(path: Path) -> bool:
    """A sheet under another name; part C's has no apex."""
    return sheets.holds(path, "subject", "clip", "onset", "apex", "emotion", fields=FIELDS)


def _folders(root: Path, corpus: str) -> tuple[dict[tuple[str, str], Path], bool]:
    """(subject, film or film_onset, lower case) -> folder of colour frames; True for clips."""
    found: dict[tuple[str, str], Path] = {}
    children = folders(root)
    for child in children:
        if clip := CLIPS.fullmatch(child.name):
            key = ids.subject(corpus, clip[1]), f"{clip[2]}_{int(clip[3])}".lower()
            found[key] = child
    if found:
        return found, True
    for child in children:
        if FILMS.fullmatch(child.name):
            for film in folders(child):
                colour = [one for one in folders(film) if one.name.lower() == "color"]
                found[ids.subject(corpus, child.name), film.name.lower()] = (colour or [film])[0]
    return found, False
