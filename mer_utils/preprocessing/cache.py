"""Arrays kept on disk under the hash of all that they depend on; the folder may be deleted."""

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .. import paths
from ..errors import DiskError


class NotCached(Exception):
    """An array is not in the cache, and is not to be computed now."""


def cached(
    folder: Path, kind: str, parts: tuple, compute: Callable[[], np.ndarray] | None
) -> np.ndarray:
    """The array kept under `parts`, or what `compute` returns, which is then kept.

    A damaged file is warned about and made again. Raises NotCached where there is none and
    `compute` is None, and DiskError where the file may not be read or written.
    """
    key = hashlib.sha256(repr((kind, *parts)).encode()).hexdigest()
    file = folder / kind / key[:2] / f"{key}.npz"
    if (stored := read(file)) and "value" in stored:
        return stored["value"]
    if compute is None:
        raise NotCached
    value = compute()
    write(file, lasting=False, value=value)  # what a power cut takes is made again
    return value


def read(file: Path) -> dict[str, np.ndarray] | None:
    """What a file holds; None without one, or with a warning where it is damaged; or DiskError."""
    try:
        with opened(file) as stored:
            return dict(stored)
    except FileNotFoundError:
        return None
    except DiskError:
        raise
    except Exception as error:  # zipfile, zlib and numpy have a dozen for damaged bytes
        warnings.warn(f"{file} in the cache is damaged ({error}): it is made again", stacklevel=3)
        return None


@contextmanager
def opened(file: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """An .npz to read without pickle. Raises FileNotFoundError, DiskError, anything for damage."""
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise paths.disk_error(error, file, "read") from error
    with stream, np.load(stream, allow_pickle=False) as stored:
        yield stored


def write(file: Path, lasting: bool = True, **arrays: np.ndarray) -> None:
    """An .npz that is complete or not there at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    paths.write_whole(file, buffer.getvalue(), lasting)
