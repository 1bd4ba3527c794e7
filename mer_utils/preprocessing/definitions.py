"""The views that frames give: a function of a `Clip` for each, and `VIEWS`, the table of them.

The docstring of a function says what the view holds of one clip. The parts under which it caches
its value are all that the value depends on: digests of the frames, versions and parameters.
`corpora.table.FRAME_VIEWS` has the same names, less `points`: what a corpus of frames offers.
"""

from collections.abc import Callable

import numpy as np

from . import centring, faces, keyframes, motion
from .clip import Clip

VIDEO_FRAMES = 10  # as the temporal interpolation of LBP-TOP (TIM10)


def frames(clip: Clip) -> np.ndarray:
    """(2, 128, 128) uint8: aligned onset and apex, grey."""
    return clip.cached("frames", clip.pair, lambda: np.stack(clip.aligned))


def flow(clip: Clip) -> np.ndarray:
    """(3, 28, 28) float32: u, v in pixels of the aligned face, strain; 0 outside the face."""

    def compute() -> np.ndarray:
        points = faces.move(clip.onset_points, clip.matrix)
        field = motion.expression(*clip.aligned, points, clip.flow_method)
        return motion.channels(field, motion.face_region(points, faces.SIZE))

    return clip.cached("flow", (*clip.pair, motion.VERSION, clip.flow_method), compute)


def flow_legacy(clip: Clip) -> np.ndarray:
    """(3, 28, 28) float32: u, v and strain of TV-L1, each stretched to 0..255 per clip."""
    parts = (*clip.pair, motion.VERSION, motion.PUBLISHED)
    return clip.cached("flow_legacy", parts, lambda: motion.legacy(*clip.aligned))


def flow_centred(clip: Clip) -> np.ndarray:
    """(3, 28, 28) float32: `flow` with each clip's own zero and spread, as `centring.centred`."""
    return centring.centred(flow(clip))


def flow_centred_2(clip: Clip) -> np.ndarray:
    """(3, 28, 28) float32: the same of a second algorithm, the TV-L1 of `flow_legacy`."""
    return centring.centred(flow_legacy(clip))


def points(clip: Clip) -> np.ndarray:
    """(2, 68, 2) float32: landmarks of onset and apex, x then y, in pixels of the recording."""
    return np.stack((clip.onset_points, clip.apex_points))


def landmarks(clip: Clip) -> np.ndarray:
    """(68, 2) float32: landmarks of the apex, x then y, in cells of the 28x28 grid."""
    return faces.move(clip.apex_points, clip.matrix) * np.float32(motion.GRID / faces.SIZE)


def video(clip: Clip) -> np.ndarray:
    """(10, 128, 128) uint8: aligned face at ten even steps from onset to offset, grey.

    Between two frames it is their mean, weighted by nearness. Steps are even in the frames on disk,
    so that a missing one does not stop the clip.
    """
    numbers = clip.numbers
    steps = np.linspace(0, len(numbers) - 1, VIDEO_FRAMES)
    before, after = np.floor(steps).astype(int), np.ceil(steps).astype(int)
    needed, place = np.unique((before, after), return_inverse=True)
    used = [numbers[i] for i in needed]

    def compute() -> np.ndarray:
        aligned = np.stack([clip.face(number) for number in used]).astype(float)
        first, second = aligned[place.reshape(2, -1)]
        return np.rint(first + (steps - before)[:, None, None] * (second - first)).astype(np.uint8)

    parts = (faces.VERSION, clip.matrix.tobytes(), tuple(steps), tuple(needed.tolist()))
    return clip.cached("video", (*parts, *(clip.files[one].digest for one in used)), compute)


def key_frames(clip: Clip) -> np.ndarray:
    """(11, 128, 128) uint8: aligned onset and the ten frames that move most, grey."""
    return _images(clip, "keyframes", *_key_frames(clip)[1:])


def key_frame_points(clip: Clip) -> np.ndarray:
    """(11, 68, 2) float32: landmarks followed in the key frames, in pixels of the aligned face."""
    return _key_frames(clip)[0]


def rise(clip: Clip) -> np.ndarray:
    """(11, 128, 128) uint8: aligned onset to apex in even steps, then one frame more, grey."""
    return _images(clip, "rise", *_rise(clip)[1:])


def rise_points(clip: Clip) -> np.ndarray:
    """(11, 68, 2) float32: landmarks followed in the frames of `rise`, as `key_frame_points`."""
    return _rise(clip)[0]


def _key_frames(clip: Clip) -> tuple[np.ndarray, list[int], tuple]:
    """Landmarks (COUNT, 68, 2), frame numbers, and the parts both depend on."""
    points, parts = _tracked(clip, "keyframes", clip.numbers)
    chosen = keyframes.select(keyframes.landmark_motion(points))
    return points[chosen], [clip.numbers[i] for i in chosen], parts


def _rise(clip: Clip) -> tuple[np.ndarray, list[int], tuple]:
    """The same; a frame that is not on disk is replaced by the nearest one that is."""
    onset = int(clip.row["onset"])
    wanted = keyframes.rise(onset, clip.apex_number)
    numbers = [min(clip.there, key=lambda number: abs(number - step)) for step in wanted]
    points, parts = _tracked(clip, "rise", numbers)
    return points, numbers, parts


def _tracked(clip: Clip, name: str, numbers: list[int]) -> tuple[np.ndarray, tuple]:
    """(len(numbers), 68, 2) landmarks followed from the onset, and the parts they depend on."""
    once = tuple(dict.fromkeys(numbers))  # a number may occur twice
    place = (clip.matrix.tobytes(), tuple(numbers))
    digests = (clip.files[number].digest for number in once)
    parts = (faces.VERSION, keyframes.SELECTION_VERSION, *place, *digests)

    def compute() -> np.ndarray:
        return keyframes.follow(map(clip.image, once), clip.onset_points)

    course = dict(zip(once, clip.cached(f"{name}_course", parts, compute), strict=True))
    return np.stack([course[number] for number in numbers]), parts


def _images(clip: Clip, name: str, numbers: list[int], parts: tuple) -> np.ndarray:
    """(COUNT, SIZE, SIZE) uint8 aligned frames."""

    def compute() -> np.ndarray:
        return np.stack([clip.face(number) for number in numbers])

    return clip.cached(name, (*parts, tuple(numbers)), compute)


VIEWS: dict[str, Callable[[Clip], np.ndarray]] = {
    "flow": flow,
    "flow_legacy": flow_legacy,
    "flow_centred": flow_centred,
    "flow_centred_2": flow_centred_2,
    "landmarks": landmarks,
    "frames": frames,
    "video": video,
    "keyframes": key_frames,
    "keyframe_points": key_frame_points,
    "rise": rise,
    "rise_points": rise_points,
    "points": points,
}
