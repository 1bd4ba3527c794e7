"""What is held still, and that the evidence lies where the class was put into the clips."""

import numpy as np
import pytest
from made_clips import clip_table, made_views

from mer_utils import experiments, paths
from mer_utils.prediction import evidence, members

CLIPS = clip_table(subjects=6, each=12)
VIEWS = made_views(CLIPS, strength=3.0)
PLACED = np.zeros((3, 28, 28), bool)  # where `made_views` moves the clips of each class
for number in range(3):
    PLACED[number, 10:18, 9 * number : 9 * number + 8] = True


def first_member(folder, monkeypatch, system: str, **fields):
    """(fold, member) of the first fold of a run on the made clips."""
    for name in ("RUNS", "KEPT", "WEIGHTS"):
        monkeypatch.setattr(paths, name, folder / name)
    experiment = experiments.declare(system, "made", VIEWS, **fields)
    options = {"jobs": 1, "device": "cpu", "progress": False, "keep_weights": True}
    experiments.run(experiment, VIEWS, **options)
    return next(members.members(experiment, VIEWS))


def test_a_window_is_held_still_in_every_view_and_nothing_else_is():
    random = np.random.default_rng(0)
    forms = ("flow", "flow_centred", "flow_legacy")
    arrays = {name: random.uniform(1, 255, (1, 3, 28, 28)) for name in forms}
    arrays["video"] = random.integers(0, 255, (1, 10, 128, 128)).astype(np.uint8)
    arrays["landmarks"] = random.uniform(0, 28, (1, 68, 2))
    masks = evidence.windows()
    assert masks.shape == (50, 28, 28) and (masks[1:].sum(0) == 1).all()
    found = evidence.held_still(arrays, masks)
    for name, values in arrays.items():
        assert len(found[name]) == 50 and found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name][0], values[0])
    np.testing.assert_array_equal(found["landmarks"][7], arrays["landmarks"][0])
    inside, one = masks[9], {name: values[9] for name, values in found.items()}
    assert (one["flow"][:, inside] == 0).all()
    outside = arrays["flow_centred"][0][:, ~inside]
    np.testing.assert_array_equal(one["flow_centred"][:, ~inside], outside)
    legacy = arrays["flow_legacy"][0]
    assert one["flow_legacy"][0, inside] == pytest.approx(np.median(legacy[0]))
    assert one["flow_legacy"][2, inside] == pytest.approx(legacy[2].min())
    changed = (one["video"] != arrays["video"][0]).any(0)
    (top, left), (bottom, right) = (128 / 28 * end for end in np.argwhere(inside)[[0, -1]])
    rows, columns = np.nonzero(changed)
    assert top <= rows.min() and rows.max() < bottom + 128 / 28
    assert left <= columns.min() and columns.max() < right + 128 / 28
    first = arrays["video"][0, 0, changed]
    assert (one["video"][:, changed] == first).all()


@pytest.mark.parametrize("system, fields", [("svm", {}), ("hoof", {}), ("ststnet", {"epochs": 20})])
def test_the_evidence_lies_where_the_class_was_put(tmp_path, monkeypatch, system, fields):
    fold, member = first_member(tmp_path, monkeypatch, system, **fields)
    maps = evidence.by_window(member, VIEWS.arrays, CLIPS, fold.test)
    assert maps.shape == (len(fold.test), 28, 28)
    decided = evidence.decisions(member, VIEWS.arrays, CLIPS).argmax(1)[fold.test]
    inside = PLACED[decided]
    more = [m[own].mean() > m[~own].mean() for m, own in zip(maps, inside, strict=True)]
    assert np.mean(more) >= 0.9
    both = evidence.by_window([member, member], VIEWS.arrays, CLIPS, fold.test)
    np.testing.assert_allclose(both, maps, atol=1e-6)
