"""Where a clip's apex comes from: chosen by name, and recorded in `apex_source`.

| policy | apex of the clip table | apex_source |
|---|---|---|
| `sheet` | the sheet's, after errata; empty where nobody coded one | `sheet`, or empty |
| `midpoint` | the middle one of the frames on disk from onset to offset | `midpoint` |
| `spotted` | empty: `views` finds it in the frames, sheet or not | `spotted` once it is found |

Under `sheet` an empty apex is spotted too, which the table then says. Other authors' apexes enter
as errata, row by row, with their source.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import StudyError
from .table import KEY, nearest

POLICIES = ("sheet", "midpoint", "spotted")


def check(policy: str) -> str:
    """The policy itself. Raises StudyError naming the nearest one."""
    if policy not in POLICIES:
        raise StudyError(
            f"apex '{policy}' is not known, the nearest is '{nearest(policy, POLICIES)}': "
            f"choose one of {', '.join(POLICIES)}"
        )
    return policy


def midpoint(frames: Iterable[int], onset: int, offset: int) -> int | None:
    """The frame in the middle of those from onset to offset; None where that is the onset."""
    between = [number for number in sorted(frames) if onset <= number <= offset]
    middle = between[len(between) // 2] if between else onset
    return middle if middle > onset else None


def choose(
    policy: str, rows: Sequence[dict], listed: Callable[[str], Iterable[int]]
) -> tuple[list[dict], list[tuple]]:
    """Rows of the clip table under a policy, and (key, reason) of those that it cannot serve.

    `listed` gives the frame numbers of a folder; only `midpoint` asks for them.
    """
    if policy == "sheet":
        return list(rows), []
    kept, left_out = [], []
    for row in rows:
        if policy == "spotted":
            kept.append(row | {"apex": None, "apex_source": ""})
            continue
        apex, reason = _middle(row, listed)
        if reason:
            left_out.append((*(row[column] for column in KEY), reason))
        else:
            kept.append(row | {"apex": apex, "apex_source": "midpoint"})
    return kept, left_out


def _middle(row: Mapping, listed: Callable) -> tuple[int | None, str]:
    onset, offset = row["onset"], row.get("offset")
    if offset is None:
        return None, "no offset is known, so that the clip has no midpoint: choose apex 'spotted'"
    if Path(row["frames"]).is_file():  # a video: its frames are counted, not listed
        numbers: Iterable[int] = (onset, onset + (offset - onset + 1) // 2, offset)
    else:
        numbers = listed(row["frames"])
    found = midpoint(numbers, onset, offset)
    return found, "" if found else f"no frame lies between onset {onset} and offset {offset}"
