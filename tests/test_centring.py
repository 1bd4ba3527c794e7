"""Centred flow: what it is blind to, what it keeps, and that a clip's companions do not matter."""

import numpy as np
import pytest

from mer_utils import systems
from mer_utils.preprocessing import centring

Y, X = np.mgrid[:28, :28].astype(float)


def clips(count=4, seed=0) -> np.ndarray:
    """(count, 3, 28, 28): a patch that moves on a face at rest, noise, strain from 0 up."""
    random = np.random.default_rng(seed)
    flow = random.normal(0, 0.1, (count, 3, 28, 28))
    flow[:, :2, 10:16, 12:18] += random.normal(0, 2, (count, 2, 1, 1))
    flow[:, 2] = np.abs(flow[:, 2])
    return flow


def stretched(flow: np.ndarray) -> np.ndarray:
    """Each channel of each clip to 0..255, as the published images are; strain from 0."""
    low = flow.min(axis=(-2, -1), keepdims=True)
    low[..., 2, :, :] = 0
    return (flow - low) / (flow.max(axis=(-2, -1), keepdims=True) - low) * 255


def test_by_hand():
    flow = clips()
    u = flow[0, 0] - np.median(flow[0, 0])
    found = centring.centred(flow)
    assert found.shape == (4, 3, 28, 28) and found.dtype == np.float32
    np.testing.assert_allclose(found[0, 0], (u / u.std()).clip(-4, 4), atol=1e-6)
    root = np.sqrt(flow[0, 2])
    np.testing.assert_allclose(found[0, 2], root / root.mean(), atol=1e-6)


def test_stretching_and_units_do_not_matter():
    """What the published images have lost is not needed."""
    flow = clips()
    np.testing.assert_allclose(centring.centred(stretched(flow)), centring.centred(flow), atol=1e-5)


@pytest.mark.parametrize("function", [centring.centred, centring.without_affine])
def test_a_clip_is_the_same_alone(function):
    flow = centring.centred(clips())
    together = function(flow)
    for i in range(len(flow)):
        np.testing.assert_allclose(function(flow[i]), together[i], atol=1e-6)
    np.testing.assert_allclose(
        function(flow.reshape(2, 2, 3, 28, 28)).reshape(flow.shape), together
    )


@pytest.mark.parametrize("function", [centring.centred, centring.without_affine])
def test_a_mirrored_clip_is_the_mirrored_result(function):
    flow = centring.centred(clips())
    sign = np.array([-1, 1, 1])[:, None, None]
    np.testing.assert_allclose(
        function(flow[..., ::-1] * sign), function(flow)[..., ::-1] * sign, atol=1e-4
    )


def test_affine_motion_of_the_head_is_taken_off_and_a_moving_mouth_stays():
    still = np.zeros((3, 28, 28))
    still[:2, 18:24, 10:18] = 3
    still += np.random.default_rng(0).normal(0, 0.02, still.shape)
    still[2] = np.abs(still[2])
    swayed = still.copy()
    swayed[0] += 0.5 + 0.06 * X - 0.04 * Y
    swayed[1] += -0.3 + 0.03 * Y + 0.05 * X
    wanted, plain, found = (
        still[:2] / still[:2].std(axis=(1, 2), keepdims=True),
        centring.centred(swayed)[:2],
        centring.without_affine(centring.centred(swayed))[:2],
    )
    wanted = wanted - np.median(wanted, axis=(1, 2), keepdims=True)
    assert np.abs(plain - wanted).mean() > 0.5
    assert np.abs(found - wanted).mean() < 0.1


def test_a_clip_without_motion_is_zero():
    assert not centring.centred(np.zeros((3, 28, 28))).any()
    assert not centring.without_affine(np.zeros((1, 3, 28, 28), np.float32)).any()


@pytest.mark.parametrize("name", ["svm", "hoof", "ststnet", "off_apexnet", "rcn"])
def test_every_system_that_reads_flow_can_be_given_centred_flow(name):
    module, config = systems.resolve(name, {"flow": "flow_centred"})
    assert systems.views_needed(module, config) == ("flow_centred",)
    flow = centring.centred(clips())
    found = next(iter(module.features({"flow_centred": flow}, np.zeros(4), config).values()))
    if name in ("ststnet", "rcn"):
        np.testing.assert_array_equal(found, flow)  # it has no unit to be divided by
    assert len(found) == 4 and np.isfinite(found).all()
