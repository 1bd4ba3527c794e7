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
from ..preprocessing import faces, images, keyframes, motion, views
from ..preprocessing.views import Views

MAGNITUDES = (0.2, 0.5, 1.0, 2.0)  # pixels of the aligned face; a pixel counts for the nearest
_EDGES = np.sqrt(np.array(MAGNITUDES[:-1]) * np.array(MAGNITUDES[1:]))  # between two, by ratio
_LEAST = 0.1  # pixels: a smaller motion has no reliable direction


def of(corpus: Corpus, row: pd.Series) -> dict[str, np.ndarray]:
    """What is true of one clip: `flow`, `flow_face`, `landmarks`, `frames`, `intensity`.

    Raises StudyError for a corpus of people, and where the file of the truth is missing.
    """
    file = corpus.path.joinpath("truth", *(row[column] for column in KEY[:2]), f"{row['clip']}.npz")
    if not corpus.synthetic or not file.is_file():
        raise StudyError(
            f"{'/'.join(row[column] for column in KEY)} of {corpus.name} has no known truth: take "
            f"a synthetic corpus, whose truth is in {corpus.path / 'truth'}"
        )
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _position(true: dict[str, np.ndarray], number: int) -> int:
    return int(np.searchsorted(true["frames"], number))


def landmark_errors(corpus: Corpus, clip_views: Views) -> pd.DataFrame:
    """Per clip: error of the points, and of where they lay the face; needs view `points`.

    `error`: mean distance in pixels of the frame over 68 points, of onset and apex; `movement`:
    the error of the points' movement from onset to apex; `onset` and `both`: how far the aligned
    face is from where true points would put it, aligned by the onset's points and by those of both
    frames, in pixels of the aligned face.
    """
    rows = []
    for i, row in clip_views.clips.iterrows():
        true = of(corpus, row)
        right = np.stack(
            [true["landmarks"][_position(true, row[moment])] for moment in ("onset", "apex")]
        )
        points = clip_views.arrays["points"][i]
        wrong = points - right  # (2, 68, 2)
        target = faces.alignment(right[0])
        square = faces.move(right[0], target)
        back = cv2.invertAffineTransform(target)
        laid = {
            name: faces.move(faces.move(square, back), faces.alignment(used))
            for name, used in (("onset", points[0]), ("both", points))
        }
        rows.append(
            {column: row[column] for column in KEY}
            | {"error": np.linalg.norm(wrong, axis=-1).mean()}
            | {"movement": np.linalg.norm(wrong[1] - wrong[0], axis=-1).mean()}
            | {name: np.linalg.norm(at - square, axis=-1).mean() for name, at in laid.items()}
        )
    return pd.DataFrame(rows)


def true_flow(
    corpus: Corpus, clip_views: Views, i: int, head: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """True flow of clip i in pixels of the aligned face (2, 128, 128), and its face mask.

    With head=False the head is at rest.  Needs view `points`.
    """
    true = of(corpus, clip_views.clips.iloc[i])
    points = clip_views.arrays["points"][i, 0]
    matrix = faces.alignment(points)
    field = true["flow" if head else "flow_face"].astype(np.float32)
    laid = np.stack([cv2.warpAffine(c, matrix, (faces.SIZE, faces.SIZE)) for c in field])
    laid = np.einsum("ij,jhw->ihw", matrix[:, :2], laid).astype(np.float32)
    return laid, motion.face_mask(faces.move(points, matrix), faces.SIZE)


def _at_true_apex(corpus: Corpus, clip_views: Views, limit: int | None) -> list[int]:
    """Clips whose apex is the true one, `limit` of them spread evenly over the corpora."""
    usable = [
        i
        for i, row in clip_views.clips.iterrows()
        if _is_apex(of(corpus, row), row["apex"]) and row["apex"] != row["onset"]
    ]
    if limit is None or limit >= len(usable):
        return usable
    return [usable[k] for k in np.linspace(0, len(usable) - 1, limit).round().astype(int)]


def _is_apex(true: dict[str, np.ndarray], number: int) -> bool:
    return int(true["frames"][np.argmax(true["intensity"])]) == number


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
    random = np.random.default_rng(seed)
    rows = []
    for i in _at_true_apex(corpus, clip_views, limit):
        right, mask = true_flow(corpus, clip_views, i)
        length = np.hypot(*right)
        kind = np.where(mask & (length >= _LEAST), np.digitize(length, _EDGES), -1)
        for level in noise:
            pair = clip_views.arrays["frames"][i].astype(float)
            pair = pair + random.normal(0, level, pair.shape) if level else pair
            pair = np.clip(np.rint(pair), 0, 255).astype(np.uint8)
            for method in methods:
                field = motion.flow(*pair, method)
                apart = np.hypot(*(field - right))
                along, whole = (field * right).sum(axis=0), length**2
                for k, magnitude in enumerate(MAGNITUDES):
                    at = kind == k
                    sums = apart[at].sum(), along[at].sum(), whole[at].sum(), at.sum()
                    rows.append((method, level, magnitude, *sums))
    columns = ["method", "noise", "magnitude", "error", "along", "whole", "pixels"]
    sums = pd.DataFrame(rows, columns=columns)
    pooled = sums.groupby(["method", "noise", "magnitude"], sort=False, as_index=False).sum()
    pooled = pooled[pooled["pixels"] > 0]
    pooled["error"] /= pooled["pixels"]
    pooled["gain"] = pooled["along"] / pooled["whole"]
    return pooled.drop(columns=["along", "whole"])


def head_errors(
    corpus: Corpus, clip_views: Views, method: str = motion.DEFAULT, limit: int | None = None
) -> pd.DataFrame:
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
        points = clip_views.arrays["points"][i]
        field = motion.flow(onset, apex, method)
        file = frame_files(clip["frames"])[int(clip["apex"])]
        own = faces.align(images.Frame(file).image, faces.alignment(points[1]))
        ways = {
            "left in": field,
            "taken out": field - motion.head_motion(field, mask),
            "by landmarks": motion.flow(onset, own, method),
            "no flow at all": np.zeros_like(field),
        }
        for way, estimate in ways.items():
            error = np.hypot(*(estimate - right))[mask].mean()
            rows.append({column: clip[column] for column in KEY} | {"way": way, "error": error})
    return pd.DataFrame(rows)


def apex_errors(corpus: Corpus, jobs: int | None = None, progress: bool = True) -> pd.DataFrame:
    """Per clip and rule: frames from the true apex, positive where the rule is late.

    Every apex is forgotten first, so that all three corpora are asked, not SMIC alone.  `rule`:
    "spotted" or "midpoint"; `frames`: of the clip, onset to offset.
    """
    forgotten = replace(
        corpus, clips=corpus.clips.assign(apex=pd.array([None] * len(corpus.clips), "Int64"))
    )
    clip_views = views.compute(forgotten, ("points",), jobs, progress)
    rows = []
    for _, row in clip_views.clips.iterrows():
        true = of(corpus, row)
        right = int(true["frames"][np.argmax(true["intensity"])])
        count = int(row["offset"] - row["onset"]) + 1
        middle = int(row["onset"]) + keyframes.midpoint(count)
        for rule, number in (("spotted", int(row["apex"])), ("midpoint", middle)):
            rows.append(
                {column: row[column] for column in KEY}
                | {"rule": rule, "error": number - right, "frames": count}
            )
    return pd.DataFrame(rows)
