"""MEGC2019 as ready-made flow images: 28x28 PNG, RGB = u, v, optical strain (STSTNet, HTNet).

Two layouts: a flat folder of `<subject>_<clip> .png` (with that blank) beside a clip list, or
`<subject>/u_train|u_test/<label>/`, where 68 folders repeat every image. Optional beside them:
`action_units.csv`, `landmarks.csv` (pixels of a 224x224 face), or a folder `combined_datasets*`
with the face images themselves, in which landmarks can be detected.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import StudyError
from . import ids, lists
from .frames import IMAGES, entries, folders
from .table import CLASSES, KEY, Corpus, nearest, one_line

SIZE = 28  # pixels a side
CROP = 224  # pixels a side of the faces that landmarks.csv counts in
FLAT_NAMES = ("stsnet_whole_norm_u_v_os", "ststnet_whole_norm_u_v_os")
SPLITS = ("u_train", "u_test")
Key = tuple[str, str, str]


def read_image(path: Path | str) -> np.ndarray:
    """(28, 28, 3) uint8 in the order u, v, strain. Raises StudyError for any other content."""
    import cv2  # not at the top: a machine that only trains reads tables and has no OpenCV

    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path.name} cannot be read: {error.strerror or error}") from error
    # The end mark first: a decoder may fill a cut image up and only print a warning.
    whole = content.startswith(b"\x89PNG\r\n\x1a\n") and b"IEND" in content[-12:]
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if whole else None
    if image is None:
        raise StudyError(f"{path.name} is not a whole PNG image: copy it again")
    if image.shape != (SIZE, SIZE, 3) or image.dtype != np.uint8:
        shape = "x".join(map(str, image.shape))
        raise StudyError(f"{path.name} is {shape} {image.dtype}: expected {SIZE}x{SIZE}x3 uint8")
    return image[:, :, ::-1]


def read(path: Path) -> tuple[list[dict], list[tuple], list[str], tuple[str, ...]]:
    """Rows for `clip_table`, for `exclusion_table`, sentences on what was read, views offered."""
    folder, split = _image_folder(path)
    beside = [path, folder, folder.parent] if folder == path else [path, folder]
    labels, list_sources = _labels(beside)
    images, found_labels, exclusions = _split_images(folder) if split else _flat_images(folder)
    if not images:
        raise StudyError(f"{folder} holds no PNG named <subject>_<clip>: is it the flow folder?")
    sources = [f"flow images {folder}", *list_sources]
    if split:
        for key, label in found_labels.items():
            if labels.get(key, label) != label:
                raise StudyError(
                    f"{'/'.join(key)} lies under label {CLASSES.index(label)} in {folder} but is "
                    f"{labels[key]} in {list_sources[0].split()[-1]}: one of them is wrong"
                )
        labels = labels or found_labels
    elif not labels:
        raise StudyError(
            f"{folder} has no clip list: put combined_3_class2_for_optical_flow.csv beside it"
        )
    action_units = _action_units(beside)
    rows = []
    for key, label in labels.items():
        if key not in images:
            exclusions.append((*key, f"no image '{key[1]}_{key[2]} .png' in {folder.name}"))
            continue
        try:
            read_image(images[key])
        except StudyError as error:
            exclusions.append((*key, str(error)))
            continue
        rows.append(
            dict(zip(KEY, key, strict=True))
            | {"label": label, "emotion": "", "apex_source": "", "note": ""}
            | {"action_units": action_units.get(key, ""), "frames": str(images[key])}
        )
    for key in images.keys() - labels.keys():
        exclusions.append((*key, f"image '{images[key].name}' is in no clip list"))
    views = ["flow_legacy"]
    if _landmark_file(path, folder) or _face_folder(path, folder):
        views.append("landmarks")
    return rows, exclusions, sources, tuple(views)


def _images(folder: Path) -> list[Path]:
    return [Path(e.path) for e in entries(folder) if e.name.lower().endswith(".png")]


def _is_split(folder: Path) -> bool:
    return any((child / name).is_dir() for child in folders(folder) for name in SPLITS)


def _image_folder(path: Path) -> tuple[Path, bool]:
    """The folder of images and whether it is split by left-out subject. Raises StudyError."""
    if _images(path):
        return path, False
    if _is_split(path):
        return path, True
    children = [f for f in folders(path) if not f.name.lower().startswith("combined_datasets")]
    flat = [child for child in children if _images(child)]
    named = [child for child in flat if child.name.lower() in FLAT_NAMES]
    split = [child for child in children if _is_split(child)]
    for found, is_split in ((named, False), (flat, False), (split, True)):
        if len(found) > 1:
            names = " and ".join(child.name for child in found)
            raise StudyError(f"{path} has more than one folder of images, {names}: name one")
        # A flat folder needs a list; without one the split folder still tells the labels.
        if found and (is_split or not split or lists.find([path, found[0]])):
            return found[0], is_split
    raise StudyError(
        f"{path} holds no flow images: put the folder STSNet_whole_norm_u_v_os (PNG) and its csv "
        f"there, as data/README.md shows"
    )


def _labels(places: list[Path]) -> tuple[dict[Key, str], list[str]]:
    """Labels from the clip lists in `places`; lists that contradict each other are an error."""
    files = lists.find(places) or lists.find(places, lists.PART_NAMES)
    labels: dict[Key, str] = {}
    whole = not any(file.match(name) for file in files for name in lists.PART_NAMES)
    for number, file in enumerate(files):
        table = lists.read(file)
        for *key, label in table[[*KEY, "label"]].to_numpy():
            if labels.get(tuple(key), label) != label:
                raise StudyError(
                    f"{file} calls {'/'.join(key)} {label}, {files[0].name} calls it "
                    f"{labels[tuple(key)]}: keep the list that is right"
                )
            if not number or not whole:  # of several whole lists the first says which clips
                labels[tuple(key)] = label
    return labels, [f"clip list {file}" for file in files]


def _flat_images(folder: Path) -> tuple[dict[Key, Path], dict[Key, str], list[tuple]]:
    images, exclusions = {}, []
    for path in _images(folder):
        try:
            key = ids.from_stem(path.stem)
        except ValueError as error:
            exclusions.append(("", "", path.name, str(error)))
            continue
        if key in images:
            raise StudyError(f"{images[key]} and {path} are images of one clip: keep one")
        images[key] = path
    return images, {}, exclusions


def _split_images(folder: Path) -> tuple[dict[Key, Path], dict[Key, str], list[tuple]]:
    """Every clip once, from the first folder that has it; its label must be the same in all."""
    images: dict[Key, Path] = {}
    labels: dict[Key, str] = {}
    strange: dict[str, str] = {}
    for path in sorted(folder.glob("*/u_*/*/*")):
        if path.suffix.lower() != ".png" or path.parts[-3] not in SPLITS:
            continue
        try:
            key = ids.from_stem(path.stem)
        except ValueError as error:
            strange[path.name] = str(error)
            continue
        if path.parent.name not in ("0", "1", "2"):
            raise StudyError(f"{path.parent} is no label folder: expected 0, 1 or 2")
        label = CLASSES[int(path.parent.name)]
        if labels.setdefault(key, label) != label:
            raise StudyError(
                f"{'/'.join(key)} has two labels: {images[key].relative_to(folder)} and "
                f"{path.relative_to(folder)}"
            )
        images.setdefault(key, path)
    return images, labels, [("", "", name, reason) for name, reason in sorted(strange.items())]


def _keyed_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    """A csv of corpus, subject, clip and `columns`, its ids normalised. Raises StudyError."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} cannot be read as a csv ({one_line(error)})") from error
    expected = [*KEY, *columns]
    for column in expected:
        if column not in table:
            near = nearest(column, [name for name in table if name not in expected])
            raise StudyError(f"{path} has no column '{column}'; the nearest is '{near}'")
    for line, row in enumerate(table.itertuples(), start=2):
        try:
            table.loc[row.Index, "subject"] = ids.subject(row.corpus, row.subject)
        except (KeyError, ValueError) as error:
            raise StudyError(f"{path} line {line}: {row.corpus}/{row.subject}: {error}") from error
        table.loc[row.Index, "clip"] = ids.clip(row.corpus, row.clip)
    twice = table[table.duplicated(list(KEY))]
    if len(twice):
        raise StudyError(f"{path} lists {'/'.join(twice.iloc[0][list(KEY)])} twice: keep one")
    return table.set_index(list(KEY))[columns]


