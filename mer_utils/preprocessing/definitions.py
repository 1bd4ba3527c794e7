"""The views that frames give: `VIEWS` at the end is the table of them.

The parts under which a value is cached are all that it depends on: digests of the frames, versions
and parameters. `corpora.table.FRAME_VIEWS` has the same names, less `points`.
"""

from collections.abc import Callable

import numpy as np

from . import centring, faces, keyframes, motion
from .clip import Clip

VIDEO_FRAMES = 10  # as the temporal interpolation of LBP-TOP (TIM10)
CELLS = np.float32(motion.GRID / faces.SIZE)  # per pixel of the aligned face


def flow(clip: Clip) -> np.ndarray:
    def compute() -> np.ndarray:
        points = faces.move(clip.onset_points, clip.matrix)
        field = motion.expression(*clip.aligned, points, clip.flow_method)
        return motion.channels(field, motion.face_region(points, faces.SIZE))

    return clip.cached("flow", (*clip.pair, motion.VERSION, clip.flow_method), compute)


def flow_legacy(clip: Clip) -> np.ndarray:
    parts = (*clip.pair, motion.VERSION, motion.PUBLISHED)
    return clip.cached("flow_legacy", parts, lambda: motion.legacy(*clip.aligned))


def video(clip: Clip) -> np.ndarray:
    """Between two frames it is their mean, weighted by nearness.

    Steps are even in the frames on disk, so that a missing one does not stop the clip.
    """
    steps = np.linspace(0, len(clip.numbers) - 1, VIDEO_FRAMES)
    before, after = np.floor(steps).astype(int), np.ceil(steps).astype(int)
    needed, place = np.unique((before, after), return_inverse=True)
    used = [clip.numbers[i] for i in needed]

    def compute() -> np.ndarray:
        aligned = np.stack([clip.face(number) for number in used]).astype(float)
        first, second = aligned[place.reshape(2, -1)]
        return np.rint(first + (steps - before)[:, None, None] * (second - first)).astype(np.uint8)

    parts = (faces.VERSION, clip.matrix.tobytes(), tuple(steps), tuple(needed.tolist()))
    digests = (clip.files[number].digest for number in used)
    return clip.cached("video", (*parts, *digests), compute)


def _key_frames(clip: Clip) -> tuple[np.ndarray, list[int], tuple]:
    """Landmarks (COUNT, 68, 2) and numbers of frames, and the parts both depend on."""
    points, parts = _tracked(clip, "keyframes", clip.numbers)
    chosen = keyframes.select(keyframes.landmark_motion(points))
    return points[chosen], [clip.numbers[i] for i in chosen], parts


def _rise(clip: Clip) -> tuple[np.ndarray, list[int], tuple]:
    """The same; a frame that is not on disk is replaced by the nearest one that is."""
    steps = keyframes.rise(int(clip.row["onset"]), clip.apex_number)
    numbers = [min(clip.there, key=lambda number: abs(number - step)) for step in steps]
    points, parts = _tracked(clip, "rise", numbers)
    return points, numbers, parts


def _tracked(clip: Clip, name: str, numbers: list[int]) -> tuple[np.ndarray, tuple]:
    """(len(numbers), 68, 2) landmarks followed from the onset, and the parts they depend on."""
    once = tuple(dict.fromkeys(numbers))  # a number may occur twice
    place = (clip.matrix.tobytes(), tuple(numbers))
    digests = (clip.files[number].digest for number in once)
    parts = (faces.VERSION, keyframes.SELECTION_VERSION, *place, *digests)
    course = clip.cached(
        f"{name}_course", parts, lambda: keyframes.follow(map(clip.image, once), clip.onset_points)
    )
    at = dict(zip(once, course, strict=True))
    return np.stack([at[number] for number in numbers]), parts


def _images(clip: Clip, name: str, numbers: list[int], parts: tuple) -> np.ndarray:
    """(COUNT, SIZE, SIZE) uint8 aligned frames."""
    parts = (*parts, tuple(numbers))
    return clip.cached(name, parts, lambda: np.stack([clip.face(number) for number in numbers]))


VIEWS: dict[str, Callable[[Clip], np.ndarray]] = {
    # (3, 28, 28) float32: u, v in pixels of the aligned face, strain; 0 outside the face
    "flow": flow,
    # (3, 28, 28) float32: u, v and strain of TV-L1, each stretched to 0..255 per clip
    "flow_legacy": flow_legacy,
    # (3, 28, 28) float32: each clip's own zero and spread; the second of another algorithm
    "flow_centred": lambda clip: centring.centred(flow(clip)),
    "flow_centred_2": lambda clip: centring.centred(flow_legacy(clip)),
    # float32, x then y: (68, 2) of the apex, in cells of the 28x28 grid; (2, 68, 2) of onset and
    # apex, in pixels of the recording
    "landmarks": lambda clip: faces.move(clip.apex_points, clip.matrix) * CELLS,
    "points": lambda clip: np.stack((clip.onset_points, clip.apex_points)),
    # (2, 128, 128) uint8: aligned onset and apex; (10, 128, 128): even steps from onset to offset
    "frames": lambda clip: clip.cached("frames", clip.pair, lambda: np.stack(clip.aligned)),
    "video": video,
    # (11, 128, 128) uint8 aligned frames: the onset and the ten that move most; even steps from
    # onset to apex, and one frame more. (11, 68, 2) float32: landmarks followed in them, in pixels
    "keyframes": lambda clip: _images(clip, "keyframes", *_key_frames(clip)[1:]),
    "keyframe_points": lambda clip: _key_frames(clip)[0],
    "rise": lambda clip: _images(clip, "rise", *_rise(clip)[1:]),
    "rise_points": lambda clip: _rise(clip)[0],
}
