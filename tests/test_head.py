"""Frames without the head: a moving head and a changing light go, an expression stays."""

import cv2
import numpy as np
import pytest

from mer_utils.preprocessing import faces, head
from mer_utils.synthetic import faces as made
from mer_utils.synthetic import motion

WIDTH, HEIGHT = 340, 300
EXPRESSIONS = {
    "brow lowering": (4,),
    "brow raise": (1, 2),
    "upper lid": (5,),
    "lids": (7,),
    "nose": (9,),
    "upper lip": (10,),
    "smile": (12,),
    "smile with cheeks": (6, 12),
    "dimple": (14,),
    "lip corners down": (15,),
    "chin": (17,),
    "lip stretch": (20,),
    "lips part": (25,),
    "jaw": (26,),
    "surprise": (1, 2, 5, 25),
}


@pytest.fixture(scope="module")
def person() -> made.Identity:
    return made.identity(np.random.default_rng(0), (WIDTH, HEIGHT), 1.6)


def displaced(person: made.Identity, field: np.ndarray) -> np.ndarray:
    """(128, 128) float32 aligned grey frame of a face whose skin moved by `field`."""
    places = source = made.grid(WIDTH, HEIGHT)
    for _ in range(4):
        there = [cv2.remap(part, *source, cv2.INTER_LINEAR) for part in field.astype(np.float32)]
        source = places - np.stack(there)
    grey = person.texture if person.texture.ndim == 2 else person.texture.mean(-1)
    frame = cv2.remap(grey, *source, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE)
    return faces.warp(frame, faces.alignment(person.points), 128)


def expression(person: made.Identity, units: tuple[int, ...], pixels: float) -> np.ndarray:
    strengths = {(unit, side): 1.0 for unit in units for side in "RL"}
    return pixels * motion.units_field(strengths, person.points, (WIDTH, HEIGHT))


def swaying() -> np.ndarray:
    """(2, H, W) a shift of 0.7 pixels, a turn and a change of size."""
    x, y = made.grid(WIDTH, HEIGHT) - np.array([[[WIDTH / 2]], [[HEIGHT / 2]]])
    return np.stack([0.6 + 0.003 * x - 0.002 * y, -0.4 + 0.002 * x + 0.003 * y])


def share(left: np.ndarray, change: np.ndarray) -> float:
    """How much of a change of grey values is left."""
    return float((left * change).sum() / (change**2).sum())


@pytest.mark.parametrize("pixels", [0.5, 1.5])
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_on_a_still_head_stays(person, name, pixels):
    still = displaced(person, np.zeros((2, HEIGHT, WIDTH)))
    moved = displaced(person, expression(person, EXPRESSIONS[name], pixels))
    left = head.without_head(np.stack([still, moved]))[1]
    assert 0.9 < share(left, moved - still) < 1.05


@pytest.mark.parametrize("name", ["brow lowering", "smile", "chin"])
def test_the_same_expression_is_left_when_the_head_moves_and_the_light_changes(person, name):
    still = displaced(person, np.zeros((2, HEIGHT, WIDTH)))
    field = expression(person, EXPRESSIONS[name], 1.5)
    change = displaced(person, field) - still
    apex = 1.03 * displaced(person, field + swaying()) + 2
    left = head.without_head(np.stack([still, apex]))[1]
    assert 0.75 < share(left, change) < 1.15
    face = head._oval(128, 128)
    before, after = (np.square(part - change)[face].mean() for part in (apex - still, left))
    assert after < 0.05 * before
