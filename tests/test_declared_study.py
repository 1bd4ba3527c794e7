"""A study is declared: what stands in its tables is what its file says, however the disk looks."""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from made_clips import clip_table, made_views

from mer_utils import experiments, paths, systems, training
from mer_utils.corpora import CLASSES
from mer_utils.errors import StudyError
from mer_utils.experiments import store, studies
from mer_utils.reporting import request

CLIPS = clip_table()
VIEWS = made_views(CLIPS)
QUICK = {"ststnet.epochs": 1, "ststnet.batch_size": 8}
FIELDS = {"epochs": 1, "batch_size": 8}


@pytest.fixture(autouse=True)
def empty_disk(tmp_path, monkeypatch):
    for name in ("RUNS", "KEPT", "WEIGHTS"):
        monkeypatch.setattr(paths, name, tmp_path / name)


def train(system, views=VIEWS, corpus="made", **fields) -> str:
    experiment = experiments.declare(system, corpus, views, **fields)
    experiments.run(experiment, views, jobs=1, device="cpu", progress=False)
    return experiment.key


def test_only_what_is_declared_counts():
    keys = [train("svm", seed=seed) for seed in (0, 1, 2)]
    train("majority")
    train("svm", seed=0, cost=1.0)
    train("svm", seed=0, labels="permuted")
    study = experiments.study("made", [{"systems": ["svm"], "seeds": [0, 1]}])
    assert study.runs["key"].tolist() == keys[:2]
    assert len(study.missing) == 0
    assert study.rows().groupby(["system", "seed"]).size().tolist() == [30, 30]
    assert study.classes == ("negative", "positive", "surprise")
    pd.testing.assert_frame_equal(study.clips, CLIPS[["corpus", "subject", "clip", "label"]])


def test_what_is_declared_and_not_there_is_named():
    train("svm")
    study = experiments.study("made", [{"systems": ["svm", "majority"], "seeds": [0, 1]}])
    missing = study.missing[["label", "seed", "why"]].to_numpy().tolist()
    assert missing == [
        ["svm", 1, "not trained"],
        ["majority", 0, "not trained"],
        ["majority", 1, "not trained"],
    ]
    with pytest.raises(StudyError, match="no run of this study of other is finished"):
        experiments.study("other").rows()


def test_ablations_leaks_and_labels_have_names_of_their_own():
    train("svm")
    train("svm/unbalanced")
    train("svm", leak="random_folds")
    train("svm", cost=3.0)
    train("svm", corpus="made~dis")
    study = experiments.study(
        "made",
        [
            {"systems": ["svm"]},
            {"systems": "svm", "ablations": True},
            {"systems": ["svm"], "leak": "random_folds"},
            {"systems": ["svm"], "set": {"svm.cost": 3}, "label": "C 3"},
        ],
    )
    assert study.runs["label"].tolist() == [
        "svm",
        "svm (C 3)",
        "svm (leak: random_folds)",
        "svm/dis",
        "svm/unbalanced",
    ]
    assert study.runs.set_index("label")["ablation"].sum() == 2
    assert set(study.rows()["system"]) == set(study.runs["label"])
    assert "svm/cost_1" in set(study.missing["label"])


def test_what_stands_beside_the_ranking_is_no_result():
    train("svm")
    train("svm", cost=3.0)
    other = {"systems": ["svm"], "set": {"svm.cost": 3}, "label": "C 3", "ranked": False}
    study = experiments.study("made", [{"systems": ["svm"]}, other])
    assert study.runs["label"].tolist() == ["svm", "svm (C 3)"]
    assert study.results["label"].tolist() == ["svm"]


def test_a_system_without_epochs_or_precision_stands_in_every_study():
    train("majority")
    study = experiments.study(
        "made", [{"systems": ["majority"], "selections": ["last", "inner"], "precision": "bf16"}]
    )
    assert study.runs["selection"].tolist() == ["last"]
    assert len(study.missing) == 0


def test_runs_of_two_precisions_are_two_declarations():
    train("ststnet", **FIELDS)
    train("ststnet", precision="bf16", **FIELDS)
    for precision in ("fp32", "bf16"):
        group = {"systems": ["ststnet"], "precision": precision, "set": QUICK}
        runs = experiments.study("made", [group]).runs
        assert runs["precision"].tolist() == [precision]


