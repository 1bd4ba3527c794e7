"""Whether evidence lies where the coded muscles moved, next to what the flow itself tells.

Maps are of the 28x28 grid.  All are asked inside the six regions only, so that a system that reads
nothing else gains nothing by it.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from ..corpora.table import KEY
from ..errors import StudyError
from ..evaluation import calibration
from ..experiments import Experiment
from ..prediction import evidence
from ..prediction.members import ask
from ..preprocessing import regions
from ..preprocessing.regions import GRID, POINTS
from ..preprocessing.views import Views
from ..systems import inputs

REACH = regions.PATCH / 2  # cells from a landmark that still belong to its region
RANDOM, SIZES = "random place", ("length of the flow", "strain of the flow")
DRAWS = 4  # clips of others that a region is swapped with
UNTRAINED = " (untrained)"  # behind the name of a network
Maps = dict[str, np.ndarray]


def some_clips(clips: pd.DataFrame, most: int, seed: int = 0) -> np.ndarray:
    """Places of `most` clips, as many of every subject and at least one, drawn at random."""
    people = clips.sample(frac=1, random_state=seed).groupby(KEY[:2])
    drawn = people.head(max(1, most // people.ngroups))
    return np.sort(clips.index.get_indexer(drawn.index))


def maps_of(
    runs: Sequence[Experiment], views: Views, places: np.ndarray, areas: np.ndarray
) -> tuple[Maps, Maps, dict[str, str]]:
    """Of the clips at `places`, by label: evidence (n, 28, 28), `changed`, and why there is none.

    `SIZES`, which no system enters, come first.  Members are asked that never saw the clip: by
    gradients of a network that reads flow, which is asked untrained too; by windows of any other
    system.  `changed` is nan without flow.  There is none where weights were not kept.
    """
    flow = views.arrays["flow" if "flow" in views.arrays else "flow_centred"][places]
    lengths = np.hypot(flow[:, 0], flow[:, 1]), flow[:, 2]
    maps, swaps, without = dict(zip(SIZES, lengths, strict=True)), {}, {}
    for run in runs:
        question, by_label = partial(_map, run.seed, views, places, areas), {}
        swapped = np.full((len(places), len(POINTS)), np.nan)
        try:
            for rows, (own, swapped[rows]) in ask(run, views, places, question):
                for ending, part in own.items():
                    empty = np.zeros((len(places), GRID, GRID))
                    by_label.setdefault(run.label + ending, empty)[rows] = part
        except StudyError as error:
            without[run.label] = str(error)
        else:
            maps, swaps[run.label] = maps | by_label, swapped
    return maps, swaps, without


def _map(seed, views, places, areas, rows, fold, member) -> tuple[Maps, np.ndarray | float]:
    """Evidence, by what is added to the label, and `changed`, of one member."""
    clips = views.clips.iloc[places[rows]]
    arrays = {name: values[places[rows]] for name, values in views.arrays.items()}
    if evidence.reads_cells(member):
        decided = member.probabilities(arrays, clips).argmax(axis=1)
        asked = {"": member, UNTRAINED: evidence.untrained(member, seed)}
        maps = {n: evidence.by_gradient(m, arrays, clips, decided) for n, m in asked.items()}
    else:
        maps = {"": evidence.by_window(member, arrays, clips, range(len(rows)))}
    if any(n.startswith("flow") for n in inputs.views_needed(member.module, member.config)):
        return maps, changed(member, fold, views, places[rows], areas[rows])
    return maps, np.nan


def changed(member, fold, views: Views, places: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """(n, 6) how often the member decides otherwise where a region of a clip is swapped.

    The region's flow is then that of DRAWS clips of the fold's training people, drawn at random.
    """
    copies = np.array([-2, *np.repeat(range(len(POINTS)), DRAWS)])  # which region; -2: none
    own, random = np.tile(places, len(copies)), np.random.default_rng(places)
    swapped = np.tile(areas, (len(copies), 1, 1)) == np.repeat(copies, len(places))[:, None, None]
    arrays, other = {}, random.choice(fold.train, len(own))
    for name, values in views.arrays.items():
        where = swapped[:, None] & name.startswith("flow")
        arrays[name] = np.where(where, values[other], values[own]) if where.any() else values[own]
    clips = views.clips.iloc[own].reset_index(drop=True)
    decided = evidence.decisions(member, arrays, clips).argmax(axis=1).reshape(len(copies), -1)
    return (decided[1:] != decided[0]).reshape(-1, DRAWS, len(places)).mean(axis=1).T


# --- regions --------------------------------------------------------------------------------------


def areas(landmarks: np.ndarray) -> np.ndarray:
    """(n, 28, 28) the region of each cell by its nearest landmark (n, 68, 2), -1 for none."""
    cells = np.stack(np.meshgrid(*[np.arange(GRID) + 0.5] * 2), axis=-1)
    region = [number for number, points in enumerate(POINTS) for _ in points] + [-1]
    trees = (KDTree(points) for points in landmarks[:, np.concatenate(POINTS)])
    near = [tree.query(cells, distance_upper_bound=REACH)[1] for tree in trees]
    return np.take(region, near)


def active(clips: pd.DataFrame) -> np.ndarray:
    """(n, 6) bool: the regions that the coded action units of each clip move."""
    coded = clips["action_units"].fillna("").astype(str)
    return np.stack([regions.active_regions(units) for units in coded])


def shares(maps: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """(n, 6) evidence for the decision in each region, mean over its cells; a row sums to 1."""
    inside = areas[:, None] == np.arange(len(POINTS))[:, None, None]  # (n, 6, 28, 28)
    means = (maps.clip(0)[:, None] * inside).sum((2, 3)) / inside.sum((2, 3)).clip(1)
    return means / np.maximum(means.sum(1, keepdims=True), 1e-12)


def cells(areas: np.ndarray, active: np.ndarray) -> np.ndarray:
    """(n, 28, 28) bool: the cells of the active regions (n, 6)."""
    moved = np.concatenate((active, np.zeros((len(active), 1), bool)), axis=1)  # -1 is its last
    return moved[np.arange(len(areas))[:, None, None], areas]


def pointing(maps: np.ndarray, areas: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(n,) 1 where the most evident cell of the regions is `right` (Zhang et al., ECCV 2016)."""
    best = np.where(areas >= 0, maps, -np.inf).reshape(-1, GRID**2).argmax(axis=1)
    return right.reshape(-1, GRID**2)[np.arange(len(maps)), best].astype(float)


