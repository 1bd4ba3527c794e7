"""The synthetic corpora: what is written agrees with their truth, however it is written."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from skimage import data
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from mer_utils import cli, corpora, synthetic
from mer_utils.corpora import frame_files
from mer_utils.errors import StudyError
from mer_utils.preprocessing import faces, regions
from mer_utils.synthetic import faces as synthetic_faces
from mer_utils.synthetic import motion as synthetic_motion
from mer_utils.synthetic.plan import UNITS, UNUSUAL

SMALL_COUNTS = {
    "casme2": {"disgust": 5, "happiness": 2, "surprise": 2, "others": 1},
    "samm": {"Anger": 4, "Happiness": 2, "Surprise": 2, "Other": 1},
    "smic": {"negative": 3, "positive": 2, "surprise": 2},
}
SMALL = tuple(
    replace(
        layout,
        subjects=layout.subjects[:3],
        dominating=layout.dominating[:3],
        counts=SMALL_COUNTS[layout.name],
        frames=(8, 10),
    )
    for layout in synthetic.LAYOUTS
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Nine subjects, 26 short clips."""
    target = tmp_path_factory.mktemp("corpora") / "synthetic"
    return synthetic.write(target, seed=3, jobs=2, progress=False, layouts=SMALL)


@pytest.fixture(scope="session")
def clips(folder) -> pd.DataFrame:
    """truth/clips.csv, with the folder of frames that the reader found for each usable clip."""
    table = pd.read_csv(folder / "truth" / "clips.csv", dtype={"subject": str})
    read = corpora.load("synthetic", folder).clips.rename(columns={"frames": "folder"})
    return table.merge(read[[*corpora.KEY, "folder"]], on=list(corpora.KEY))


@pytest.fixture(scope="session")
def people() -> dict:
    """All subjects of the full corpora, seed 0: (corpus, subject) -> person."""
    return {
        (layout.name, subject): synthetic._person(layout, subject, 0)
        for layout in synthetic.LAYOUTS
        for subject in layout.subjects
    }


def _truth(folder: Path, row: dict) -> dict[str, np.ndarray]:
    file = folder / "truth" / row["corpus"] / row["subject"] / f"{row['clip']}.npz"
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _frame(row: dict, number: int) -> np.ndarray:
    return cv2.imread(str(frame_files(row["folder"])[number]), cv2.IMREAD_GRAYSCALE)


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


# --- what is written ------------------------------------------------------------------------------


def test_the_same_bytes_whatever_the_number_of_jobs(folder, tmp_path):
    alone = synthetic.write(tmp_path / "alone", seed=3, jobs=1, progress=False, layouts=SMALL[:1])
    by_two = _contents(folder / "casme2") | _contents(folder / "truth" / "synthetic_casme2")
    by_one = _contents(alone / "casme2") | _contents(alone / "truth" / "synthetic_casme2")
    assert by_one.keys() == by_two.keys()
    assert [name for name in by_one if by_one[name] != by_two[name]] == []


def test_another_seed_is_another_corpus():
    layout = synthetic.LAYOUTS[0]
    assert synthetic.plan(layout, 0) == synthetic.plan(layout, 0)
    assert synthetic.plan(layout, 0) != synthetic.plan(layout, 1)


