"""A dose does what it says, nothing else changes, and what is lost is paired."""

import cv2
import moving_face
import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, prediction_rows

from mer_utils.analysis import robustness
from mer_utils.errors import StudyError
from mer_utils.preprocessing import centring, motion
from mer_utils.preprocessing.clip import Clip
from mer_utils.preprocessing.definitions import VIEWS
from mer_utils.preprocessing.views import Views
from mer_utils.preprocessing.worse import Worse

CLIPS = clip_table(subjects=6, each=4)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Clip:
    """Frames 10 to 30, the apex is 20."""
    folder = tmp_path_factory.mktemp("frames")
    for number, frame in enumerate(moving_face.clip(3, frames=21, apex=10).frames, start=10):
        cv2.imwrite(str(folder / f"{number}.png"), frame)
    row = {"frames": str(folder), "onset": 10, "apex": 20, "offset": 30}
    return Clip(row, motion.DEFAULT, tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    "change, dose, onset, apex",
    [("apex late", 2, 10, 22), ("apex early", 4, 10, 16), ("apex early", 40, 10, 11)]
    + [("apex late", 40, 10, 30), ("frame rate", 4, 10, 18), ("frame rate", 20, 10, 30)],
)
def test_other_frames_stand_for_onset_and_apex(good, change, dose, onset, apex):
    clip = Worse(good, change, dose)
    assert (clip.row["onset"], clip.apex_number) == (onset, apex)
    for found, number in zip(clip.aligned, (onset, apex), strict=True):
        np.testing.assert_array_equal(found, good.face(number))
    other = Clip(good.row | {"apex": apex}, motion.DEFAULT, good._folder)
    np.testing.assert_array_equal(VIEWS["flow"](clip), VIEWS["flow"](other))
    np.testing.assert_array_equal(VIEWS["landmarks"](clip), VIEWS["landmarks"](other))


def test_lost_frames_leave_the_nearest_and_at_least_two(good):
    few, many = (Worse(good, "lost frames", dose) for dose in (25, 75))
    assert few.row["onset"] <= many.row["onset"] < many.apex_number
    with pytest.raises(StudyError, match="fewer than two"):
        Worse(good, "lost frames", 100)
    with pytest.raises(StudyError, match="fewer than two"):
        Worse(good, "frame rate", 21)


def test_every_picture_is_looked_at_anew(good):
    plain, eyes = good.image(20), np.linalg.norm(good.onset_points[45] - good.onset_points[36])
    tilted = Worse(good, "tilt", 20)
    across = tilted.onset_points[45] - tilted.onset_points[36]
    before = good.onset_points[45] - good.onset_points[36]
    turned = np.degrees(np.arctan2(*before[::-1]) - np.arctan2(*across[::-1]))
    assert turned == pytest.approx(20, abs=1.5)
    small = Worse(good, "face size", eyes / 2)
    assert small.image(10).shape == tuple(round(side / 2) for side in plain.shape)
    assert np.linalg.norm(small.onset_points[45] - small.onset_points[36]) == pytest.approx(
        eyes / 2, rel=0.05
    )
    near = Worse(good, "approach", 5)
    np.testing.assert_array_equal(near.image(10), good.image(10))
    width = [np.ptp(one.apex_points[:, 0]) for one in (good, near)]
    assert width[1] / width[0] == pytest.approx(1.05, abs=0.02)


def test_less_light_and_compression_change_grey_levels_alone(good):
    dark, coded = Worse(good, "light", 50), Worse(good, "compression", 10)
    np.testing.assert_array_equal(dark.image(10), good.image(10))
    shares = dark.image(20).sum() / good.image(20).sum()
    assert shares == pytest.approx(0.5 ** (1 / 2.2), abs=0.01)
    for number in (10, 20):
        gap = np.abs(coded.image(number).astype(int) - good.image(number))
        assert 1 < gap.mean() < 15


def test_landmarks_are_off_by_so_many_pixels_of_the_aligned_face(good):
    clip = Worse(good, "landmarks", 2.0)
    pixel = np.hypot(*good.matrix[:, 0])
    off = np.stack((clip.onset_points - good.onset_points, clip.apex_points - good.apex_points))
    assert (off * pixel).std() == pytest.approx(2, rel=0.15)
    np.testing.assert_array_equal(clip.image(20), good.image(20))
    assert np.abs(VIEWS["flow"](clip) - VIEWS["flow"](good)).max() > 0
    np.testing.assert_array_equal(VIEWS["flow"](clip), VIEWS["flow"](Worse(good, "landmarks", 2.0)))


