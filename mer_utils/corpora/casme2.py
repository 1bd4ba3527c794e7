"""CASME II: 255 clips of 26 subjects at 200 fps, sheet `CASME2-coding-20140508.xlsx`.

Yan et al., PLoS ONE 2014. Folders `CASME2_RAW_selected/sub01/EP02_01f/img46.jpg`, `CASME2-RAW`
(whole clips) or `Cropped` (`reg_img46.jpg`). Clip names repeat across subjects.
"""

import re
from pathlib import Path

from . import release
from .schemes import Scheme

RELEASE = release.Release(
    title="CASME II",
    fps=200.0,
    sheets=("CASME2-coding*", "CASME2*label*", "CASME2*coding*"),
    subject_folder=re.compile(r"sub[0-9]+", re.IGNORECASE),
    example="CASME2_RAW_selected/sub01",
    # Raw frames first: this study finds and aligns the faces itself.
    prefer=("selected", "raw", "crop"),
    versions={
        255: "the public sheet CASME2-coding-20140508",
        256: "newer sheets such as CASME2-coding-20190701",
    },
)


def read(path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"):
    """See `release.read`."""
    return release.read(RELEASE, path, corpus, scheme, apex)
