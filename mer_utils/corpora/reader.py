"""Reading one copy of a release: its facts, its parts on disk, its clips one by one.

`Release` is what an entry of the table `releases` says. A reader is a function that gets a `Copy`,
adds its `Event`s and returns a `Reading`; `sheet_and_folders` is the usual one.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from ..errors import StudyError
from . import errata, ids, schemes, sheets
from .frames import folders, frame_names, is_video, subjects_root
from .table import FRAME_NUMBERS, FRAME_VIEWS, KEY, Scheme

NOT_CODED = ("", "/", "-", "nan")  # how a sheet says that a frame was not coded


@dataclass(frozen=True, eq=False)
class Release:
    """The facts of a corpus that hold for every copy of it; most readers need only some."""

    name: str
    title: str
    read: Callable[["Copy"], "Reading"]
    example: str  # what its folder holds, for the overview
    schemes: tuple[Scheme, ...] = ()  # the default first; none: the classes may be named
    names: ids.Names | None = None  # how subjects and clips are spelled
    fps: float | None = None
    # its sheet
    sheet_files: tuple[str, ...] = ()  # patterns of their names
    fields: sheets.Fields = field(default_factory=lambda: sheets.FIELDS)
    optional: tuple[str, ...] = ()  # fields that may have no column
    tab: str = ""
    wanted: tuple[str, ...] | None = ()  # a file under another name fits by these; None: none does
    versions: Mapping[int, str] = field(default_factory=dict)  # number of rows -> version
    # its folders of frames
    subject_folder: str = ""  # pattern of their names, in upper or lower case
    first: str = ""  # example of one
    prefer: tuple[str, ...] = ()  # words in the path of the frames, best first
    avoid: tuple[str, ...] = ()  # folders that hold something else
    # its place
    folder: str | None = None  # below data/raw; None: its name
    parts: tuple["Release", ...] = ()  # what a composite is made of, each in a folder of its name
    remedy: str = ""  # if the folder is missing; "": put the release there
    file: bool = False  # it may be given as a file
    has_frames: bool = True
    synthetic: bool = False

    def __post_init__(self):
        """Raises StudyError for an entry without a field that its reader needs."""
        needed = ["title", "example", *(["names", "first"] if self.subject_folder else [])]
        needed += ["sheet_files", "subject_folder"] if self.read is sheet_and_folders else []
        for name in needed:
            if not getattr(self, name):
                raise StudyError(f"corpora/releases.py: entry '{self.name}' needs the field {name}")

    def scheme(self, classes: str | int | Sequence[str] | None = None) -> Scheme:
        """The scheme of so many classes, None for the default. Raises StudyError naming them all.

        Where classes may be named, those named.
        """
        if not self.schemes:
            return schemes.named(classes)
        for scheme in self.schemes:
            if classes is None or scheme.name == str(classes).strip():
                return scheme
        choices = " or ".join(f"{one.name} ({', '.join(one.classes)})" for one in self.schemes)
        raise StudyError(f"{self.name} has no scheme of {classes} classes: choose {choices}")


@dataclass
class Event:
    """One expression that a release names."""

    subject: str
    clip: str
    numbers: Mapping[str, int] = field(default_factory=dict)  # {"onset": 46, ...}
    frames: Path | None = None  # folder of its frames; a video's own path
    label: str = ""
    emotion: str = ""
    action_units: str = ""
    notes: list[str] = field(default_factory=list)
    reason: str = ""  # why it cannot be used
    apex_source: str = "sheet"  # of an apex that is there

    def row(self, corpus: str, fps: float | None) -> dict:
        """Its row of the clip table."""
        return (
            dict(zip(KEY, (corpus, self.subject, self.clip), strict=True))
            | {"label": self.label, "emotion": self.emotion, "action_units": self.action_units}
            | {name: self.numbers.get(name) for name in FRAME_NUMBERS}
            | {"apex_source": self.apex_source if "apex" in self.numbers else "", "fps": fps}
            | {"frames": str(self.frames or ""), "note": "; ".join(self.notes)}
        )


@dataclass
class Reading:
    """What came of a copy."""

    rows: list[dict]  # for `clip_table`
    exclusions: list[tuple]  # for `exclusion_table`
    sources: list[str]  # what was read, a sentence each
    views: tuple[str, ...] = FRAME_VIEWS


class Copy:
    """A copy of a release while it is read for one scheme and one apex policy (see `apexes`)."""

    def __init__(
        self, release: Release, path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"
    ):
        self.release, self.path, self.scheme, self.apex = release, path, scheme, apex
        self.corpus = corpus  # its name in the clip table
        self.is_subject = re.compile(release.subject_folder, re.IGNORECASE).fullmatch
        self.sources: list[str] = []
        self.events: list[Event] = []
        # of the last folders only: a film's clips follow one another in the sheets
        self.frame_names = lru_cache(maxsize=8)(frame_names)

    def find_frames(self) -> Path:
        """The folder of the subjects' folders. Raises StudyError where there is none."""
        release = self.release
        root, others = subjects_root(
            self.path, self.is_subject, release.prefer, release.avoid, release.first
        )
        no_sheet = "" if release.sheet_files else " (no sheet: the folders are the annotation)"
        self.sources.append(f"frames {root}{no_sheet}")
        self.sources += [f"not read: {other}" for other in others]
        return root

    def subjects(self, root: Path) -> Iterator[tuple[str, Path]]:
        """(subject, its folder) of those in a folder."""
        for folder in folders(root):
            if self.is_subject(folder.name):
                yield self.release.names.subject(folder.name), folder

    def clip_folders(
        self, root: Path, below: Callable[[Path], list[Path]] = folders
    ) -> dict[tuple[str, str], Path]:
        """(subject, clip in lower case) -> folder of frames. Raises StudyError for two of one key.

        below: the clips' folders of a subject's folder.
        """
        by_key: dict[tuple[str, str], Path] = {}
        for subject, person in self.subjects(root):
            for path in below(person):
                key = subject, self.release.names.clip(path.name).lower()
                if key in by_key:
                    raise StudyError(f"{by_key[key]} and {path} are folders of one clip: keep one")
                by_key[key] = path
        return by_key

    def find_sheet(self, root: Path, fits: Callable[[Path], bool] | None = None) -> Path:
        """The file of annotations. fits: tells it under another name. Raises StudyError."""
        release = self.release
        if fits is None and release.wanted is not None:
            fits = partial(sheets.holds, fields=release.fields, wanted=release.wanted)
        places, fallback = sheets.around(self.path, root, self.is_subject)
        return sheets.find(places, release.sheet_files, release.title, fits, fallback)

    def read_sheet(self, root: Path) -> sheets.Sheet:
        """The annotations; their file becomes the first source."""
        release = self.release
        file = self.find_sheet(root)
        sheet = sheets.read(file, release.fields, release.optional, release.tab)
        self.name_sheet(sheet)
        return sheet

    def name_sheet(self, sheet: sheets.Sheet) -> None:
        """Adds the sheet to the sources, with its version as its number of rows tells it.

        Not its bytes: stripped and saved-again copies circulate. Synthetic sheets have no version.
        """
        versions, rows = self.release.versions, len(sheet.rows)
        known = " or ".join(f"{number} ({name})" for number, name in versions.items())
        version = f"an unknown version of this sheet: {rows} rows, known are {known}"
        if rows in versions:
            version = f"as many rows as {versions[rows]}"
        has_version = versions and self.corpus == self.release.name
        self.sources[:0] = [sheet.sentence(), *([version] if has_version else [])]

    def rows(
        self, sheet: sheets.Sheet, rows: Sequence[Mapping[str, str]] | None = None
    ) -> Iterator[tuple[dict[str, str], list[str], str]]:
        """(row, notes, reason to leave it out) of a sheet, names spelled our way, errata applied.

        rows: those of the sheet unless others are given. Rows without a subject are left out.
        """
        corrections, names = errata.load(), self.release.names
        for text in sheet.rows if rows is None else rows:
            try:
                subject = names.subject(text["subject"])
            except ValueError as error:
                self.leave_out(text["subject"], text["clip"], f"{error} ({sheet.path.name})")
                continue
            key = {"subject": subject, "clip": names.clip(text["clip"])}
            text = {"apex": "", "action_units": ""} | text | key
            yield errata.apply(corrections, self.corpus, sheet.sha256, text, self.scheme.name)

    def add(
        self, row: Mapping[str, str], notes: Sequence[str], reason: str, open_end: bool = False
    ) -> Event:
        """The event of a corrected row, still without its frames. See `frame_numbers`."""
        emotion = row["emotion"].lower()
        label, unmapped = self.scheme.label(emotion)
        numbers, wrong = frame_numbers(row, self.apex, open_end)
        event = Event(
            *(row["subject"], row["clip"], numbers, None, label, emotion, row["action_units"]),
            notes=list(notes),
            reason=reason or unmapped or wrong,
        )
        self.events.append(event)
        return event

    def add_video(
        self, video: Path, subject: str, clip: str, label: str, emotion: str, reason: str
    ) -> None:
        """The event of a video that is cut to its expression: its onset is the first frame."""
        if not reason and not video.stat().st_size:
            reason = f"{video.name} is an empty file: copy it again"
        event = Event(subject, clip, {"onset": 1}, video, label, emotion, reason=reason)
        self.events.append(event)

    def add_folder(self, folder: Path, subject: str, clip: str, emotion: str, reason: str) -> Event:
        """The event of a folder that is cut to its expression, from its first frame to its last."""
        label, unmapped = self.scheme.label(emotion)
        event = Event(subject, clip, {}, folder, label, emotion, reason=reason or unmapped)
        self.events.append(event)
        try:
            numbers = list(self.frame_names(folder))
        except StudyError as error:
            event.reason = event.reason or str(error)
            return event
        event.numbers = {"onset": numbers[0], "offset": numbers[-1]} if len(numbers) > 1 else {}
        if not event.numbers:
            images = f"{folder.name} holds {len(numbers)} images: onset and offset need two"
            event.reason = event.reason or images
        return event

    def leave_out(self, subject: str, clip: str, reason: str) -> None:
        """An event with a reason and nothing else."""
        self.events.append(Event(subject, clip, reason=reason))

    def leave_out_unlisted(
        self, on_disk: Mapping[tuple[str, str], Path], sheet: sheets.Sheet
    ) -> None:
        """The folders of frames that no event names."""
        listed = {(event.subject, event.clip.lower()) for event in self.events}
        for key, folder in on_disk.items():
            if key not in listed:
                reason = f"{key[0]}/{folder.name} on disk has no row in {sheet.path.name}"
                self.leave_out(key[0], self.release.names.clip(folder.name), reason)

    def missing_frames(self, folder: Path, numbers: Mapping[str, int]) -> str:
        """Why the annotated frames cannot be used, or "". `numbers`: {"onset": 46, ...}."""
        try:
            files = self.frame_names(folder)
        except StudyError as error:
            return str(error)
        place = f"{folder.parent.name}/{folder.name}"
        if not files:
            return f"{place} holds no images"
        for name, number in numbers.items():
            if number not in files:
                return (
                    f"{name} frame {number} is not in {place}, which holds {len(files)} frames "
                    f"from {min(files)} to {max(files)}"
                )
            if not os.stat(folder / files[number]).st_size:
                return f"{name} frame {place}/{files[number]} is an empty file"
        return ""

    def settle(self, views: tuple[str, ...] = FRAME_VIEWS) -> Reading:
        """Rows and exclusions of the events.

        An event is left out for its own reason, for a name that the sheet has twice (it is unknown
        which is meant), or for frames that are not there.
        """
        reading = Reading([], [], self.sources, views)
        times = Counter((event.subject, event.clip.lower()) for event in self.events)
        for event in self.events:
            reason = event.reason
            if not reason and times[event.subject, event.clip.lower()] > 1:
                reason = "the sheet names this clip more than once"
            if not reason and event.frames is not None and not is_video(event.frames):
                reason = self.missing_frames(event.frames, event.numbers)
            if reason:
                reading.exclusions.append((self.corpus, event.subject, event.clip, reason))
            else:
                reading.rows.append(event.row(self.corpus, self.release.fps))
        return reading


