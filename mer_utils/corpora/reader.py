"""Reading one copy of a release: its facts, its parts on disk, its clips one by one.

`Release` is what an entry of the table `releases` says. A reader is a function that gets a `Copy`
and adds an `Event` for every expression that it names; `layouts` has the usual ones.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache, partial
from pathlib import Path

from ..errors import StudyError
from . import ids, sheets
from .errata import Errata, Row
from .frames import folders, frame_names, is_video, packed_in
from .table import FRAME_VIEWS, KEY, Scheme, named_classes, unknown_words

Folders = dict[tuple[str, str], Path]  # (subject, clip in lower case) -> folder of frames
NO_UTF8 = "a name on its path is no UTF-8 text: rename it, or unpack the archive as UTF-8"
WRONG_NUMBER = ": correct it in errata.csv as data/README.md shows, if the sheet is wrong"
MANY_UNKNOWN = 10  # emotions: a slip of the pen is one clip's reason
DEPTH = 4  # smic / SMIC_all_raw / SMIC_all_raw / HS / s1: how deep below a copy subjects may be


@dataclass(frozen=True, eq=False)
class Release:
    """The facts of a corpus that hold for every copy of it; most readers need only some."""

    name: str
    title: str
    read: Callable[["Copy"], None]
    example: str  # what its folder holds
    schemes: tuple[Scheme, ...] = ()  # the default first; none: the classes may be named
    names: ids.Names | None = None  # how subjects and clips are spelled
    fps: float | None = None
    # its sheet
    sheet_files: tuple[str, ...] = ()  # patterns of their names; another name: by its columns
    fields: sheets.Fields = field(default_factory=lambda: sheets.FIELDS)
    tab: str = ""
    versions: Mapping[int, str] = field(default_factory=dict)  # number of rows -> version
    # its folders of frames
    subject_folder: str = ""  # pattern of their names, in upper or lower case
    prefer: tuple[str, ...] = ()  # words in the path of the frames, best first
    avoid: tuple[str, ...] = ()  # folders that hold something else
    # its place
    folder: str | None = None  # below data/raw; None: its name
    parts: tuple["Release", ...] = ()  # what a composite is made of, each in a folder of its name
    remedy: str = ""  # if the folder is missing; "": put the release there
    file: bool = False  # it may be given as a file
    official: bool = False  # a copy with other clips or labels than the official list is refused
    synthetic: bool = False

    def __post_init__(self):
        """Raises StudyError for an entry that lacks what its reader needs, or is misspelled."""
        names = ["names"] if self.subject_folder else []
        for name in ("title", "example", *names, *getattr(self.read, "needs", [])):
            if not getattr(self, name):
                raise StudyError(f"corpora/releases.py: entry '{self.name}' needs the field {name}")
        if self.names and re.compile(self.names.pattern).groups != 1:
            raise StudyError(
                f"corpora/releases.py: names of entry '{self.name}' needs one group, the number of "
                f"the subject, as in (?:sub)?0*([0-9]{{1,3}}); it has {self.names.pattern!r}"
            )
        for name, headings in self.fields.items():
            if isinstance(headings, str):
                raise StudyError(
                    f"corpora/releases.py: fields of entry '{self.name}' needs a tuple of headings "
                    f'for {name}: write ("{headings}",)'
                )

    def scheme(self, classes: str | int | Sequence[str] | None = None) -> Scheme:
        """The scheme of so many classes, or of those named; None: the default."""
        if not self.schemes:
            return named_classes(classes)
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


@dataclass
class Copy:
    """A copy of a release while it is read for one scheme and one apex policy (see `table`)."""

    release: Release
    path: Path
    corpus: str  # its name in the clip table
    scheme: Scheme
    apex: str = "sheet"
    events: list[Event] = field(default_factory=list)
    clips: list[dict] = field(default_factory=list)  # for `clip_table`
    exclusions: list[tuple] = field(default_factory=list)  # for `exclusion_table`
    sources: list[str] = field(default_factory=list)  # what was read, a sentence each
    views: tuple[str, ...] = FRAME_VIEWS

    def __post_init__(self):
        self.is_subject = re.compile(self.release.subject_folder, re.IGNORECASE).fullmatch
        # of the last folders only: a film's clips follow one another in the sheets
        self.frame_names = lru_cache(maxsize=8)(frame_names)
        self.errata = Errata(self.corpus)

    def read(self) -> "Copy":
        """Calls its reader, then settles the events as clips and exclusions. Raises StudyError."""
        self.release.read(self)
        self._check_words()
        times = Counter((event.subject, event.clip.lower()) for event in self.events)
        for event in self.events:
            if times[event.subject, event.clip.lower()] > 1:
                event.reason = event.reason or "the sheet names this clip more than once"
        self._leave_out_repeated()
        for event in self.events:
            if not event.reason and event.frames:
                event.reason = self.missing_frames(event.frames, event.numbers, WRONG_NUMBER)
            self.settle(event, event.reason)
        self._leave_out_unwritable()
        self.sources += self.errata.idle()
        return self

    def _check_words(self) -> None:
        """Refuses a sheet most of whose emotions are unknown: its rest would be no corpus."""
        count, words = unknown_words(event.reason for event in self.events)
        if count >= MANY_UNKNOWN and count > len(self.events) / 2:
            raise StudyError(
                f"{self.path} has {count} of {len(self.events)} expressions whose emotion is not "
                f"known in {self.scheme.title} ({words}): put the {self.release.title} release's "
                f"own sheet there, or choose another scheme"
            )

    def _leave_out_unwritable(self) -> None:
        """A name with bytes that are no UTF-8 cannot be written into a table."""
        for row in list(self.clips):
            *key, place = (row[name] for name in (*KEY, "frames"))
            text = "".join((*key, place))
            if text != text.encode(errors="ignore").decode():
                self.clips.remove(row)
                self.exclusions.append((*key, NO_UTF8))

    def _leave_out_repeated(self) -> None:
        """One stretch of frames is one clip; under two labels it is none."""
        firsts: dict[tuple, Event] = {}
        for event in self.events:
            if event.reason or not event.frames or "offset" not in event.numbers:
                continue
            onset, offset = event.numbers["onset"], event.numbers["offset"]
            first = firsts.setdefault((event.frames, onset, offset), event)
            frames = f"frames {onset} to {offset} are"
            if event.label != first.label:
                both = f"{first.label} as {first.clip}, {event.label} as {event.clip}"
                first.reason = event.reason = f"{frames} {both}"
            elif event is not first:
                event.reason = f"{frames} those of {first.clip} once more"

    def settle(self, event: Event, reason: str, fps: float | None = None) -> None:
        """Makes an event a clip, or an exclusion where there is a reason, or no name for it."""
        if why := ids.flaw(event.subject):
            reason = reason or f"its subject {why}: rename it"
        elif why := ids.flaw(event.clip, ids.LONGEST_CLIP):
            reason = reason or f"its name {why}: rename it"
        if reason:
            self.exclusions.append((self.corpus, event.subject, event.clip, reason))
            return
        row = vars(event) | event.numbers | {"corpus": self.corpus, "fps": fps or self.release.fps}
        row |= {"note": "; ".join(event.notes), "frames": str(event.frames or "")}
        self.clips.append(row if "apex" in event.numbers else row | {"apex_source": ""})

    # --- its parts on disk

    def find_frames(self) -> Path:
        """The folder of the subjects' folders, the best by `prefer`. Raises StudyError."""
        release, path = self.release, self.path

        def roots(folder: Path, depth: int) -> Iterator[Path]:
            children = folders(folder)
            if any(self.is_subject(child.name) for child in children):
                yield folder
            elif depth:
                for child in children:
                    if child.name.lower() not in release.avoid:
                        yield from roots(child, depth - 1)

        def rank(root: Path) -> tuple:
            place = root.name if root == path else root.relative_to(path).as_posix()
            preferred = [word in place.lower() for word in release.prefer]
            return [*preferred, True].index(True), len(root.parts), str(root)

        found = sorted(roots(path, DEPTH), key=rank)
        if not found:
            raise StudyError(
                f"{path} holds no subject folders such as in {release.example}: put the release's "
                f"frames there, as data/README.md shows"
            )
        no_sheet = "" if release.sheet_files else " (no sheet: the folders are the annotation)"
        self.sources.append(f"frames {found[0]}{no_sheet}")
        self.sources += [f"not read: {other}" for other in found[1:]]
        return found[0]

    def subjects(self, root: Path) -> Iterator[tuple[str, Path]]:
        """(subject, its folder) of those in a folder."""
        for folder in folders(root):
            if self.is_subject(folder.name):
                yield self.release.names.subject(folder.name), folder

    def clip_folders(self, root: Path, below: Callable = folders) -> Folders:
        """The clips' folders of frames, those `below` a subject's. Raises StudyError."""
        by_key: Folders = {}
        for subject, person in self.subjects(root):
            for path in below(person):
                key = subject, self.release.names.clip(path.name).lower()
                if by_key.setdefault(key, path) != path:
                    raise StudyError(f"{by_key[key]} and {path} are folders of one clip: keep one")
        return by_key

    def find_sheets(self, root: Path, fits: Callable[[Path], bool] | None = None) -> list[Path]:
        """The sheets in the folders down to `root` and next to them, else above. Raises StudyError.

        Those named as in `sheet_files`, else those that `fits`, which says whether a file has the
        columns; of equal ones the first, and an old .xls only where there is no newer form.
        """
        release, path = self.release, self.path
        fits = fits or partial(sheets.holds, fields=release.fields)
        named = re.compile("|".join(map(translate, release.sheet_files)), re.IGNORECASE).match
        down = [place for place in reversed([root, *root.parents]) if place.is_relative_to(path)]
        aside = [folder for folder in folders(path) if not self.is_subject(folder.name)]
        for places in (down + aside, [path.parent] if root == path else []):
            files = [file for place in dict.fromkeys(places) for file in sheets.files(place)]
            files = [file for file in files if named(file.name)] or list(filter(fits, files))
            files = [file for file in files if file.suffix.lower() != ".xls"] or files
            if files:
                return sorted({sheets.digest(file): file for file in reversed(files)}.values())
        wanted = f"the {release.title} release's {release.sheet_files[0]}.xlsx"
        raise StudyError(f"{path} has no annotation sheet: put {wanted} there")

    def find_sheet(self, root: Path, fits: Callable[[Path], bool] | None = None) -> Path:
        """The one sheet. Raises StudyError for two, whose rows would go with different frames."""
        file, *others = self.find_sheets(root, fits)
        if others:
            names = " and ".join(one.name for one in (file, *others))
            raise StudyError(f"{self.path} has more than one annotation sheet, {names}: keep one")
        return file

    def read_sheet(self, root: Path) -> sheets.Sheet:
        """The annotations; their file becomes the first source."""
        sheet = sheets.read(self.find_sheet(root), self.release.fields, self.release.tab)
        self.name_sheet(sheet)
        return sheet

    def name_sheet(self, sheet: sheets.Sheet) -> None:
        """Puts the sheet first in the sources, with its version as its number of rows tells it.

        Not its bytes: stripped and saved-again copies circulate. Synthetic sheets have no version.
        """
        tab, rows = f", tab {sheet.tab}" if sheet.tab else "", len(sheet.rows)
        names = [f"sheet {sheet.path.name}{tab}: {rows} rows, sha256 {sheet.sha256[:16]}"]
        if (versions := self.release.versions) and self.corpus == self.release.name:
            known = " or ".join(f"{number} ({name})" for number, name in versions.items())
            unknown = f"an unknown version of this sheet: {rows} rows, known are {known}"
            names.append(f"as many rows as {versions[rows]}" if rows in versions else unknown)
        self.sources[:0] = names

    # --- its events

    def rows(self, sheet: sheets.Sheet) -> Iterator[tuple[Row, list[str], str]]:
        """(row, notes, reason to exclude) of a sheet, names spelled our way, errata applied."""
        names, file = self.release.names, sheet.path.name
        merged = "names no subject: unmerge its cells, and write the subject into every row"
        for row in sheet.rows:
            try:
                key = {"subject": names.subject(row["subject"]), "clip": names.clip(row["clip"])}
            except ValueError as error:
                place = f"{file} row {row['row']} {merged}"
                reason = f"{error} ({file})" if row["subject"] else place
                self.leave_out(row["subject"], row["clip"], reason)
            else:
                row = {"apex": "", "action_units": ""} | row | key
                yield self.errata.apply(sheet.sha256, row, self.scheme.name)

    def add(
        self, row: Row, notes: list[str], reason: str, frames: Path | str | None, open_end=False
    ) -> Event:
        """The event of a corrected row. frames: their folder, or why there is none."""
        emotion = row["emotion"].lower()
        label, unmapped = self.scheme.label(emotion)
        numbers, wrong = sheets.frame_numbers(row, self.apex, open_end)
        missing, frames = (frames, None) if isinstance(frames, str) else ("", frames)
        event = Event(row["subject"], row["clip"], numbers, frames, label, emotion)
        event.action_units, event.notes = row["action_units"], [*notes]
        event.reason = reason or unmapped or wrong or missing
        self.events.append(event)
        return event

    def add_cut(self, path: Path, subject: str, clip: str, emotion: str, reason: str) -> Event:
        """The event of a folder or video that is cut to its expression, first frame to last."""
        label, unmapped = self.scheme.label(emotion)
        reason = reason or unmapped or self.missing_frames(path, {})
        event = Event(subject, clip, {}, path, label, emotion, reason=reason)
        self.events.append(event)
        if not reason and is_video(path):
            event.numbers = {"onset": 1}
        elif not reason:
            numbers = list(self.frame_names(path))
            event.numbers = {"onset": numbers[0], "offset": numbers[-1]}
            if len(numbers) == 1:
                event.reason = f"{path.name} holds 1 images: onset and offset need two"
        return event

    def no_folder(self, root: Path, place: str) -> str:
        """The reason of a clip whose folder `place` is not below `root`: packed, or not there."""
        if packed := packed_in((root / place).parent, Path(place).name):
            return f"{packed} in {root} is not unpacked: unpack it there"
        return f"no folder {place} in {root}"

    def leave_out(self, subject: str, clip: str, reason: str) -> None:
        """An event with a reason and nothing else."""
        self.events.append(Event(subject, clip, reason=reason))

    def leave_out_unlisted(self, on_disk: Folders, sheet: sheets.Sheet) -> None:
        """The folders of frames that no event names."""
        listed = {(event.subject, event.clip.lower()) for event in self.events}
        for key, folder in on_disk.items():
            if key not in listed:
                reason = f"{key[0]}/{folder.name} on disk has no row in {sheet.path.name}"
                self.leave_out(key[0], self.release.names.clip(folder.name), reason)

    def missing_frames(self, path: Path, numbers: Mapping[str, int], remedy: str = "") -> str:
        """Why the annotated frames cannot be used, or ""; remedy: of a number that is not there."""
        if is_video(path):
            if not path.stat().st_size:
                return f"{path.name} is an empty file: copy it again"
            counted = "onset 0: frames of a video are counted from 1"
            return counted if numbers.get("onset") == 0 else ""
        try:
            files = self.frame_names(path)
        except StudyError as error:
            return str(error)
        place = f"{path.parent.name}/{path.name}"
        if not files:
            return f"{place} holds no images"
        for name, number in numbers.items():
            if number not in files:
                holds = f"which holds {len(files)} frames from {min(files)} to {max(files)}"
                return f"{name} frame {number} is not in {place}, {holds}{remedy}"
            if not os.stat(path / files[number]).st_size:
                return f"{name} frame {place}/{files[number]} is an empty file"
        return ""
