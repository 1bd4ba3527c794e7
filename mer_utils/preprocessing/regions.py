"""Six facial regions: their landmarks, the action units that move them, and how they move together.

Regions follow the framework figure of MHSSA-Transformer + GCN (5/5/6/6/9/12 landmarks), with the
indices of dlib's 68 points. `right` and `left` are the person's own, as FACS writes R and L.

The mouth is the 12 points of the outer lip. The 8 of the inner lip are 1.1 cells of the 28x28 flow
grid from the nearest outer one (mean of 442 real faces): their 7x7 patches would be near copies.
"""

import itertools
import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

GRID = 28  # cells per side of the flow grid
PATCH = 7  # cells per side of the patch around a landmark

REGIONS = ("right brow", "left brow", "right eye", "left eye", "nose", "mouth")

# dlib's points, counted from 0: 0-16 jaw, 17-21 and 22-26 brows, 27-35 nose, 36-41 and 42-47 eyes,
# 48-59 outer lip, 60-67 inner lip.
_ENDS = ((17, 22), (22, 27), (36, 42), (42, 48), (27, 36), (48, 60))
POINTS = tuple(tuple(range(first, end)) for first, end in _ENDS)

# The published lists take dlib's nose for the eyes and its eyes for the nose: prepare_data.py
# counts from point 17 and expects brows, eyes, nose, lips; dlib has brows, nose, eyes, lips.
PUBLISHED_POINTS = (
    (21, 20, 19, 18, 17),
    (22, 23, 24, 25, 26),
    (27, 28, 29, 32, 31, 30),
    (36, 35, 34, 38, 37, 33),
    (39, 40, 41, 42, 45, 46, 44, 47, 43),
    (54, 48, 55, 53, 59, 49, 56, 52, 58, 50, 57, 51),
)

RIGHT_BROW, LEFT_BROW, RIGHT_EYE, LEFT_EYE, NOSE, MOUTH = range(6)
_BROWS, _EYES = (RIGHT_BROW, LEFT_BROW), (RIGHT_EYE, LEFT_EYE)

# Action unit -> regions it moves. The published map ends with nose {9} and outer lip {10, 25}: unit
# 12, that of most positive clips, moves nothing in it.
PUBLISHED_UNITS = dict.fromkeys((1, 2, 4), _BROWS) | dict.fromkeys((5, 6, 7), _EYES)
PUBLISHED_UNITS |= {9: (NOSE,), 10: (MOUTH,), 25: (MOUTH,)}
UNITS = PUBLISHED_UNITS | dict.fromkeys((10, 12, 14, 15, 17, 20, *range(23, 29)), (MOUTH,))


class ActionUnit(NamedTuple):
    """One coded unit: `R12B` is number 12, side "right", intensity "B"."""

    number: int  # FACS number, 1..99
    side: str = "both"  # "right" | "left" (the person's own) | "both"
    intensity: str = ""  # "A".."E", "A/B" if the coder left it open, "" if none is written
    reference: bool = False  # SAMM's `ref(7B)`: present in the onset frame already, so no movement


class Coding(NamedTuple):
    """The content of a sheet's cell."""

    groups: tuple[tuple[ActionUnit, ...], ...]  # statements, each of alternatives: `R6 or R12`
    unread: tuple[str, ...]  # pieces that name no unit: "?", "soft focus"

    @property
    def units(self) -> tuple[ActionUnit, ...]:
        """Every unit named, alternatives included."""
        return tuple(unit for group in self.groups for unit in group)


_SIDES = {"R": "right", "L": "left"}  # A (asymmetric), T (top), B (bottom) move both sides
_UNIT = re.compile(
    r"(?:AU)?(?P<sides>[RLATB](?:/[RLATB])*)?(?P<number>[1-9][0-9]?)(?:\.0)?"
    r"(?P<intensity>[A-E](?:/[A-E])*)?"
)
_REFERENCE = re.compile(r"ref\s*\((?P<inside>[^()]*)\)", re.IGNORECASE)
_PLUS = re.compile(r"[+＋,，、;；&](?![^()]*\))")  # not inside brackets
_BRACKETS = re.compile(r"\A\((.*)\)\Z", re.DOTALL)
_OR = re.compile(r"\s+or\s+|\|", re.IGNORECASE)


def _unit(text: str, reference: bool) -> tuple[ActionUnit, ...]:
    """`A/L12` is two alternatives, `10A/B` one unit of open intensity, `soft focus` no unit."""
    match = _UNIT.fullmatch(re.sub(r"\s+", "", text.upper()))
    if match is None:
        return ()
    sides = [_SIDES.get(side, "both") for side in (match["sides"] or "").split("/")]
    rest = match["intensity"] or "", reference
    return tuple(ActionUnit(int(match["number"]), side, *rest) for side in dict.fromkeys(sides))


