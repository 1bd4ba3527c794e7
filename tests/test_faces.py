"""Faces are found, marked within a fraction of a pixel, and aligned to the mean face."""

import cv2
import moving_face
import numpy as np
import pytest

from mer_utils.errors import StudyError
from mer_utils.preprocessing import faces

TARGET = (np.array(list(faces.STABLE.values())) - faces.MIDDLE) * faces.FACE_WIDTH
TARGET = TARGET + faces.FACE_MIDDLE


@pytest.fixture(scope="module")
def places() -> list[tuple[np.ndarray, np.ndarray]]:
    """Twelve frames of one photograph in known places, and the (2, 3) that took it there."""
    random = np.random.default_rng(3)
    centre = moving_face.picture_points().mean(axis=0)
    frames = []
    for _ in range(12):
        angle, size = np.deg2rad(random.uniform(-6, 6)), random.uniform(1.4, 2.0)
        turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.column_stack((turn, (180, 150) + random.uniform(-10, 10, 2) - turn @ centre))
        frame = cv2.warpAffine(
            moving_face.picture(), matrix, (360, 300), flags=cv2.INTER_CUBIC
        ).astype(float)
        noisy = np.clip(frame + random.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)
        frames.append((noisy, matrix))
    return frames


def test_landmarks_follow_the_face_to_a_fraction_of_a_pixel(places):
    """Moved back to the photograph, the points are the same for any place and size."""
    points_of = [
        faces.move(faces.landmarks(frame), cv2.invertAffineTransform(matrix)) * 1.6
        for frame, matrix in places
    ]
    scatter = np.linalg.norm(
        points_of - np.mean(points_of, axis=0), axis=-1
    )  # pixels of a 145-px face
    assert np.sqrt((scatter**2).mean()) < 0.6
    assert scatter[:, list(faces.STABLE)].max() < 1.0
    # and they are where they should be, not only steady: eyes apart, mouth below nose
    points = np.mean(points_of, axis=0)
    assert points[36:42, 0].max() < points[27, 0] < points[42:48, 0].min()
    assert points[48:60, 1].min() > points[33, 1] > points[27, 1]


def test_whole_pixels_would_be_coarser(places):
    """Nine boxes on an enlarged face scatter less than the predictor's plain result."""
    import dlib

    plain = []
    for frame, matrix in places:
        left, top, right, bottom = map(int, faces.detect(frame))
        shape = faces._predictor()(frame, dlib.rectangle(left, top, right - 1, bottom - 1))
        points = np.array([(point.x, point.y) for point in shape.parts()], float)
        plain.append(faces.move(points, cv2.invertAffineTransform(matrix)))
    fine = [
        faces.move(faces.landmarks(frame), cv2.invertAffineTransform(matrix))
        for frame, matrix in places
    ]
    assert np.std(fine, axis=0).mean() < 0.6 * np.std(plain, axis=0).mean()


def test_alignment_moves_eyes_and_nose_to_the_mean_face(places):
    for frame, matrix in places:
        points = faces.landmarks(frame)
        laid = faces.move(points, faces.alignment(points))
        assert np.abs(laid[list(faces.STABLE)] - TARGET).max() < 4.0  # no face is the mean face
        assert laid.min() > 0 and laid.max() < faces.SIZE
        # the same person is aligned the same way from any place
        again = faces.alignment(points)[:, :2] @ matrix[:, :2]
        assert np.allclose(
            again, again[0, 0] * np.eye(2) + again[1, 0] * np.array([[0, -1], [1, 0]])
        )
    scales = [
        np.linalg.det(faces.alignment(faces.landmarks(f))[:, :2] @ m[:, :2]) ** 0.5
        for f, m in places
    ]
    assert np.std(scales) / np.mean(scales) < 0.01


def test_similarity_is_exact_for_a_similarity():
    random = np.random.default_rng(0)
    points = random.normal(size=(8, 2)) * 30
    truth = np.array([[1.2, -0.3, 5.0], [0.3, 1.2, -7.0]])
    assert np.allclose(faces.similarity(points, faces.move(points, truth)), truth, atol=1e-5)


def test_one_alignment_keeps_a_movement():
    """A brow that rises by 2 pixels of the frame rises on the square, by 2 times the scale."""
    points = moving_face.picture_points().astype(float) * 2
    matrix = faces.alignment(points)
    raised = points.copy()
    raised[17:27, 1] -= 2
    moved = faces.move(raised, matrix) - faces.move(points, matrix)
    assert np.allclose(np.hypot(*moved[17:27].T), 2 * np.hypot(*matrix[:, 0]), atol=1e-4)


def test_shrinking_does_not_alias():
    stripes = np.tile(np.array([0, 255], np.uint8), (512, 256))  # one pixel dark, one light
    small = faces.warp(stripes, np.array([[0.25, 0, 0.1], [0, 0.25, 0.1]]), 128)
    assert np.abs(small[8:-8, 8:-8].astype(int) - 127).max() < 12


@pytest.mark.parametrize("kind", ["blank", "noise", "stripes"])
def test_no_face_is_an_error_and_no_point_invented(kind):
    random = np.random.default_rng(0)
    image = {
        "blank": np.full((240, 320), 128, np.uint8),
        "noise": random.integers(0, 256, (240, 320)).astype(np.uint8),
        "stripes": np.tile(np.arange(320) % 40 * 6, (240, 1)).astype(np.uint8),
    }[kind]
    with pytest.raises(faces.NoFace, match="no face found in an image of 320x240 pixels"):
        faces.landmarks(image)


def test_the_second_detector_finds_what_the_first_does_not():
    """Half of the face behind a grey wall: HOG is blind to it, the network is not."""
    half = moving_face.picture()[:300, :448].copy()
    half[:, 236:] = 90
    assert not faces._hog().run(half, 1, 0.0)[0]
    left, top, right, bottom = faces.detect(half)
    eye = moving_face.picture_points()[36:42].mean(axis=0)
    assert left < eye[0] < right and top < eye[1] < bottom


def test_a_large_picture_shrinks_before_the_second_detector(monkeypatch):
    """Which takes a kilobyte for each pixel."""
    seen = []
    monkeypatch.setattr(faces, "_cnn", lambda: lambda image, _: seen.append(image.shape))
    for height, width in ((720, 1280), (480, 640)):
        with pytest.raises(faces.NoFace):
            faces.detect(np.full((height, width), 90, np.uint8))
    assert seen == [(416, 739, 3), (480, 640, 3)]


def test_a_head_tilted_by_thirty_degrees_is_marked_as_well():
    turn = cv2.getRotationMatrix2D((223, 120), 30, 1.0)
    tilted = cv2.warpAffine(moving_face.picture(), turn, (448, 300))
    apart = faces.landmarks(tilted) - faces.move(moving_face.picture_points(), turn)
    assert np.linalg.norm(apart, axis=1).max() < 1.0


def test_missing_models_name_the_distribution():
    with pytest.raises(StudyError, match="face_recognition_models"):
        faces.model_file("shape_predictor_7_face_landmarks.dat")
