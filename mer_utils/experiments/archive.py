"""Finished runs as small files beside the reports, so that a clone has them without training.

    python -m mer_utils.experiments.archive keep megc2019_flow       # data/runs -> reports/runs
    python -m mer_utils.experiments.archive restore megc2019_flow    # and back

A run is one zip: `experiment.json` and `provenance.json` as they are; `rows.csv`, all its rows;
`folds.csv`, how many of them each fold has and its seconds; `calls.npy` (E, clips), the class
number given after every epoch; `losses.npy` (folds, E); `validation.npy` (folds, E, 2).
Weights are left behind.  A run's name ends with a hash of all that it was declared with, images
included; whoever restores it checks that.
"""

import argparse
import io
import json
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .. import experiments, paths
from ..errors import StudyError
from . import Experiment

AS_THEY_ARE = ("experiment.json", "provenance.json")
ARRAYS = ("calls", "losses", "validation")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same run


def keep(corpus: str) -> list[Path]:
    """Write every finished run of a corpus that is not kept yet; the files written.

    Raises StudyError where there is no finished run.
    """
    runs = experiments.find(corpus=corpus, labels="true")
    runs = runs[runs["folds"] == runs["of"]]
    if not len(runs):
        raise StudyError(f"{corpus} has no finished run in {paths.RUNS}: train one in notebook 41")
    written = []
    for key in runs["key"]:
        path = paths.KEPT / corpus / f"{key}.zip"
        if not path.is_file():
            paths.write_whole(path, _packed(key))
            written.append(path)
    return written


def kept(corpus: str) -> set[str]:
    """Keys of the runs of a corpus that are kept."""
    return {path.stem for path in (paths.KEPT / corpus).glob("*.zip")}


def restore(corpus: str) -> list[str]:
    """Lay kept runs of a corpus out in data/runs; the names of those that were not there.

    A run underway is completed; folds that are there stay as they are.  Raises StudyError for a
    damaged file and where nothing is kept.
    """
    files = sorted((paths.KEPT / corpus).glob("*.zip"))
    if not files:
        raise StudyError(
            f"{paths.KEPT / corpus} holds no run: "
            f"`python -m mer_utils.experiments.archive keep {corpus}` writes the finished ones"
        )
    known = experiments.find(corpus=corpus)
    there = set(known.loc[known["folds"] == known["of"], "key"])
    new = [file for file in files if file.stem not in there]
    for file in new:
        _lay_out(file)
    return [file.stem for file in new]


def _packed(key: str) -> bytes:
    folder = paths.RUNS / key
    files = sorted((folder / "folds").glob("*.csv"))
    texts = [file.read_text(encoding="utf-8") for file in files]
    head = texts[0].partition("\n")[0] + "\n"
    folds = pd.DataFrame(
        {
            "fold": [file.stem for file in files],
            "lines": [text.count("\n") - 1 for text in texts],
            "seconds": [file.with_suffix(".seconds").read_text() for file in files],
        }
    )
    stored = []
    for file in files:
        with np.load(file.with_suffix(".npz"), allow_pickle=False) as arrays:
            stored.append({name: arrays[name] for name in ("predicted", "losses", "validation")})
    arrays = {
        "calls": np.concatenate([each["predicted"] for each in stored], axis=1),
        "losses": np.stack([each["losses"] for each in stored]).astype(np.float32),
        "validation": np.stack([each["validation"] for each in stored]).astype(np.float32),
    }
    contents = {name: (folder / name).read_bytes() for name in AS_THEY_ARE}
    contents["rows.csv"] = (head + "".join(text[len(head) :] for text in texts)).encode()
    contents["folds.csv"] = folds.to_csv(index=False, lineterminator="\n").encode()
    for name, values in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        contents[f"{name}.npy"] = buffer.getvalue()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as into:
        for name, content in contents.items():
            into.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _lay_out(file: Path) -> None:
    try:
        with zipfile.ZipFile(file) as packed:
            contents = {name: packed.read(name) for name in packed.namelist()}
        declared = json.loads(contents["experiment.json"])
        experiment = Experiment(**declared | {"classes": tuple(declared["classes"])})
        provenance = json.loads(contents["provenance.json"])
        arrays = {
            name: np.load(io.BytesIO(contents[f"{name}.npy"]), allow_pickle=False)
            for name in ARRAYS
        }
        folds = pd.read_csv(io.BytesIO(contents["folds.csv"]), dtype={"fold": str, "seconds": str})
        head, *lines = [f"{line}\n" for line in contents["rows.csv"].decode().split("\n")[:-1]]
        if arrays["calls"].max(initial=0) >= len(experiment.classes):
            raise ValueError("calls.npy holds a number that is no class")
    except (OSError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise StudyError(
            f"{file} is damaged ({error}): take it from the repository again"
        ) from error
    ends = folds["lines"].cumsum()
    whole = len(lines) == arrays["calls"].shape[1] == folds["lines"].sum()
    whole = whole and len(arrays["losses"]) == len(arrays["validation"]) == len(folds)
    if experiment.key != file.stem or not whole or folds["fold"].str.contains(r"[/\\]").any():
        raise StudyError(f"{file} does not hold the run of its name: take it from the repository")
    folder = experiment.folder
    if (folder / "provenance.json").is_file():  # of a run underway here
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    provenance["restored"] = "from the runs kept in reports/runs"
    paths.write_whole(folder / "provenance.json", json.dumps(provenance, indent=1).encode())
    paths.write_whole(folder / "experiment.json", contents["experiment.json"])
    for number, fold in enumerate(folds.itertuples()):
        path = folder / "folds" / f"{fold.fold}.csv"
        if path.is_file():
            continue
        rows = slice(ends[number] - fold.lines, ends[number])
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            predicted=arrays["calls"][:, rows],
            losses=arrays["losses"][number],
            validation=arrays["validation"][number],
        )
        paths.write_whole(path.with_suffix(".npz"), buffer.getvalue())
        paths.write_whole(path.with_suffix(".seconds"), fold.seconds.encode())
        paths.write_whole(path, (head + "".join(lines[rows])).encode())
    experiments.bind(experiment)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mer_utils.experiments.archive",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("keep", "restore"))
    parser.add_argument("corpus", help="its name, as megc2019_flow")
    options = parser.parse_args(arguments)
    if options.action == "keep":
        written = keep(options.corpus)
        print(f"runs kept in {paths.KEPT / options.corpus}: {len(written)}")
    else:
        print(f"runs restored to {paths.RUNS}: {len(restore(options.corpus))}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
