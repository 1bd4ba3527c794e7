"""Synthetic faces: one public-domain photograph, its smile closed, warped into many identities.

The photograph is scikit-image's `data.astronaut` (NASA, public domain). `face.npz` is what was made
of it once: the face at rest, with three samples per photograph pixel, and masks of its parts, the
softened outlines of hair, skin, lips and smile folds, drawn by hand. Two thin-plate splines, one
for each lip, closed the mouth over the teeth; the smile folds were blurred, keeping the grain.

Positions are x then y. "Photograph pixels" are those of the 512x512 picture, where the face is 90
wide; "frame pixels" those of the clips, larger by the corpus's scale.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from ..preprocessing.mirror import LANDMARKS

SAMPLES = 3  # per photograph pixel of the face at rest, so that warps lose no detail
PARTS = ("skin", "eyes", "brows", "hair", "cloth", "behind")
CORNER = (100, 0)  # photograph pixel at the upper left of the face at rest
STEP = 4  # pixels between which a warp is interpolated


@dataclass(frozen=True)
class Identity:
    """A face at rest. (H, W) is the size of its corpus's frames."""

    texture: np.ndarray  # (H, W, 3) float32 BGR 0..255, without noise
    points: np.ndarray  # (68, 2) float64 landmarks in frame pixels
    head: np.ndarray  # (H, W) float32, 1 on the head, 0 far from it: what sways with it


def _smooth_map(targets, sources, width: int, height: int) -> np.ndarray:
    """(2, H, W) source of each pixel, by a thin-plate spline through (n, 2) targets -> sources."""
    spline = RBFInterpolator(targets, sources - targets, smoothing=0.02)
    columns, rows = -(-width // STEP), -(-height // STEP)
    x, y = ((np.arange(count) + 0.5) * STEP - 0.5 for count in (columns, rows))
    coarse = spline(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)).astype(np.float32)
    coarse = coarse.reshape(rows, columns, 2)
    fine = cv2.resize(coarse, (columns * STEP, rows * STEP), interpolation=cv2.INTER_CUBIC)
    return fine[:height, :width].transpose(2, 0, 1) + grid(width, height)