def test_the_manifest_names_the_photograph_and_the_seed(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["notice"] == (
        "synthetic faces made from one public-domain photograph; not evidence about people"
    )
    assert (manifest["version"], manifest["seed"]) == (synthetic.VERSION, 3)
    assert manifest["clips"] == {"synthetic_casme2": 10, "synthetic_samm": 9, "synthetic_smic": 7}


def test_readers_return_what_was_written(folder):
    corpus = corpora.load("synthetic", folder)
    table = pd.read_csv(folder / "truth" / "clips.csv", dtype=str, keep_default_na=False)
    usable = table[table["usable"] == "True"].set_index(list(corpora.KEY)).sort_index()
    read = corpus.clips.set_index(list(corpora.KEY)).sort_index()
    assert corpus.synthetic
    assert list(read.index) == list(usable.index)
    assert list(read["label"]) == list(usable["label"])
    assert list(read["onset"].astype(str)) == list(usable["onset"])
    assert list(read["offset"].astype(str)) == list(usable["offset"])
    annotated = read["apex_source"] == "sheet"
    assert list(read["apex"][annotated].astype(str)) == list(usable["apex"][annotated])
    smic = read.index.get_level_values("corpus") == "synthetic_smic"
    assert not annotated[smic].any()
    assert list(usable["sheet_apex"][~annotated & ~smic]) == ["/"]
    assert list(read["action_units"][~smic]) == list(usable["coded"][~smic])
    # left out: no class, and the apex that is the onset
    assert len(corpus.exclusions) == len(table) - len(usable) == 3
    assert corpus.exclusions["reason"].str.contains("apex is the onset").sum() == 1


def test_casme2_sheet_and_frames_are_laid_out_as_the_release(folder):
    file = folder / "casme2" / "CASME2-coding-20140508.xlsx"
    tabs = pd.read_excel(file, sheet_name=None, dtype={"Subject": str})
    table, *others = tabs.values()
    assert len(others) == 2
    assert all(other.empty for other in others)
    assert list(table.columns) == [
        *("Subject", "Filename", "Unnamed: 2", "OnsetFrame", "ApexFrame", "OffsetFrame"),
        *("Unnamed: 6", "Action Units", "Estimated Emotion"),
    ]
    assert set(table["Subject"]) == {"01", "02", "03"}
    assert table[["Unnamed: 2", "Unnamed: 6"]].isna().all(axis=None)
    for row in table.to_dict("records"):
        place = folder / "casme2" / "CASME2_RAW_selected" / f"sub{row['Subject']}"
        names = {file.name for file in (place / row["Filename"]).iterdir()}
        numbers = range(row["OnsetFrame"], row["OffsetFrame"] + 1)
        assert names == {f"img{number}.jpg" for number in numbers}


def test_samm_sheet_and_frames_are_laid_out_as_the_release(folder):
    file = folder / "samm" / "SAMM_Micro_FACS_Codes_v2.xlsx"
    table = pd.read_excel(file, sheet_name="MICRO_ONLY", header=13, dtype={"Subject": str})
    assert list(table.columns) == [
        *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame"),
        *("Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
    ]
    assert (table["Duration"] == table["Offset Frame"] - table["Onset Frame"] + 1).all()
    assert set(table["Estimated Emotion"]) == {"Anger", "Happiness", "Surprise", "Other"}
    for row in table.to_dict("records"):
        place = folder / "samm" / row["Subject"] / row["Filename"]
        frame = cv2.imread(
            str(place / f"{row['Subject']}_{row['Apex Frame']:05d}.jpg"), cv2.IMREAD_UNCHANGED
        )
        assert frame.ndim == 2


def test_smic_frames_are_laid_out_as_the_release(folder):
    root = folder / "smic" / "SMIC_all_raw" / "HS"
    counts = Counter(clip.parent.name for clip in root.glob("s*/micro/*/s*_*_[0-9][0-9]"))
    assert counts == {"negative": 3, "positive": 2, "surprise": 2}
    assert all(file.suffix == ".bmp" for file in root.rglob("image[0-9]*.*"))


def test_apex_is_the_frame_of_greatest_intensity(folder, clips):
    for row in clips.to_dict("records"):
        truth = _truth(folder, row)
        assert list(truth["frames"]) == list(frame_files(row["folder"]))
        assert truth["frames"][truth["intensity"].argmax()] == row["apex"]
        assert truth["intensity"][0] == 0
        assert truth["intensity"].max() == 1
        assert row["onset"] < row["apex"] < row["offset"]


# --- what moves -----------------------------------------------------------------------------------


def test_true_flow_warps_the_onset_into_the_apex(folder, clips):
    """Where the apex frame is read at p + flow(p) it shows what the onset shows at p."""
    for row in clips.to_dict("records"):
        truth = _truth(folder, row)
        onset, apex = (
            cv2.GaussianBlur(_frame(row, row[moment]).astype(np.float32), (0, 0), 1.5)
            for moment in ("onset", "apex")
        )
        u, v = truth["flow"].astype(np.float32)
        y, x = np.mgrid[: onset.shape[0], : onset.shape[1]].astype(np.float32)
        back = cv2.remap(apex, x + u, y + v, cv2.INTER_CUBIC)
        face = np.zeros(onset.shape, np.uint8)
        outline = cv2.convexHull(np.rint(truth["landmarks"][0]).astype(np.int32))
        face = cv2.fillConvexPoly(face, outline, 1).astype(bool)

        def contrast(image, reference, face=face):  # lamps flicker: gain does not count
            gain = reference[face].mean() / image[face].mean()
            return float(np.abs(image[face] * gain - reference[face]).mean())

        key = (row["corpus"], row["subject"], row["clip"])
        assert contrast(back, onset) < 0.9, key  # grey levels; noise after blurring is about 0.6
        assert contrast(back, onset) < contrast(apex, onset), key


def test_head_at_rest_leaves_the_face(folder, clips):
    """flow = flow_face and then the head's similarity, all over the face."""
    for row in clips.to_dict("records"):
        truth = _truth(folder, row)
        inside = np.zeros(truth["flow"].shape[1:], np.uint8)
        outline = cv2.convexHull(np.rint(truth["landmarks"][0]).astype(np.int32))
        rows, columns = np.nonzero(cv2.fillConvexPoly(inside, outline, 1))
        here = np.column_stack((columns, rows)).astype(float)
        face = here + truth["flow_face"][:, rows, columns].T
        both = here + truth["flow"][:, rows, columns].T
        fitted = faces.move(face, faces.similarity(face, both))
        assert np.abs(fitted - both).max() < 0.02


def test_landmarks_move_with_the_flow(folder, clips):
    for row in clips.to_dict("records"):
        truth = _truth(folder, row)
        onset, apex = truth["landmarks"][0], truth["landmarks"][truth["intensity"].argmax()]
        flow = truth["flow"].astype(np.float32)
        inside = ((onset > 1) & (onset < np.array(flow.shape[:0:-1]) - 2)).all(axis=1)
        moved = synthetic_motion.at(flow, onset)
        assert inside.sum() >= 60
        assert np.abs(apex - onset - moved)[inside].max() < 0.02


def test_movements_are_micro(folder, clips):
    assert clips["amplitude"].between(0.5, 3).all()
    for row in clips.to_dict("records"):
        largest = np.hypot(*_truth(folder, row)["flow_face"].astype(float)).max()
        assert 0.5 <= largest <= 3.01


def test_each_unit_moves_its_own_place(people):
    """Brow units move brows, mouth units the mouth; a one-sided unit moves its side only."""
    planned = [text for table in UNITS.values() for text in table]
    planned += [text for texts in UNUSUAL.values() for text in texts]
    units = {number for text in planned for number, _ in synthetic.halves(text)}
    assert units <= set(synthetic_motion.PULLS["unit"])
    points, size = people["casme2", "01"].face.points, synthetic.LAYOUTS[0].size
    places = {1: (20, 21), 2: (17, 18), 4: (20, 21), 5: (37, 38), 12: (48,), 15: (48,), 26: (8, 57)}
    for unit, landmarks in places.items():
        field = synthetic_motion.unit_field(unit, "R", points, size)
        moved = np.hypot(*synthetic_motion.at(field, points).T)
        assert moved[list(landmarks)].max() > 0.5, unit
        assert moved.argmax() in (*landmarks, 58, 60), unit
    smile = synthetic_motion.at(synthetic_motion.unit_field(12, "L", points, size), points)
    assert smile[54, 0] > 0.3  # outward
    assert smile[54, 1] < -0.3  # and up
    assert np.hypot(*smile[48]) < 0.05


# --- the faces ------------------------------------------------------------------------------------


def test_the_stored_face_is_the_photograph_with_its_mouth_closed():
    """Above the mouth the two are the same picture; the landmarks outside the mouth are dlib's."""
    rest = synthetic_faces._rest()
    photograph = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)[:232, 100:355]
    size = photograph.shape[1::-1]
    image = cv2.resize(np.clip(rest["image"], 0, 255), size, interpolation=cv2.INTER_AREA)
    apart = np.abs(image - photograph).mean(axis=-1)
    assert apart[:115].mean() < 1.5 < apart[135:155, 100:150].mean()
    points = faces.landmarks(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY))
    distance = np.hypot(*(points - rest["points"]).T)
    assert distance[:48].max() < 0.5 < distance[48:].max()