def test_a_run_on_other_inputs_is_refused_unless_the_study_names_them():
    train("svm")
    train("majority")
    other = replace(VIEWS, arrays=VIEWS.arrays | {"flow": VIEWS.arrays["flow"] + 0.1})
    key = train("svm", views=other)
    groups = [{"systems": ["svm"]}, {"systems": ["majority"]}]
    with pytest.raises(StudyError, match="svm, seed 0, is on disk on several inputs"):
        _ = experiments.study("made", groups).runs
    pinned = studies.pinned(groups, "made", other)
    assert experiments.study("made", pinned).runs["key"].tolist()[1] == key


@pytest.fixture
def landmarks_elsewhere():
    """Views whose landmarks another machine has fitted a little otherwise."""
    moved = VIEWS.arrays["landmarks"] + np.float32(1e-5)
    return replace(VIEWS, arrays=VIEWS.arrays | {"landmarks": moved})


def asked(groups, views=VIEWS, device="cpu"):
    """What a command trains of these groups, by label; ablations too."""
    options = argparse.Namespace(ablations=True, plan=False, smoke=False, jobs=1, dask="")
    options.device, options.keep_weights = device, False
    corpus = argparse.Namespace(name="made", classes=CLASSES, synthetic=False)
    runs = request.declare(options, groups, corpus, {"": views})
    return [parameters["label"] for parameters in runs.values()]


def test_a_kept_run_is_taken_as_it_is_where_a_machine_fits_landmarks_otherwise(
    landmarks_elsewhere, capsys
):
    few = {"mhssa_gcn.epochs": 1, "mhssa_gcn.layers": 1}
    groups = [{"systems": ["svm"]}, {"systems": ["mhssa_gcn"], "seeds": [0, 1], "set": few}]
    keys = [train("mhssa_gcn", landmarks_elsewhere, epochs=1, layers=1), train("svm")]
    assert studies.read_elsewhere("made", VIEWS) == {}  # these do not travel
    store.keep("made")
    assert asked(groups) == ["svm"]
    said, kept = capsys.readouterr().out.splitlines()
    assert kept.startswith("As they are in reports/runs: 1 of the runs, of other landmarks")
    assert said.startswith("Without mhssa_gcn: the landmarks are fitted otherwise on this machine")
    study = experiments.study("made", studies.pinned(groups, "made", VIEWS))
    assert study.runs["key"].tolist() == keys
    assert study.missing["seed"].tolist() == [1]
    lacking = replace(VIEWS, arrays={"flow": VIEWS.arrays["flow"]})  # a copy without landmarks
    study = experiments.study("made", studies.pinned(groups, "made", lacking))
    assert study.runs["key"].tolist() == keys
    groups[1]["seeds"] = [0]
    assert asked(groups, lacking) == ["svm"]
    assert capsys.readouterr().out.startswith("As they are in reports/runs: 1 of the runs")
    other = replace(VIEWS, arrays=VIEWS.arrays | {"flow": VIEWS.arrays["flow"] + 0.1})
    assert studies.read_elsewhere("made", other) == {}  # other images: all is trained anew
    assert asked(groups, other) == ["svm", "mhssa_gcn"]


