"""CAS(ME)^3 part C: 165 micro-expressions of a mock crime, sheet `CAS(ME)3_part_C_ME.xlsx`, 30 fps.

Li et al., IEEE TPAMI 2022. The sheet has sub, count, onset, offset, au, emotion: no apex and no
folder. Public readers find the frames in the one film of each subject, `part_C/1/a/color/355.jpg`;
so does this one, and where a subject has no such single film its clips are left out with that
reason. Where no frames lie at all the clips are listed all the same, but offer nothing to compute.
The releases' own text counts 160, the sheet 165. A clip's name here is its `count`.
"""

import re
from pathlib import Path

from ..errors import StudyError
from . import errata, ids, release, sheets
from .frames import folders, subjects_root
from .schemes import Scheme
from .table import FRAME_VIEWS

FPS = 30.0
PATTERNS = ("CAS(ME)3_part_C_ME*",)
FIELDS = {
    "subject": ("sub", "Subject"),
    "clip": ("count",),
    "onset": ("onset",),
    "offset": ("offset",),
    "action_units": ("au", "AUs", "Action Units"),
    "emotion": ("emotion",),
}
VERSIONS = {165: "CAS(ME)3_part_C_ME"}
SUBJECT = re.compile(r"[0-9]{1,4}")
AVOID = ("depth", "part_a", "part_b")


def read(
    path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list[str], tuple[str, ...]]:
    """Rows for `clip_table`, for `exclusion_table`, sentences on what was read, views offered."""
    try:
        root, others = subjects_root(path, SUBJECT, ("part_c",), AVOID, "part_C/1")
    except StudyError:
        root, others = None, []
    places, beside = sheets.around(path, root or path, SUBJECT)
    file = sheets.find(places, PATTERNS, "CAS(ME)^3 part C", beside, lambda _: False)
    sheet = sheets.read(file, FIELDS)
    sources = [sheet.sentence(), *release.version(sheet, corpus, VERSIONS)]
    if root is None:
        sources.append("no frames found: the clips can be counted, and nothing can be computed")
    sources += [f"frames {root}"] if root else []
    sources += [f"not read: {other}" for other in others]
    films = _films(root, corpus) if root else {}
    known, events = errata.known(), []
    for text in sheet.rows:
        try:
            subject = ids.subject(corpus, text["subject"])
        except ValueError as error:
            events.append(
                release.Event(text["subject"], text["clip"], reason=f"{error} ({file.name})")
            )
            continue
        row, notes, reason = errata.apply(
            known, corpus, sheet.sha256, text | {"subject": subject, "apex": ""}, scheme.name
        )
        emotion = row["emotion"].lower()
        label, unmapped = scheme.label(emotion)
        numbers, wrong = release.frame_numbers(row, apex)
        found = films.get(subject, [])
        if root and len(found) != 1:
            wrong = wrong or f"{len(found)} films of subject {subject} in {root}: one is needed"
        events.append(
            release.Event(
                *(subject, text["clip"], numbers, found[0] if len(found) == 1 else None),
                *(label, emotion, row["action_units"], [*notes, "no apex in the sheet"]),
                reason=reason or unmapped or wrong,
            )
        )
    rows, exclusions = release.settle(events, corpus, FPS, release.Listing())
    return rows, exclusions, sources, FRAME_VIEWS if root else ()


def _films(root: Path, corpus: str) -> dict[str, list[Path]]:
    """Subject -> the folders `color` below it, at one film each."""
    found: dict[str, list[Path]] = {}
    for person in folders(root):
        if SUBJECT.fullmatch(person.name):
            below = [person, *folders(person)]
            colour = [one for place in below for one in folders(place) if one.name == "color"]
            found.setdefault(ids.subject(corpus, person.name), []).extend(colour)
    return found
