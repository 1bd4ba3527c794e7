"""Readers of the usual layouts: a sheet with folders, sheets with folders by name, a composite.

`needs` of a reader are the fields that an entry with it must have.
"""

from pathlib import Path

from ..errors import StudyError
from . import sheets
from .frames import below, folders
from .reader import DEPTH, Copy, Folders


def sheet_and_folders(copy: Copy) -> None:
    """The usual reader: a row of the sheet for each clip, its frames in `<subject>/<clip>/`."""
    root = copy.find_frames()
    sheet = copy.read_sheet(root)
    on_disk = copy.clip_folders(root)
    add_rows(copy, sheet, on_disk, root)
    copy.leave_out_unlisted(on_disk, sheet)


sheet_and_folders.needs = ["sheet_files", "subject_folder"]


def sheets_and_names(copy: Copy) -> None:
    """A clip's name is enough: its folder has that name, wherever it is. Sheets may be several."""
    release, root = copy.release, copy.path
    read = [sheets.read(file, release.fields, release.tab) for file in copy.find_sheets(root)]
    names = {row["clip"].lower() for sheet in read for row in sheet.rows if row["clip"]}
    on_disk: Folders = {}
    for folder in below(root, lambda name: name in names, release.avoid, DEPTH):
        key = "", folder.name.lower()
        if on_disk.setdefault(key, folder) != folder:
            raise StudyError(f"{on_disk[key]} and {folder} are folders of one clip: keep one")
    places = sorted({folder.parent for folder in on_disk.values()})
    if not places:
        raise StudyError(
            f"{root} holds no folder of a clip that {read[0].path.name} names, such as in "
            f"{release.example}: put the release's frames there, as data/README.md shows"
        )
    copy.sources += [f"frames {place}" for place in places]
    for sheet in reversed(read):
        copy.name_sheet(sheet)
    for sheet in read:
        add_rows(copy, sheet, on_disk, root)
    for folder in (child for place in places for child in folders(place)):
        if folder.name.lower() not in names:
            copy.leave_out("", folder.name, f"{folder.name} on disk has no row in a sheet")


sheets_and_names.needs = ["sheet_files", "names"]


def add_rows(copy: Copy, sheet: sheets.Sheet, on_disk: Folders, root: Path) -> None:
    """An event for each row. on_disk: keyed by "" for a subject where a clip's name is enough."""
    subjects = {subject for subject, _ in on_disk}
    lines: dict[tuple[str, str], str] = {}
    for row, notes, reason in copy.rows(sheet):
        subject, clip = row["subject"], row["clip"]
        key = "" if "" in subjects else subject, clip.lower()
        first = lines.setdefault(key, row["row"])
        if first != row["row"]:
            rows = f"in rows {first} and {row['row']}"
            raise StudyError(f"{sheet.path.name} lists {subject}/{clip} twice, {rows}: delete one")
        place = key[0] + (f"/{clip}" if key[0] in subjects else "")
        frames = on_disk.get(key) or copy.no_folder(root, place.lstrip("/"))
        event = copy.add(row, notes, reason, frames)
        if sheets.is_missing(row["apex"]):
            event.notes.append("no apex in the sheet")
        elif event.numbers.get("apex") == event.numbers.get("offset"):
            event.notes.append("apex = offset in the sheet")


def composite(copy: Copy) -> None:
    """The reader of several releases, each in a folder of its name, under its default scheme."""
    prefix = "synthetic_" if copy.release.synthetic else ""
    for release in copy.release.parts:
        folder = copy.path / release.name
        if not folder.is_dir():
            remedy = copy.release.remedy if prefix else f"put the {release.name} release there"
            raise StudyError(f"{folder} does not exist: {remedy}")
        name = prefix + release.name
        part = Copy(release, folder, name, release.scheme(), copy.apex).read()
        copy.clips += part.clips
        copy.exclusions += part.exclusions
        copy.sources += [f"{name}: {sentence}" for sentence in part.sources]
