"""How far landmarks, flow and key frames are from the truth that synthetic corpora come with.

Where a person's skin really moved is not known: only synthetic faces can answer this.  All
functions take a synthetic corpus and its views, and return a row per clip or condition.
"""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd

from ..corpora import KEY, Corpus, frame_files
from ..errors import StudyError
from ..preprocessing import faces, images, motion, views
from ..preprocessing.views import Views
from ..synthetic.motion import unit_field
from ..synthetic.plan import halves

MAGNITUDES = (0.2, 0.5, 1.0, 2.0)  # pixels of the aligned face; a pixel counts for the nearest
LEAST = 0.1  # pixels: a smaller motion has no reliable direction


def of(corpus: Corpus, row: pd.Series) -> dict[str, np.ndarray]:
    """What is true of one clip: `flow`, `flow_face`, `landmarks`, `frames`, `intensity`.

    Raises StudyError for a corpus of people, and where the file of the truth is missing.
    """
    file = corpus.path.joinpath("truth", *row[KEY[:2]], f"{row['clip']}.npz")
    if not corpus.synthetic or not file.is_file():
        raise StudyError(
            f"{'/'.join(row[KEY])} of {corpus.name} has no known truth: take a synthetic corpus, "
            f"whose truth is in {corpus.path / 'truth'}"
        )
    with np.load(file, allow_pickle=False) as stored:
        return dict(stored)


def _apex(true: dict[str, np.ndarray]) -> int:
    return int(true["frames"][np.argmax(true["intensity"])])


def landmark_errors(corpus: Corpus, clip_views: Views) -> pd.DataFrame:
    """Per clip: error of the points, and of where they lay the face; needs view `points`.

    `error`: mean distance over 68 points of onset and apex, in pixels of the frame; `movement`: of
    their movements; `onset`, `both`: how far from where true points would put it the face is, in
    pixels of the aligned face, aligned by the onset's points and by those of both frames.
    """
    rows, points_of = [], clip_views.arrays["points"]
    for (_, row), points in zip(clip_views.clips.iterrows(), points_of, strict=True):
        true = of(corpus, row)
        right = true["landmarks"][np.searchsorted(true["frames"], [row["onset"], row["apex"]])]
        wrong, target = points - right, faces.alignment(right[0])  # (2, 68, 2)
        square = faces.move(right[0], target)
        face = faces.move(square, cv2.invertAffineTransform(target))
        apart = {"error": wrong, "movement": wrong[1] - wrong[0]}
        for name, used in (("onset", points[0]), ("both", points)):
            apart[name] = faces.move(face, faces.alignment(used)) - square
        means = {name: np.linalg.norm(way, axis=-1).mean() for name, way in apart.items()}
        rows.append(row[KEY].to_dict() | means)
    return pd.DataFrame(rows)


def true_flow(corpus: Corpus, clip_views: Views, i: int, head: bool = True):
    """True flow of clip i in pixels of the aligned face (2, 128, 128), and its face mask.

    With head=False the head is at rest.  Needs view `points`.
    """
    points = clip_views.arrays["points"][i, 0]
    matrix = faces.alignment(points)
    field = of(corpus, clip_views.clips.iloc[i])["flow" if head else "flow_face"]
    laid = [cv2.warpAffine(c, matrix, (faces.SIZE, faces.SIZE)) for c in field.astype(np.float32)]
    laid = np.einsum("ij,jhw->ihw", matrix[:, :2], np.stack(laid)).astype(np.float32)
    return laid, motion.face_mask(faces.move(points, matrix), faces.SIZE)


def reach(corpus: Corpus, clip_views: Views, i: int) -> np.ndarray:
    """(128, 128) how far the coded units of clip i move the aligned face: shares of a unit's peak.

    Of several units the largest; mannerism and head at rest.  Needs view `points`.
    """
    row = clip_views.clips.iloc[i]
    true = of(corpus, row)
    points = true["landmarks"][np.searchsorted(true["frames"], row["onset"])]
    moved = np.zeros(true["flow"].shape[1:], np.float32)
    for half in halves(row["action_units"]):
        moved = np.maximum(moved, np.hypot(*unit_field(*half, points, moved.shape[::-1])))
    matrix = faces.alignment(clip_views.arrays["points"][i, 0])
    return cv2.warpAffine(moved, matrix, (faces.SIZE, faces.SIZE))


