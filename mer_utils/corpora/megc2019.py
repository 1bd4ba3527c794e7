"""MEGC2019 composite: SMIC, CASME II and SAMM under three classes, 442 clips of 68 subjects.

See et al., FG 2019. The mapping stands in `schemes`, the two dropped CASME II clips in
`errata.csv`; `official` tells how a copy differs from the list of the challenge.
"""

from pathlib import Path

from ..errors import StudyError
from . import casme2, samm, schemes, smic

READERS = {"casme2": casme2.read, "samm": samm.read, "smic": smic.read}


def read(
    path: Path, prefix: str = "", remedy: str = "", apex: str = "sheet"
) -> tuple[list[dict], list[tuple], list]:
    """Reads path/casme2, path/samm and path/smic; `prefix` goes before their names in the table."""
    rows, exclusions, sources = [], [], []
    for name, reader in READERS.items():
        if not (path / name).is_dir():
            raise StudyError(
                f"{path / name} does not exist: " + (remedy or f"put the {name} release there")
            )
        more_rows, more_exclusions, more_sources = reader(
            path / name, prefix + name, schemes.find(name, "3"), apex
        )
        rows += more_rows
        exclusions += more_exclusions
        sources += [f"{prefix}{name}: {sentence}" for sentence in more_sources]
    return rows, exclusions, sources
