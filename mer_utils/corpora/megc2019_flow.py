"""MEGC2019 as ready-made flow images: 28x28 PNG, RGB = u, v, optical strain (STSTNet, HTNet).

Two layouts: a flat folder of `<subject>_<clip> .png` (with that blank) next to a clip list, or
`<subject>/u_train|u_test/<label>/`, where 68 folders repeat every image. Optional next to them:
`action_units.csv`, `landmarks.csv` (pixels of a 224x224 face), or a folder `combined_datasets*` of
face images, in which landmarks are detected. Two pipelines have published images of the same clips:
where the folder of the other one is next to a corpus's own, its flow is one more view.
"""

import os
import re
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import StudyError
from . import frames, ids, official
from .frames import IMAGES, entries, folders, header_size
from .reader import Copy
from .sheets import text_table
from .table import CLASSES, KEY, Corpus

SIZE = 28  # pixels a side
DEEPER = 2  # folders that a copy may be deeper than data/README.md shows
CROP = 224  # pixels a side of the faces that landmarks.csv counts in
FLAT_NAMES = ("stsnet_whole_norm_u_v_os", "ststnet_whole_norm_u_v_os")
SPLITS = ("u_train", "u_test")
FACES = "combined_datasets*"  # pattern of the folder of face images
SECOND = {  # corpus -> the one of the same clips by another pipeline
    "megc2019_flow": "megc2019_flow_causal",
    "megc2019_flow_causal": "megc2019_flow",
}
Key = tuple[str, str, str]
Claim = tuple[Key, str, Path]  # clip, label, where it says so


def read_image(path: Path | str) -> np.ndarray:
    """(28, 28, 3) uint8 in the order u, v, strain. Raises StudyError for any other content."""
    import cv2  # not at the top: a machine that only trains reads tables and has no OpenCV

    path = Path(path)
    content = frames.read(path)
    # The end mark first: a decoder may fill a cut image up and only print a warning.
    complete = content.startswith(b"\x89PNG\r\n\x1a\n") and b"IEND" in content[-12:]
    width, height = header_size(content)
    if complete and (width, height) != (SIZE, SIZE):  # not decoded: it may be huge
        raise StudyError(f"{path.name} is {width}x{height} pixels: expected {SIZE}x{SIZE}")
    pixels = np.frombuffer(content, np.uint8)
    image = cv2.imdecode(pixels, cv2.IMREAD_UNCHANGED) if complete else None
    if image is None:
        raise StudyError(f"{path.name} is not a complete PNG image: copy it again")
    kind = f"{image.size // SIZE**2} channel(s) of {image.dtype}"
    if kind != "3 channel(s) of uint8":
        raise StudyError(f"{path.name} has {kind}: expected 3 of uint8")
    return image[:, :, ::-1]


def read(copy: Copy) -> None:
    path = copy.path
    folder, split = _image_folder(path)
    places = _places(path, folder)
    complete = official.find(places)
    files = complete or official.find(places, official.PART_NAMES)
    tables = [(file, official.read(file).to_numpy()) for file in files]
    listed = [(tuple(key), label, file) for file, rows in tables for *key, label in rows]
    images, in_folders = _clips(folder, split, copy)
    if not images:
        raise StudyError(f"{folder} holds no PNG named <subject>_<clip>: is it the flow folder?")
    _check_claims(listed + in_folders)
    # Of several complete lists the first says which clips there are.
    claims = [claim for claim in listed if claim[2] in (complete[:1] or files)] or in_folders
    labels = {key: label for key, label, _ in claims}
    if not labels:
        remedy = "put combined_3_class2_for_optical_flow.csv next to it"
        raise StudyError(f"{folder} has no clip list: {remedy}")
    units = _beside(path, folder, "action_units.csv")
    action_units = _keyed_csv(units, ["action_units"])["action_units"].to_dict() if units else {}
    for key, label in labels.items():
        try:
            if key not in images:
                raise StudyError(f"no image '{key[1]}_{key[2]} .png' in {folder.name}")
            read_image(images[key])
        except StudyError as error:
            copy.exclusions.append((*key, str(error)))
        else:
            facts = (*key, label, str(images[key]), action_units.get(key, ""))
            names = (*KEY, "label", "frames", "action_units")
            copy.clips.append(dict(zip(names, facts, strict=True)))
    for key in images.keys() - labels.keys():
        copy.exclusions.append((*key, f"image '{images[key].name}' is in no clip list"))
    landmarks = _beside(path, folder, "landmarks.csv") or _beside(path, folder, f"{FACES}/")
    second = (path.parent / SECOND[copy.corpus]).is_dir()
    offered = {"flow_centred_2": second, "landmarks": landmarks}
    copy.views = ("flow_legacy", "flow_centred", *(n for n, here in offered.items() if here))
    copy.sources = [f"flow images {folder}", *(f"clip list {file}" for file in files)]
    copy.sources += [f"second flow images {SECOND[copy.corpus]}"] if second else []