def _action_units(places: list[Path]) -> dict[Key, str]:
    for place in places:
        if (place / "action_units.csv").is_file():
            return _keyed_csv(place / "action_units.csv", ["action_units"])[
                "action_units"
            ].to_dict()
    return {}


def _landmark_file(*places: Path) -> Path | None:
    around = [*places, *(place.parent for place in places)]
    return next((p / "landmarks.csv" for p in around if (p / "landmarks.csv").is_file()), None)


def _face_folder(path: Path, folder: Path) -> Path | None:
    around = dict.fromkeys((path, folder, folder.parent))
    found = [p for place in around for p in sorted(place.glob("combined_datasets*")) if p.is_dir()]
    return found[0] if found else None


def landmarks(corpus: Corpus) -> dict[Key, np.ndarray | str]:
    """Clip key -> (68, 2) float32, x then y, in units of the 28x28 grid; or why there are none.

    Read from `landmarks.csv`, else detected in the face images of `combined_datasets*`.
    """
    folder, _ = _image_folder(corpus.path)
    keys = [tuple(key) for key in corpus.clips[list(KEY)].to_numpy()]
    file = _landmark_file(corpus.path, folder)
    if file:
        columns = [f"{axis}{point}" for point in range(68) for axis in "xy"]
        table = _keyed_csv(file, columns)
        numbers = table.apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan)
        if numbers.isna().any(axis=None):
            bad = "/".join(numbers.index[numbers.isna().any(axis=1)][0])
            raise StudyError(f"{file} holds a coordinate that is no number, of clip {bad}")
        points = numbers.to_numpy(dtype=np.float32).reshape(-1, 68, 2) * (SIZE / CROP)
        found = dict(zip(table.index, points, strict=True))
        return {key: found.get(key, f"no row in {file.name}") for key in keys}
    faces_folder = _face_folder(corpus.path, folder)
    if faces_folder is None:
        raise StudyError(f"{corpus.path} has no landmarks: put landmarks.csv beside the images")
    return _detected(faces_folder, keys)


