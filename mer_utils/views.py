"""What a system eats of each clip: flow, landmarks, key frames; computed once, kept by content.

| view | array | meaning |
|---|---|---|
| `flow` | (N, 3, 28, 28) float32 | u, v in pixels of the aligned 128x128 face, and optical strain |
| `flow_legacy` | (N, 3, 28, 28) float32 | u, v, strain of TV-L1, each stretched to 0..255 per clip |
| `landmarks` | (N, 68, 2) float32 | points of the apex face, x then y, in cells of the 28x28 grid |
| `frames` | (N, 2, 128, 128) uint8 | aligned onset and apex, grey |

OpenCV and dlib are loaded only where something has to be computed: `load` needs numpy and pandas.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .corpora import Corpus

VIEWS = ("flow", "flow_legacy", "landmarks", "frames")
GRID = 28  # cells a side of the flow views


@dataclass(frozen=True, eq=False)
class Views:
    """Arrays of the usable clips, in the order of `clips`."""

    clips: pd.DataFrame  # corpora.COLUMNS; spotted apexes filled in; index 0..N-1
    exclusions: pd.DataFrame  # the reader's, and the ones found while computing
    arrays: dict[str, np.ndarray]  # view -> (N, ...)


def compute(
    corpus: Corpus,
    names: tuple[str, ...],
    jobs: int | None = None,
    progress: bool = True,
    flow_method: str | None = None,
) -> Views:
    """Views of all clips of a corpus; `flow_method` None is `motion.DEFAULT`."""
    raise NotImplementedError


def save(views: Views, file: Path | str) -> Path:
    """One .npz that `load` reads without pickle, OpenCV or dlib; written by rename."""
    raise NotImplementedError


def load(file: Path | str) -> Views:
    """What `save` wrote."""
    raise NotImplementedError