def _beside(path: Path, folder: Path, name: str) -> Path | None:
    """The first of that name in the copy's folder, with its images or next to them."""
    files = (file for place in _places(path, folder) for file in sorted(place.glob(name)))
    return next(files, None)


def _images(folder: Path) -> list[Path]:
    return [Path(e.path) for e in entries(folder) if e.name.lower().endswith(".png")]


def _is_split(folder: Path) -> bool:
    return any(os.path.isdir(child / name) for child in folders(folder) for name in SPLITS)


def _is_flat(folder: Path) -> bool:
    """Whether an image in it is named as a clip: a repository has pictures of other things too."""
    for path in _images(folder):
        with suppress(ValueError):
            return bool(ids.from_stem(path.stem))
    return False


def _image_folder(path: Path) -> tuple[Path, bool]:
    """The nearest folder of images; whether it is split by subject. Raises StudyError."""
    level = [path]
    for _ in range(1 + DEEPER + 1):
        flat = [folder for folder in level if _is_flat(folder)]
        named = [folder for folder in flat if folder.name.lower() in FLAT_NAMES]
        split = [folder for folder in level if _is_split(folder)]
        for candidates in (named, flat, split):
            if len(candidates) > 1:
                names = " and ".join(folder.name for folder in candidates)
                raise StudyError(f"{path} has more than one folder of images, {names}: name one")
            # A flat folder needs a list; without one the split folder still gives the labels.
            if candidates and (
                candidates is split or not split or official.find(_places(path, *candidates))
            ):
                return candidates[0], candidates is split
        below = [child for folder in level for child in folders(folder)]
        level = [child for child in below if not fnmatch(child.name.lower(), FACES)]
    raise StudyError(
        f"{path} holds no PNG named <subject>_<clip>: put the folder STSNet_whole_norm_u_v_os and "
        f"its csv there, as data/README.md shows"
    )


def _places(path: Path, folder: Path) -> list[Path]:
    """Where a list or landmarks may be: in the copy's folder, down to its images, next to them."""
    between = [place for place in reversed(folder.parents) if place.is_relative_to(path)]
    return [*between, folder] if between else [folder, folder.parent]


def _check_claims(claims: list[Claim]) -> None:
    """Raises StudyError where two claims contradict each other."""
    first: dict[Key, tuple[str, Path]] = {}
    for key, label, place in claims:
        other, where = first.setdefault(key, (label, place))
        if label != other:
            raise StudyError(
                f"{'/'.join(key)} is {other} in {where}, {label} in {place}: one of them is wrong"
            )


def _clips(folder: Path, split: bool, copy: Copy) -> tuple[dict[Key, Path], list[Claim]]:
    """Clip -> image, and (clip, label, image) where folders tell the label. Raises StudyError.

    Of a split folder a clip is taken from the first subject that has it.
    """
    images, labels, no_clips = {}, [], {}
    in_split = (path for part in SPLITS for path in folder.glob(f"*/{part}/*/*.[pP][nN][gG]"))
    for path in sorted(in_split) if split else _images(folder):
        try:
            key = ids.from_stem(path.stem)
        except ValueError as error:
            no_clips[path.name] = str(error)
            continue
        if split and path.parent.name not in ("0", "1", "2"):
            raise StudyError(f"{path.parent} is no label folder: expected 0, 1 or 2")
        if split:
            labels.append((key, CLASSES[int(path.parent.name)], path))
        elif key in images:
            raise StudyError(f"{images[key]} and {path} are images of one clip: keep one")
        images.setdefault(key, path)
    copy.exclusions += [("", "", *item) for item in sorted(no_clips.items())]
    return images, labels


