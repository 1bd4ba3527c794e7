"""Whether evidence lies where the coded muscles moved, next to what the flow itself tells.

Maps are of the 28x28 grid.  All are asked inside the six regions only, so that a system that reads
nothing else gains nothing by it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from ..corpora.table import KEY
from ..errors import StudyError
from ..evaluation import calibration
from ..experiments import Experiment
from ..prediction import evidence
from ..prediction.members import members
from ..preprocessing import regions
from ..preprocessing.regions import GRID, POINTS
from ..preprocessing.views import Views

REACH = regions.PATCH / 2  # cells from a landmark that still belong to its region
RANDOM, SIZES = "random place", ("length of the flow", "strain of the flow")
UNTRAINED = " (untrained)"  # behind the name of a network
Maps = dict[str, np.ndarray]


def some_clips(clips: pd.DataFrame, most: int, seed: int = 0) -> np.ndarray:
    """Places of `most` clips, as many of every subject and at least one, drawn at random."""
    people = clips.sample(frac=1, random_state=seed).groupby(KEY[:2])
    drawn = people.head(max(1, most // people.ngroups))
    return np.sort(clips.index.get_indexer(drawn.index))


def maps_of(experiment: Experiment, views: Views, places: np.ndarray) -> Maps:
    """Evidence (n, 28, 28) of the clips at `places`, each by the member that has not seen it.

    By gradients of a network that reads flow, which is asked untrained too; by windows of any other
    system.  Raises StudyError where the weights of a network were not kept.
    """
    by_label: Maps = {}
    for fold, member in members(experiment, views):
        rows = np.flatnonzero(np.isin(places, fold.test))
        if not len(rows):
            continue
        clips = views.clips.iloc[places[rows]]
        arrays = {name: values[places[rows]] for name, values in views.arrays.items()}
        if evidence.reads_cells(member):
            decided = member.probabilities(arrays, clips).argmax(axis=1)
            asked = {"": member, UNTRAINED: evidence.untrained(member, experiment.seed)}
            part = {n: evidence.by_gradient(m, arrays, clips, decided) for n, m in asked.items()}
        else:
            part = {"": evidence.by_window(member, arrays, clips, range(len(rows)))}
        for name, maps in part.items():
            label = experiment.label + name
            by_label.setdefault(label, np.zeros((len(places), GRID, GRID)))[rows] = maps
    return by_label


def maps_of_all(runs: Sequence[Experiment], views: Views, places: np.ndarray) -> tuple[Maps, dict]:
    """`sizes` and `maps_of` every run, and of those without weights the label and why."""
    flow = views.arrays["flow" if "flow" in views.arrays else "flow_centred"][places]
    lengths = np.hypot(flow[:, 0], flow[:, 1]), flow[:, 2]  # which no system enters
    maps, without = dict(zip(SIZES, lengths, strict=True)), {}
    for experiment in runs:
        try:
            maps |= maps_of(experiment, views, places)
        except StudyError as error:
            without[experiment.label] = str(error)
    return maps, without


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


def pointing(maps: np.ndarray, areas: np.ndarray, active: np.ndarray) -> np.ndarray:
    """(n,) 1 where the most evident cell is in an active region (Zhang et al., ECCV 2016)."""
    best = np.where(areas >= 0, maps, -np.inf).reshape(-1, GRID**2).argmax(axis=1)
    clips = np.arange(len(maps))
    return active[clips, areas.reshape(-1, GRID**2)[clips, best]].astype(float)


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


def against_units(
    maps: Mapping[str, np.ndarray], areas: np.ndarray, active: np.ndarray, clips: pd.DataFrame
) -> pd.DataFrame:
    """A row per map: pointing game and rank correlation of region shares, with intervals.

    `more than the flow`: pointing minus that of the flow's length or strain on the same clips,
    whichever points better.  Clips whose coded units move no region, or every one, do not count.
    """
    telling = active.any(1) & ~active.all(1)
    clips, areas, active = clips[telling], areas[telling], active[telling]
    hits = {name: pointing(values[telling], areas, active) for name, values in maps.items()}
    inside = (areas[:, None] == np.arange(len(POINTS))[:, None, None]).sum((2, 3))  # (n, 6) cells
    hits[RANDOM] = (inside * active).sum(1) / inside.sum(1)
    flow, rows = max((hits[name] for name in SIZES), key=np.mean), []
    for name, hit in hits.items():
        values = {"pointing": hit, "more than the flow": hit - flow}
        if name in maps:
            values["correlation"] = rank_correlation(shares(maps[name][telling], areas), active)
        row = {"system": name, "clips": len(clips)}
        for what, value in values.items():
            names = what, f"{what} low", f"{what} high"
            row |= dict(zip(names, mean_by_subject(value, clips), strict=True))
        rows.append(row)
    return pd.DataFrame(rows).sort_values("pointing", ascending=False, ignore_index=True)
