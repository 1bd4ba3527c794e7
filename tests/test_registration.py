"""Landmarks of flow images are moved to where the skin moves, without a label."""

import numpy as np
import pytest

from mer_utils import corpora
from mer_utils.preprocessing import registration, views
from mer_utils.synthetic import faces


def face() -> np.ndarray:
    """(68, 2) the face of the synthetic people in the 28x28 grid."""
    points = faces._rest()["points"]
    low, high = points.min(0), points.max(0)
    return ((points - low) / (high - low).max() * 22 + 3).astype(np.float32)


def strain_of(points: np.ndarray) -> np.ndarray:
    """(28, 28) a mean strain map with lids that move most and a nose that stays."""
    parts = (registration.EYES, registration.BROWS, registration.MOUTH)
    moving = [registration._around(points, ids) for ids in parts]
    inside, nose = (
        registration._filled(points, ids) for ids in (registration.OUTLINE, registration.NOSE)
    )
    return 0.5 + 1.0 * moving[0] + 0.4 * moving[1] + 0.3 * moving[2] + 0.4 * inside - 0.4 * nose


@pytest.mark.parametrize(
    "size_shift",
    [(0.0, 0.0, 0.0, 0.0), (0.0, 0.25, 0.0, -4.0), (-0.15, 0.0, 0.5, 2.5), (0.1, -0.1, 0.0, 1.0)],
)
def test_a_face_is_moved_onto_its_strain(size_shift):
    points = face()
    true = registration.move(points, np.array(size_shift))
    found = registration.move(points, registration.fit(points, strain_of(true)))
    assert np.abs(found - true).mean() < 0.6  # cells
    assert registration.explained(found, strain_of(true)) > 0.95


def test_every_corpus_is_registered_by_itself_and_a_small_one_not_at_all():
    random, points = np.random.default_rng(0), face()
    true = {"one": points, "two": registration.move(points, np.array((0, 0.1, 0, -3)))}
    corpus = np.repeat(["one", "two", "few"], (20, 20, registration.FEWEST - 1))
    flow = np.zeros((len(corpus), 3, 28, 28), np.float32)
    for number, name in enumerate(corpus):
        strain = strain_of(true.get(name, points))
        flow[number, 2] = strain**2 * random.uniform(0.5, 1.5, (28, 28))
    given = np.repeat(points[None], len(corpus), 0)
    moved, table = registration.registered(given, flow, corpus)
    assert list(table["corpus"]) == ["one", "two"]
    assert np.abs(moved[0] - points).mean() < 0.7
    assert np.abs(moved[20] - true["two"]).mean() < 0.7
    np.testing.assert_array_equal(moved[-1], points)
    assert (table["fit after"] >= table["fit before"] - 1e-9).all()
    assert table["eyes"].iloc[1] < -2


def test_the_landmarks_of_samm_are_moved_up_in_the_published_images(megc2019_folder):
    """Row 5 of 28 is where its eyes move, row 10.7 where landmarks.csv has them."""
    corpus = corpora.load("megc2019_flow", megc2019_folder)
    read = views.compute(corpus, ("flow_legacy", "landmarks"), progress=False)
    names = read.clips["corpus"].to_numpy()
    strain = registration.mean_strain(read.arrays["flow_legacy"][names == "samm"])
    mean = read.arrays["landmarks"][names == "samm"].mean(0)
    eyes = mean[list(registration.EYES), 1].mean()
    brightest = strain[2:15, 4:10].sum(1).argmax() + 2
    assert abs(eyes - brightest) < 1
    assert registration.explained(mean, strain) > 0.6
