"""MEGC2019 as ready-made flow images: 28x28 PNG, RGB = u, v, optical strain (STSTNet, HTNet).

Two layouts: a flat folder of `<subject>_<clip> .png` (with that blank) next to a clip list, or
`<subject>/u_train|u_test/<label>/`, where 68 folders repeat every image. Optional next to them:
`action_units.csv`, `landmarks.csv` (pixels of a 224x224 face), or a folder `combined_datasets*`
with the face images themselves, in which landmarks can be detected.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import StudyError
from . import ids, lists
from .frames import IMAGES, entries, folders
from .reader import Copy, Reading
from .sheets import missing_column
from .table import CLASSES, KEY, Corpus, one_line

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
    complete = content.startswith(b"\x89PNG\r\n\x1a\n") and b"IEND" in content[-12:]
    pixels = np.frombuffer(content, np.uint8)
    image = cv2.imdecode(pixels, cv2.IMREAD_UNCHANGED) if complete else None
    if image is None:
        raise StudyError(f"{path.name} is not a complete PNG image: copy it again")
    if image.shape != (SIZE, SIZE, 3) or image.dtype != np.uint8:
        shape = "x".join(map(str, image.shape))
        raise StudyError(f"{path.name} is {shape} {image.dtype}: expected {SIZE}x{SIZE}x3 uint8")
    return image[:, :, ::-1]


def read(copy: Copy) -> Reading:
    path = copy.path
    folder, split = _image_folder(path)
    places = [path, folder, folder.parent] if folder == path else [path, folder]
    labels, lists_read = _labels(places)
    images, own_labels, exclusions = _clips(folder, split)
    if not images:
        raise StudyError(f"{folder} holds no PNG named <subject>_<clip>: is it the flow folder?")
    for key, label in own_labels.items():
        if labels.get(key, label) != label:
            raise StudyError(
                f"{'/'.join(key)} is in folder {CLASSES.index(label)} of {folder} but is "
                f"{labels[key]} in {lists_read[0]}: one of them is wrong"
            )
    labels = labels or own_labels
    if not labels:
        raise StudyError(
            f"{folder} has no clip list: put combined_3_class2_for_optical_flow.csv next to it"
        )
    action_units = _action_units(places)
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
    has_landmarks = _landmark_file(path, folder) or _face_folder(path, folder)
    views = ("flow_legacy", "landmarks") if has_landmarks else ("flow_legacy",)
    sources = [f"flow images {folder}", *(f"clip list {file}" for file in lists_read)]
    return Reading(rows, exclusions, sources, views)


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
    for candidates, is_split in ((named, False), (flat, False), (split, True)):
        if len(candidates) > 1:
            names = " and ".join(child.name for child in candidates)
            raise StudyError(f"{path} has more than one folder of images, {names}: name one")
        # A flat folder needs a list; without one the split folder still gives the labels.
        if candidates and (is_split or not split or lists.find([path, candidates[0]])):
            return candidates[0], is_split
    raise StudyError(
        f"{path} holds no flow images: put the folder STSNet_whole_norm_u_v_os (PNG) and its csv "
        f"there, as data/README.md shows"
    )


def _labels(places: list[Path]) -> tuple[dict[Key, str], list[Path]]:
    """Labels from the clip lists in `places`; lists that contradict each other are an error."""
    files = lists.find(places)
    parts = [] if files else lists.find(places, lists.PART_NAMES)
    labels: dict[Key, str] = {}
    for file in files or parts:
        for *cells, label in lists.read(file).to_numpy():
            key = tuple(cells)
            if labels.get(key, label) != label:
                raise StudyError(
                    f"{file} calls {'/'.join(key)} {label}, {(files or parts)[0].name} calls it "
                    f"{labels[key]}: keep the list that is right"
                )
            if parts or file == files[0]:  # of several complete lists the first says which clips
                labels[key] = label
    return labels, files or parts


def _clips(folder: Path, split: bool) -> tuple[dict[Key, Path], dict[Key, str], list[tuple]]:
    """Clip -> image, clip -> label where folders tell it, exclusions of files that are no clip.

    Of a split folder a clip is taken once, from the first subject that has it; its label must be
    the same in all. Raises StudyError.
    """
    images: dict[Key, Path] = {}
    labels: dict[Key, str] = {}
    no_clips: dict[str, str] = {}
    parts = [path for part in SPLITS for path in folder.glob(f"*/{part}/*/*")] if split else []
    for path in sorted(parts) if split else _images(folder):
        if path.suffix.lower() != ".png":
            continue
        try:
            key = ids.from_stem(path.stem)
        except ValueError as error:
            no_clips[path.name] = str(error)
            continue
        if not split:
            if key in images:
                raise StudyError(f"{images[key]} and {path} are images of one clip: keep one")
            images[key] = path
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
    return images, labels, [("", "", *item) for item in sorted(no_clips.items())]


def _keyed_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    """A csv of corpus, subject, clip and `columns`, its ids normalised. Raises StudyError."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} cannot be read as a csv ({one_line(error)})") from error
    expected = [*KEY, *columns]
    for column in expected:
        if column not in table:
            raise missing_column(path, column, [name for name in table if name not in expected])
    for line, row in enumerate(table.itertuples(), start=2):
        try:
            table.loc[row.Index, "subject"] = ids.subject(row.corpus, row.subject)
        except (KeyError, ValueError) as error:
            raise StudyError(f"{path} line {line}: {row.corpus}/{row.subject}: {error}") from error
        table.loc[row.Index, "clip"] = ids.clip(row.corpus, row.clip)
    twice = table[table.duplicated(KEY)]
    if len(twice):
        raise StudyError(f"{path} lists {'/'.join(twice.iloc[0][KEY])} twice: keep one")
    return table.set_index(KEY)[columns]