def test_a_clip_without_a_face_is_left_out_with_its_reason(good, monkeypatch):
    row, changes = (
        good.row | {"corpus": "a", "subject": "1", "clip": "b"},
        {"face size": ("", (4,))},
    )
    monkeypatch.setattr(robustness, "FRAMES", changes)
    monkeypatch.setattr(robustness.paths, "CACHE", good._folder)
    monkeypatch.setattr(robustness.environment, "cores", lambda: 1)
    arrays = {name: VIEWS[name](good)[None] for name in ("flow", "landmarks")}
    views = Views(pd.DataFrame([row]), CLIPS[:0], arrays)
    worse = robustness.worse(views, np.array([0]))
    assert worse.clips["change"].tolist() == ["nothing"] and len(worse.arrays["flow"]) == 1
    assert "no face" in worse.exclusions["reason"].item()


@pytest.mark.parametrize("change", robustness.IMAGES)
def test_an_image_is_worse_by_more_with_every_dose(change):
    random = np.random.default_rng(0)
    image = random.uniform(0, 255, (len(CLIPS), 3, 28, 28)).astype(np.float32)
    arrays = {"flow_legacy": image, "flow_centred": centring.centred(image)}
    arrays["landmarks"] = random.uniform(5, 23, (len(CLIPS), 68, 2)).astype(np.float32)
    worse = robustness.worse(Views(CLIPS, CLIPS[:0], arrays), np.arange(4, 12))
    assert set(worse.clips["place"]) == set(range(4, 12)) and worse.exclusions.empty
    name = "landmarks" if change == "landmarks" else "flow_legacy"
    errors = []
    for dose in robustness.IMAGES[change][1]:
        own = (worse.clips[["change", "dose"]] == [change, dose]).all(axis=1).to_numpy()
        for view, good in arrays.items():
            assert worse.arrays[view][own].dtype == good.dtype
            same = np.array_equal(worse.arrays[view][own], good[4:12])
            assert same == ((view == "landmarks") != (change == "landmarks"))
        errors.append(np.abs(worse.arrays[name][own] - arrays[name][4:12]).mean())
    assert errors[0] > 0
    assert change == "shift" or errors == sorted(errors)  # noise is as far from itself anywhere
    flow = robustness.flow_error(worse)
    assert flow["nothing"].item() == 0 and (flow[change] > 0).all() == (change != "landmarks")


def test_a_shift_moves_what_is_in_the_image():
    image = np.zeros((3, 28, 28), np.float32)
    image[:, 10, 12] = 255
    moved = robustness.image({"flow_legacy": image}, "shift", 2, None)["flow_legacy"]
    assert (moved[:, 12, 14] == 255).all() and moved.sum() == image.sum()


def test_what_is_lost_is_the_difference_on_the_same_clips():
    clips = CLIPS.assign(place=range(len(CLIPS)))
    good = prediction_rows(clips, right=1.0).assign(change="nothing", dose=0.0)
    good.loc[:5, "predicted"] = np.where(good["label"][:6] == "negative", "positive", "negative")
    bad = prediction_rows(clips, right=0.0).assign(change="blur", dose=2.0)[6:]  # no face in six
    none = bad[bad["label"] == "negative"].assign(dose=4.0)
    rows = pd.concat([good, bad, none])
    table = robustness.table(rows.assign(system="one")).set_index(["system", "change", "dose"])
    assert table.loc[("one", "nothing", 0.0), "lost"] == 0
    blur = table.loc[("one", "blur", 2.0)]
    assert blur["lost"] == pytest.approx(1 - blur["UF1"]) and blur["low"] > 0
    assert blur["clips"] == len(CLIPS) - 6
    assert np.isnan(table.loc[("one", "blur", 4.0), "UF1"])
    two = pd.concat([rows.assign(system="one"), good.assign(system="two"), good.assign(
        system="two", change="blur", dose=2.0)[6:]])  # fmt: skip
    both = robustness.table(two).set_index(["system", "change", "dose"])
    assert both.loc[(robustness.MEAN, "blur", 2.0), "lost"] == pytest.approx(blur["lost"] / 2)
