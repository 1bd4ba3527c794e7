"""Where a clip's apex comes from: chosen by name, and recorded in `apex_source`.

| policy | apex of the clip table | apex_source |
|---|---|---|
| `sheet` | the sheet's, after errata; empty where none was coded | `sheet`, or empty |
| `midpoint` | the middle one of the frames on disk from onset to offset | `midpoint` |
| `spotted` | empty: `views` spots it in the frames, whatever the sheet says | `spotted`, later |

Under `sheet` an empty apex is spotted too, which the table then says. Other authors' apexes enter
as errata, row by row, with their source.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from .frames import frame_names
from .table import KEY

POLICIES = ("sheet", "midpoint", "spotted")


def choose(policy: str, rows: Sequence[dict]) -> tuple[list[dict], list[tuple]]:
    """Rows of the clip table under a policy, and (key, reason) of those that it cannot serve."""
    if policy == "sheet":
        return list(rows), []
    if policy == "spotted":
        return [row | {"apex": None, "apex_source": ""} for row in rows], []
    clips, left_out = [], []
    for row in rows:
        middle = _midpoint(row)
        if isinstance(middle, str):
            left_out.append((*(row[column] for column in KEY), middle))
        else:
            clips.append(row | {"apex": middle, "apex_source": "midpoint"})
    return clips, left_out


def _midpoint(row: Mapping) -> int | str:
    """The frame in the middle of those from onset to offset, or why there is none."""
    onset, offset = row["onset"], row.get("offset")
    if offset is None:
        return "no offset is known, so that the clip has no midpoint: choose apex 'spotted'"
    if Path(row["frames"]).is_file():  # a video: its frames are counted, not listed
        return onset + (offset - onset + 1) // 2
    between = [number for number in frame_names(row["frames"]) if onset <= number <= offset]
    middle = between[len(between) // 2] if between else onset
    return middle if middle > onset else f"no frame is between onset {onset} and offset {offset}"
