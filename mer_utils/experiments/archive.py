"""A finished run as one file, of which nothing is believed that the rest of it does not bear out.

experiment.json  the fields of the Experiment: what decides every number
provenance.json  what does not: commit, versions, device, times; what was `chosen`
rows.csv         a row per clip: corpus, subject, clip, label, predicted, p_<class>, epoch
folds.csv        a row per fold, in the order of the rows: fold, clips, seconds
predicted.npy    (E, clips) uint8, class number after every epoch; E = 0 without epochs
losses.npy       (folds, E) mean training loss of every epoch
                 where folds have unlike budgets, both go on with the last one's value to E
"""

import functools
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .. import paths
from ..corpora.table import KEY, one_line
from ..errors import StudyError
from .declaration import Experiment

ARRAYS = ("predicted", "losses")
MEMBERS = ("experiment.json", "provenance.json", "rows.csv", "folds.csv")
MEMBERS += tuple(f"{name}.npy" for name in ARRAYS)
LARGEST = 2**28  # bytes of a run unpacked; one of the 442 clips has 1 MB
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same run


class Damaged(StudyError):
    """A file of a run that is not what was written."""

    def __init__(self, path: Path, why: object):
        super().__init__(
            f"{path} is damaged ({one_line(why)}) and left out: train its run again, or copy it "
            "again from where it came"
        )


@dataclass(frozen=True, eq=False)
class Stored:
    """What a run holds so far."""

    experiment: Experiment
    provenance: dict
    rows: bytes  # rows.csv
    folds: pd.DataFrame  # fold, clips, seconds
    predicted: np.ndarray
    losses: np.ndarray

    def table(self) -> pd.DataFrame:
        """rows.csv, ids as text."""
        text = dict.fromkeys((*KEY, "label", "predicted"), str)
        return pd.read_csv(io.BytesIO(self.rows), dtype=text, keep_default_na=False)


def packed(run: Stored) -> bytes:
    """A finished run as the bytes of its file."""
    jsons = as_json(asdict(run.experiment)), as_json(run.provenance)
    contents = dict(zip(MEMBERS, (*jsons, run.rows, as_csv(run.folds)), strict=False))
    for name in ARRAYS:
        array = io.BytesIO()
        np.save(array, getattr(run, name), allow_pickle=False)
        contents[f"{name}.npy"] = array.getvalue()
    return pack(contents)


def pack(contents: dict[str, bytes]) -> bytes:
    """A zip of these files: the same bytes for the same contents."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, part in contents.items():
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), part, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def as_json(values: dict) -> bytes:
    return json.dumps(values, indent=1).encode()


def as_csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def remembered(read: Callable[[Path, bytes], object]) -> Callable:
    """A reader that is asked again only where the file has changed.

    Raises Damaged where `read` fails, FileNotFoundError, and DiskError (no rights).
    """

    @functools.lru_cache(4096)
    def kept(path: Path, *_):
        content = path.read_bytes()
        try:
            return read(path, content)
        except Exception as error:  # zipfile, zlib, json, numpy and pandas have dozens
            raise Damaged(path, error) from error

    def reader(path: Path):
        try:
            facts = path.stat()
            return kept(path, facts.st_mtime_ns, facts.st_size)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise paths.disk_error(error, path, "read") from error

    return reader


@remembered
def unpacked(path: Path, content: bytes) -> Stored:
    """A finished run from its file; of a member no more is unpacked than the archive says."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sorted(member.filename for member in members) != sorted(MEMBERS):
            raise ValueError(f"it does not hold {', '.join(MEMBERS)} and nothing else")
        if sum(member.file_size for member in members) > LARGEST:
            raise ValueError(f"it would unpack to more than {LARGEST >> 20} MB")
        contents = {m.filename: archive.open(m).read(m.file_size) for m in members}
    run = Stored(
        Experiment.of(json.loads(contents["experiment.json"])),
        json.loads(contents["provenance.json"]),
        contents["rows.csv"],
        pd.read_csv(io.BytesIO(contents["folds.csv"]), dtype={"fold": str}),
        *(np.load(io.BytesIO(contents[f"{n}.npy"]), allow_pickle=False) for n in ARRAYS),
    )
    if run.experiment.key != path.stem:
        raise ValueError(f"it holds the run {run.experiment.key}")
    if unlike := _disagreement(run):
        raise ValueError(unlike)
    return run


def _disagreement(run: Stored) -> str:
    """The first thing in which the parts of a finished run do not agree, or ""."""
    rows, classes = run.table(), list(run.experiment.classes)
    probabilities = rows[[f"p_{name}" for name in classes]].to_numpy(float)  # (clips, classes)
    chosen, names = probabilities.argmax(1), run.folds["fold"]
    (epochs, clips), losses = run.predicted.shape, run.losses.shape
    if not len(rows) == clips == run.folds["clips"].sum():
        return "rows, folds and epochs have unlike counts of clips"
    tests = {
        "a clip is there twice": not rows.duplicated(list(KEY)).any(),
        "a label is no class of the run": rows["label"].isin(classes).all(),
        "a probability is none": np.isfinite(probabilities).all(),
        "a prediction is not the likeliest class": rows["predicted"].eq(np.take(classes, chosen)),
        "a prediction is not that of the last epoch": not epochs or run.predicted[-1] == chosen,
        "it has not all its folds": names.nunique() == len(names) == run.provenance["folds"],
        "the losses are of other folds or epochs": losses == (len(names), epochs),
    }
    return next((words for words, holds in tests.items() if not np.all(holds)), "")