@lru_cache(maxsize=4096)
def parse_action_units(text: str) -> Coding:
    """Read `R2+15`, `4A/B`, `(R6 or R12)+R15`, `?`, `A/L12`, `T28+14`, `ref(7B)+43C`.

    Never raises: pieces that name no unit are in `unread`; notebook 20 lists them.
    """
    groups, unread = [], []
    for piece in filter(None, (piece.strip() for piece in _PLUS.split(text))):
        match = _REFERENCE.fullmatch(piece)
        inside = _BRACKETS.sub(r"\1", match["inside"] if match else piece)
        members = [_unit(member, reference=match is not None) for member in _OR.split(inside)]
        if all(members):
            groups.append(tuple(dict.fromkeys(itertools.chain(*members))))
        else:
            unread.append(piece)
    return Coding(tuple(groups), tuple(unread))


def coded_units(clips: pd.DataFrame) -> pd.DataFrame:
    """One row per unit in the sheets, or piece unread: unit, clips, the regions it moves."""
    count: Counter = Counter()
    for coding in map(parse_action_units, clips["action_units"].fillna("")):
        count.update({unit.number for unit in coding.units if not unit.reference})
        count.update({f"unread: {piece}" for piece in coding.unread})
    rows = sorted(count.items(), key=lambda row: (-row[1], str(row[0])))
    table = pd.DataFrame(rows, columns=["unit", "clips"], dtype=object).astype({"clips": int})
    moves = {(): "nothing", _BROWS: "brows", _EYES: "eyes", (NOSE,): "nose", (MOUTH,): "mouth"}
    for column, moved in (("moves", UNITS), ("moves as published", PUBLISHED_UNITS)):
        table[column] = [moves[moved.get(unit, ())] for unit in table["unit"]]
    return table


def active_regions(text: str, units=UNITS, sides: bool = True) -> np.ndarray:
    """(6,) bool: the regions that the coded units move.

    Alternatives count where they agree: `R14 or R12` moves the mouth, `R6 or R12` neither eye nor
    mouth. Reference units move nothing.
    """
    active = np.zeros(len(REGIONS), dtype=bool)
    for group in parse_action_units(text).groups:
        active[list(set.intersection(*(_moved(unit, units, sides) for unit in group)))] = True
    return active


def _moved(unit: ActionUnit, units, sides: bool) -> set[int]:
    """Positions in `REGIONS` that a unit moves; a one-sided unit moves the region of its side."""
    moved = () if unit.reference else units.get(unit.number, ())
    if sides and len(moved) == 2 and unit.side != "both":
        moved = (moved[unit.side == "left"],)
    return set(moved)


def co_occurrence(clips: pd.DataFrame, units=UNITS, sides: bool = True) -> np.ndarray:
    """(6, 6) P(region j active | region i active) over the training clips of a fold, diagonal 0.

    A clip without coded units (all of SMIC) adds nothing; a region that never moves has a row of 0.
    """
    cells = clips["action_units"].fillna("")
    active = np.array([active_regions(cell, units, sides) for cell in cells], float)
    active = active.reshape(len(clips), len(REGIONS))  # also of no clip
    together = active.T @ active  # (6, 6) clips
    np.fill_diagonal(together, 0.0)
    return together / np.maximum(active.sum(axis=0), 1.0)[:, None]


def normalise(adjacency: np.ndarray) -> np.ndarray:
    """D^-1/2 A D^-1/2 with D the row sums: the largest eigenvalue of (..., 6, 6) becomes 1."""
    root = np.sqrt(adjacency.sum(axis=-1))
    return adjacency / (root[..., :, None] * root[..., None, :])


def action_unit_graph(clips: pd.DataFrame) -> np.ndarray:
    """(6, 6) co-occurrence with self-loops, normalised: the adjacency of a GCN layer."""
    return normalise(co_occurrence(clips) + np.eye(len(REGIONS)))


def patches(
    images: np.ndarray, landmarks: np.ndarray, points=POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """The patch around each landmark of the six regions, and the cells of their centres.

    images (N, 3, 28, 28) and landmarks (N, 68, 2), x then y in cells of the grid, give patches
    (N, T, 7*7*3) float32, rows then columns then channels, and centres (N, T, 2) int64, with T = 43
    tokens in the order of `points`. A centre is kept 3 cells from the border, as published, so that
    every patch is inside.
    """
    half, tokens = PATCH // 2, [point for region in points for point in region]
    centres = np.floor(landmarks[:, tokens]).astype(np.int64)
    centres = np.clip(centres, half, GRID - 1 - half)  # (N, T, 2)
    windows = sliding_window_view(images, (PATCH, PATCH), axis=(2, 3))  # (N, 3, 22, 22, 7, 7)
    x, y = np.moveaxis(centres - half, -1, 0)
    cut = windows[np.arange(len(images))[:, None], :, y, x]  # (N, T, 3, 7, 7)
    cut = np.moveaxis(cut, 2, -1).reshape(*centres.shape[:2], -1)
    return cut.astype(np.float32), centres