@pytest.fixture
def only_hog(monkeypatch):
    """The slow second detector is not to be needed."""

    def refuse():
        raise AssertionError("HOG found no face")

    monkeypatch.setattr(faces, "_cnn", refuse)


def test_dlib_finds_the_faces_of_onset_and_apex(only_hog, folder, clips):
    first = clips.groupby(["corpus", "subject"], as_index=False).first()
    assert len(first) >= 8  # one may have nothing but an apex that is the onset
    for row in first.to_dict("records"):
        truth = _truth(folder, row)
        for moment, t in (("onset", 0), ("apex", truth["intensity"].argmax())):
            points = faces.landmarks(_frame(row, row[moment]))
            distance = np.hypot(*(points - truth["landmarks"][t]).T)
            assert distance.mean() < 3.5, (row["corpus"], row["subject"], moment)


def test_dlib_finds_all_identities(only_hog, people):
    assert len(people) == 16
    for key, person in people.items():
        texture = np.clip(person.face.texture, 0, 255).astype(np.uint8)
        grey = cv2.cvtColor(texture, cv2.COLOR_BGR2GRAY) if texture.ndim == 3 else texture
        points = faces.landmarks(grey)
        width = np.ptp(person.face.points[:17, 0])
        distance = np.hypot(*(points - person.face.points).T)
        assert distance.mean() < 0.025 * width, key
        assert 110 < width < 200, key