def _keyed_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    """A csv of corpus, subject, clip and `columns`, its ids normalised. Raises StudyError."""
    table, keys = text_table(path, [*KEY, *columns]), []
    for line, key in zip(table.index, table[KEY].to_numpy(), strict=True):
        try:
            keys.append(ids.megc2019_key(*key))
        except ValueError as error:
            raise StudyError(f"{path} line {line}: {'/'.join(key)}: {error}") from error
    table.index = pd.MultiIndex.from_tuples(keys, names=KEY)
    if table.index.has_duplicates:
        key = table.index[table.index.duplicated()][0]
        raise StudyError(f"{path} lists {'/'.join(key)} twice: keep one")
    return table[columns]


def landmarks(corpus: Corpus) -> dict[Key, np.ndarray | str]:
    """Clip key -> (68, 2) float32, x then y, in cells of the 28x28 grid; or why there are none."""
    folder, _ = _image_folder(corpus.path)
    keys = [tuple(key) for key in corpus.clips[KEY].to_numpy()]
    if file := _beside(corpus.path, folder, "landmarks.csv"):
        columns = [f"{axis}{point}" for point in range(68) for axis in "xy"]
        numbers = _keyed_csv(file, columns).apply(pd.to_numeric, errors="coerce").astype(float)
        bad = ~np.isfinite(numbers).all(axis=1)
        if bad.any():
            clip = "/".join(numbers.index[bad][0])
            raise StudyError(f"{file} holds a coordinate that is no number, of clip {clip}")
        points = numbers.to_numpy(dtype=np.float32).reshape(-1, 68, 2) * (SIZE / CROP)
        rows = dict(zip(numbers.index, (_no_face(face) or face for face in points), strict=True))
        return {key: rows.get(key, f"no row in {file.name}") for key in keys}
    faces = _beside(corpus.path, folder, f"{FACES}/")
    if faces is None:
        raise StudyError(f"{corpus.path} has no landmarks: put landmarks.csv next to the images")
    images = _face_images(faces)
    missing = f"no face image '{{}}_{{}}' in {faces.name}"
    return {k: _detected(images[k]) if k in images else missing.format(*k[1:]) for k in keys}


def _no_face(points: np.ndarray) -> str:
    """Why points (68, 2) in cells of the grid are no landmarks of the face in it, or ""."""
    low, high, middle = points.min(axis=0), points.max(axis=0), points.mean(axis=0)
    right, left = points[36:42].mean(axis=0), points[42:48].mean(axis=0)  # the person's own eyes
    eyes, mouth = (right + left) / 2, points[48:].mean(axis=0)
    span = " to ".join(f"({x:.3g}, {y:.3g})" for x, y in (low * CROP / SIZE, high * CROP / SIZE))
    pixels = f"give x and y in pixels of the {CROP}x{CROP} face"
    if not (high - low).all():
        return f"all landmarks have one x or one y ({span}): {pixels}"
    if (high - low).min() < SIZE / 2 or abs(middle - SIZE / 2).max() > SIZE / 6:
        return f"the landmarks go from {span}, which is no face that fills its image: {pixels}"
    if mouth[0] - eyes[0] > SIZE / 10 + abs(mouth[1] - eyes[1]):
        return "the mouth is beside the eyes in the landmarks: x and y are swapped"
    if mouth[1] - eyes[1] < SIZE / 10:
        return "the eyes are not above the mouth in the landmarks: y must grow downwards"
    if left[0] - right[0] < SIZE / 10:
        return "the right eye (36 to 41) is not left of the left one (42 to 47): mirror x"
    return ""


def _face_images(folder: Path) -> dict[Key, Path]:
    """Clip key -> face image of its apex; copies that hold the onset too say so in the name."""
    images: dict[Key, Path] = {}
    for path in sorted(folder.rglob("*")):
        stem = path.stem.strip()
        if path.suffix.lower() in IMAGES and not stem.lower().endswith("_onset"):
            with suppress(ValueError):  # an image of no clip
                images.setdefault(ids.from_stem(re.sub("_apex$", "", stem, flags=re.I)), path)
    return images


def _detected(path: Path) -> np.ndarray | str:
    """(68, 2) float32 in units of the grid, or why there are no landmarks."""
    from ..preprocessing import faces

    try:
        image = frames.grey(frames.read(path), path.name)
        points = np.asarray(faces.landmarks(image), np.float32)
    except faces.NoFace as error:
        return f"no face found in {path.name}: {error}"
    except StudyError as error:
        return str(error)
    height, width = image.shape
    return points * np.array([SIZE / width, SIZE / height], np.float32)
