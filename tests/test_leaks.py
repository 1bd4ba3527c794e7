"""What is trained wrong on purpose: a run of its own, priced by its honest twin, no result."""

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views
from sklearn.preprocessing import StandardScaler

from mer_utils import experiments, paths
from mer_utils.analysis import leaks
from mer_utils.corpora import CLASSES, KEY
from mer_utils.errors import StudyError
from mer_utils.evaluation import logs, protocol, scores
from mer_utils.reporting import readme

CLIPS = clip_table()
UNITS = np.resize(["1+2", "12", "4", "6+12", "1", "4+9"], len(CLIPS))
VIEWS = made_views(CLIPS.assign(action_units=UNITS))
QUICK = {"mhssa_gcn": {"epochs": 1, "layers": 1}}


@pytest.fixture(autouse=True)
def disk(tmp_path, monkeypatch):
    for name in ("RUNS", "KEPT"):
        monkeypatch.setattr(paths, name, tmp_path / name)


def study(system, **leaks):
    """The honest run of seed 0 and the leaky ones: leak=seeds."""
    wrong = [{"systems": [system], "leak": leak, "seeds": seeds} for leak, seeds in leaks.items()]
    return experiments.study("made", [{"systems": [system]}, *wrong])


def declare(system, **options):
    return experiments.declare(system, "made", VIEWS, **(QUICK.get(system, {}) | options))


def train(system, **options):
    declared = declare(system, **options)
    return declared, experiments.run(declared, VIEWS, jobs=1, device="cpu", progress=False)


@pytest.mark.parametrize(
    ("system", "options", "words"),
    [
        ("svm", {"leak": "scaler"}, "svm has no scaler"),
        ("ststnet", {"leak": "graph"}, "ststnet has the same graph"),
        ("ststnet", {"leak": "random_folds", "selection": "inner"}, "no persons"),
        ("svm", {"leak": "scalar"}, "the nearest is 'scaler'"),
    ],
)
def test_a_leak_that_has_no_place_is_refused(system, options, words):
    with pytest.raises(StudyError, match=words):
        declare(system, **options)


def test_a_leaky_run_is_no_result():
    honest, rows = train("hoof")
    leaky, wrong = train("hoof", leak="scaler")
    assert set(wrong["system"]) == {"hoof (leak: scaler)"} and set(rows["system"]) == {"hoof"}
    assert leaky.key.startswith("made-hoof-last-seed0-LEAK-scaler-")
    assert experiments.read(leaky.key).provenance["leak"].startswith("no result:")
    assert list(experiments.find(leak="scaler")["key"]) == [leaky.key]
    assert study("hoof", scaler=[0]).results["key"].tolist() == [honest.key]


def test_a_graph_that_nobody_changes_cannot_leak():
    same = made_views(CLIPS.assign(action_units="12"))  # one unit: nothing occurs together
    with pytest.raises(StudyError, match="has the same graph"):
        experiments.declare("mhssa_gcn", "made", same, leak="graph")


def test_the_scaler_of_a_leak_has_seen_everybody(monkeypatch):
    seen, real = [], StandardScaler.fit
    monkeypatch.setattr(
        StandardScaler, "fit", lambda self, x, *rest: seen.append(len(x)) or real(self, x, *rest)
    )
    folds = protocol.folds(VIEWS.clips)[:2]
    experiments.try_folds("hoof", VIEWS, folds, jobs=1)
    experiments.try_folds("hoof", VIEWS, folds, jobs=1, leak="scaler")
    both = 2  # a clip and its mirror image
    assert seen == [both * (len(CLIPS) - 5)] * 2 + [both * len(CLIPS)] * 2


