"""Six facial regions: their landmarks, the action units that move them, and how they move together.

Regions follow the framework figure of MHSSA-Transformer + GCN (5/5/6/6/9/12 landmarks), with the
indices of dlib's 68 points. `right` and `left` are the person's own, as FACS writes R and L; the
person's right brow is on the left of the picture.

The mouth is the 12 points of the outer lip. The 8 points of the inner lip are 1.1 cells of the
28x28 flow grid from the nearest outer one (mean of 442 real faces), so that their 7x7 patches would
be near copies.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

GRID = 28  # cells per side of the flow grid
PATCH = 7  # cells per side of the patch around a landmark

REGIONS = ("right brow", "left brow", "right eye", "left eye", "nose", "mouth")

# dlib's points, counted from 0: 0-16 jaw, 17-21 and 22-26 brows, 27-35 nose, 36-41 and 42-47 eyes,
# 48-59 outer lip, 60-67 inner lip.
POINTS = (
    (17, 18, 19, 20, 21),
    (22, 23, 24, 25, 26),
    (36, 37, 38, 39, 40, 41),
    (42, 43, 44, 45, 46, 47),
    (27, 28, 29, 30, 31, 32, 33, 34, 35),
    (48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59),
)

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
PUBLISHED_UNITS = (
    dict.fromkeys((1, 2, 4), _BROWS)
    | dict.fromkeys((5, 6, 7), _EYES)
    | {9: (NOSE,)}
    | dict.fromkeys((10, 25), (MOUTH,))
)
UNITS = PUBLISHED_UNITS | dict.fromkeys((10, 12, 14, 15, 17, 20, *range(23, 29)), (MOUTH,))


# --- action units as the sheets write them --------------------------------------------------------


@dataclass(frozen=True)
class ActionUnit:
    """One coded unit: `R12B` is number 12, side "right", intensity "B"."""

    number: int  # FACS number, 1..99
    side: str = "both"  # "right" | "left" (the person's own) | "both"
    intensity: str = ""  # "A".."E", "A/B" if the coder left it open, "" if none is written
    reference: bool = False  # SAMM's `ref(7B)`: present in the onset frame already, so no movement


@dataclass(frozen=True)
class Coding:
    """The content of a sheet's cell.

    Each group is one statement; its members are alternatives (`R6 or R12`).
    """

    groups: tuple[tuple[ActionUnit, ...], ...] = ()
    unread: tuple[str, ...] = ()  # pieces that name no unit: "?", "soft focus"

    @property
    def units(self) -> tuple[ActionUnit, ...]:
        """Every unit named, alternatives included."""
        return tuple(unit for group in self.groups for unit in group)


_SIDES = {"R": "right", "L": "left"}  # A (asymmetric), T (top), B (bottom) move both sides
_UNIT = re.compile(
    r"(?:AU)?(?P<sides>[RLATB](?:/[RLATB])*)?(?P<number>[1-9][0-9]?)(?:\.0)?"
    r"(?P<intensity>[A-E](?:/[A-E])*)?",
    re.IGNORECASE | re.ASCII,
)
_REFERENCE = re.compile(r"ref\s*\((?P<inside>[^()]*)\)", re.IGNORECASE)
_PLUS = re.compile(r"[+＋,，、;；&](?![^()]*\))")  # not inside brackets
_OR = re.compile(r"\s+or\s+|\|", re.IGNORECASE)


def _unit(text: str, reference: bool) -> tuple[ActionUnit, ...]:
    """`A/L12` is two alternatives, `10A/B` one unit of open intensity, `soft focus` no unit."""
    match = _UNIT.fullmatch(re.sub(r"\s+", "", text))
    if match is None:
        return ()
    sides = (match["sides"] or "").upper().split("/")
    number, intensity = int(match["number"]), (match["intensity"] or "").upper()
    alternatives = (
        ActionUnit(number, _SIDES.get(side, "both"), intensity, reference) for side in sides
    )
    return tuple(dict.fromkeys(alternatives))


@lru_cache(maxsize=4096)
def parse_action_units(text: str) -> Coding:
    """Read `R2+15`, `4A/B`, `(R6 or R12)+R15`, `?`, `A/L12`, `T28+14`, `ref(7B)+43C`.

    Never raises: pieces that name no unit are in `unread`; notebook 20 lists them.
    """
    groups, unread = [], []
    for piece in filter(None, (piece.strip() for piece in _PLUS.split(text))):
        match = _REFERENCE.fullmatch(piece)
        inside = match["inside"] if match else piece
        if inside.startswith("(") and inside.endswith(")"):
            inside = inside[1:-1]
        members = [_unit(member, reference=match is not None) for member in _OR.split(inside)]
        if all(members):
            groups.append(tuple(dict.fromkeys(unit for member in members for unit in member)))
        else:
            unread.append(piece)
    return Coding(tuple(groups), tuple(unread))


def coded_units(clips: pd.DataFrame) -> pd.DataFrame:
    """One row per unit in the sheets: unit, clips, the regions it moves here and as published.

    Reference units do not count. Pieces that name no unit are rows "unread: ...".
    """
    clip_counts: Counter = Counter()
    for text in clips["action_units"].fillna("").astype(str):
        coding = parse_action_units(text)
        clip_counts.update({unit.number for unit in coding.units if not unit.reference})
        clip_counts.update({f"unread: {piece}" for piece in coding.unread})
    rows = [
        (unit, count, *(_names(units.get(unit, ())) for units in (UNITS, PUBLISHED_UNITS)))
        for unit, count in sorted(clip_counts.items(), key=lambda row: (str(row[0]), -row[1]))
    ]
    table = pd.DataFrame(rows, columns=["unit", "clips", "moves", "moves as published"])
    return table.sort_values("clips", ascending=False, kind="stable").reset_index(drop=True)


def _names(moved: tuple[int, ...]) -> str:
    """(0, 1) -> brows"""
    return {(): "nothing", _BROWS: "brows", _EYES: "eyes"}.get(moved) or REGIONS[moved[0]]


def moved_regions(unit: ActionUnit, units=UNITS, sides: bool = True) -> frozenset[int]:
    """Positions in `REGIONS` that a unit moves; a one-sided unit moves the region of its side."""
    moved = units.get(unit.number, ())
    if sides and len(moved) == 2 and unit.side != "both":
        moved = moved[:1] if unit.side == "right" else moved[1:]
    return frozenset(moved)


def active_regions(text: str, units=UNITS, sides: bool = True) -> np.ndarray:
    """(6,) bool: the regions that the coded units move.

    Alternatives count where they agree: `R14 or R12` moves the mouth, `R6 or R12` neither eye nor
    mouth. Reference units move nothing.
    """
    active = np.zeros(len(REGIONS), dtype=bool)
    for group in parse_action_units(text).groups:
        moved = [
            frozenset() if unit.reference else moved_regions(unit, units, sides) for unit in group
        ]
        active[list(frozenset.intersection(*moved))] = True
    return active


# --- regions that move together -------------------------------------------------------------------


def co_occurrence(clips: pd.DataFrame, units=UNITS, sides: bool = True) -> np.ndarray:
    """(6, 6) P(region j active | region i active) over the clips given, the diagonal 0.

    Give it the training clips of one fold and nothing else. A clip without coded units (all of
    SMIC) adds nothing; a region that never moves has a row of zeros.
    """
    texts = clips["action_units"].fillna("").astype(str)
    active = np.array([active_regions(text, units, sides) for text in texts], dtype=float)
    active = active.reshape(len(clips), len(REGIONS))
    together = active.T @ active  # (6, 6) clips
    np.fill_diagonal(together, 0.0)
    return together / np.maximum(active.sum(axis=0), 1.0)[:, None]


def normalise(adjacency: np.ndarray) -> np.ndarray:
    """D^-1/2 A D^-1/2 with D the row sums: the largest eigenvalue of (..., 6, 6) becomes 1."""
    root = np.sqrt(adjacency.sum(axis=-1))
    return adjacency / (root[..., :, None] * root[..., None, :])


def action_unit_graph(clips: pd.DataFrame) -> np.ndarray:
    """(6, 6) co-occurrence with self-loops, normalised: the adjacency of a GCN layer.

    Where no clip has coded units it is the identity: each region is joined to itself only.
    """
    return normalise(co_occurrence(clips) + np.eye(len(REGIONS)))


def manifold_distances(features: np.ndarray) -> np.ndarray:
    """(..., 6, D) region features -> (..., 6, 6) geodesic distances, in units of 1 - cosine.

    Lengths of the shortest paths in the complete graph whose edges are 1 - cosine long. A path over
    other regions may be shorter than the edge: 1 - cosine grows with the square of the angle.
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-12)
    paths = np.clip(1.0 - unit @ np.swapaxes(unit, -1, -2), 0.0, None)
    paths = paths * (1 - np.eye(paths.shape[-1]))
    # Floyd-Warshall; scipy's takes a length under 1e-8 for no edge
    for via in range(paths.shape[-1]):
        paths = np.minimum(paths, paths[..., :, via, None] + paths[..., None, via, :])
    return paths


