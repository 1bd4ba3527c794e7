"""Made-up faces: one public-domain photograph, its smile closed, warped into many identities.

The photograph is scikit-image's `data.astronaut` (NASA, public domain). `face.csv` holds
what was measured on it, in its pixels: dlib's 68 points (`preprocessing.faces.landmarks`) and, by
hand, the outlines of hair, skin, lips and smile folds.

Positions are x then y. "Photograph pixels" are those of the 512x512 picture, where the face is 90
wide; "frame pixels" those of the clips, larger by the corpus's scale.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.interpolate import RBFInterpolator
from skimage import data

MIRROR = np.array(  # landmark i of a mirrored face is this landmark of the face
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1)]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1)]
    + [64, 63, 62, 61, 60, 67, 66, 65]
)
_OVER = 3  # samples per photograph pixel of the closed face, so that warps lose no detail
_LEFT, _TOP, _RIGHT, _BOTTOM = 100, 0, 355, 232  # the part of the photograph that is used
_SEAM_BEND = (224.5, 146.6, 18.3, 145.3)  # closed mouth: middle x, y; half width; y of the corners


@dataclass(frozen=True)
class Identity:
    """A face at rest. (H, W) is the size of its corpus's frames."""

    texture: np.ndarray  # (H, W, 3) float32 BGR 0..255, without noise
    points: np.ndarray  # (68, 2) float64 landmarks in frame pixels
    head: np.ndarray  # (H, W) float32, 1 on the head, 0 far from it: what sways with it


# --- warps ----------------------------------------------------------------------------------------


def smooth_map(targets, sources, width: int, height: int, step: int = 4) -> np.ndarray:
    """(2, height, width) float32: where in the source each pixel of a warped image comes from.

    A thin-plate spline through `targets` (n, 2) -> `sources` (n, 2), both in their own pixels,
    evaluated every `step` pixels.
    """
    spline = RBFInterpolator(targets, np.asarray(sources) - targets, smoothing=0.02)
    columns, rows = -(-width // step), -(-height // step)
    x = (np.arange(columns) + 0.5) * step - 0.5
    y = (np.arange(rows) + 0.5) * step - 0.5
    coarse = spline(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)).astype(np.float32)
    coarse = coarse.reshape(rows, columns, 2)
    fine = cv2.resize(coarse, (columns * step, rows * step), interpolation=cv2.INTER_CUBIC)
    return fine[:height, :width].transpose(2, 0, 1) + grid(width, height)