def grid(width: int, height: int) -> np.ndarray:
    """(2, height, width) float32: x and y of every pixel."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)


@cache
def _rest() -> dict[str, np.ndarray]:
    """`face.npz`: image (696, 765, 3) float32 BGR, a mask (696, 765) of 0..1 for each of PARTS,
    points (68, 2) landmarks and head (11, 2) points around it, in photograph pixels."""
    with np.load(Path(__file__).with_name("face.npz"), allow_pickle=False) as stored:
        rest = dict(stored)
    rest["image"] = np.ascontiguousarray(rest["image"].transpose(1, 2, 0))
    rest["behind"] = np.clip(1 - rest["skin"] - rest["hair"] - rest["cloth"], 0, 1)
    rest["skin"] = rest["skin"] * (1 - rest["eyes"])
    return rest


def identity(random: np.random.Generator, size: tuple[int, int], scale: float) -> Identity:
    """A person who does not exist. `size`: width, height; `scale`: frame per photograph pixel."""
    rest = _rest()
    shape = _shape(random, rest["points"])
    centre = np.array((226.0, 99.0))  # photograph pixels: middle of head and hair
    outline = centre + (rest["head"] - centre) * random.uniform((0.95, 0.93), (1.07, 1.06))
    edge = [(x, y) for x in (60, 140, 226, 312, 390) for y in (-40, 232)] + [(60, 99), (390, 99)]
    there = (np.vstack((shape, outline, edge)) - centre) * scale + np.array(size) / 2
    source = _smooth_map(there, np.vstack((rest["points"], rest["head"], edge)), *size)
    places = (source - np.array(CORNER, np.float32)[:, None, None] + 0.5) * SAMPLES - 0.5
    mirrored = random.random() < 0.5

    def warped(layer: np.ndarray) -> np.ndarray:
        layer = cv2.remap(layer, *places, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        return layer[:, ::-1] if mirrored else layer

    # two samples are a frame pixel: smooth before, or the warp would alias
    texture = warped(cv2.GaussianBlur(rest["image"], (0, 0), 0.45 * SAMPLES / scale))
    masks = {part: warped(rest[part]) for part in PARTS}
    points = there[:68]
    if mirrored:
        points = points[LANDMARKS]
        points[:, 0] = size[0] - 1 - points[:, 0]
    texture = _marked(random, _toned(random, texture, masks), masks["skin"], scale)
    texture = np.clip(_lit(random, texture), 0, 255).astype(np.float32)
    return Identity(texture, points, _head(points, size))


def _shape(random: np.random.Generator, rest: np.ndarray) -> np.ndarray:
    """(68, 2) landmarks of a new face, in photograph pixels."""
    shape = rest.copy()
    middle = rest[27:31, 0].mean()
    jaw, eyes, mouth = slice(0, 17), (slice(36, 42), slice(42, 48)), slice(48, 68)
    shape[jaw, 0] = middle + (shape[jaw, 0] - middle) * random.uniform(0.92, 1.09)
    heavy = np.interp(np.abs(np.arange(17) - 8), (1, 4, 8), (1.0, 1.0, 0.0))[:, None]
    shape[jaw] += heavy * (shape[jaw] - (middle, 120)) * (random.uniform(-0.10, 0.10), 0)
    chin = np.interp(np.abs(np.arange(17) - 8), (0, 3, 6), (1.0, 0.75, 0.0))
    shape[jaw, 1] += chin * random.uniform(-6, 6)
    apart, raised = random.uniform(-2.0, 2.0), random.uniform(-2.0, 2.0)
    for eye, side in zip(eyes, (-1, 1), strict=True):
        centre = shape[eye].mean(axis=0)
        shape[eye] = centre + (shape[eye] - centre) * random.uniform((0.92, 0.88), (1.10, 1.22))
        tilt = np.deg2rad(random.normal(0, 1.0))
        shape[eye, 1] += side * tilt * (shape[eye, 0] - centre[0])
        shape[eye] += (side * apart, raised)
    lift, slant, arch = random.uniform(-3.2, 2.2), random.normal(0, 1.0), random.uniform(-1.3, 1.3)
    for first, order in ((17, 1), (22, -1)):
        along = np.linspace(-1, 1, 5)[::order]  # from the temple to the nose
        shape[first : first + 5, 1] += raised + lift + slant * along - arch * (1 - along**2)
        shape[first : first + 5, 0] += (-1 if order == 1 else 1) * apart
    shape[31:36, 0] = middle + (shape[31:36, 0] - middle) * random.uniform(0.85, 1.22)
    length = random.uniform(-3.0, 3.0)
    shape[28:36, 1] += length * np.array((0.3, 0.65, 1.0, 1, 1, 1, 1, 1))
    centre = shape[mouth].mean(axis=0)
    seam = np.interp(shape[mouth, 0], *shape[60:65].T)
    shape[mouth, 1] = seam + (shape[mouth, 1] - seam) * random.uniform(0.8, 1.4)
    shape[mouth, 0] = centre[0] + (shape[mouth, 0] - centre[0]) * random.uniform(0.9, 1.14)
    bend = random.uniform(-1.2, 1.0)
    shape[mouth, 1] += bend * ((shape[mouth, 0] - centre[0]) / 18) ** 2 - bend / 3
    shape[mouth, 1] += 0.6 * length + random.uniform(-1.6, 2.0)
    turn = random.normal(0, 0.6)  # no face is its own mirror image
    return shape + np.column_stack((turn * np.exp(-(((rest[:, 1] - 150) / 25) ** 2)), np.zeros(68)))


# Shifts of a colour in CIELAB: lightness as a factor and a sum, colourfulness as a factor, then
# towards red and towards yellow.
_SKINS = (
    (1, 2, 1.0, 0, 0), (1, 6, 0.85, 1, -1), (1, -3, 1.05, 1, 2), (0.93, 0, 1.05, 0, 3),
    (0.84, 0, 1.1, 1, 3), (0.74, 0, 1.1, 2, 2), (0.66, 0, 1.0, 3, 1),
)  # fmt: skip
_HAIRS = (  # darkest first
    (0.42, -5, 0.25, 0, -1), (0.55, -4, 0.5, 0, 0), (0.8, -3, 0.8, 3, 0), (1.15, 6, 0.15, 0, 0),
    (0.75, 0, 1.1, 8, 2), (1, 0, 1, 0, 0), (1.15, 8, 0.9, 0, 2),
)  # fmt: skip


def _toned(random, texture: np.ndarray, masks: dict[str, np.ndarray]) -> np.ndarray:
    """Other colours for skin, hair, cloth and wall."""
    lab = cv2.cvtColor(np.clip(texture / 255, 0, 1).astype(np.float32), cv2.COLOR_BGR2LAB)
    tone = random.integers(len(_SKINS))
    skin = np.array(_SKINS[tone]) + random.normal(0, (0, 1.5, 0, 1, 1))
    hairs = _HAIRS[: 4 if tone > 3 else len(_HAIRS)]
    shades = {
        "skin": skin,
        "eyes": 0.4 * skin + (0.6, 0, 0.6, 0, 0),
        "hair": np.array(hairs[random.integers(len(hairs))]) + random.normal(0, (0, 1, 0, 1, 1)),
        "cloth": (random.uniform(0.4, 1), 0, random.uniform(0, 1), 0, 0),
        "behind": (0.9, random.uniform(-25, 8), 0.3, *random.normal(0, 3, 2)),
        "brows": (1, random.uniform(-14, -4), 1, 0, 0),
    }
    for name, (gain, lighter, colourful, red, yellow) in shades.items():
        factor = np.array((gain, colourful, colourful), np.float32)
        lab += masks[name][..., None] * (lab * (factor - 1) + np.float32((lighter, red, yellow)))
    lab[..., 0] = np.clip(lab[..., 0], 0, 100)
    return cv2.cvtColor(lab, cv2.COLOR_LAB2BGR) * 255


def _marked(random, texture: np.ndarray, skin: np.ndarray, scale: float) -> np.ndarray:
    """Pores, blotches and a few moles, which move with the skin."""
    pores = cv2.GaussianBlur(random.normal(0, 1, skin.shape).astype(np.float32), (0, 0), 0.9)
    blotches = cv2.GaussianBlur(random.normal(0, 1, skin.shape).astype(np.float32), (0, 0), 5.0)
    change = 0.020 * pores / pores.std() + random.uniform(0.005, 0.025) * blotches / blotches.std()
    x, y = grid(*skin.shape[::-1])
    candidates = np.argwhere(skin > 0.95)
    for row, column in candidates[random.integers(len(candidates), size=random.integers(2, 12))]:
        spot = random.uniform(0.7, 1.5) * scale / 1.6
        near = np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * spot**2))
        change -= random.uniform(0.08, 0.35) * near
    return texture * (1 + skin * change)[..., None]


def _lit(random, texture: np.ndarray) -> np.ndarray:
    """A lamp from one side, brighter or dimmer."""
    size = texture.shape[1::-1]
    x, y = grid(*size) / np.array(size, np.float32)[:, None, None] - 0.5
    angle = random.uniform(0, 2 * np.pi)
    lamp = random.uniform(0, 0.45) * (np.cos(angle) * x + 0.5 * np.sin(angle) * y)
    darker = np.clip(texture / 255, 0, 1) ** random.uniform(0.85, 1.2)
    return 255 * darker * (random.uniform(0.85, 1.08) * (1 + lamp))[..., None]


def _head(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) float32: 1 on face and hair, falling to 0 towards shoulders and wall."""
    x, y = grid(*size)
    left, right = points[0], points[16]
    middle, half = (left + right) / 2, (right - left)[0] / 2
    across, down = (x - middle[0]) / half, (y - middle[1]) / (points[8, 1] - middle[1])
    radius = np.hypot(across / 1.1, np.where(down > 0, down / 1.05, down / 1.25))
    t = np.clip((radius - 1.03) / (1.75 - 1.03), 0, 1)
    return (1 - t * t * (3 - 2 * t)).astype(np.float32)
