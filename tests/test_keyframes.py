"""The apex is found near where it was put, and nearer than the middle of the clip."""

import moving_face
import numpy as np
import pytest

from mer_utils import faces, keyframes

CLIPS = [  # frames, apex, amplitude, sway
    (26, 8, 1.5, 1.0),
    (32, 23, 1.5, 2.0),
    (24, 15, 3.0, 0.0),
    (36, 12, 1.0, 1.0),
]


def aligned(clip) -> tuple[np.ndarray, np.ndarray]:
    points = faces.landmarks(clip.frames[0])
    matrix = faces.alignment(points)
    frames = np.stack([faces.align(frame, matrix) for frame in clip.frames])
    return frames, faces.move(points, matrix)


def test_apexes_are_nearer_than_the_middle():
    errors, middle = [], []
    for seed, (count, apex, amplitude, sway) in enumerate(CLIPS):
        clip = moving_face.clip(seed + 20, amplitude, sway, frames=count, apex=apex)
        errors.append(abs(keyframes.spot(clip.frames) - apex))
        middle.append(abs(keyframes.midpoint(count) - apex))
    assert max(errors) <= 4
    assert np.mean(errors) < 2.5 < np.mean(middle)


def test_the_course_of_the_movement_is_the_one_put_in():
    clip = moving_face.clip(5, 2.5, 1.0, frames=24, apex=10)
    course = keyframes.movement(*aligned(clip))
    assert course[0] == 0
    assert np.corrcoef(course, clip.course)[0, 1] > 0.97


def test_a_sway_without_expression_is_no_movement():
    """The head drifts by 3 pixels, the face is still: what is found is small."""
    still = moving_face.clip(6, 0.01, 3.0, frames=10, apex=5)
    moving = moving_face.clip(6, 2.0, 3.0, frames=10, apex=5)
    assert (
        keyframes.movement(*aligned(still)).max() < 0.3 * keyframes.movement(*aligned(moving)).max()
    )


def test_a_blink_is_not_the_apex():
    clip = moving_face.clip(7, 2.0, 0.5, frames=24, apex=9)
    eyes = [clip.points[list(eye)] for eye in keyframes.EYES]
    for t in (17, 18, 19, 20):
        for eye in eyes:
            left, top = np.floor(eye.min(axis=0)).astype(int)
            right, bottom = np.ceil(eye.max(axis=0)).astype(int)
            clip.frames[t][top - 1 : bottom + 2, left:right] = int(clip.frames[t][bottom + 6, left])
    assert abs(keyframes.spot(clip.frames) - 9) <= 3


def test_the_onset_is_never_the_apex():
    assert keyframes.apex(np.zeros(5)) == 1
    assert keyframes.apex(np.array([0.0, 0.1, 0.2])) == 2


def test_no_face_in_the_onset_is_said():
    with pytest.raises(faces.NoFace):
        keyframes.spot([np.full((200, 200), 90, np.uint8)] * 3)