def test_the_graph_of_a_leak_is_counted_over_all_clips(monkeypatch):
    from mer_utils.systems import mhssa_gcn

    seen, real = [], mhssa_gcn.fit_context
    monkeypatch.setattr(
        mhssa_gcn, "fit_context", lambda clips, *rest: seen.append(len(clips)) or real(clips, *rest)
    )
    honest, leaky = declare("mhssa_gcn"), declare("mhssa_gcn", leak="graph")
    people = len(protocol.folds(VIEWS.clips))
    for declared, expected in ((honest, len(CLIPS) - 5), (leaky, len(CLIPS))):
        seen.clear()
        experiments.run(declared, VIEWS, jobs=1, device="cpu", progress=False, schedule="loop")
        # some more calls may be there to time a step or two
        assert len(seen) >= people and set(seen) == {expected}


def test_a_leaky_run_is_priced_by_its_twin():
    train("hoof")
    assert leaks.trained(study("hoof")).empty
    train("hoof", leak="scaler")
    train("hoof", leak="clip_names", seed=1)  # no honest run with that seed
    found = study("hoof", scaler=[0], clip_names=[1])
    assert len(found.runs) == 3
    priced = leaks.trained(found)
    assert list(priced.columns) == leaks.PRICED
    assert list(priced["leak"]) == ["scaler"] and list(priced["system"]) == ["hoof"]
    line = priced.iloc[0]
    assert line["inflation"] == pytest.approx(line["leaky"] - line["honest"])
    assert line["low"] <= line["inflation"] <= line["high"]
    columns = leaks.prices(found, found.results)
    assert columns["leak: scaler"].tolist() == pytest.approx([line["leaky"]])
    assert "leak: clip_names" not in columns


def test_folds_of_a_leak_put_persons_on_both_sides():
    own = CLIPS["clip"] + "of" + CLIPS["subject"]
    clips = CLIPS.assign(clip=CLIPS["clip"].where(CLIPS["clip"] == "clip0", own))
    person = np.array(["/".join(each) for each in protocol.person_of(clips)])
    for leak in ("random_folds", "clip_names"):
        folds = experiments.folds_of(declare("svm", leak=leak), clips)
        assert any(set(person[fold.train]) & set(person[fold.test]) for fold in folds)
        tested = np.sort(np.concatenate([fold.test for fold in folds]))
        assert (tested == np.arange(len(clips))).all()
    _, rows = train("svm", leak="random_folds")
    assert len(rows) == len(CLIPS)


def test_random_folds_are_priced_by_as_many_folds_of_whole_subjects():
    train("svm")
    _, control = train("svm", leak=experiments.CONTROL)
    train("svm", leak="random_folds")
    person = np.array(["/".join(each) for each in protocol.person_of(CLIPS)])
    folds = experiments.folds_of(declare("svm", leak=experiments.CONTROL), CLIPS)
    assert not any(set(person[fold.train]) & set(person[fold.test]) for fold in folds)
    found = study("svm", random_folds=[0], subject_folds=[0])
    assert list(found.results["leak"]) == [""]  # the control is no result
    (line,) = leaks.trained(found).to_dict("records")
    assert (line["system"], line["leak"]) == ("svm", "random_folds")
    assert line["honest"] == pytest.approx(scores.uf1(control))


def test_random_folds_are_dealt_anew_for_every_seed():
    rows = leaks.dealt_folds(protocol.random_folds, "svm", VIEWS, (0, 1), jobs=1)
    assert len(rows) == 2 * len(CLIPS) and set(rows["seed"]) == {0, 1}
    price = leaks.price(rows, experiments.try_folds("svm", VIEWS, protocol.folds(CLIPS), jobs=1))
    assert price["low"] <= price["inflation"] <= price["high"]


def test_a_verdict_says_no_more_than_its_interval():
    line = {"inflation": 0.02, "low": -0.01, "high": 0.05}
    assert leaks.verdict(line) == "does not change UF1 measurably: +0.020 (-0.010 to +0.050)"
    assert leaks.verdict(line | {"low": 0.01}).startswith("inflates UF1 by 0.020")
    harm = {"inflation": -0.1, "low": -0.2, "high": -0.05}
    assert leaks.verdict(harm).startswith("lowers UF1 by 0.100")


