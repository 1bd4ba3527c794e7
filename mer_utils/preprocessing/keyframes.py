"""Frames of a clip that matter: its apex where the sheet has none, and its key frames.

The apex is the frame in which the face has moved furthest. Every frame is compared with the onset
by optical flow on the aligned face. The head's share is subtracted, and the eyes are left out, for
a blink is larger than any micro-expression. The flow is reduced to the one movement that explains
most of the clip; the maximum of its smoothed course over time is the apex.

Key frames are those in which the landmarks move most from frame to frame: landmark motion based
key-frame selection (LMKS) of the unified macro/micro framework, see `systems/unified.py`.
"""

from collections.abc import Iterable
from itertools import chain

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from . import faces, motion
from .regions import LEFT_EYE, POINTS, RIGHT_EYE

VERSION = 1  # counts up when a change here moves an apex: part of every cache key
# Mean error on 157 synthetic clips of 14 to 26 frames: 0.4 frames with this method and
# smoothing, 0.4 with the finest DIS, 0.6 with DIS "medium", 2.0 with the middle of the clip.
METHOD = "farneback"
SMOOTHING = 0.05  # standard deviation, in lengths of the clip: 1 frame of 20
EYES = POINTS[RIGHT_EYE], POINTS[LEFT_EYE]
LIDS = 8  # pixels around the eyes that a blink moves too: lids, lashes and the flow's window

SELECTION_VERSION = 1  # the same for the key frames
COUNT = 11  # key frames of a clip, as coded: every three in a row give one of nine patterns
# dlib's jitter between frames is as large as the movement. On the synthetic clips the landmarks
# move by 0.41 px of the aligned face; the error of dlib is 0.15 and more, that of Lucas-Kanade from
# the onset 0.06, and it is twenty times faster.
TRACK = {"winSize": (21, 21), "maxLevel": 2, "criteria": (3, 30, 0.003)}
TRACK |= {"flags": cv2.OPTFLOW_USE_INITIAL_FLOW}
INNER = slice(17, 68)  # all landmarks but the jaw
TRACK_SIZE = 256  # pixels a side of the aligned face while tracking


def movement(frames: Iterable[np.ndarray], points: np.ndarray) -> np.ndarray:
    """(T,) progress of the clip's main movement, in pixels (root mean square).

    frames: T aligned faces (128, 128) uint8, the onset first; points (68, 2) of the onset there.
    """
    frames = iter(frames)
    onset = next(frames)
    used = without_eyes(motion.face_mask(points, len(onset)), points)
    cells = (2 * motion.GRID**2,)
    flows = (motion.expression(onset, frame, points, METHOD) * used for frame in frames)
    flat = (motion.on_grid(flow).ravel() for flow in flows)
    flat = np.fromiter(chain([np.zeros(cells)], flat), np.dtype((np.float32, cells)))  # onset: 0
    course = flat @ _main_direction(flat)
    course *= np.sign(course.sum()) or 1.0
    return course / motion.GRID


def _main_direction(flat: np.ndarray) -> np.ndarray:
    """(C,) direction of length 1 that explains most of (T, C)."""
    if len(flat) > flat.shape[1]:  # a long clip: less memory, and as exact for the first one
        return np.linalg.eigh(flat.T @ flat)[1][:, -1]
    return np.linalg.svd(flat, full_matrices=False)[2][0]


def without_eyes(mask: np.ndarray, points: np.ndarray, lids: int = LIDS) -> np.ndarray:
    """(H, W) bool: the mask less eyes and lids, by the landmarks (68, 2) there."""
    right, left = (motion.face_mask(points[list(eye)], len(mask)) for eye in EYES)
    around = np.ones((2 * lids + 1, 2 * lids + 1), np.uint8)
    return mask & (cv2.dilate(np.uint8(right | left), around) == 0)


def apex(course: np.ndarray) -> int:
    """Position of the apex in the course of `movement`; never the first frame, the onset."""
    smooth = gaussian_filter1d(course, SMOOTHING * len(course), mode="nearest")
    return 1 + int(np.argmax(smooth[1:]))


def spot(images: Iterable[np.ndarray], points: np.ndarray) -> int:
    """Position of the apex among the frames (H, W) of a clip; points: (68, 2) of the first."""
    matrix = faces.alignment(points)
    frames = (faces.align(image, matrix) for image in images)
    return apex(movement(frames, faces.move(points, matrix)))


def track(frames: Iterable[np.ndarray], points: np.ndarray) -> np.ndarray:
    """(T, 68, 2) landmarks in every frame, in pixels of the frames, smoothed over time.

    frames: T aligned faces (S, S) uint8, the onset first; points (68, 2) of the onset there. Every
    frame is compared with the onset itself, so that errors do not add up.
    """
    frames = iter(frames)
    first, onset = next(frames), points.astype(np.float32).reshape(-1, 1, 2)
    positions = [onset]
    for frame in frames:
        guess = positions[-1].copy()
        moved, _, _ = cv2.calcOpticalFlowPyrLK(first, frame, onset, guess, **TRACK)
        positions.append(moved)
    course = np.stack(positions)[:, :, 0]
    return gaussian_filter1d(course, SMOOTHING * len(course), axis=0, mode="nearest")


def follow(images: Iterable[np.ndarray], points: np.ndarray) -> np.ndarray:
    """(T, 68, 2) landmarks of frames (H, W) in pixels of the aligned face; points: the first's."""
    larger = faces.alignment(points) * (TRACK_SIZE / faces.SIZE)
    frames = (faces.warp(image, larger, TRACK_SIZE) for image in images)
    course = track(frames, faces.move(points, larger))
    return course * np.float32(faces.SIZE / TRACK_SIZE)


def landmark_motion(course: np.ndarray) -> np.ndarray:
    """(T,) summed path of the inner landmarks (T, 68, 2) since the frame before, head at rest."""
    stable = list(faces.STABLE)
    still = [
        faces.move(points, faces.similarity(points[stable], course[0][stable]))
        for points in course.astype(float)
    ]
    steps = np.linalg.norm(np.diff(still, axis=0), axis=-1)[:, INNER]  # (T - 1, 51)
    return np.append(0.0, steps.sum(axis=1))


def select(motion_course: np.ndarray, count: int = COUNT) -> np.ndarray:
    """(count,) positions of onset and largest motion; a shorter clip repeats some."""
    total = len(motion_course)
    if total <= count:
        return np.linspace(0, total - 1, count).round().astype(int)
    fastest = 1 + np.argsort(-motion_course[1:], kind="stable")[: count - 1]
    return np.sort(np.append(0, fastest))


def rise(onset: int, apex: int, count: int = COUNT) -> np.ndarray:
    """(count,) frame numbers of the published code: even steps from onset to apex, and one more."""
    steps = np.ceil(np.arange(count - 2) * (apex - onset) / (count - 1)).astype(int)
    return np.append(onset + steps, [apex, apex + 1])
