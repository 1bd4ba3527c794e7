"""What a row of a sheet says of its clip: numbers of frames, cells that say that one is missing."""

import re
from collections.abc import Mapping

from .table import FRAME_NUMBERS

_MISSING = ("", "/", "-", "--", "\u2013", "\u2014", "?", "nan", "nat", "na", "n/a", "n.a.", "#n/a")
_MISSING += ("<na>", "null", "none", "nil")  # in lower case; how sheets and programs write it
_TIME = re.compile(r"[0-9]*[.,:][0-9.,:]*[0-9]\s*(s|sec|ms)?|[0-9]+\s*(s|sec|ms)", re.IGNORECASE)


def is_missing(text: str) -> bool:
    """Whether a cell says that nothing was coded."""
    return text.strip().lower() in _MISSING


def is_time(text: str) -> bool:
    """Whether a cell holds seconds, as 0.52 or 0:01.5, and no frame number, as 46 or 46.0."""
    return bool(_TIME.fullmatch(text)) and not re.fullmatch(r"[0-9]+\.0+", text)


def frame_numbers(
    row: Mapping[str, str], apex: str = "sheet", open_end: bool = False
) -> tuple[dict[str, int], str]:
    """The frames a sheet's row names, in order; apex may be missing. Second: what is wrong.

    apex: see `apexes`; under any policy but `sheet` the row's apex is not read, so that a wrong
    one does no harm. open_end: the offset may be missing too.
    """
    numbers = {}
    may_be_missing = ("apex", "offset") if open_end else ("apex",)
    for name in FRAME_NUMBERS:
        text = row[name]
        not_coded = name in may_be_missing and is_missing(text)
        if not_coded or (name == "apex" and apex != "sheet"):
            continue
        if is_time(text):
            return {}, f"{name} '{text}' is not a frame number; of a time write seconds times fps"
        if not re.fullmatch(r"[0-9]{1,18}(\.0+)?", text):
            return {}, f"{name} '{text}' is not a frame number"
        numbers[name] = int(text.split(".")[0])
    if numbers.get("offset") == 0:
        return {}, "offset 0: its end was not coded"
    ordered = list(numbers.items())
    for (before, low), (after, high) in zip(ordered, ordered[1:], strict=False):
        if low > high:
            return {}, f"{before} {low} is after {after} {high}"
    last = next((name for name in ("apex", "offset") if name in numbers), "")
    if last and numbers["onset"] == numbers[last]:
        return {}, f"{last} is the onset ({numbers['onset']}): there is no movement between them"
    return numbers, ""
