"""A run: declared by value, written fold by fold, the same rows however often it is stopped."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views

from mer_utils import experiments, paths
from mer_utils.corpora import CLASSES, KEY
from mer_utils.errors import StudyError
from mer_utils.evaluation import logs, protocol
from mer_utils.preprocessing import views

CLIPS = clip_table()
VIEWS = made_views(CLIPS)
QUICK = {"epochs": 3, "batch_size": 8}


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    return tmp_path / "runs"


def declare(system="ststnet", given=VIEWS, **options):
    fields = QUICK if system.startswith("ststnet") else {}
    return experiments.declare(system, "made", given, **(fields | options))


def train(experiment, given=VIEWS, **options) -> pd.DataFrame:
    options = {"jobs": 1, "device": "cpu", "progress": False} | options
    return experiments.run(experiment, given, **options)


# --- declaring ------------------------------------------------------------------------------------


def test_a_key_is_readable_and_the_same_again():
    key = declare("ststnet/no_strain", seed=3, selection="inner").key
    assert re.fullmatch(r"made-ststnet\+no_strain-inner-seed3-[0-9a-f]{8}", key)
    assert key == declare("ststnet/no_strain", seed=3, selection="inner").key


def test_whatever_moves_a_number_moves_the_key():
    other = {name: CLIPS.copy() for name in ("label", "units", "clip")}
    other["label"].loc[0, "label"] = next(n for n in CLASSES if n != CLIPS.loc[0, "label"])
    other["units"].loc[0, "action_units"] = "4"
    other["clip"].loc[0, "clip"] = "renamed"
    pixel = {name: values.copy() for name, values in VIEWS.arrays.items()}
    pixel["flow"][7, 2, 3, 4] += 1e-3
    keys = [
        declare().key,
        declare(seed=1).key,
        declare(selection="inner").key,
        declare(labels="permuted").key,
        declare(preset="paper").key,
        declare(precision="bf16").key,
        declare(dropout=0.4).key,
        declare("ststnet/no_strain").key,
        *(declare(given=replace(VIEWS, clips=clips)).key for clips in other.values()),
        declare(given=replace(VIEWS, arrays=pixel)).key,
    ]
    assert len(set(keys)) == len(keys)


def test_a_view_that_is_not_read_moves_nothing():
    arrays = {**VIEWS.arrays, "landmarks": VIEWS.arrays["landmarks"] + 1}
    assert declare(given=replace(VIEWS, arrays=arrays)) == declare()


def test_text_from_a_command_line_is_the_value_it_means():
    assert declare(learning_rate="1e-3", epochs="3") == declare(learning_rate=0.001, epochs=3.0)


def test_flow_in_pixels_where_there_is_one():
    assert json.loads(declare().config)["flow"] == "flow"
    legacy = replace(VIEWS, arrays={"flow_legacy": VIEWS.arrays["flow"]})
    assert json.loads(declare(given=legacy).config)["flow"] == "flow_legacy"


@pytest.mark.parametrize(
    ("system", "options", "words"),
    [
        ("stsnet", {}, "system 'stsnet' is not known, the nearest is 'ststnet'"),
        ("ststnet/no_stran", {}, "the nearest is 'no_strain'"),
        ("ststnet", {"epoch": 3}, "field of ststnet 'epoch' is not known, the nearest is 'epochs'"),
        ("ststnet", {"epochs": "many"}, "ststnet.epochs='many' is not of type int"),
        ("ststnet", {"selection": "best"}, "selection 'best' is not known"),
        ("ststnet", {"labels": "shuffled"}, "labels 'shuffled' is not known"),
        ("ststnet", {"precision": "bf61"}, "precision 'bf61' is not known, the nearest is 'bf16'"),
        ("ststnet", {"preset": "big"}, "preset 'big' is not known"),
    ],
)
def test_refusals_name_the_nearest(system, options, words):
    with pytest.raises(StudyError, match=re.escape(words)):
        declare(system, **options)


def test_a_view_that_is_not_there_is_told_with_its_remedy():
    flow = replace(VIEWS, arrays={"flow_legacy": VIEWS.arrays["flow"]})
    with pytest.raises(
        StudyError, match="needs the view 'landmarks', which made has not: put land"
    ):
        declare("mhssa_gcn", given=flow)


@pytest.mark.filterwarnings("error")
def test_what_is_refused_early_is_tried_without_a_warning():
    video = {"video": np.zeros((len(CLIPS), 2, 18, 64, 64), np.float32)}
    declare("dual_branch_3dcnn", given=replace(VIEWS, arrays=VIEWS.arrays | video))


# --- running and reading --------------------------------------------------------------------------


def test_rows_hold_every_clip_once_with_what_was_declared():
    experiment = declare(seed=2)
    rows = train(experiment)
    assert tuple(rows.columns) == logs.ROW_COLUMNS
    assert len(rows) == len(CLIPS)
    assert not rows.duplicated(KEY).any()
    assert set(rows["run"]) == {experiment.key}
    assert rows["subject"].str.len().eq(3).all()  # 001 stays 001
    merged = rows.merge(CLIPS[[*KEY, "label"]], on=[*KEY, "label"])
    assert len(merged) == len(CLIPS)
    probabilities = rows[[f"p_{name}" for name in CLASSES]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert (np.array(CLASSES)[probabilities.argmax(1)] == rows["predicted"]).all()
    assert (rows["epoch"] == 3).all()
    pd.testing.assert_frame_equal(rows, experiments.load(experiment.key))


def test_a_finished_run_trains_nothing():
    experiment = declare()
    rows = train(experiment)
    written = {file: file.stat().st_mtime_ns for file in experiment.folder.rglob("*")}
    pd.testing.assert_frame_equal(rows, train(experiment))
    assert written == {file: file.stat().st_mtime_ns for file in experiment.folder.rglob("*")}


def test_a_half_finished_run_is_read_and_finished():
    experiment = declare(selection="inner")
    whole = train(experiment)
    for name in ("left__001", "right__003"):
        (experiment.folder / "folds" / f"{name}.csv").unlink()
    (experiment.folder / "folds" / "left__002.csv").unlink()
    (experiment.folder / "folds" / "left__002.npz").unlink()
    half = experiments.load(experiment)
    assert len(half) == 15
    assert experiments.find(key=experiment.key)["folds"].tolist() == [3]
    pd.testing.assert_frame_equal(train(experiment), whole)


def test_what_a_killed_writer_left_is_no_fold():
    experiment = declare()
    whole = train(experiment)
    folds = experiment.folder / "folds"
    (folds / "left__001.csv").rename(folds / ".left__001.csv.4711")
    (folds / ".left__002.4711.npz").write_bytes(b"half")
    assert len(experiments.load(experiment)) == 25
    assert len(experiments.epochs(experiment)) == 3 * 25
    pd.testing.assert_frame_equal(train(experiment), whole)


def test_a_damaged_fold_is_named():
    experiment = declare("majority")
    train(experiment)
    file = experiment.folder / "folds" / "left__002.csv"
    for damage in ("", "run,system\n1,2\n"):
        file.unlink()
        file.write_text(damage)
        with pytest.raises(StudyError, match=r"left__002\.csv is damaged .*: delete it and run"):
            experiments.load(experiment)
    file.unlink()
    file.with_suffix(".npz").write_bytes(b"PK half of it")
    (file.parent / "left__002.csv").write_text("run,system\n1,2\n")
    with pytest.raises(StudyError, match=r"left__002\.npz is damaged .*: delete the csv"):
        experiments.calls(experiment)


def test_a_finished_run_is_read_from_one_file_until_a_fold_changes():
    experiment = declare()
    rows, called = train(experiment), experiments.calls(experiment)
    folds = experiment.folder / "folds"
    apart = folds.rename(folds.with_name("elsewhere"))
    folds.mkdir()
    os.utime(folds, ns=(apart.stat().st_mtime_ns,) * 2)
    pd.testing.assert_frame_equal(experiments.load(experiment), rows)
    np.testing.assert_array_equal(experiments.calls(experiment), called)
    folds.rmdir()
    apart.rename(folds)
    (experiment.folder / "rows.csv").unlink()
    pd.testing.assert_frame_equal(experiments.load(experiment), rows)
    np.testing.assert_array_equal(experiments.calls(experiment), called)
    experiments.bind(experiment)
    (folds / "right__001.csv").unlink()
    assert len(experiments.load(experiment)) == experiments.calls(experiment).shape[1] == 25
    (experiment.folder / "rows.csv").write_text("run,system\n1,2\n")
    assert len(experiments.load(experiment)) == 25
    pd.testing.assert_frame_equal(train(experiment), rows)
    assert (experiment.folder / "rows.csv").read_text().count("\n") == len(rows) + 1


def test_every_epoch_is_kept_and_its_last_is_the_result():
    experiment = declare()
    rows = train(experiment)
    every = experiments.epochs(experiment)
    assert list(every.columns) == ["epoch", *KEY, "label", "predicted"]
    assert len(every) == 3 * len(rows)
    last = every[every["epoch"] == 3].drop(columns="epoch")
    order = list(last.columns)
    pd.testing.assert_frame_equal(
        last.sort_values(order, ignore_index=True),
        rows[order].sort_values(order, ignore_index=True),
    )
    picked = protocol.oracle(rows, experiments.calls(rows["run"].iloc[0]))
    right, own = ((each["label"] == each["predicted"]).mean() for each in (picked, rows))
    assert right >= own
    curves = experiments.curves(experiment)
    assert curves.groupby("fold").size().tolist() == [3] * 6


def test_a_system_without_epochs_has_none_to_read():
    rows = train(declare("svm"))
    assert (rows["epoch"] == 0).all()
    assert experiments.epochs(declare("svm")).empty
    assert experiments.curves(declare("svm")).empty


def test_permuted_labels_are_scored_as_they_were_learned():
    rows = train(declare("majority", labels="permuted"))
    assert rows["label"].value_counts().to_dict() == CLIPS["label"].value_counts().to_dict()
    assert rows.merge(CLIPS, on=[*KEY, "label"]).shape[0] < len(rows)


def test_weights_are_kept_where_they_are_asked_for_afterwards_too():
    experiment = declare()
    rows = train(experiment)
    assert not (experiment.folder / "weights").exists()
    pd.testing.assert_frame_equal(train(experiment, keep_weights=True), rows)
    assert len(list((experiment.folder / "weights").glob("*.safetensors"))) == 6
    assert not (declare("svm").folder / "weights").exists()


def test_other_data_than_was_declared_is_refused():
    experiment = declare()
    with pytest.raises(StudyError, match="declared on other data"):
        train(experiment, made_views(CLIPS, seed=1))


def test_runs_are_found_by_what_they_are():
    train(declare())
    train(declare("svm"))
    found = experiments.find()
    assert sorted(found["system"]) == ["ststnet", "svm"]
    assert (found["folds"] == found["of"]).all()
    assert all(experiments.seconds(key) > 0 for key in found["key"])
    assert experiments.find(system="svm", labels="true")["key"].tolist() == [declare("svm").key]
    assert experiments.find(corpus="other").empty
    with pytest.raises(StudyError, match="no column 'sistem', the nearest is 'system'"):
        experiments.find(sistem="svm")
    with pytest.raises(StudyError, match="run none is not there"):
        experiments.load("none")


def test_what_stands_in_one_table_is_the_same_system_on_the_same_clips():
    assert experiments.comparable("made", CLIPS).empty
    for seed in (0, 1):
        train(declare("svm", seed=seed, cost=1.0))
    old = declare("svm", seed=0, cost=1.0)
    file = old.folder / "provenance.json"
    file.write_text(file.read_text().replace('"began": "20', '"began": "19'))
    assert experiments.comparable("made", CLIPS)["seed"].tolist() == [0, 1]
    train(declare("svm", seed=2, cost=5.0))  # newer: the runs of another cost give way
    for name in ("1", "0"):
        older = declare("svm", seed=int(name), cost=1.0).folder / "provenance.json"
        older.write_text(older.read_text().replace('"began": "20', '"began": "19'))
    train(declare("majority", labels="permuted"))
    train(declare("majority"))
    (declare("majority").folder / "folds" / "left__001.csv").unlink()
    handful = experiments.few(VIEWS, 3)
    train(declare("svm", given=handful, seed=7), given=handful)
    train(declare("majority", seed=7))
    runs = experiments.comparable("made", CLIPS)
    assert runs[["system", "seed"]].to_numpy().tolist() == [["majority", 7], ["svm", 2]]
    assert experiments.gather(runs).groupby("run").size().tolist() == [30, 30]
    with pytest.raises(StudyError, match="no finished run on these clips"):
        experiments.gather(runs[:0])
    assert experiments.comparable("made", CLIPS.assign(label="negative")).empty


def test_runs_on_two_versions_of_a_view_never_share_a_table():
    """What does not read it stands with either."""
    for name in ("svm", "ststnet", "majority"):
        train(declare(name))
    again = replace(VIEWS, arrays=VIEWS.arrays | {"flow": VIEWS.arrays["flow"] + 0.1})
    assert set(experiments.comparable("made", CLIPS)["system"]) == {"majority", "ststnet", "svm"}
    train(declare("svm", given=again), again)
    for key in experiments.find()["key"]:
        file = paths.RUNS / key / "provenance.json"
        year = "20" if key == declare("svm", given=again).key else "19"
        file.write_text(file.read_text().replace('"began": "20', f'"began": "{year}'))
    assert experiments.comparable("made", CLIPS)["key"].tolist() == [
        declare("majority").key,
        declare("svm", given=again).key,
    ]


def test_runs_of_two_precisions_never_share_a_table(runs):
    """Estimators have no precision and stand in every table."""
    for name in ("ststnet", "ststnet/no_strain"):
        train(declare(name, epochs=1))
    train(declare("svm", precision="bf16"))
    train(declare(epochs=1, precision="bf16"))
    found = experiments.comparable("made", CLIPS)
    assert found[["system", "precision"]].to_numpy().tolist() == [
        ["ststnet", "fp32"],
        ["ststnet/no_strain", "fp32"],
        ["svm", "any"],
    ]
    found = experiments.comparable("made", CLIPS, precision="bf16")
    assert found[["system", "precision"]].to_numpy().tolist() == [
        ["ststnet", "bf16"],
        ["svm", "any"],
    ]
    for name in ("ststnet/no_strain", "off_apexnet"):
        train(experiments.declare(name, "made", VIEWS, epochs=1, precision="bf16"))
    assert set(experiments.comparable("made", CLIPS)["precision"]) == {"bf16", "any"}


def test_before_it_starts_a_run_says_how_and_about_how_long(runs, capsys):
    train(declare(), progress=True)
    told = capsys.readouterr().err
    assert re.search(r"6 folds, loop: on a CPU .*; about \d\d:\d\d \(min:s\)", told)
    assert "6/6" in told


def test_a_stacked_run_says_so_and_moves_its_bar(runs, capsys):
    experiment = declare(epochs=6)
    rows = train(experiment, schedule="stacked", progress=True)
    told = capsys.readouterr().err
    assert "6 folds, stacked: as asked" in told
    assert re.search(r"\b[1-5]/6", told), "the bar stood still until the stack had ended"
    provenance = json.loads((experiment.folder / "provenance.json").read_text())
    assert (provenance["schedule"], provenance["why"]) == ("stacked", "as asked")
    for file in experiment.folder.glob("folds/*"):
        file.unlink()
    probabilities = [f"p_{name}" for name in CLASSES]
    other = train(experiment)
    assert (rows[probabilities] - other[probabilities]).abs().max().max() < 1e-4


def test_provenance_says_what_it_was_made_with():
    experiment = declare("svm")
    train(experiment)
    file = experiment.folder / "provenance.json"
    told = json.loads(file.read_text())
    assert {"commit", "versions", "device", "began", "schedule", "precision"} <= set(told)
    assert "torch" in told["versions"]
    (experiment.folder / "folds" / "left__001.csv").unlink()
    train(experiment)
    assert len(json.loads(file.read_text())["resumed"]) == 1


# --- killed, and twice at once --------------------------------------------------------------------


def start(file: Path, runs: Path, jobs: int = 1, **fields) -> subprocess.Popen:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "mer_utils.experiments", "run", "ststnet", "--corpus", "made"]
    command += ["--data", str(file), "--jobs", str(jobs), "--device", "cpu"]
    for name, value in (QUICK | fields).items():
        command += ["--set", f"{name}={value}"]
    surroundings = {**os.environ, "MER_DATA": str(runs.parent), "PYTHONPATH": str(paths.ROOT)}
    return subprocess.Popen(
        command,
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finished(experiment) -> int:
    return len(list((experiment.folder / "folds").glob("*.csv")))


@pytest.mark.slow
def test_killed_in_the_middle_and_started_again_gives_the_same_rows(runs, tmp_path):
    long = {"epochs": 25}
    experiment = declare(**long)
    file = views.save(VIEWS, tmp_path / "views.npz")
    process = start(file, runs, jobs=2, **long)
    until = time.monotonic() + 120
    while finished(experiment) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.kill()  # SIGKILL: no handler sees it
    process.wait()
    before = finished(experiment)
    assert 2 <= before < 6, process.stdout.read()
    resumed = train(experiment)
    for written in experiment.folder.glob("folds/*.csv"):
        written.unlink()
    pd.testing.assert_frame_equal(train(experiment), resumed)


@pytest.mark.slow
def test_two_at_once_do_each_other_no_harm(runs, tmp_path):
    file = views.save(VIEWS, tmp_path / "views.npz")
    both = [start(file, runs) for _ in range(2)]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    experiment = declare()
    there = experiments.load(experiment)
    assert len(there) == len(CLIPS)
    json.loads((experiment.folder / "provenance.json").read_text())
    assert not list(experiment.folder.rglob(".*"))  # no half file is left
    for written in experiment.folder.glob("folds/*.csv"):
        written.unlink()
    pd.testing.assert_frame_equal(train(experiment), there)


def test_what_every_fold_would_refuse_is_refused_before_the_first():
    with pytest.raises(StudyError, match="off_apexnet cannot be built with these settings"):
        declare("off_apexnet", maps=(6,))
    with pytest.raises(StudyError, match="seed -1 is below 0"):
        declare(seed=-1)
    with pytest.raises(StudyError, match="leak clip_names: no two clips have one name"):
        unlike = CLIPS.assign(clip=[f"clip{number}" for number in range(len(CLIPS))])
        declare("svm", given=replace(VIEWS, clips=unlike), leak="clip_names")
    kept = {name: values[:10] for name, values in VIEWS.arrays.items()}
    few = replace(VIEWS, clips=CLIPS[:10], arrays=kept)  # of two persons
    with pytest.raises(StudyError, match="selection inner: with .* fewer than two classes are"):
        declare(given=few, selection="inner")
    assert declare("svm", selection="inner").selection == "last"  # no epochs, none to pick


def test_command_line_lists_and_refuses(runs, tmp_path, capsys):
    assert experiments.main(["list"]) == 0
    assert "no runs yet" in capsys.readouterr().out
    file = views.save(VIEWS, tmp_path / "views.npz")
    options = ["--corpus", "made", "--data", str(file), "--jobs", "1"]
    assert experiments.main(["run", "majority", *options]) == 0
    assert "UF1" in capsys.readouterr().out
    experiments.main(["list"])
    assert "majority" in capsys.readouterr().out
    with pytest.raises(StudyError, match="field of ststnet 'seed' is not known"):
        experiments.main(["run", "ststnet", *options, "--set", "seed=3"])
    with pytest.raises(StudyError, match="--set epochs: write it as FIELD=VALUE"):
        experiments.main(["run", "ststnet", *options, "--set", "epochs"])