def rank_correlation(one: np.ndarray, two: np.ndarray, used=True) -> np.ndarray:
    """(n,) Spearman's coefficient of each pair of rows, where `used`; nan for a constant row."""
    frames = [pd.DataFrame(np.where(used, a, np.nan).reshape(len(a), -1)) for a in (one, two)]
    return frames[0].corrwith(frames[1], axis=1, method="spearman").to_numpy()


def mean_by_subject(values: np.ndarray, clips: pd.DataFrame) -> tuple[float, float, float]:
    """Mean over clips, and its 95 % interval over subjects; values that are nan do not count."""
    there = np.isfinite(values)
    if not there.any():
        return np.nan, np.nan, np.nan
    low, high = calibration.interval(clips[there], values[there])
    return float(values[there].mean()), low, high


def against(
    maps: Mapping[str, np.ndarray], areas: np.ndarray, right: np.ndarray, clips: pd.DataFrame
) -> pd.DataFrame:
    """A row per map: pointing game and rank correlation of region shares, with intervals.

    right: (n, 28, 28) bool, the cells to point at.  `more than the flow`: pointing minus that of
    the flow's length or strain on the same clips, whichever points better.  Clips with no right
    cell in any region, or with no other, do not count.
    """
    inside, right = (areas >= 0).sum((1, 2)), right & (areas >= 0)
    chance = right.sum((1, 2)) / inside
    telling = (chance > 0) & (chance < 1)
    clips, areas, right = clips[telling], areas[telling], right[telling]
    hits = {name: pointing(values[telling], areas, right) for name, values in maps.items()}
    hits[RANDOM] = chance[telling]
    flow, rows = max((hits[name] for name in SIZES), key=np.mean), []
    for name, hit in hits.items():
        values = {"pointing": hit, "more than the flow": hit - flow}
        if name in maps:
            by_region = shares(maps[name][telling], areas), shares(right.astype(float), areas)
            values["correlation"] = rank_correlation(*by_region)
        row = {"system": name, "clips": len(clips)}
        for what, value in values.items():
            names = what, f"{what} low", f"{what} high"
            row |= dict(zip(names, mean_by_subject(value, clips), strict=True))
        rows.append(row)
    return pd.DataFrame(rows).sort_values("pointing", ascending=False, ignore_index=True)
