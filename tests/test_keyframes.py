"""The apex is found near where it was put, and nearer than the middle of the clip."""

import moving_face
import numpy as np
import pytest

from mer_utils.preprocessing import faces, keyframes

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


def spotted(clip) -> int:
    return keyframes.spot(clip.frames, faces.landmarks(clip.frames[0]))


def test_apexes_are_nearer_than_the_middle():
    errors, middle = [], []
    for seed, (count, apex, amplitude, sway) in enumerate(CLIPS):
        clip = moving_face.clip(seed + 20, amplitude, sway, frames=count, apex=apex)
        errors.append(abs(spotted(clip) - apex))
        middle.append(abs(count // 2 - apex))
    assert max(errors) <= 4
    assert np.mean(errors) < 2.5 < np.mean(middle)


def test_the_course_of_the_movement_is_the_one_put_in():
    clip = moving_face.clip(5, 2.5, 1.0, frames=24, apex=10)
    course = keyframes.movement(*aligned(clip))
    assert course[0] == 0
    assert np.corrcoef(course, clip.course)[0, 1] > 0.97


def test_a_sway_without_expression_is_no_movement():
    """The head drifts by 3 pixels, the face is still: the movement is small."""
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
    assert abs(spotted(clip) - 9) <= 3


def test_the_onset_is_never_the_apex():
    assert keyframes.apex(np.zeros(5)) == 1
    assert keyframes.apex(np.array([0.0, 0.1, 0.2])) == 2


# --- key frames -----------------------------------------------------------------------------------


def tracked(clip) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks followed on the larger aligned face, and where they truly are, both (T, 68, 2)."""
    points = faces.landmarks(clip.frames[0])
    matrix = faces.alignment(points) * (keyframes.TRACK_SIZE / faces.SIZE)
    frames = np.stack([faces.warp(frame, matrix, keyframes.TRACK_SIZE) for frame in clip.frames])
    tracks = keyframes.track(frames, faces.move(points, matrix))
    columns, rows = np.rint(points).astype(int).T
    true = [points + clip.flow(t)[:, rows, columns].T for t in range(len(clip.frames))]
    return tracks, faces.move(np.array(true), matrix)


def test_landmarks_are_followed_to_a_fraction_of_what_they_move():
    tracks, true = tracked(moving_face.clip(31, 2.5, 1.5, frames=16, apex=8))
    inner = slice(17, 68)
    missed = np.linalg.norm(tracks - true, axis=-1)[:, inner]
    moved = np.linalg.norm(true - true[0], axis=-1)[:, inner]
    assert np.median(missed) < 0.25  # pixels of 256
    assert missed.mean() < 0.3 * moved.max(axis=0).mean()


def test_the_head_alone_moves_no_landmark():
    """Three pixels of sway, no expression: less than a quarter of what an expression gives."""
    still, _ = tracked(moving_face.clip(32, 0.01, 3.0, frames=12, apex=6))
    moving, _ = tracked(moving_face.clip(32, 3.0, 3.0, frames=12, apex=6))
    motion = [keyframes.landmark_motion(course).sum() for course in (still, moving)]
    assert motion[0] < 0.25 * motion[1]
    turn = np.array([[1.01, -0.02, 3.0], [0.02, 1.01, -2.0]])
    swaying = np.stack([still[0], faces.move(still[0], turn)])
    assert keyframes.landmark_motion(swaying).max() < 1e-2


def test_key_frames_are_the_onset_and_the_fastest_in_order_of_time():
    motion = np.array([0, 5, 1, 9, 2, 8, 0, 7, 0, 6, 3, 0.5])
    assert keyframes.select(motion, 5).tolist() == [0, 3, 5, 7, 9]
    assert keyframes.select(motion, 12).tolist() == list(range(12))


@pytest.mark.parametrize("total", [1, 2, 5, 10, 11, 12, 40])
def test_there_are_always_eleven(total):
    chosen = keyframes.select(np.random.default_rng(0).random(total))
    assert len(chosen) == 11 and chosen[0] == 0 and chosen.max() < total
    assert (np.diff(chosen) >= 0).all() and len(set(chosen)) == min(total, 11)


def test_the_published_frames_are_even_steps_to_the_apex_and_one_more():
    assert keyframes.rise(100, 200).tolist() == [*range(100, 190, 10), 200, 201]
    assert keyframes.rise(7, 10).tolist() == [7, 8, 8, 8, 9, 9, 9, 10, 10, 10, 11]
