"""Temperatures, calibration and abstaining, on made rows whose right values are known."""

import numpy as np
import pytest

from mer_utils.evaluation import calibration


def drawn(count, temperature, seed=0):
    """Probabilities of a system that is right as often as they say, at 1 / `temperature`."""
    generator = np.random.default_rng(seed)
    true = generator.dirichlet(np.ones(3), count)
    labels = (true.cumsum(1) < generator.random((count, 1))).sum(1)
    return calibration.apply(true, 1 / temperature), labels


def test_a_temperature_is_a_power():
    halved = calibration.apply(np.array([[0.16, 0.36, 0.48], [0.0, 0.5, 0.5]]), 2)
    assert halved[0] == pytest.approx(np.sqrt([0.16, 0.36, 0.48]) / (1 + 0.48**0.5), abs=1e-9)
    assert halved.sum(1) == pytest.approx(1)
    assert 0 < halved[1, 0] < 0.02


def test_at_one_nothing_changes_and_the_class_never_does():
    probabilities, _ = drawn(50, 1)
    assert calibration.apply(probabilities, 1) == pytest.approx(probabilities, abs=1e-4)
    for temperature in (0.1, 3, 30):
        changed = calibration.apply(probabilities.astype(np.float32), temperature)
        assert (changed.argmax(1) == probabilities.argmax(1)).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_a_system_too_sure_of_itself_is_found(temperature):
    assert calibration.fit(*drawn(20_000, temperature)) == pytest.approx(temperature, rel=0.05)


def test_a_system_that_is_always_right_gets_a_finite_temperature():
    labels = np.array([0, 1, 2])
    assert 0 < calibration.fit(np.eye(3), labels) < 100
    assert 1 < calibration.fit(np.eye(3), np.roll(labels, 1)) <= 100