def frame_numbers(
    row: Mapping[str, str], apex: str = "sheet", open_end: bool = False
) -> tuple[dict[str, int], str]:
    """The frames a sheet's row names, in order; apex may be missing. Second: what is wrong.

    apex: see `apexes`; under any policy but `sheet` the row's apex is not read, so that a wrong
    one does no harm. open_end: the offset may be missing too.
    """
    numbers = {}
    for name in FRAME_NUMBERS:
        text = row[name]
        if name == "apex" and (apex != "sheet" or text.lower() in NOT_CODED):
            continue
        if name == "offset" and open_end and text.lower() in NOT_CODED:
            continue
        if not re.fullmatch(r"[0-9]{1,18}(\.0+)?", text):
            return {}, f"{name} '{text}' is not a frame number"
        numbers[name] = int(text.split(".")[0])
    if numbers.get("offset") == 0:
        return {}, "offset 0: its end was not coded"
    ordered = list(numbers.items())
    for (before, low), (after, high) in zip(ordered, ordered[1:], strict=False):
        if low > high:
            return {}, f"{before} {low} is after {after} {high}"
    last = next((name for name in ("apex", "offset") if name in numbers), "")
    if last and numbers["onset"] == numbers[last]:
        return {}, f"{last} is the onset ({numbers['onset']}): there is no movement between them"
    return numbers, ""


