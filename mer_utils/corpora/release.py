"""A release that is a sheet of annotations beside folders of frames (CASME II, SAMM)."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import StudyError
from . import errata, ids, sheets
from .frames import folders, frame_names, is_video, subjects_root
from .schemes import Scheme
from .table import KEY

NOT_CODED = ("", "/", "-", "nan")  # how a sheet says that nobody coded a frame


@dataclass(frozen=True)
class Release:
    """What differs between the releases that are read by one reader."""

    title: str
    fps: float
    sheets: tuple[str, ...]  # file names of the annotation sheet
    subject_folder: re.Pattern
    example: str  # of a subject's folder
    prefer: tuple[str, ...]  # words in the path of the frames, best first
    versions: Mapping[int, str]  # rows of a sheet -> the version that has as many


@dataclass
class Event:
    """One expression that a release names, before its frames are looked up."""

    subject: str
    clip: str
    numbers: Mapping[str, int] = field(default_factory=dict)  # {"onset": 46, ...}
    folder: Path | None = None  # of its frames; a video's own path
    label: str = ""
    emotion: str = ""
    action_units: str = ""
    notes: list[str] = field(default_factory=list)
    reason: str = ""  # why it cannot be used


class Listing:
    """Folders of frames: of the last few the names are kept, since several clips may lie in one."""

    KEPT = 8  # folders; a film's clips follow one another in the sheets

    def __init__(self):
        self._names: dict[Path, dict[int, str]] = {}

    def names(self, folder: Path) -> dict[int, str]:
        """See `frame_names`."""
        if folder not in self._names:
            while len(self._names) >= self.KEPT:
                self._names.pop(next(iter(self._names)))
            self._names[folder] = frame_names(folder)
        return self._names[folder]

    def check(self, folder: Path, wanted: Mapping[str, int]) -> str:
        """Why the annotated frames cannot be used, or "". `wanted`: {"onset": 46, ...}."""
        try:
            files = self.names(folder)
        except StudyError as error:
            return str(error)
        place = f"{folder.parent.name}/{folder.name}"
        if not files:
            return f"{place} holds no images"
        for name, number in wanted.items():
            if number not in files:
                return (
                    f"{name} frame {number} is not in {place}, which holds {len(files)} frames "
                    f"from {min(files)} to {max(files)}"
                )
            if not os.stat(folder / files[number]).st_size:
                return f"{name} frame {place}/{files[number]} is an empty file"
        return ""


def version(sheet: sheets.Sheet, corpus: str, versions: Mapping[int, str]) -> list[str]:
    """Which version of its sheet a copy has, as far as its number of rows tells, in a sentence.

    Versions are known by their rows and not by their bytes: stripped and saved-again copies
    circulate. Of a made corpus there is nothing to tell.
    """
    if ids.release(corpus) != corpus:
        return []
    if len(sheet.rows) in versions:
        return [f"as many rows as {versions[len(sheet.rows)]}"]
    known = " or ".join(f"{rows} ({name})" for rows, name in versions.items())
    return [f"an unknown version of this sheet: {len(sheet.rows)} rows, known are {known}"]


def clip_row(
    key: tuple[str, str, str],
    label: str,
    emotion: str,
    numbers: Mapping[str, int],
    folder: Path | str,
    *,
    fps: float | None,
    notes: Sequence[str] = (),
    action_units: str = "",
) -> dict:
    """A row of the clip table; the apex is the sheet's, or missing."""
    return (
        dict(zip(KEY, key, strict=True))
        | {"label": label, "emotion": emotion, "action_units": action_units}
        | {name: numbers.get(name) for name in ("onset", "apex", "offset")}
        | {"apex_source": "sheet" if "apex" in numbers else "", "fps": fps}
        | {"frames": str(folder), "note": "; ".join(notes)}
    )


def settle(
    events: Sequence[Event], corpus: str, fps: float | None, listing: Listing
) -> tuple[list[dict], list[tuple]]:
    """Events -> rows for `clip_table` and rows for `exclusion_table`.

    An event is left out for its own reason, for a name that stands twice (nobody can say which is
    meant), or for frames that are not there.
    """
    rows, exclusions = [], []
    doubled = sheets.repeated((one.subject, one.clip.lower()) for one in events)
    for one in events:
        reason = one.reason
        if not reason and (one.subject, one.clip.lower()) in doubled:
            reason = "the sheet names this clip more than once"
        if not reason and one.folder is not None and not is_video(one.folder):
            reason = listing.check(one.folder, one.numbers)
        key = corpus, one.subject, one.clip
        if reason:
            exclusions.append((*key, reason))
            continue
        rows.append(
            clip_row(
                key,
                one.label,
                one.emotion,
                one.numbers,
                one.folder or "",
                fps=fps,
                notes=one.notes,
                action_units=one.action_units,
            )
        )
    return rows, exclusions