def grid(width: int, height: int) -> np.ndarray:
    """(2, height, width) float32: x and y of every pixel."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)


def _smoothstep(value, low: float, high: float):
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


# --- the photograph -------------------------------------------------------------------------------


@cache
def _measured() -> dict[str, np.ndarray]:
    """part -> (n, 2) positions in photograph pixels."""
    table = pd.read_csv(Path(__file__).with_name("face.csv"))
    return {part: rows[["x", "y"]].to_numpy() for part, rows in table.groupby("part", sort=False)}


def _seam(x):
    """Photograph row at which the closed lips meet."""
    middle, row, half, corner = _SEAM_BEND
    u = np.clip((x - middle) / half, -1.3, 1.3)
    # a faint bow under the middle of the upper lip
    return row + (corner - row) * u**2 + 0.5 * np.exp(-((u / 0.22) ** 2)) - 0.2


def _closed_lips() -> dict[str, np.ndarray]:
    """Where each measured curve of the smiling mouth lies once the mouth is closed."""
    middle, _, half, _ = _SEAM_BEND
    curves = {}
    for part, thickness in (("upper_lip_outer", -4.3), ("lower_lip_outer", 6.2)):
        smile = _measured()[part]
        u = (smile[:, 0] - 224.2) / 22.0
        x = middle + half * u
        body = np.sqrt(np.clip(1 - np.abs(u) ** 2.2, 0, 1))
        bow = 0.7 * np.exp(-((u / 0.13) ** 2)) if thickness < 0 else 0
        curves[part] = np.column_stack((x, _seam(x) + thickness * body + bow))
    for part in ("upper_lip_inner", "lower_lip_inner"):
        x = middle + half * (_measured()[part][:, 0] - 224.2) / 22.0
        curves[part] = np.column_stack((x, _seam(x)))
    return curves


@cache
def _closed() -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """The face at rest: image, masks by part, 68 points.

    The image, (h, w, 3) float32 BGR, and the masks, (h, w), cover the used part with _OVER samples
    per pixel; the points are in photograph pixels.
    """
    lips = _closed_lips()
    width, height = (_RIGHT - _LEFT) * _OVER, (_BOTTOM - _TOP) * _OVER
    places = _photograph_pixels(grid(width, height))
    image = _with_closed_lips(places, lips)
    image = _without_folds(image, places)
    points = _points_at_rest(_measured()["landmark"], lips)
    return image.astype(np.float32), _masks(image, places, points), points


def _photograph_pixels(samples: np.ndarray) -> np.ndarray:
    """(2, h, w) positions among the samples of the closed face -> in the photograph."""
    return (samples + 0.5) / _OVER - 0.5 + np.array((_LEFT, _TOP), np.float32)[:, None, None]


def _samples(positions: np.ndarray) -> np.ndarray:
    """(..., 2) the other way."""
    return (positions - (_LEFT, _TOP) + 0.5) * _OVER - 0.5


def _with_closed_lips(places: np.ndarray, lips: dict[str, np.ndarray]) -> np.ndarray:
    """The photograph with its lips closed.

    Two warps, one for what lies above the seam and one for what lies below, so that the teeth are
    folded away between them; then the shadow of the seam.
    """
    photograph = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    parts = _measured()
    still = np.vstack(
        (
            parts["landmark"][:48],
            [(190, 146), (257, 146), (192, 128), (255, 128), (208, 166), (240, 166)],
            [(x, y) for x in (100, 227, 355) for y in (0, 116, 232)],
        )
    )
    # beside the corners both warps must agree
    beside_closed = [(200, 144.5), (249, 144.5), (195.5, 141), (253.5, 141)]
    beside_smile = [(197, 140.5), (251.5, 140), (193.8, 139.5), (255.2, 139.5)]
    layers = []
    for lip in ("upper", "lower"):
        curves = [f"{lip}_lip_outer", f"{lip}_lip_inner"]
        closed = np.vstack((still, beside_closed, *(lips[curve] for curve in curves)))
        smile = np.vstack((still, beside_smile, *(parts[curve] for curve in curves)))
        height, width = places.shape[1:]
        source = smooth_map(_samples(closed), _samples(smile), width, height, step=6)
        x, y = _photograph_pixels(source)
        layers.append(cv2.remap(photograph, x, y, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE))
    middle, _, half, _ = _SEAM_BEND
    across, below = np.abs(places[0] - middle) / half, places[1] - _seam(places[0])
    outside = np.clip(across - 1, 0, None)
    soft = 0.3 + 9 * outside  # photograph pixels: the farther from the mouth the softer
    lower = 1 / (1 + np.exp(-np.clip(below / soft, -30, 30)))
    image = layers[0] + lower[..., None] * (layers[1].astype(np.float32) - layers[0])
    seam = _smoothstep(1.02 - outside * 8 - np.clip(across, 0, 1), 0, 0.12)
    shadow = np.exp(-((below / 0.75) ** 2)) * seam
    return image * (1 - 0.42 * shadow[..., None] * np.array((0.9, 1.0, 0.75), np.float32))


def _points_at_rest(points: np.ndarray, lips: dict[str, np.ndarray]) -> np.ndarray:
    """The 68 points with those of the mouth on the closed lips."""
    middle, _, half, corner = _SEAM_BEND
    points = points.copy()

    def along(curve: np.ndarray, us) -> np.ndarray:
        x = middle + half * np.asarray(us)
        return np.column_stack((x, np.interp(x, curve[:, 0], curve[:, 1])))

    points[[48, 54], 0] = middle - 1.05 * half, middle + 1.05 * half
    points[[48, 54], 1] = corner - 0.6
    points[49:54] = along(lips["upper_lip_outer"], (-0.66, -0.28, 0, 0.28, 0.66))
    points[55:60] = along(lips["lower_lip_outer"], (0.62, 0.3, 0, -0.3, -0.62))
    for span, us in ((slice(60, 65), (-0.88, -0.3, 0, 0.3, 0.88)), (slice(65, 68), (0.3, 0, -0.3))):
        points[span] = along(lips["upper_lip_inner"], us)
    return points


def _without_folds(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Smooths the folds between nose and corners of the mouth; the skin's grain stays."""
    mask = np.zeros(image.shape[:2], np.float32)
    for fold in ("fold_right", "fold_left"):
        line = _drawn(_measured()[fold] + (0, 1.0))
        cv2.polylines(mask, [line], False, 1.0, round(7 * _OVER))
    mask = 0.85 * np.clip(1.4 * cv2.GaussianBlur(mask, (0, 0), 2.0 * _OVER), 0, 1)
    off_lips = np.clip(np.abs(places[1] - _seam(places[0])) / 5 - 0.4, 0, 1)
    beside = np.abs(places[0] - _SEAM_BEND[0]) >= _SEAM_BEND[2]
    mask *= np.where(beside, 1, off_lips)
    grain = image - cv2.GaussianBlur(image, (0, 0), 1.0 * _OVER)
    flat = cv2.GaussianBlur(image, (0, 0), 6.0 * _OVER) + grain
    return image + mask[..., None] * (flat - image)


