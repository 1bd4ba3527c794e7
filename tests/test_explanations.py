"""Attributions go back to the cells that were read, and the scores of maps are right."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from made_clips import clip_table, made_views

from mer_utils import systems
from mer_utils.analysis import explanations
from mer_utils.evaluation import protocol
from mer_utils.prediction import evidence
from mer_utils.prediction.members import Member
from mer_utils.preprocessing import regions

CLIPS = clip_table(subjects=2, each=2)
VIEWS = made_views(CLIPS)
FLOW = [n for n in systems.SYSTEMS if systems.inputs.reads_flow(systems.SYSTEMS[n])]
NETWORKS = [name for name in FLOW if systems.neural(systems.SYSTEMS[name])]


def member_of(system: str) -> Member:
    module, config = systems.resolve(system, {"flow": "flow"}, "small")
    features = module.features(VIEWS.arrays, CLIPS, config)
    context = systems.fit_context(module, CLIPS, features, config)
    torch.manual_seed(0)
    return Member("none", module, config, 3, module.network(config, 3, context).eval(), context)


@pytest.mark.parametrize("system", NETWORKS)
def test_an_input_comes_from_the_cell_that_changes_it(system):
    member = member_of(system)
    assert evidence.reads_cells(member)
    cells = evidence.cells_of(member, VIEWS.arrays, CLIPS)
    before, cell = member.features(VIEWS.arrays, CLIPS), 12 * 28 + 9
    flow = VIEWS.arrays["flow"].copy()
    flow[:, :, 12, 9] += 7.0
    after = member.features(VIEWS.arrays | {"flow": flow}, CLIPS)
    for name, values in before.items():
        np.testing.assert_array_equal(values != after[name], cells[name] == cell)


@pytest.mark.parametrize("system", ["ststnet", "mhssa_gcn"])
def test_evidence_adds_up_to_what_movement_adds(system):
    member = member_of(system)
    maps = evidence.by_gradient(member, VIEWS.arrays, CLIPS)
    still = evidence.held_still(VIEWS.arrays, np.ones((len(CLIPS), 28, 28)))
    logs = []
    for arrays in (VIEWS.arrays, still):
        inputs = {n: torch.as_tensor(v) for n, v in member.features(arrays, CLIPS).items()}
        logs.append(
            member.model(**inputs).log_softmax(1).detach().numpy().reshape(2, -1, 3).mean(0)
        )
    decided = member.probabilities(VIEWS.arrays, CLIPS).argmax(1)
    added = (logs[0] - logs[1])[np.arange(len(CLIPS)), decided]
    np.testing.assert_allclose(maps.sum((1, 2)), added, atol=0.05)


def test_untrained_is_another_network_of_the_same_kind():
    member = member_of("ststnet")
    one, two = evidence.untrained(member, 1), evidence.untrained(member, 1)
    assert type(one.model) is type(member.model)
    weights = [each.model.head.weight for each in (member, one, two)]
    assert torch.equal(weights[1], weights[2]) and not torch.equal(weights[0], weights[1])


def face() -> np.ndarray:
    """(1, 68, 2) landmarks whose regions are far apart."""
    points = np.full((1, 68, 2), 27.0)
    for number, own in enumerate(regions.POINTS):
        points[0, list(own)] = 4.5 + 9 * (number % 3), 6.5 + 14 * (number // 3)
    return points


def test_a_map_that_lies_on_the_moving_region_points_at_it():
    areas = explanations.areas(face())
    assert set(np.unique(areas)) == {-1, *range(6)}
    assert (areas[0, 6, 4], areas[0, 6, 13], areas[0, 20, 22]) == (0, 1, 5)
    active = np.array([[True] * 2 + [False] * 4])
    right, wrong = np.zeros((2, 1, 28, 28))
    right[0, 6, 13], wrong[0, 20, 4] = 1, 1
    right[0, 0, 0] = 9  # in no region
    cells = explanations.cells(areas, active)
    np.testing.assert_array_equal(cells, np.isin(areas, (0, 1)))
    assert explanations.pointing(right, areas, cells) == [1]
    assert explanations.pointing(wrong, areas, cells) == [0]
    np.testing.assert_allclose(explanations.shares(right, areas), [[0, 1, 0, 0, 0, 0]])


def test_a_map_of_truth_is_more_than_a_flow_without_it():
    clips = clip_table(subjects=6, each=3).assign(action_units="4")
    random, count = np.random.default_rng(0), len(clips)
    areas = np.repeat(explanations.areas(face()), count, axis=0)
    active = explanations.active(clips)
    assert active[:, :2].all() and not active[:, 2:].any()
    maps = {name: random.random((count, 28, 28)) for name in explanations.SIZES}
    maps["right"] = np.isin(areas, (0, 1)) + 0.1 * random.random((count, 28, 28))
    cells = explanations.cells(areas, active)
    table = explanations.against(maps, areas, cells, clips).set_index("system")
    assert table.loc["right", ["pointing", "pointing low", "pointing high"]].eq(1).all()
    assert table.loc["right", "more than the flow low"] > 0
    assert table.loc[explanations.RANDOM, "pointing"] == pytest.approx(1 / 3)
    assert table.loc["right", "correlation"] > 0.8


def test_cells_to_point_at_in_part_of_a_region_are_harder_to_hit():
    clips = clip_table(subjects=2, each=2).assign(action_units="4")
    areas = np.repeat(explanations.areas(face()), len(clips), axis=0)
    cells = explanations.cells(areas, explanations.active(clips))
    few = cells & (np.arange(28)[:, None] == 6)  # one row of the brows
    maps = dict.fromkeys((*explanations.SIZES, "brow"), cells + 0.0)
    maps["brow"] = maps["brow"] + few
    table = explanations.against(maps, areas, few, clips).set_index("system")["pointing"]
    assert table["brow"] == 1 and table[explanations.SIZES[0]] == 0
    inside = (areas[0] >= 0).sum()
    assert table[explanations.RANDOM] == pytest.approx(few[0].sum() / inside)


def test_a_decision_changes_where_the_class_was_put_and_only_there():
    clips = clip_table(subjects=4, each=6)
    views, areas = made_views(clips, strength=9.0), np.full((len(clips), 28, 28), -1)
    areas[:, 10:18] = 3  # where `made_views` moves the clips of every class
    areas[:, 20:] = 5
    test = np.arange(6)
    fold = protocol.Fold("made", "one", np.arange(6, len(clips)), test)
    module, config = systems.resolve("svm", {"flow": "flow"}, "small")
    features = module.features(views.arrays, clips, config)["x"]
    codes = pd.Categorical(clips["label"]).codes
    model = module.estimator(config, 3, 0).fit(features[fold.train], codes[fold.train])
    member = Member("one", module, dataclasses.replace(config, mirror=False), 3, model)
    found = explanations.changed(member, fold, views, test, areas[test])
    assert found.shape == (6, 6) and found[:, 3].mean() > 0.3
    assert (found[:, [0, 1, 2, 4, 5]] == 0).all()


def test_a_mean_of_nothing_is_nothing():
    assert np.isnan(explanations.mean_by_subject(np.full(len(CLIPS), np.nan), CLIPS)).all()


def test_of_every_subject_a_few_clips_are_asked():
    clips = clip_table(subjects=6, each=5)
    places = explanations.some_clips(clips, 15)
    counts = clips.iloc[places].groupby(["corpus", "subject"]).size()
    assert (counts == 2).all() and len(counts) == 6
    assert len(explanations.some_clips(clips, 3)) == 6
