"""SAMM: 159 clips of 29 subjects at 200 fps, sheet `SAMM_Micro_FACS_Codes_v2.xlsx`.

Davison et al., IEEE TAFFC 2018. Frames `006/006_1_2/006_05562.jpg`, the padding differs from clip
to clip. The sheet has 13 rows of prose above its header; stripped copies circulate.
"""

import re
from pathlib import Path

from . import release
from .schemes import Scheme

RELEASE = release.Release(
    title="SAMM",
    fps=200.0,
    sheets=("SAMM_Micro*",),
    subject_folder=re.compile(r"[0-9]{1,3}"),
    example="006",
    prefer=("raw", "samm", "crop"),
    versions={159: "the tab MICRO_ONLY of SAMM_Micro_FACS_Codes_v2"},
)


def read(path: Path, corpus: str, scheme: Scheme, apex: str = "sheet"):
    """See `release.read`."""
    return release.read(RELEASE, path, corpus, scheme, apex)