def _at_true_apex(corpus: Corpus, clip_views: Views, limit: int | None) -> np.ndarray:
    """Clips whose apex is the true one, `limit` of them spread evenly over the corpora."""
    clips = clip_views.clips
    true = [_apex(of(corpus, row)) for _, row in clips.iterrows()]
    usable = np.flatnonzero((clips["apex"] == true) & (clips["apex"] != clips["onset"]))
    count = len(usable) if limit is None else min(limit, len(usable))
    return usable[np.linspace(0, len(usable) - 1, count).round().astype(int)]


def flow_errors(
    corpus: Corpus,
    clip_views: Views,
    methods: tuple[str, ...] = tuple(motion.METHODS),
    noise: tuple[float, ...] = (0.0, 3.0),
    limit: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Per method, added noise (grey levels) and true magnitude: end-point error and gain.

    `error`: mean distance to the true flow, head included, in pixels of the aligned face;
    `gain`: the estimate along the true direction over the truth, 1 where nothing is shrunk;
    `pixels`: how many. Needs views `frames` and `points`.
    """
    random, rows = np.random.default_rng(seed), []
    edges = np.sqrt(np.array(MAGNITUDES[:-1]) * np.array(MAGNITUDES[1:]))  # between two, by ratio
    for i in _at_true_apex(corpus, clip_views, limit):
        right, mask = true_flow(corpus, clip_views, i)
        length = np.hypot(*right)
        kind = np.where(mask & (length >= LEAST), np.digitize(length, edges), -1)
        for level in noise:
            pair = clip_views.arrays["frames"][i].astype(float)
            pair += random.normal(0, level, pair.shape) if level else 0
            pair = np.clip(np.rint(pair), 0, 255).astype(np.uint8)
            for method in methods:
                field = motion.flow(*pair, method)
                values = np.hypot(*(field - right)), (field * right).sum(axis=0), length**2
                for k, magnitude in enumerate(MAGNITUDES):
                    sums = [value[kind == k].sum() for value in values]
                    rows.append((method, level, magnitude, *sums, (kind == k).sum()))
    keys = ["method", "noise", "magnitude"]
    sums = pd.DataFrame(rows, columns=[*keys, "error", "along", "whole", "pixels"])
    pooled = sums.groupby(keys, sort=False, as_index=False).sum().query("pixels > 0")
    pooled = pooled.assign(error=pooled["error"] / pooled["pixels"])
    pooled["gain"] = pooled["along"] / pooled["whole"]
    return pooled.drop(columns=["along", "whole"])


def head_errors(corpus: Corpus, clip_views: Views, limit: int | None = None) -> pd.DataFrame:
    """Per clip and way of treating the head: distance to the face's own motion, head at rest.

    `way`: "left in", "taken out" (motion.head_motion), "by landmarks" (the apex aligned by its own
    points), "no flow at all" (zero); `error`: mean over the face, pixels of the aligned face.
    Needs views `frames` and `points`.
    """
    rows = []
    for i in _at_true_apex(corpus, clip_views, limit):
        right, mask = true_flow(corpus, clip_views, i, head=False)
        clip = clip_views.clips.iloc[i]
        onset, apex = clip_views.arrays["frames"][i]
        field = motion.flow(onset, apex)
        picture = images.Frame(frame_files(clip["frames"])[int(clip["apex"])]).decode()
        aligned = faces.align(picture, faces.alignment(clip_views.arrays["points"][i, 1]))
        ways = {"left in": field, "taken out": field - motion.head_motion(field, mask)}
        ways["by landmarks"] = motion.flow(onset, aligned)
        ways["no flow at all"] = np.zeros_like(field)
        for way, estimate in ways.items():
            error = np.hypot(*(estimate - right))[mask].mean()
            rows.append(clip[KEY].to_dict() | {"way": way, "error": error})
    return pd.DataFrame(rows)


def apex_errors(corpus: Corpus, jobs: int | None = None, progress: bool = True) -> pd.DataFrame:
    """Per clip and rule: frames from the true apex, positive where the rule is late.

    Every apex is forgotten first, so that all three corpora are asked, not SMIC alone.  `rule`:
    "spotted" or "midpoint"; `frames`: of the clip, onset to offset.
    """
    clips = corpus.clips.assign(apex=pd.array([None] * len(corpus.clips), "Int64"))
    forgotten, rows = replace(corpus, clips=clips), []
    for _, row in views.compute(forgotten, ("points",), jobs, progress).clips.iterrows():
        true, frames = _apex(of(corpus, row)), int(row["offset"] - row["onset"]) + 1
        rules = {"spotted": row["apex"], "midpoint": row["onset"] + frames // 2}
        for rule, number in rules.items():
            error = {"rule": rule, "error": int(number) - true, "frames": frames}
            rows.append(row[KEY].to_dict() | error)
    return pd.DataFrame(rows)