def test_what_this_machine_cannot_train_is_named_and_the_others_are_trained(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    group = {"systems": ["ststnet", "off_apexnet"], "epochs": 1, "precision": "tf32"}
    groups = [{"systems": ["svm"]}, group | {"ranked": False, "label": "large"}]
    assert asked(groups) == ["svm"]
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith(
        "Without ststnet (large), off_apexnet (large): precision tf32 is a GPU's"
    )
    with pytest.raises(StudyError, match="no run can be trained here: precision tf32"):
        asked([group])
    # a finished one, trained elsewhere, is taken as it is
    monkeypatch.setattr(training, "check", lambda *_: None)
    train("ststnet", epochs=1, precision="tf32")
    assert asked(groups) == ["svm", "ststnet (large)"]


def test_systems_given_different_arrays_never_share_a_table():
    train("svm")
    other = replace(VIEWS, arrays=VIEWS.arrays | {"flow": VIEWS.arrays["flow"] + 0.1})
    train("ststnet", views=other, **FIELDS)
    groups = [{"systems": ["svm", "ststnet"], "set": QUICK}]
    with pytest.raises(StudyError, match="were trained on other clips or inputs"):
        _ = experiments.study("made", groups).runs


def test_a_quick_look_is_in_no_table_of_results():
    views = experiments.subset(VIEWS, 3)
    key = train("svm", views=views, corpus="made~smoke")
    groups = [{"systems": ["svm"]}]
    assert not len(experiments.study("made", groups).runs)
    study = experiments.study("made", groups, smoke=True)
    assert study.runs["key"].tolist() == [key]
    assert len(study.clips) == len(views.clips)


def test_runs_kept_with_the_repository_count_without_being_restored():
    key = train("svm")
    (copy,) = store.keep("made")
    content = store.file(key).read_bytes()
    assert copy.read_bytes() == content
    (paths.RUNS / f"{key}.zip").unlink()
    study = experiments.study("made", [{"systems": ["svm"]}])
    assert study.runs["key"].tolist() == [key]
    assert store.keep("made") == []
    assert [path.read_bytes() for path in store.restore("made")] == [content]
    assert store.restore("made") == []
    with pytest.raises(StudyError, match="other has no finished run"):
        store.keep("other")
    with pytest.raises(StudyError, match="holds no run"):
        store.restore("other")


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        (
            {"system": ["svm"]},
            "field of a group of runs 'system' is not known",
        ),
        ({"systems": ["svn"]}, "system 'svn' is not known, the nearest is 'svm'"),
        ({"systems": ["svm"], "preset": "big"}, "preset 'big' is not known"),
        ({"systems": ["svm"], "selections": ["test"]}, "selection 'test' is not known"),
        ({"systems": ["svm"], "seeds": ["a"]}, "seeds: \\['a'\\] is not possible"),
        ({"systems": ["svm"], "seeds": []}, "seeds: \\[\\] is not possible"),
        ({"systems": ["svm"], "seeds": [-1]}, "seeds: \\[-1\\] is not possible"),
        ({"systems": []}, "systems: \\[\\] is not possible"),
        ({"systems": [1]}, "systems: \\[1\\] is not possible"),
        ({"systems": ["svm"], "ablations": ["unbalanced"]}, "ablations: .* is not possible"),
        ({"systems": ["svm"], "set": 3}, "set: 3 is not possible"),
        ({"systems": ["svm"], "label": ["x"]}, "label: .* is not possible"),
        ({"systems": ["svm"], "leak": "subject"}, "leak 'subject' is not known"),
        ({"systems": ["svm"], "set": {"svn.cost": 1}}, "set svn.cost: 'svn' is none of the"),
        ({"systems": ["svm"], "set": {"svm.cots": 1}}, "field of svm 'cots' is not known"),
        ({"systems": ["svm"], "set": {"cost": 1}}, "set cost: "),
        ("svm", "write a group as `systems"),
    ],
)
def test_what_a_group_cannot_mean_is_refused(group, sentence, tmp_path):
    with pytest.raises(StudyError, match=sentence):
        studies.expand([group])
    file = tmp_path / "study.yml"
    file.write_text(yaml.safe_dump({"corpus": "made", "runs": [group]}))
    with pytest.raises(StudyError, match=rf"study\.yml: .*{sentence}"):
        studies.read(file)


def test_one_name_for_two_things_is_refused():
    groups = [{"systems": ["svm"]}, {"systems": ["svm"], "preset": "paper"}]
    with pytest.raises(StudyError, match="two groups of runs declare svm, last, seed 0"):
        studies.expand(groups)
    groups[1]["label"] = "published size"
    assert len(studies.expand(groups)) == 2


@pytest.mark.parametrize(
    "text", ["corpus: made", "runs: [1", "- svm", "corpus: made\nruns: []\nx: 1"]
)
def test_a_file_that_is_no_study_is_named(text, tmp_path):
    file = tmp_path / "study.yml"
    file.write_text(text)
    with pytest.raises(StudyError, match=r"study\.yml"):
        studies.read(file)
    with pytest.raises(StudyError, match="cannot be read"):
        studies.read(tmp_path / "none.yml")


def test_without_a_file_every_system_and_ablation_is_declared():
    lines = studies.expand(studies.groups_of("a corpus of mine"))
    assert {line.label for line in lines if not line.ablation} == set(systems.SYSTEMS)
    assert {"svm/unbalanced", "svm/dis", "mhssa_gcn/as_coded"} <= {line.label for line in lines}


@pytest.mark.parametrize("path", sorted(studies.STUDIES.glob("*.yml")), ids=lambda path: path.stem)
def test_every_study_file_is_read_and_names_its_corpus(path):
    corpus, groups = studies.read(path)
    assert corpus == path.stem
    assert studies.expand(groups)