def _detected(folder: Path, keys: list[Key]) -> dict[Key, np.ndarray | str]:
    import cv2

    from ..preprocessing import faces

    images: dict[Key, Path] = {}
    for path in sorted(folder.rglob("*")):
        # One face per clip, the apex: copies that hold the onset too say so in the name.
        stem, _, moment = path.stem.strip().lower().rpartition("_")
        if path.suffix.lower() not in IMAGES or moment == "onset":
            continue
        try:
            key = ids.from_stem(path.stem.strip()[: len(stem)] if moment == "apex" else path.stem)
        except ValueError:
            continue
        images.setdefault(key, path)
    found: dict[Key, np.ndarray | str] = {}
    for key in keys:
        if key not in images:
            found[key] = f"no face image '{key[1]}_{key[2]}' in {folder.name}"
            continue
        image = cv2.imread(str(images[key]), cv2.IMREAD_GRAYSCALE)
        if image is None:
            found[key] = f"{images[key].name} cannot be decoded: copy it again"
            continue
        try:
            height, width = image.shape
            scale = np.array([SIZE / width, SIZE / height], np.float32)
            found[key] = np.asarray(faces.landmarks(image), np.float32) * scale
        except faces.NoFace as error:
            found[key] = f"no face found in {images[key].name}: {error}"
    return found