def clip_folders(
    root: Path, corpus: str, subject_folder: re.Pattern, below: Callable = folders
) -> dict[tuple[str, str], Path]:
    """(subject, clip in lower case) -> folder of frames. Raises StudyError for two of one key.

    below: the clips' folders of a subject's folder.
    """
    found: dict[tuple[str, str], Path] = {}
    for subject_path in folders(root):
        if not subject_folder.fullmatch(subject_path.name):
            continue
        subject = ids.subject(corpus, subject_path.name)
        for path in below(subject_path):
            key = subject, ids.clip(corpus, path.name).lower()
            if key in found:
                raise StudyError(f"{found[key]} and {path} are folders of one clip: keep one")
            found[key] = path
    return found


def frame_numbers(
    row: Mapping[str, str], apex: str = "sheet", open_end: bool = False
) -> tuple[dict[str, int], str]:
    """The frames a sheet's row names, in order; apex may be missing. Second: what is wrong.

    apex: see `apexes`; under any policy but `sheet` the row's apex is not read, so that a wrong
    one harms nobody. open_end: the offset may be missing too.
    """
    numbers = {}
    for name in ("onset", "apex", "offset"):
        text = row[name]
        if name == "apex" and (apex != "sheet" or text.lower() in NOT_CODED):
            continue
        if name == "offset" and open_end and text.lower() in NOT_CODED:
            continue
        if not re.fullmatch(r"[0-9]{1,18}(\.0+)?", text):
            return {}, f"{name} '{text}' is not a frame number"
        numbers[name] = int(text.split(".")[0])
    ordered = list(numbers.items())
    for (before, low), (after, high) in zip(ordered, ordered[1:], strict=False):
        if low > high:
            return {}, f"{before} {low} lies after {after} {high}"
    last = next((name for name in ("apex", "offset") if name in numbers), "")
    if last and numbers["onset"] == numbers[last]:
        return {}, f"{last} is the onset ({numbers['onset']}): there is no movement between them"
    return numbers, ""


def read(
    release: Release, path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list[str]]:
    """Rows for `clip_table`, rows for `exclusion_table`, sentences on what was read."""
    root, others = subjects_root(path, release.subject_folder, release.prefer, (), release.example)
    places, beside = sheets.around(path, root, release.subject_folder)
    sheet = sheets.read(sheets.find(places, release.sheets, release.title, beside))
    sources = [sheet.sentence(), *version(sheet, corpus, release.versions), f"frames {root}"]
    sources += [f"not read: {other}" for other in others]

    known, listing = errata.known(), Listing()
    on_disk = clip_folders(root, corpus, release.subject_folder)
    subjects = {subject for subject, _ in on_disk}
    rows, exclusions, seen = [], [], {}
    for text in sheet.rows:
        try:
            subject = ids.subject(corpus, text["subject"])
        except ValueError as error:
            exclusions.append(
                (corpus, text["subject"], text["clip"], f"{error} ({sheet.path.name})")
            )
            continue
        clip = ids.clip(corpus, text["clip"])
        key = subject, clip.lower()
        if key in seen:
            raise StudyError(
                f"{sheet.path.name} lists {subject}/{clip} twice, in rows {seen[key]} and "
                f"{text['row']}: delete one"
            )
        seen[key] = text["row"]
        row, notes, reason = errata.apply(
            known, corpus, sheet.sha256, text | {"subject": subject, "clip": clip}, scheme.name
        )
        emotion = row["emotion"].lower()
        label, unmapped = scheme.label(emotion)
        numbers, disordered = frame_numbers(row, apex)
        folder = on_disk.get(key)
        reason = reason or unmapped or disordered
        if not reason and folder is None:
            missing = f"{subject}/{clip}" if subject in subjects else subject
            reason = f"no folder {missing} in {root}"
        reason = reason or listing.check(folder, numbers)
        if reason:
            exclusions.append((corpus, subject, clip, reason))
            continue
        if row["apex"].lower() in NOT_CODED:
            notes.append("no apex in the sheet")
        elif "apex" not in numbers:  # another policy: what the sheet says is not read
            pass
        elif numbers["apex"] == numbers["offset"]:
            notes.append("apex = offset in the sheet")
        rows.append(
            clip_row(
                (corpus, subject, clip),
                label,
                emotion,
                numbers,
                folder,
                fps=release.fps,
                notes=notes,
                action_units=row["action_units"],
            )
        )
    for (subject, clip), folder in on_disk.items():
        if (subject, clip) not in seen:
            reason = f"{subject}/{folder.name} on disk has no row in {sheet.path.name}"
            exclusions.append((corpus, subject, ids.clip(corpus, folder.name), reason))
    return rows, exclusions, sources