def _drawn(outline: np.ndarray) -> np.ndarray:
    """Photograph positions as OpenCV draws them on the closed face."""
    return np.rint(_samples(outline)).astype(np.int32)


def _filled(outlines, size: tuple[int, int], soft: float) -> np.ndarray:
    mask = np.zeros(size, np.float32)
    cv2.fillPoly(mask, [_drawn(np.asarray(outline)) for outline in outlines], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), soft * _OVER)


def _masks(image, places, points) -> dict[str, np.ndarray]:
    parts, size = _measured(), image.shape[:2]
    lab = cv2.cvtColor(np.clip(image / 255, 0, 1).astype(np.float32), cv2.COLOR_BGR2LAB)
    head = _filled([parts["head"]], size, 2.5)
    skin = _filled([parts["skin"]], size, 0.8)
    eyes = _filled([points[36:42], points[42:48]], size, 0.5)
    brows = np.zeros(size, np.float32)
    for brow in (slice(17, 22), slice(22, 27)):
        cv2.polylines(brows, [_drawn(points[brow])], False, 1.0, 3 * _OVER)
    brows = cv2.GaussianBlur(brows, (0, 0), 1.0 * _OVER)
    # behind the head the picture is grey and light, hair is neither
    coloured = np.maximum(_smoothstep(lab[..., 2], 5, 11), _smoothstep(-lab[..., 0], -62, -48))
    coloured = cv2.GaussianBlur(coloured, (0, 0), 0.7 * _OVER)
    hair = np.clip(head * (1 - skin), 0, 1) * np.clip(coloured, 0, 1)
    below = _smoothstep(places[1], 145, 152) * (1 - skin)
    light = _smoothstep(lab[..., 0], 58, 66) * (np.abs(lab[..., 1]) < 12) * (skin < 0.02)
    cloth = below * (1 - cv2.GaussianBlur(light.astype(np.float32), (0, 0), 1.0 * _OVER))
    return {
        "skin": skin * (1 - eyes),
        "eyes": eyes,
        "brows": brows,
        "hair": hair,
        "cloth": cloth,
        "behind": np.clip(1 - skin - hair - cloth, 0, 1),
    }


# --- identities -----------------------------------------------------------------------------------