def test_identities_differ(people):
    """No two people have the same shape: landmarks on the aligned square are pixels apart."""
    shapes = [
        faces.move(person.face.points, faces.alignment(person.face.points))
        for person in people.values()
    ]
    for i, shape in enumerate(shapes):
        nearest = min(np.hypot(*(shape - other).T).mean() for other in shapes[:i] + shapes[i + 1 :])
        assert nearest > 0.7


# --- who shows what -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_plan_holds_for_any_seed(seed):
    labels, keys = Counter(), set()
    for layout in synthetic.LAYOUTS:
        planned = synthetic.plan(layout, seed)
        assert {clip.subject for clip in planned} == set(layout.subjects)
        emotions = Counter(clip.emotion for clip in planned)
        assert emotions == layout.counts
        labels.update(clip.label for clip in planned)
        keys |= {(layout.name, clip.subject, clip.name.lower()) for clip in planned}
    assert len(keys) == labels.total()
    usable = labels.total() - labels[""] - 1  # one apex is the onset
    assert usable >= 100
    shares = [labels[name] / (labels.total() - labels[""]) for name in corpora.CLASSES]
    assert shares == pytest.approx([250 / 442, 109 / 442, 83 / 442], abs=0.02)


def test_clip_names_recur_in_casme2():
    names = Counter(clip.name for clip in synthetic.plan(synthetic.LAYOUTS[0], 0))
    assert max(names.values()) > 1
    assert any(name.endswith("f") for name in names)


def test_planted_co_occurrence_is_what_the_sheets_say(folder):
    read = corpora.load("synthetic", folder).clips
    counted = Counter()
    for text in read["action_units"][read["action_units"] != ""]:
        coding = regions.parse_action_units(text)
        assert not coding.unread
        numbers = {unit.number for unit in coding.units}
        counted.update((a, b) for a in numbers for b in numbers)
    planted = pd.read_csv(folder / "truth" / "co_occurrence.csv", index_col="unit")
    assert (planted.to_numpy() == planted.to_numpy().T).all()
    planted.columns = planted.columns.astype(int)
    assert {pair: n for pair, n in planted.stack().items() if n} == counted


def test_classes_differ_in_their_units():
    """Brows rise in surprise and come down in negative clips; smiles are positive."""
    units = {name: Counter() for name in corpora.CLASSES}
    for layout in synthetic.LAYOUTS:
        for clip in synthetic.plan(layout, 0):
            if clip.label:
                units[clip.label].update({number for number, _ in synthetic.halves(clip.units)})
    for unit, label in ((1, "surprise"), (2, "surprise"), (4, "negative"), (12, "positive")):
        most = max(units, key=lambda name: units[name][unit])
        assert most == label