def _action_units(places: list[Path]) -> dict[Key, str]:
    for place in places:
        file = place / "action_units.csv"
        if file.is_file():
            return _keyed_csv(file, ["action_units"])["action_units"].to_dict()
    return {}


def _landmark_file(*places: Path) -> Path | None:
    around = [*places, *(place.parent for place in places)]
    return next((p / "landmarks.csv" for p in around if (p / "landmarks.csv").is_file()), None)


def _face_folder(path: Path, folder: Path) -> Path | None:
    around = dict.fromkeys((path, folder, folder.parent))
    paths = (p for place in around for p in sorted(place.glob("combined_datasets*")))
    return next((path for path in paths if path.is_dir()), None)


def landmarks(corpus: Corpus) -> dict[Key, np.ndarray | str]:
    """Clip key -> (68, 2) float32, x then y, in units of the 28x28 grid; or why there are none.

    Read from `landmarks.csv`, else detected in the face images of `combined_datasets*`.
    """
    folder, _ = _image_folder(corpus.path)
    keys = [tuple(key) for key in corpus.clips[KEY].to_numpy()]
    if file := _landmark_file(corpus.path, folder):
        columns = [f"{axis}{point}" for point in range(68) for axis in "xy"]
        table = _keyed_csv(file, columns)
        numbers = table.apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan)
        if numbers.isna().any(axis=None):
            bad = "/".join(numbers.index[numbers.isna().any(axis=1)][0])
            raise StudyError(f"{file} holds a coordinate that is no number, of clip {bad}")
        points = numbers.to_numpy(dtype=np.float32).reshape(-1, 68, 2) * (SIZE / CROP)
        by_key = dict(zip(table.index, points, strict=True))
        return {key: by_key.get(key, f"no row in {file.name}") for key in keys}
    faces_folder = _face_folder(corpus.path, folder)
    if faces_folder is None:
        raise StudyError(f"{corpus.path} has no landmarks: put landmarks.csv next to the images")
    images = _face_images(faces_folder)
    return {
        key: _detected(images[key])
        if key in images
        else f"no face image '{key[1]}_{key[2]}' in {faces_folder.name}"
        for key in keys
    }


def _face_images(folder: Path) -> dict[Key, Path]:
    """Clip key -> face image of its apex; copies that hold the onset too say so in the name."""
    images: dict[Key, Path] = {}
    for path in sorted(folder.rglob("*")):
        stem = path.stem.strip()
        moment = stem.rpartition("_")[2].lower()
        if path.suffix.lower() not in IMAGES or moment == "onset":
            continue
        try:
            key = ids.from_stem(stem[: -len("_apex")] if moment == "apex" else stem)
        except ValueError:
            continue
        images.setdefault(key, path)
    return images


def _detected(path: Path) -> np.ndarray | str:
    """(68, 2) float32 in units of the grid, or why there are no landmarks."""
    import cv2

    from ..preprocessing import faces

    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        return f"{path.name} cannot be decoded: copy it again"
    try:
        points = np.asarray(faces.landmarks(image), np.float32)
    except faces.NoFace as error:
        return f"no face found in {path.name}: {error}"
    height, width = image.shape
    return points * np.array([SIZE / width, SIZE / height], np.float32)
