"""Arrays kept on disk under the hash of all that they depend on; the folder may be deleted."""

import hashlib
import io
import warnings
import zipfile
from pathlib import Path

import numpy as np

from .. import paths

UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)  # of a damaged .npz


def _file(folder: Path, kind: str, parts: tuple) -> Path:
    key = hashlib.sha256(repr((kind, *parts)).encode()).hexdigest()
    return folder / kind / key[:2] / f"{key}.npz"


def read(folder: Path, kind: str, parts: tuple) -> np.ndarray | None:
    """The array kept under `parts`, None where there is none.

    A file that cannot be read whole is warned about and removed.
    """
    file = _file(folder, kind, parts)
    if not file.exists():
        return None
    try:
        # opened here: of a damaged file numpy leaves the handle open
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return stored["value"]
    except UNREADABLE as error:
        warnings.warn(f"{file} in the cache is damaged ({error}): it is made again", stacklevel=2)
        file.unlink(missing_ok=True)
        return None


def write(folder: Path, kind: str, parts: tuple, value: np.ndarray) -> None:
    write_arrays(_file(folder, kind, parts), value=value)


def write_arrays(file: Path, **arrays: np.ndarray) -> None:
    """An .npz that is complete or not there at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    paths.write_whole(file, buffer.getvalue())
