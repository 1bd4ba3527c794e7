"""Where things lie, found from this file so that notebooks run from any working directory.

`MER_DATA` and `MER_REPORTS` move the data and the reports to another disk.
"""

import errno
import os
import secrets
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from .errors import DiskError, StudyError

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mer_utils"
NOTEBOOKS = ROOT / "notebooks"
KEPT = ROOT / "reports" / "runs"  # finished runs that travel with the repository


def _place(variable: str, usual: Path) -> Path:
    """The folder that a variable names, else the usual one.

    A relative one counts from where the command is given, and is handed on whole to processes that
    are started elsewhere: kernels run in notebooks/.  Raises StudyError for what is no folder.
    """
    given = os.environ.get(variable, "").strip().strip("\"'").strip()
    if not given:
        return usual.resolve()
    here = ROOT if Path.cwd() == NOTEBOOKS else Path.cwd()  # a kernel that JupyterLab started
    try:
        place = (here / Path(given).expanduser()).resolve()
        if "\n" in given or (place.exists() and not place.is_dir()):
            raise ValueError("it is a file" if place.exists() else "it holds a line break")
    except (OSError, RuntimeError, ValueError) as error:
        sentence = f"{variable}={given!r} is no folder ({error}): give the path of one"
        raise StudyError(sentence) from error
    os.environ[variable] = str(place)
    return place


DATA = _place("MER_DATA", ROOT / "data")
RAW = DATA / "raw"  # releases as received, never written
SYNTHETIC = DATA / "synthetic"
CACHE = DATA / "cache"  # may be deleted at any time
RUNS = DATA / "runs"  # a run is one file
WEIGHTS = DATA / "weights"  # of folds, where they are asked for
MODELS = DATA / "models"  # to read other clips with

REPORTS = _place("MER_REPORTS", ROOT / "reports")
HTML = REPORTS / "html"
EXECUTED = REPORTS / "executed"  # notebooks as papermill left them
TABLES = REPORTS / "tables"
FIGURES = REPORTS / "figures"
PREDICTIONS = REPORTS / "predictions"  # rows of finished runs, one file a corpus


# How a system says that a disk is full or may not be used.
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
UNFINISHED = "." + 16 * "[0-9a-f]" + ".part"  # how the name of a file ends while it is written
ABANDONED = 86400  # seconds after which it is the rest of a process that was killed


def write_whole(path: Path, content: bytes, lasting: bool = True) -> None:
    """A file that is there whole or not at all, whoever is stopped or reads meanwhile.

    lasting: file and name are on the disk when this returns, and a power cut leaves no empty file;
    else nobody waits for the disk, some 10 ms.  Raises DiskError.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy(path.parent)
        with part.open("xb") as file:
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
        if lasting:
            _keep_names(path.parent)
    except OSError as error:
        raise disk_error(error, path.parent) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def disk_error(error: OSError, place: Path | str, doing: str = "written") -> DiskError:
    """The sentence for a disk that is full or may not be used, with the remedy."""
    moved = {DATA: "MER_DATA", REPORTS: "MER_REPORTS"}
    names = [name for root, name in moved.items() if Path(place).is_relative_to(root)]
    names += ["TMPDIR"] if str(place) == tempfile.gettempdir() else []
    other = f"put all on another disk with {names[0]}=/another/disk" if names else "name another"
    return DiskError(
        f"{place} cannot be {doing} ({error.strerror or error}): make room there, get the right "
        f"to use it, or {other}"
    )


@cache
def _tidy(folder: Path) -> None:
    """Remove what processes that were killed have left of their files; once in a process."""
    for part in folder.glob(f".*{UNFINISHED}"):
        with suppress(OSError):  # another process tidies too
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()


def _keep_names(folder: Path) -> None:
    """Have the names in a folder written to the disk, where the system can."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # some network disks refuse it for a folder
                os.fsync(opened)
        finally:
            os.close(opened)
