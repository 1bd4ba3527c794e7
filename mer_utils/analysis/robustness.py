"""Clips as a worse camera, coder or detector would have given them, and what is left of a score.

Nothing is trained again: the member that has not seen a subject reads that subject's worse clips.
A clip of frames goes the whole way anew, from the search for a face to the flow.  Of flow images
only the images can be changed.
"""

from functools import partial

import cv2
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, shift

from .. import environment, paths
from ..corpora.table import KEY
from ..errors import DiskError, StudyError
from ..evaluation import statistics
from ..experiments import Experiment
from ..prediction.members import ask
from ..preprocessing import centring, motion
from ..preprocessing.clip import Clip
from ..preprocessing.definitions import VIEWS
from ..preprocessing.views import Views
from ..preprocessing.worse import Worse
from ..systems.inputs import Arrays

NOTHING, MEAN = ("nothing", 0.0), "mean of systems"
FRAMES = {  # change: (what a dose is, doses from mild to strong)
    "apex early": ("frames before the apex", (2, 4)),
    "apex late": ("frames after the apex", (2, 4)),
    "frame rate": ("one frame in so many is left", (4, 8)),
    "lost frames": ("% of frames, at random", (50, 75)),
    "landmarks": ("pixels of 128, standard deviation", (1, 2, 4)),
    "tilt": ("degrees that the head is tilted", (20, 40)),
    "approach": ("% that the face is larger at the apex", (2, 5)),
    "face size": ("pixels between the outer eye corners", (40, 20)),
    "light": ("% less light at the apex", (30, 60)),
    "compression": ("JPEG quality", (40, 10)),
}
IMAGES = {
    "shift": ("cells to the right and down", (1, 2, 4)),
    "blur": ("cells, standard deviation", (0.5, 1, 2)),
    "quantisation": ("grey levels that are left", (32, 8, 4)),
    "noise": ("grey levels of 255, standard deviation", (10, 20, 40)),
    "landmarks": ("cells, standard deviation", (0.5, 1, 2)),
}


def changes(views: Views) -> dict[str, tuple[str, tuple]]:
    """What can be done to these clips: {change: (what a dose is, doses)}."""
    known = FRAMES if "flow" in views.arrays else IMAGES
    return {name: one for name, one in known.items() if name in views.arrays or name != "landmarks"}


def worse(views: Views, places: np.ndarray) -> Views:
    """The clips at `places` as they are and after every dose; cached where frames are read.

    Its clips have `place`, `change` and `dose`; its exclusions are those in which a dose left no
    face or no frames, with the reason.
    """
    doses = [(name, float(dose)) for name, (_, own) in changes(views).items() for dose in own]
    good = [{name: values[place] for name, values in views.arrays.items()} for place in places]
    if "flow" in views.arrays:
        rows, given = views.clips.iloc[places].to_dict("records"), (doses, paths.CACHE)
        items = [(row, arrays, *given) for row, arrays in zip(rows, good, strict=True)]
        found = dict(environment.each(None, "made clips worse", _of_frames, items))
        found = [found[place] for place in range(len(items))]
    else:
        random = np.random.default_rng(0)
        found = [[one, *(image(one, *dose, random) for dose in doses)] for one in good]
    found = [one for own in found for one in own]
    table = pd.DataFrame([NOTHING, *doses], columns=["change", "dose"])
    clips = views.clips.iloc[places].assign(place=places).merge(table, how="cross")
    clips["reason"] = [one if isinstance(one, str) else "" for one in found]
    there = [one for one in found if not isinstance(one, str)]
    arrays = {name: np.stack([one[name] for one in there]) for name in views.arrays}
    left = clips["reason"] == ""
    return Views(clips[left].reset_index(drop=True), clips[~left], arrays)


def _of_frames(row: dict, arrays: Arrays, doses: list, folder) -> list[Arrays | str]:
    """`arrays` and what they are after every dose, or the reason why there is nothing."""
    cv2.setNumThreads(1)
    good, found = Clip(row, motion.DEFAULT, folder), [arrays]
    for dose in doses:
        try:
            clip = Worse(good, *dose)
            found.append({name: VIEWS[name](clip) for name in arrays})
        except DiskError:
            raise
        except StudyError as error:
            found.append(str(error))
    return found


def image(arrays: Arrays, change: str, dose: float, random) -> Arrays:
    """Views of one flow image after a dose."""
    if change == "landmarks":
        points = arrays["landmarks"] + random.normal(0, dose, (68, 2))
        return arrays | {"landmarks": points.astype(np.float32)}
    flow = arrays["flow_legacy"]
    if change == "shift":
        flow = shift(flow, (0, dose, dose), order=1, mode="nearest")
    elif change == "blur":
        flow = gaussian_filter(flow, (0, dose, dose), mode="nearest")
    elif change == "quantisation":
        flow = np.rint(flow / 255 * (dose - 1)) / (dose - 1) * 255
    else:
        flow = (flow + random.normal(0, dose, flow.shape)).clip(0, 255)
    flow = flow.astype(np.float32)
    return arrays | {"flow_legacy": flow, "flow_centred": centring.centred(flow)}


def flow_error(worse: Views) -> pd.Series:
    """By change and dose, the median over clips of |flow - good flow| / |good flow|, of u and v."""
    clips, view = worse.clips, "flow" if "flow" in worse.arrays else "flow_centred"
    field = worse.arrays[view][:, :2].reshape(len(clips), -1)
    good = np.flatnonzero(clips["change"] == NOTHING[0])
    good = field[good[pd.Index(clips["place"].iloc[good]).get_indexer(clips["place"])]]
    off = np.linalg.norm(field - good, axis=1) / np.linalg.norm(good, axis=1)
    return clips.assign(off=off).groupby(["change", "dose"], sort=False)["off"].median()


def rows_of(experiment: Experiment, views: Views, worse: Views) -> pd.DataFrame:
    """Prediction rows of all `worse` clips, with place, change and dose, by their own members.

    Raises StudyError where the weights of a network were not kept.
    """
    given = experiment, views, worse.clips["place"].to_numpy()
    found = [rows for _, rows in ask(*given, partial(_rows, experiment, worse))]
    return pd.concat(found).sort_index(ignore_index=True)


def _rows(experiment, worse, own, fold, member) -> pd.DataFrame:
    clips, classes = worse.clips.iloc[own], np.array(experiment.classes)
    chances = member.probabilities({n: v[own] for n, v in worse.arrays.items()}, clips)
    rows = clips[[*KEY, "label", "place", "change", "dose"]].assign(system=experiment.label)
    rows[[f"p_{name}" for name in classes]] = chances  # which names all classes
    return rows.assign(predicted=classes[chances.argmax(axis=1)])


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """UF1 of every system, and their mean, after every dose, and what is lost of it.

    Lost: UF1 of the same clips as they are, less that, with its 95 % interval over subjects.  No
    score where a class has no clip left.
    """
    lines = []
    for system, own in [(MEAN, rows), *rows.groupby("system", sort=False)]:
        doses = dict(list(own.groupby(["change", "dose"], sort=False)))
        good = doses[NOTHING]
        for (change, dose), part in doses.items():
            line = {"system": system, "change": change, "dose": dose}
            line["clips"] = part["place"].nunique()
            if set(part["label"]) == set(good["label"]):
                loss = statistics.difference(good[good["place"].isin(part["place"])], part)
                line["UF1"] = statistics.mean_uf1(part)
                line |= dict(zip(("lost", "low", "high"), loss, strict=True))
            lines.append(line)
    return pd.DataFrame(lines)