def manifold_affinity(distances: np.ndarray) -> np.ndarray:
    """(..., 6, 6) exp(-D^2 / sigma^2), sigma the root mean square distance of the same clip.

    The scale is per clip because the regions of an untrained network are alike (cosines of 0.9 and
    more): with a fixed sigma of 1 every affinity would be 1.
    """
    count = distances.shape[-1]
    squared = distances**2
    scale = squared.sum(axis=(-1, -2), keepdims=True) / (count * (count - 1))
    return np.exp(-squared / (scale + 1e-12))


# --- patches around landmarks ---------------------------------------------------------------------


def patches(
    images: np.ndarray, landmarks: np.ndarray, points=POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """The 7x7 patch around each landmark of the six regions, and the cells of their centres.

    images (N, 3, 28, 28) and landmarks (N, 68, 2), x then y in cells of the grid, give patches
    (N, T, 7*7*3) float32, rows then columns then channels, and centres (N, T, 2) int64, with T = 43
    tokens in the order of `points`. A centre is kept 3 cells from the border, as published, so that
    every patch is inside.
    """
    half = PATCH // 2
    tokens = [point for region in points for point in region]
    centres = np.floor(landmarks[:, tokens]).astype(np.int64)
    centres = np.clip(centres, half, GRID - 1 - half)  # (N, T, 2)
    offsets = np.arange(-half, half + 1)
    columns = centres[:, :, 0, None, None] + offsets[None, None, None, :]  # (N, T, 1, 7)
    rows = centres[:, :, 1, None, None] + offsets[None, None, :, None]  # (N, T, 7, 1)
    clip = np.arange(len(images))[:, None, None, None]
    cut = images[clip, :, rows, columns]  # (N, T, 7, 7, 3)
    return cut.reshape(*centres.shape[:2], -1).astype(np.float32), centres


def region_means(tokens: np.ndarray) -> np.ndarray:
    """(N, 43, ...) values in the order of `POINTS` -> (N, 6, ...) their mean over each region."""
    ends = np.cumsum([len(region) for region in POINTS])[:-1]
    return np.stack([part.mean(axis=1) for part in np.split(tokens, ends, axis=1)], axis=1)
