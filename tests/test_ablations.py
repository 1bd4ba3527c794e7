"""Every ingredient has its question, every question its one change, and no answer without runs."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views

from mer_utils import experiments, paths, systems
from mer_utils.analysis import ablations
from mer_utils.corpora import CLASSES, Corpus
from mer_utils.errors import StudyError
from mer_utils.reporting import driver

CLIPS = clip_table()
VIEWS = made_views(CLIPS)
NAMED = {  # what the study must ask about, whoever adds a system
    *("spatial bias", "graph", "manifold distances", "mix of the graphs", "depth", "region map"),
    *("hyperbolic head", "streams", "flow algorithm", "apex policy", "class weights"),
    "input scaling",
}


@pytest.mark.parametrize("system", systems.SYSTEMS)
def test_every_variant_of_every_system_is_asked_about(system):
    mine = {line.name: line for line in ablations.known() if line.system == system}
    for name, (_, ingredient, question, changes) in systems.ablations(system).items():
        line = mine[name]
        assert (line.ingredient, line.question, line.changes) == (ingredient, question, changes)
        assert line.entry == line.declared == f"{system}/{name}"


@pytest.mark.parametrize("line", ablations.known(), ids=lambda line: line.entry)
def test_every_line_asks_one_thing_and_changes_it(line):
    assert line.question.endswith("?") and line.ingredient
    changed = line.changed("paper") | line.changed("small")
    if line.inputs:
        assert line.inputs in ablations.INPUTS and not changed
    else:
        assert changed and set(changed) <= set(line.changes)
    assert len(line.changes) <= 1 or line.ingredient in (ablations.SEVERAL, "schedule")


def test_no_two_lines_have_one_name_and_every_named_ingredient_is_there():
    entries = [line.entry for line in ablations.known()]
    assert len(entries) == len(set(entries))
    assert {line.ingredient for line in ablations.known()} >= NAMED


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


def test_plans_hold_the_system_itself_and_nothing_that_changes_nothing():
    plans = ablations.plans(("off_apexnet",), "small")
    assert plans[0] == ("off_apexnet", "")
    assert ("off_apexnet/stretched_flow", "") in plans
    assert ("off_apexnet/shared", "") in plans
    assert ("off_apexnet/narrow", "") not in plans  # as narrow as the small size already
    assert ("off_apexnet/narrow", "") in ablations.plans(("off_apexnet",), "paper")
    assert ("svm", "tvl1") in ablations.plans(("svm",), "small")
    with pytest.raises(StudyError, match="nearest is 'mhssa_gcn'"):
        ablations.plans(("mhssa_gcm",), "small")


# --- runs and answers -----------------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    empty = pd.DataFrame(columns=["corpus", "subject", "clip", "reason"])
    fields = {"name": "made", "path": tmp_path, "clips": CLIPS, "exclusions": empty}
    fields |= {"classes": CLASSES, "views": ("flow", "landmarks"), "synthetic": True}
    known = {field.name for field in dataclasses.fields(Corpus)}
    return Corpus(**{name: value for name, value in fields.items() if name in known})


def train(system, name="made", given=VIEWS, **fields):
    declared = experiments.declare(system, name, given, **fields)
    return experiments.run(declared, given, jobs=1, device="cpu", progress=False)


def test_answers_come_from_runs_that_differ_by_the_change_alone(corpus):
    train("svm")
    answered, missing = ablations.answers(corpus)
    assert not len(answered)
    why = missing.set_index("ablation")["why"]
    assert why["svm/unbalanced"].startswith("not run")
    assert why["hoof/whole_face"] == "not run: hoof itself has not been trained"
    assert why["svm/tvl1"] == "made comes without frames"
    assert why["am_gcn/no_units"] == "made has no frames"
    noise = made_views(CLIPS, strength=0.0)
    train("svm/cost_1", cost=2.0)  # another change
    train("svm", given=noise, cost=3.0)  # newer than svm itself, and still not svm
    train("svm/unbalanced")
    answered, _ = ablations.answers(corpus)
    assert answered["ablation"].tolist() == ["svm/unbalanced"]
    line = answered.iloc[0]
    assert line["worth"] == pytest.approx(line["described"] - line["changed"])
    assert line["low"] <= line["worth"] <= line["high"] and line["seeds"] == 1


def test_an_ingredient_that_is_needed_earns_its_place(corpus, monkeypatch):
    """40 subjects; the changed system was given noise in place of the flow."""
    clips = clip_table(subjects=40)
    corpus = dataclasses.replace(corpus, clips=clips)
    monkeypatch.setattr(experiments, "fingerprint", lambda views, names: "0" * 16)  # as one data
    train("svm", given=made_views(clips))
    train("svm/unbalanced", given=made_views(clips, strength=0.0))
    answered, _ = ablations.answers(corpus)
    line = answered.iloc[0]
    assert line["low"] > 0.2 and line["answer"] == "it earns its place"
    assert np.isfinite(line["detectable"]) and line["worth"] > line["detectable"]
    (asked,) = (each for each in ablations.known() if each.entry == "svm/unbalanced")
    whole = dataclasses.replace(asked, ingredient=ablations.SEVERAL)
    monkeypatch.setattr(ablations, "known", lambda: (whole,))
    answered, _ = ablations.answers(corpus)
    assert answered["answer"].tolist() == ["better as described"]  # no single thing earned it


def test_other_inputs_never_stand_beside_the_corpus_itself(corpus):
    train("svm")
    train("svm", name=ablations.corpus_name("made", "tvl1"), given=made_views(CLIPS, 0.5))
    assert len(experiments.comparable("made", CLIPS)) == 1
    with_frames = dataclasses.replace(corpus, views=("flow", "landmarks", "frames"))
    answered, _ = ablations.answers(with_frames)
    assert answered["ablation"].tolist() == ["svm/tvl1"]


def test_runs_on_other_data_or_of_another_precision_answer_nothing(corpus):
    train("svm")
    train("svm/unbalanced", given=made_views(CLIPS, 0.5))
    short = {"epochs": 1}
    train("ststnet", **short)
    train("ststnet/one_stream", **short, precision="bf16")
    answered, missing = ablations.answers(corpus)
    assert not len(answered)
    why = missing.set_index("ablation")["why"]
    assert why["svm/unbalanced"] == why["ststnet/one_stream"] == ablations.NOT_RUN
    train("ststnet/one_stream", **short)
    answered, _ = ablations.answers(corpus)
    assert answered["ablation"].tolist() == ["ststnet/one_stream"]


def test_other_inputs_on_fewer_clips_are_no_answer(corpus):
    train("svm")
    fewer = CLIPS.iloc[:-1].reset_index(drop=True)
    train("svm", name=ablations.corpus_name("made", "midpoint"), given=made_views(fewer))
    with_frames = dataclasses.replace(corpus, views=("flow", "landmarks", "frames"))
    answered, missing = ablations.answers(with_frames)
    assert not len(answered)
    why = missing.set_index("ablation")["why"]["svm/midpoint"]
    assert why == f"its runs hold {len(CLIPS) - 1} of the {len(CLIPS)} clips of svm"


def test_inputs_need_frames_and_a_known_name(corpus):
    with pytest.raises(StudyError, match="made comes without frames: inputs=tvl1"):
        ablations.views_of(corpus, "tvl1")
    with pytest.raises(StudyError, match="nearest is 'tvl1'"):
        ablations.views_of(corpus, "tvl11")


def test_midpoint_and_spotted_take_the_sheets_apex_away(corpus, monkeypatch):
    seen = []
    monkeypatch.setattr(ablations.views, "compute", lambda *given, **kept: seen.append(given[0]))
    for number in range(8, 25):
        (corpus.path / f"img{number}.jpg").touch()
    clips = CLIPS.assign(onset=10, apex=12, offset=21, apex_source="sheet").astype(
        {name: "Int64" for name in ("onset", "apex", "offset")}
    )
    clips = clips.assign(frames=str(corpus.path))
    clips.loc[0, "offset"] = pd.NA
    corpus = dataclasses.replace(corpus, clips=clips, views=("flow", "landmarks", "frames"))
    for name in ("midpoint", "spotted", "tvl1"):
        ablations.views_of(corpus, name)
    assert set(seen[0].clips["apex"]) == {16} and set(seen[0].clips["apex_source"]) == {"midpoint"}
    assert len(seen[0].clips) == len(CLIPS) - 1  # one has no offset, and so no midpoint
    assert seen[1].clips["apex"].isna().all() and (seen[1].clips["apex_source"] == "").all()
    assert set(seen[2].clips["apex"]) == {12}


# --- the driver -----------------------------------------------------------------------------------


def test_the_command_line_plans_every_question_and_leaves_out_what_cannot_be_fed(corpus, capsys):
    options = driver.parser().parse(["ablations", "--systems", "svm,am_gcn", "--seeds", "0,1"])
    changes = driver.declare(options, driver.plan_ablations(options), corpus, VIEWS)
    told = capsys.readouterr().out
    assert "Without am_gcn/no_graph: am_gcn/no_graph needs the view 'frames'" in told
    assert "Without svm ~tvl1: made comes without frames" in told
    names = [(experiment.system, experiment.seed) for experiment in changes]
    assert ("svm/unbalanced", 1) in names and ("svm", 0) in names
    assert "Without svm/stretched_flow: svm/stretched_flow needs the view 'flow_legacy'" in told
    assert all(own == {"overrides": {}, "inputs": ""} for own in changes.values())


def test_only_what_is_missing_is_trained_and_then_answered(corpus):
    options = driver.parser().parse(["ablations", "--systems", "svm", "--set", "svm.cost=3"])
    changes = driver.declare(options, driver.plan_ablations(options), corpus, VIEWS)
    assert all(json.loads(experiment.config)["cost"] for experiment in changes)
    by_key = {experiment.key: own for experiment, own in changes.items()}
    chosen = driver.choose_notebooks((driver.TEMPLATE, driver.ANSWERS))
    planned = driver.Study(options, 6, "data", tuple(changes), by_key, chosen)
    train("svm/unbalanced", name="synthetic", cost=3.0)
    before, training, after = driver.jobs(planned)
    assert not before and [job.stem for job in after] == [driver.ANSWERS]
    # svm/cost_1 at a cost of 3 is svm itself
    assert {job.parameters["system"] for job, _ in training} == {"svm"}
    assert all(job.parameters["overrides"]["cost"] == "3" for job, _ in training)


def test_ablations_takes_no_choice_of_notebooks():
    with pytest.raises(StudyError, match="leave --notebooks out"):
        driver.main(["ablations", "--notebooks", "52"])
    with pytest.raises(StudyError, match="ablatoins is not known, the nearest is ablations"):
        driver.main(["ablatoins"])


def test_a_changed_field_never_takes_the_place_of_the_system_itself(corpus):
    legacy = (VIEWS.arrays["flow"] * 20 + 128).clip(0, 255)
    both = dataclasses.replace(VIEWS, arrays=VIEWS.arrays | {"flow_legacy": legacy})
    train("ststnet", given=both, epochs=2)
    train("ststnet/one_stream", given=both, epochs=2)
    train("ststnet/stretched_flow", given=both, epochs=2)
    train("ststnet", given=both, epochs=2, widths=(8,))
    train("ststnet", given=both, epochs=2, flow="flow_legacy")  # the newest
    runs = experiments.comparable("made", CLIPS)
    assert json.loads(runs["config"].iloc[0])["widths"] == [3, 5, 8]
    assert json.loads(runs["config"].iloc[0])["flow"] == "flow"
    offers = dataclasses.replace(corpus, views=("flow", "flow_legacy", "landmarks"))
    answered, _ = ablations.answers(offers)
    assert answered["ablation"].tolist() == ["ststnet/one_stream", "ststnet/stretched_flow"]


def test_a_change_that_changes_nothing_here_is_the_systems_own_run(corpus):
    legacy = (VIEWS.arrays["flow"] * 20 + 128).clip(0, 255)
    only = dataclasses.replace(VIEWS, arrays={"flow_legacy": legacy})
    options = driver.parser().parse(["ablations", "--systems", "svm"])
    changes = driver.declare(options, driver.plan_ablations(options), corpus, only)
    assert len(changes) == 3 and all(own["overrides"] == {} for own in changes.values())
