"""Temperatures, calibration and abstaining, on made rows whose right values are known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views, official_clips

from mer_utils import experiments, paths
from mer_utils.corpora import CLASSES
from mer_utils.evaluation import calibration, protocol
from mer_utils.experiments import budget, store
from mer_utils.experiments import calibration as temperatures

CLIPS = clip_table(12)


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    for name in ("RUNS", "KEPT", "WEIGHTS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())


def drawn(count, temperature, seed=0):
    """Probabilities of a system that is right as often as they say, at 1 / `temperature`."""
    generator = np.random.default_rng(seed)
    true = generator.dirichlet(np.ones(3), count)
    labels = (true.cumsum(1) < generator.random((count, 1))).sum(1)
    return calibration.apply(true, 1 / temperature), labels


def rows_of(clips, probabilities, labels):
    rows = clips.assign(label=np.array(CLASSES)[labels], run="made", system="made", seed=0)
    rows = rows.assign(predicted=np.array(CLASSES)[probabilities.argmax(1)], selection="last")
    return rows.assign(**{f"p_{name}": probabilities[:, i] for i, name in enumerate(CLASSES)})


def official_rows(temperature, seed=0):
    return rows_of(official_clips(), *drawn(442, temperature, seed))


# --- temperatures ---------------------------------------------------------------------------------


def test_a_temperature_is_a_power():
    halved = calibration.apply(np.array([[0.16, 0.36, 0.48], [0.0, 0.5, 0.5]]), 2)
    assert halved[0] == pytest.approx(np.sqrt([0.16, 0.36, 0.48]) / (1 + 0.48**0.5), abs=1e-9)
    assert halved.sum(1) == pytest.approx(1)
    assert 0 < halved[1, 0] < 0.02


def test_at_one_nothing_changes_and_the_class_never_does():
    probabilities, _ = drawn(50, 1)
    assert calibration.apply(probabilities, 1) == pytest.approx(probabilities, abs=1e-4)
    for temperature in (0.1, 3, 30):
        changed = calibration.apply(probabilities.astype(np.float32), temperature)
        assert (changed.argmax(1) == probabilities.argmax(1)).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_a_system_too_sure_of_itself_is_found(temperature):
    assert calibration.fit(*drawn(20_000, temperature)) == pytest.approx(temperature, rel=0.05)


def test_a_system_that_is_always_right_gets_a_finite_temperature():
    labels = np.array([0, 1, 2])
    assert 0 < calibration.fit(np.eye(3), labels) < 100
    assert 1 < calibration.fit(np.eye(3), np.roll(labels, 1)) <= 100


# --- calibration ----------------------------------------------------------------------------------


def by_hand(certainties, right):
    """Rows of as many persons, all predicted as the first class."""
    rest = (1 - np.array(certainties)) / 2
    probabilities = np.stack([certainties, rest, rest], axis=1)
    clips = pd.DataFrame({"corpus": "made", "subject": [f"{n:02}" for n in range(len(rest))]})
    return rows_of(clips.assign(clip="1"), probabilities, np.where(right, 0, 1))


def test_the_calibration_error_of_a_hand_example():
    """Half of the clips 0.9 sure and 7 of 10 right, half 0.6 sure and 8 of 10 right."""
    rows = by_hand([0.9] * 10 + [0.6] * 10, [1] * 7 + [0] * 3 + [1] * 8 + [0] * 2)
    assert calibration.error(rows)["ECE"] == pytest.approx((0.2 + 0.2) / 2)
    shuffled = rows.sample(frac=1, random_state=1)
    assert calibration.error(shuffled)["ECE"] == pytest.approx(0.2), "equal certainties, one bin"
    curve = calibration.reliability(rows)
    assert curve["clips"].tolist() == [10, 10]
    assert curve["certainty"].tolist() == pytest.approx([0.6, 0.9])
    assert curve["right"].tolist() == pytest.approx([0.8, 0.7])
    assert (curve["low"] < curve["right"]).all() and (curve["right"] < curve["high"]).all()


def test_a_calibrated_system_is_measured_at_its_floor_and_an_overconfident_one_above():
    found = pd.DataFrame(calibration.error(official_rows(1, seed)) for seed in range(6))
    assert found["ECE"].mean() == pytest.approx(found["floor"].mean(), abs=0.01)
    assert 0.03 < found["floor"].mean() < 0.08, "442 clips never measure 0"
    assert (found["less bias"] < found["ECE"]).all()
    inside = found["ECE"] <= found["floor 95 %"]
    assert inside.sum() >= 4 and (found.loc[inside, "low"] == 0).all()
    sure = calibration.error(official_rows(2.5))
    assert sure["low"] > 0.05 and sure["ECE"] > sure["floor 95 %"]


def test_the_interval_of_a_mean_is_that_of_subjects():
    rows = official_rows(1)
    values = rows.groupby("subject").ngroup().to_numpy() % 2.0  # all clips of a person alike
    low, high = calibration.interval(rows, values)
    assert low < values.mean() < high and 0.2 < high - low < 0.4


# --- abstaining -----------------------------------------------------------------------------------


def test_coverage_of_a_hand_example():
    """Surest first: three right ones, one of each class; a tie of two; the last one wrong."""
    sure = np.array([0.9, 0.85, 0.8, 0.7, 0.7, 0.5])
    predicted, label = np.array([0, 1, 2, 0, 1, 0]), np.array([0, 1, 2, 0, 0, 1])
    probabilities = np.full((6, 3), ((1 - sure) / 2)[:, None])
    probabilities[np.arange(6), predicted] = sure
    clips = pd.DataFrame({"corpus": "made", "subject": list("abcdef"), "clip": "1"})
    curve = calibration.coverage(rows_of(clips, probabilities, label))
    assert curve["share"].tolist() == pytest.approx([1, 5 / 6, 3 / 6]), "tied clips come together"
    assert curve["least"].tolist() == pytest.approx([0.5, 0.7, 0.8])
    # F1 of five clips: 2 * 2 / (2 + 3), 2 * 1 / (2 + 1), 1
    assert curve["UF1"].tolist()[1:] == pytest.approx([(0.8 + 2 / 3 + 1) / 3, 1])
    assert curve["share"].min() == 0.5, "with two clips a class has vanished"


# --- of a run -------------------------------------------------------------------------------------


def trained(views, system="ststnet", **fields):
    fields = {"flow": "flow"} | ({"epochs": 3, "batch_size": 8} if system == "ststnet" else {})
    run = experiments.declare(system, "made", views, **fields)
    experiments.run(run, views, jobs=1, device="cpu", progress=False)
    return run


def test_the_temperature_of_a_group_does_not_see_its_subjects():
    """Their labels dealt anew and their clips made noise: the choice, to the last digit, stays."""
    views, random = made_views(CLIPS, strength=0.3), np.random.default_rng(0)
    true = temperatures.choose(trained(views), views, jobs=1, device="cpu")
    groups = protocol.dealt(CLIPS, budget.GROUPS)
    assert [each["group"] for each in true] == list(range(budget.GROUPS))
    for group in (0, 3):
        own, clips, flow = groups == group, CLIPS.copy(), views.arrays["flow"].copy()
        clips.loc[own, "label"] = [CLASSES[CLASSES.index(n) - 1] for n in CLIPS.loc[own, "label"]]
        flow[own] = random.normal(0, 50, flow[own].shape)
        spoiled = dataclasses.replace(views, clips=clips, arrays=views.arrays | {"flow": flow})
        found = temperatures.choose(trained(spoiled), spoiled, jobs=1, device="cpu")
        assert found[group] == true[group]
        assert found != true, "other groups do see these subjects"


def test_temperatures_are_kept_in_every_file_of_a_run_and_chosen_once(monkeypatch):
    views = made_views(CLIPS, strength=0.3)
    run = trained(views)
    assert temperatures.load(run.key).empty, "a run without any is read as before"
    assert "--calibrate" in temperatures.calibrate(run, views, longest=0)
    store.keep("made")
    before = store.load(run.key)
    said = temperatures.calibrate(run, views, jobs=1, device="cpu")
    kept = {paths.KEPT / "made" / f"{run.key}.zip", paths.RUNS / f"{run.key}.zip"}
    assert len({path.read_bytes() for path in kept}) == 1
    monkeypatch.setattr(temperatures, "choose", None)
    assert temperatures.calibrate(run, views, longest=0) == said
    rows = temperatures.load(run.key)
    pd.testing.assert_frame_equal(store.load(run.key), before)
    rows = rows.loc[before.index]
    assert (rows["predicted"] == before["predicted"]).all()
    chosen = store.chosen(run.key, "temperatures")[2]
    own = protocol.dealt(before, budget.GROUPS) == 2
    given = before[own].filter(like="p_").to_numpy()
    expected = calibration.apply(given, chosen["temperature"])
    np.testing.assert_allclose(rows[own].filter(like="p_"), expected)
    least = chosen["speaks"]["0.80"] or np.inf
    assert (rows.loc[own, "speaks 0.80"] == (expected.max(1) >= least)).all()


def test_a_machine_that_only_decides_has_no_temperature():
    views = made_views(CLIPS)
    assert "only decides" in temperatures.calibrate(trained(views, "svm"), views)


def test_few_people_have_no_temperature():
    views = made_views(clip_table(2, 9))
    assert "too few" in temperatures.calibrate(trained(views), views)