def identity(random: np.random.Generator, size: tuple[int, int], scale: float) -> Identity:
    """One person who does not exist. `size`: width, height; `scale`: frame per photograph pixel."""
    image, masks, rest = _closed()
    width, height = size
    shape = _shape(random, rest)
    centre = np.array((226.0, 99.0))  # photograph pixels: middle of head and hair
    anchors = _measured()["head"][2:23:2]
    volume = centre + (anchors - centre) * random.uniform((0.95, 0.93), (1.07, 1.06))
    edge = [(x, y) for x in (60, 140, 226, 312, 390) for y in (-40, 232)] + [(60, 99), (390, 99)]
    source = smooth_map(
        (np.vstack((shape, volume, edge)) - centre) * scale + (width / 2, height / 2),
        np.vstack((rest, anchors, edge)),
        width,
        height,
    )
    over = (source - np.array((_LEFT, _TOP), np.float32)[:, None, None] + 0.5) * _OVER - 0.5
    mirrored = random.random() < 0.5

    def seen(layer: np.ndarray) -> np.ndarray:
        layer = cv2.remap(layer, *over, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        return layer[:, ::-1] if mirrored else layer

    # two samples are a frame pixel: smooth before, or the warp would alias
    texture = seen(cv2.GaussianBlur(image, (0, 0), 0.45 * _OVER / scale))
    masks = {name: seen(mask) for name, mask in masks.items()}
    points = (shape - centre) * scale + (width / 2, height / 2)
    if mirrored:
        points = points[MIRROR]
        points[:, 0] = width - 1 - points[:, 0]
    texture = _toned(random, texture, masks)
    texture = _marked(random, texture, masks["skin"], scale)
    texture = _lit(random, texture)
    texture = np.clip(texture, 0, 255).astype(np.float32)
    return Identity(texture, points, _head(points, size))


def _shape(random: np.random.Generator, rest: np.ndarray) -> np.ndarray:
    """(68, 2) landmarks of a new face, in photograph pixels."""
    shape = rest.copy()
    middle = rest[27:31, 0].mean()
    jaw, eyes = slice(0, 17), ((36, 42), (42, 48))
    shape[jaw, 0] = middle + (shape[jaw, 0] - middle) * random.uniform(0.92, 1.09)
    heavy = np.interp(np.abs(np.arange(17) - 8), (1, 4, 8), (1.0, 1.0, 0.0))[:, None]
    shape[jaw] += heavy * (shape[jaw] - (middle, 120)) * (random.uniform(-0.10, 0.10), 0)
    chin = np.interp(np.abs(np.arange(17) - 8), (0, 3, 6), (1.0, 0.75, 0.0))
    shape[jaw, 1] += chin * random.uniform(-6, 6)
    apart, raised = random.uniform(-2.0, 2.0), random.uniform(-2.0, 2.0)
    for (first, last), side in zip(eyes, (-1, 1), strict=True):
        eye = slice(first, last)
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
    mouth = slice(48, 68)
    centre = shape[mouth].mean(axis=0)
    inner = shape[[60, 61, 62, 63, 64]]
    seam = np.interp(shape[mouth, 0], inner[:, 0], inner[:, 1])
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
    height, width = skin.shape
    pores = cv2.GaussianBlur(random.normal(0, 1, skin.shape).astype(np.float32), (0, 0), 0.9)
    blotches = cv2.GaussianBlur(random.normal(0, 1, skin.shape).astype(np.float32), (0, 0), 5.0)
    change = 0.020 * pores / pores.std() + random.uniform(0.005, 0.025) * blotches / blotches.std()
    x, y = grid(width, height)
    candidates = np.argwhere(skin > 0.95)
    for row, column in candidates[random.integers(len(candidates), size=random.integers(2, 12))]:
        spot = random.uniform(0.7, 1.5) * scale / 1.6
        change -= random.uniform(0.08, 0.35) * np.exp(
            -((x - column) ** 2 + (y - row) ** 2) / (2 * spot**2)
        )
    return texture * (1 + skin * change)[..., None]


def _lit(random, texture: np.ndarray) -> np.ndarray:
    """A lamp from one side, brighter or dimmer."""
    height, width = texture.shape[:2]
    x, y = grid(width, height) / np.array((width, height), np.float32)[:, None, None] - 0.5
    angle = random.uniform(0, 2 * np.pi)
    lamp = random.uniform(0, 0.45) * (np.cos(angle) * x + 0.5 * np.sin(angle) * y)
    gamma = random.uniform(0.85, 1.2)
    light = random.uniform(0.85, 1.08) * (1 + lamp)
    return 255 * (np.clip(texture / 255, 0, 1) ** gamma) * light[..., None]


def _head(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) float32: 1 on face and hair, falling to 0 towards shoulders and wall."""
    x, y = grid(*size)
    left, right = points[0], points[16]
    middle, half = (left + right) / 2, (right - left)[0] / 2
    chin = points[8, 1] - middle[1]
    across = (x - middle[0]) / half
    down = (y - middle[1]) / chin
    radius = np.hypot(across / 1.1, np.where(down > 0, down / 1.05, down / 1.25))
    return (1 - _smoothstep(radius, 1.03, 1.75)).astype(np.float32)
