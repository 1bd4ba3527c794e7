"""Where things lie, found from this file so that notebooks run from any working directory.

`MER_DATA` and `MER_REPORTS` move the data and the reports to another disk.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mer_utils"
NOTEBOOKS = ROOT / "notebooks"
KEPT = ROOT / "reports" / "runs"  # finished runs that travel with the repository

DATA = Path(os.environ.get("MER_DATA", ROOT / "data")).resolve()
RAW = DATA / "raw"  # releases as received, never written
SYNTHETIC = DATA / "synthetic"
CACHE = DATA / "cache"  # may be deleted at any time
RUNS = DATA / "runs"  # a run is one file
WEIGHTS = DATA / "weights"  # of folds, where they are asked for

REPORTS = Path(os.environ.get("MER_REPORTS", ROOT / "reports")).resolve()
HTML = REPORTS / "html"
EXECUTED = REPORTS / "executed"  # notebooks as papermill left them
TABLES = REPORTS / "tables"
FIGURES = REPORTS / "figures"
PREDICTIONS = REPORTS / "predictions"  # rows of finished runs, one file a corpus


def write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all, whoever is stopped or reads meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)