def test_a_leak_of_several_systems_is_told_in_one_line():
    lines = pd.DataFrame(
        {
            "system": ["svm", "hoof", "svm"],
            "leak": ["random_folds", "random_folds", "clip_names"],
            "inflation": [0.1, 0.02, -0.01],
            "low": [0.05, -0.01, -0.02],
            "high": [0.2, 0.05, 0.01],
        }
    )
    both, alone = leaks.sentences(lines)
    assert "+0.020 to +0.100 in 2 systems" in both and "In 1 of them" in both
    assert "`clip_names` does not change UF1 measurably" in alone
    assert leaks.sentences(lines[:0]) == []


def test_prices_of_no_run_is_an_empty_table():
    assert leaks.trained(experiments.study("made", [{"systems": ["svm"]}])).empty


def test_a_guesser_read_by_the_oracle_gets_better_with_every_epoch():
    """On labels of one clip a subject the oracle is right as soon as one draw was."""
    clips = clip_table(40).groupby(["corpus", "subject"]).head(1).reset_index(drop=True)
    clips["label"] = np.resize(np.array(CLASSES), len(clips))
    found = leaks.guessing(clips, CLASSES, (1, 3, 50))
    assert found["epochs"].tolist() == [1, 3, 50]
    assert found["UF1"].is_monotonic_increasing
    assert found["UF1"].iloc[0] == pytest.approx(1 / 3, abs=0.08)
    assert found["UF1"].iloc[-1] > 0.99
    assert found["chance"].iloc[0] == pytest.approx(1 / 3, abs=0.08)


def test_a_price_that_cannot_be_asked_is_a_sentence():
    """Where every person's clips bear the same names, all clips belong to one person by them."""
    alone = CLIPS.assign(corpus="made", subject=CLIPS["corpus"] + CLIPS["subject"])
    views = made_views(alone)
    table, refused = leaks.trials(views, CLASSES)
    assert "clip_names" not in set(table["leak"]) and {"random_folds", "scaler"} == set(
        table["leak"]
    )
    assert len(refused) == 1 and "`clip_names` adds cannot be asked here" in refused[0]
    assert len(leaks.sentences(table)) == 2
    with pytest.raises(StudyError, match="clips are dealt badly"):
        experiments.declare("svm", "made", views, leak="clip_names")


def test_no_fold_has_nothing_to_learn_without_a_sentence():
    views = made_views(CLIPS)
    (first, *_) = protocol.folds(CLIPS)
    one_class = np.flatnonzero(CLIPS["label"] == "positive")
    for train in (one_class, one_class[:0]):
        bad = protocol.Fold("left", "001", train, first.test)
        with pytest.raises(StudyError, match=f"left 001 leaves {len(train)} clips"):
            experiments.try_folds("svm", views, [bad])
    assert all(len(fold.test) for fold in protocol.random_folds(CLIPS.head(4)))
    few = CLIPS.assign(label=["surprise", *["positive"] * (len(CLIPS) - 2), "surprise"])
    said = leaks.chance(made_views(few), ("positive", "surprise"))
    assert "permuted" in said.lower()


@pytest.mark.parametrize("names", [("a", "b"), tuple("abcdefg")])
def test_the_floor_of_the_majority_is_what_a_hand_computes(names):
    shares = [4, *[1] * (len(names) - 1)]
    labels = np.resize(np.repeat(names, shares), 120)
    floors = leaks.floors(clip_table(12, 10).assign(label=labels), names)
    share = (labels == names[0]).mean()
    assert floors["majority class"] == pytest.approx(2 * share / (1 + share) / len(names))
    assert 0 <= floors["blank images"] < 0.6


def test_a_balanced_svm_that_sees_nothing_beats_the_majority_on_the_real_clips():
    rows = logs.read_rows(readme.REPORTS / "predictions" / f"{readme.CORPUS}.csv.gz")
    clips = rows[[*KEY, "label"]].drop_duplicates(ignore_index=True)
    floors = leaks.floors(clips, CLASSES)
    assert len(clips) == 442 and floors["majority class"] == pytest.approx(0.241, abs=5e-4)
    assert floors["blank images"] == pytest.approx(0.360, abs=0.02)
