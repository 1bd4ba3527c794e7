"""Every ingredient has its question, every question its one change, and no answer without runs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views

from mer_utils import experiments, paths, systems
from mer_utils.analysis import ablations
from mer_utils.corpora import CLASSES, Corpus
from mer_utils.errors import StudyError
from mer_utils.experiments import variations

CLIPS = clip_table()
VIEWS = made_views(CLIPS)
NAMED = {  # what the study must ask about, whoever adds a system
    *("spatial bias", "graph", "manifold distances", "mix of the graphs", "depth", "region map"),
    *("hyperbolic head", "streams", "flow algorithm", "apex policy", "class weights"),
    "input scaling",
}
SEVERAL = (ablations.SEVERAL, "schedule", "depth and graph")  # change more than one field


@pytest.mark.parametrize("system", systems.SYSTEMS)
def test_every_ablation_of_every_system_is_asked_about(system):
    asked = {line.ablation: line for line in ablations.questions() if line.system == system}
    for name, (_, ingredient, question, changes) in systems.ablations(system).items():
        line = asked[f"{system}/{name}"]
        assert (line.ingredient, line.question, line.changes) == (ingredient, question, changes)


@pytest.mark.parametrize("line", ablations.questions(), ids=lambda line: line.ablation)
def test_every_line_asks_one_thing_and_changes_it(line):
    assert line.question.endswith("?") and line.ingredient
    assert len(line.changes) <= 1 or line.ingredient in SEVERAL
    if line.inputs:
        assert line.inputs in experiments.INPUTS and not line.changes
        return
    changed = set()
    for preset in systems.PRESETS:
        own, other = (
            dataclasses.asdict(systems.resolve(name, {}, preset)[1])
            for name in (line.system, line.ablation)
        )
        changed |= {name for name, value in own.items() if other[name] != value}
    assert changed <= set(line.changes)
    assert changed or set(line.changes) - set(own)  # fields of the published code alone


def test_no_two_lines_have_one_name_and_every_named_ingredient_is_there():
    labels = [line.ablation for line in ablations.questions()]
    assert len(labels) == len(set(labels))
    assert {line.ingredient for line in ablations.questions()} >= NAMED


@pytest.mark.parametrize(
    "line",
    [
        *("ststnet/one_stream", "ststnet/published_schedule", "mhssa_gcn/one_layer"),
        *("mhssa_gcn/one_gcn_layer", "htnet/shallow"),
    ],
)
def test_what_is_asked_to_be_smaller_is_smaller(line):
    module, config = systems.resolve(line, {}, "small")
    arrays = VIEWS.arrays | {"flow_legacy": (VIEWS.arrays["flow"] * 20 + 128).clip(0, 255)}
    config = dataclasses.replace(config, flow="flow")
    inputs = module.features(arrays, CLIPS, config)
    context = systems.fit_context(module, CLIPS, inputs, config)
    network = module.network(config, len(CLASSES), context)
    _, described = systems.resolve(line.partition("/")[0], {"flow": "flow"}, "small")
    context = systems.fit_context(module, CLIPS, inputs, described)
    own = module.network(described, len(CLASSES), context)
    sizes = [sum(p.numel() for p in net.parameters()) for net in (network, own)]
    assert sizes[0] == sizes[1] if line.endswith("schedule") else sizes[0] < sizes[1]


# --- runs and answers -----------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path, monkeypatch):
    for name in ("RUNS", "KEPT"):
        monkeypatch.setattr(paths, name, tmp_path / name)


def train(system, corpus="made", given=VIEWS, **fields):
    declared = experiments.declare(system, corpus, given, **fields)
    return experiments.run(declared, given, jobs=1, device="cpu", progress=False)


def study(*systems, **fields):
    group = {"systems": list(systems)} | fields
    return experiments.study("made", [group, group | {"ablations": True}])


def reasons(missing):
    return missing.set_index("ablation")["why"]


def test_answers_come_from_runs_that_differ_by_the_change_alone(disk):
    train("svm")
    answered, missing = ablations.answers(study("svm"))
    assert not len(answered) and list(answered.columns[-1:]) == ["answer"]
    assert len(missing) == len(ablations.questions())
    why = reasons(missing)
    assert why["svm/unbalanced"] == why["svm/tvl1"] == ablations.NOT_TRAINED
    assert why["hoof/whole_face"] == "not trained: hoof itself has no run here"
    train("svm/cost_1", cost=2.0)  # another change
    train("svm/unbalanced")
    answered, _ = ablations.answers(study("svm"))
    assert answered["ablation"].tolist() == ["svm/unbalanced"]
    line = answered.iloc[0]
    assert line["effect"] == pytest.approx(line["described"] - line["changed"])
    assert line["low"] <= line["effect"] <= line["high"] and line["seeds"] == 1


def test_runs_that_differ_in_more_than_the_change_are_no_answer(disk):
    train("svm")
    train("svm/unbalanced", cost=3.0)
    groups = [{"systems": ["svm"]}, {"systems": ["svm/unbalanced"], "set": {"svm.cost": 3}}]
    _, missing = ablations.answers(experiments.study("made", groups))
    assert reasons(missing)["svm/unbalanced"] == "its runs differ from svm in cost too"
    short = {"epochs": 1}
    train("ststnet", **short)
    train("ststnet/one_stream", **short, precision="bf16")
    groups = [
        {"systems": ["ststnet"], "epochs": 1},
        {"systems": ["ststnet/one_stream"], "epochs": 1, "precision": "bf16"},
    ]
    _, missing = ablations.answers(experiments.study("made", groups))
    assert reasons(missing)["ststnet/one_stream"].endswith("differ from ststnet in precision too")
    train("ststnet/one_stream", **short)
    answered, _ = ablations.answers(study("ststnet", epochs=1))
    assert answered["ablation"].tolist() == ["ststnet/one_stream"]


def test_a_network_is_compared_with_a_machine_on_its_inputs(disk):
    """Which knows no precision, and no epochs."""
    train("htnet", epochs=1)
    train("htnet/svm", epochs=1)
    answered, _ = ablations.answers(study("htnet", epochs=1))
    assert answered["ablation"].tolist() == ["htnet/svm"]


@pytest.mark.parametrize(("strengths", "answer"), [((1, 0), "HELPS"), ((0, 1), "HARMS")])
def test_an_ingredient_that_is_needed_helps(disk, monkeypatch, strengths, answer):
    """40 subjects; one of the two systems was given noise in place of the flow."""
    clips = clip_table(subjects=40)
    for name, strength in zip(("made", "made~dis"), strengths, strict=True):
        train("svm", name, made_views(clips, strength))
    answered, _ = ablations.answers(study("svm"))
    line = answered.iloc[0]
    assert line["answer"] == getattr(ablations, answer) and abs(line["effect"]) > 0.2
    assert np.isfinite(line["detectable"]) and abs(line["effect"]) > line["detectable"]
    (asked,) = (each for each in ablations.questions() if each.ablation == "svm/dis")
    several = asked._replace(ingredient=ablations.SEVERAL)
    monkeypatch.setattr(ablations, "questions", lambda: (several,))
    answered, _ = ablations.answers(study("svm"))
    expected = {"HELPS": "better as described", "HARMS": "better as changed"}[answer]
    assert answered["answer"].tolist() == [expected]  # which says nothing of a single ingredient


def test_flow_images_answer_no_question_about_frames(disk):
    legacy = (VIEWS.arrays["flow"] * 20 + 128).clip(0, 255)
    images = dataclasses.replace(VIEWS, arrays={"flow_centred": legacy})
    train("svm", given=images)
    _, missing = ablations.answers(study("svm"))
    why = reasons(missing)
    assert why["svm/tvl1"] == why["am_gcn/no_units"] == "made has no frames"
    assert why["lbp_top/no_time"] == "made has no video"
    assert why["svm/stretched_flow"] == ablations.NOT_TRAINED
    assert why["svm/unbalanced"] == ablations.NOT_TRAINED
    train("off_apexnet", given=images, epochs=1)
    _, missing = ablations.answers(study("off_apexnet", epochs=1))
    assert reasons(missing)["off_apexnet/narrow"] == "changes nothing at the small size"


def test_other_inputs_on_fewer_clips_are_no_answer(disk):
    train("svm")
    train("svm", "made~midpoint", made_views(CLIPS.iloc[:-1].reset_index(drop=True)))
    answered, missing = ablations.answers(study("svm"))
    assert not len(answered)
    why = reasons(missing)["svm/midpoint"]
    assert why == f"its runs hold {len(CLIPS) - 1} of the {len(CLIPS)} clips of svm"


# --- other inputs ---------------------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path):
    empty = pd.DataFrame(columns=["corpus", "subject", "clip", "reason"])
    fields = {"name": "made", "path": tmp_path, "clips": CLIPS, "exclusions": empty}
    fields |= {"classes": CLASSES, "views": ("flow", "landmarks"), "synthetic": True}
    return Corpus(**fields)


def test_inputs_need_frames_and_a_known_name(corpus):
    with pytest.raises(StudyError, match="made comes without frames: inputs=tvl1"):
        variations.views_of(corpus, "tvl1")
    with pytest.raises(StudyError, match="nearest is 'tvl1'"):
        variations.views_of(corpus, "tvl11")


def test_midpoint_and_spotted_take_the_sheets_apex_away(corpus, monkeypatch):
    given = []
    monkeypatch.setattr(variations.views, "compute", lambda corpus, *_, **__: given.append(corpus))
    for number in range(8, 25):
        (corpus.path / f"img{number}.jpg").touch()
    clips = CLIPS.assign(onset=10, apex=12, offset=21, apex_source="sheet").astype(
        {name: "Int64" for name in ("onset", "apex", "offset")}
    )
    clips = clips.assign(frames=str(corpus.path))
    clips.loc[0, "offset"] = pd.NA
    corpus = dataclasses.replace(corpus, clips=clips, views=("flow", "landmarks", "frames"))
    for name in ("midpoint", "spotted", "tvl1"):
        variations.views_of(corpus, name)
    midpoint, spotted, tvl1 = (each.clips for each in given)
    assert set(midpoint["apex"]) == {16} and set(midpoint["apex_source"]) == {"midpoint"}
    assert len(midpoint) == len(CLIPS) - 1  # one has no offset, and so no midpoint
    assert spotted["apex"].isna().all() and (spotted["apex_source"] == "").all()
    assert set(tvl1["apex"]) == {12}