def test_the_planted_shortcut_pays_in_random_folds_only(people):
    """Persons' mannerisms and favourite classes are a leak that leaving a subject out closes.

    On the true movement, so that no flow method has a say.
    """
    features, labels, groups = [], [], []
    for layout in synthetic.LAYOUTS:
        for clip in synthetic.plan(layout, 0):
            if not clip.label:
                continue
            person = people[layout.name, clip.subject]
            random = synthetic.random_of(0, layout.name, clip.subject, clip.name)
            moves, _ = synthetic._motion(layout, person, clip, random)
            points = faces.move(person.face.points, moves.pose)
            matrix = faces.alignment(points)
            field = np.stack([cv2.warpAffine(c, matrix, (128, 128)) for c in moves.face])
            small = [cv2.resize(c, (28, 28), interpolation=cv2.INTER_AREA) for c in field]
            features.append(np.ravel(small))
            labels.append(clip.label)
            groups.append(f"{layout.name} {clip.subject}")
    x, y, groups = np.array(features), np.array(labels), np.array(groups)

    def score(folds) -> float:
        predicted = np.empty_like(y)
        for train, test in folds:
            model = SVC(C=10, class_weight="balanced").fit(x[train], y[train])
            predicted[test] = model.predict(x[test])
        return f1_score(y, predicted, average="macro")

    by_subject = [(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in set(groups)]
    honest = score(by_subject)
    leaking = np.mean(
        [
            score(StratifiedKFold(10, shuffle=True, random_state=seed).split(x, y))
            for seed in range(3)
        ]
    )
    print(honest, leaking)
    assert leaking > honest + 0.07
    assert 0.45 < honest < 0.9  # the majority class alone: 0.24


# --- writing and not writing ----------------------------------------------------------------------


def test_what_is_complete_is_not_written_again(folder, monkeypatch):
    def refuse(*_):
        raise AssertionError("written again")

    monkeypatch.setattr(synthetic, "_draw_all", refuse)
    assert synthetic.write(folder, seed=3, layouts=SMALL) == folder
    with pytest.raises(AssertionError, match="written again"):
        synthetic.write(folder, seed=4, layouts=SMALL)


def test_what_lost_a_file_is_written_again(tmp_path):
    layouts = [
        replace(SMALL[2], subjects=("s1",), dominating=("negative",), counts={"negative": 1})
    ]
    corpora_folder = synthetic.write(tmp_path / "new", jobs=1, progress=False, layouts=layouts)
    before = _contents(corpora_folder)
    next(corpora_folder.rglob("image*.bmp")).unlink()
    synthetic.write(corpora_folder, jobs=1, progress=False, layouts=layouts)
    assert _contents(corpora_folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def stop(_layouts, _seed, _jobs, _progress, scratch):
        scratch.mkdir()
        (scratch / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(synthetic, "_draw_all", stop)
    with pytest.raises(KeyboardInterrupt):
        synthetic.write(tmp_path / "new", layouts=SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["thesis.txt", "manifest.json"])
def test_a_folder_of_something_else_is_refused(tmp_path, capsys, name):
    (tmp_path / name).write_text('{"seed": 0}')
    assert cli.main(["synthetic", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--seed", "-1"], "from 0 up"), (["--jobs", "0"], "from 1 up")],
)
def test_impossible_numbers_are_refused(tmp_path, capsys, arguments, message):
    assert cli.main(["synthetic", str(tmp_path / "new"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_an_error_in_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="cannot be written"):
        synthetic.write(tmp_path / "file" / "new", layouts=SMALL)


def test_command_line_ends_in_a_sentence(folder, monkeypatch, capsys):
    monkeypatch.setattr(synthetic, "LAYOUTS", SMALL)
    assert cli.main(["synthetic", str(folder), "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert "26 clips (10 synthetic_casme2, 9 synthetic_samm, 7 synthetic_smic)" in printed
    assert printed.rstrip().endswith("not evidence about people.")