def sheet_and_folders(copy: Copy) -> Reading:
    """The usual reader: a row of the sheet for each clip, its frames in `<subject>/<clip>/`."""
    root = copy.find_frames()
    sheet = copy.read_sheet(root)
    on_disk = copy.clip_folders(root)
    subjects = {subject for subject, _ in on_disk}
    lines: dict[tuple[str, str], str] = {}
    for row, notes, reason in copy.rows(sheet):
        event = copy.add(row, notes, reason)
        key = event.subject, event.clip.lower()
        if key in lines:
            raise StudyError(
                f"{sheet.path.name} lists {event.subject}/{event.clip} twice, in rows "
                f"{lines[key]} and {row['row']}: delete one"
            )
        lines[key] = row["row"]
        event.frames = on_disk.get(key)
        if event.frames is None:
            place = (
                event.subject if event.subject not in subjects else f"{event.subject}/{event.clip}"
            )
            event.reason = event.reason or f"no folder {place} in {root}"
        if row["apex"].lower() in NOT_CODED:
            event.notes.append("no apex in the sheet")
        elif event.numbers.get("apex") == event.numbers.get("offset"):
            event.notes.append("apex = offset in the sheet")
    copy.leave_out_unlisted(on_disk, sheet)
    return copy.settle()


def composite(copy: Copy) -> Reading:
    """The reader of several releases, each in a folder of its name, under its default scheme."""
    prefix = "synthetic_" if copy.release.synthetic else ""
    reading = Reading([], [], [])
    for release in copy.release.parts:
        folder = copy.path / release.name
        if not folder.is_dir():
            remedy = copy.release.remedy if prefix else f"put the {release.name} release there"
            raise StudyError(f"{folder} does not exist: {remedy}")
        part = release.read(
            Copy(release, folder, prefix + release.name, release.scheme(), copy.apex)
        )
        reading.rows += part.rows
        reading.exclusions += part.exclusions
        reading.sources += [f"{prefix}{release.name}: {sentence}" for sentence in part.sources]
    return reading
