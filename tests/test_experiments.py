"""A run: declared by value, written fold by fold, the same rows however often it is stopped."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views

from mer_utils import cli, experiments, paths, training
from mer_utils.corpora import CLASSES, KEY
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol
from mer_utils.experiments import archive, store
from mer_utils.preprocessing import views

CLIPS = clip_table()
VIEWS = made_views(CLIPS)
FLOW = VIEWS.arrays["flow"]
QUICK = {"epochs": 3, "batch_size": 8}


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(paths, "KEPT", tmp_path / "kept")
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
    images = replace(VIEWS, arrays=dict.fromkeys(("flow_centred", "flow_legacy"), FLOW))
    assert json.loads(declare(given=images).config)["flow"] == "flow_centred"
    with pytest.raises(StudyError, match="needs the view 'flow_centred'"):  # never the raw one
        declare(given=replace(VIEWS, arrays={"flow_legacy": FLOW}))


@pytest.mark.parametrize(
    ("system", "options", "words"),
    [
        ("stsnet", {}, "system 'stsnet' is not known, the nearest is 'ststnet'"),
        ("ststnet/no_stran", {}, "the nearest is 'no_strain'"),
        ("ststnet", {"epoch": 3}, "field of ststnet 'epoch' is not known, the nearest is 'epochs'"),
        (
            "ststnet",
            {"epochs": "many"},
            "ststnet.epochs='many' is not possible: give a whole number",
        ),
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
    flow = replace(VIEWS, arrays={"flow_centred": FLOW})
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
    columns = ["run", "system", "seed", "selection", *KEY, "label", "predicted"]
    assert list(rows.columns) == [*columns, *(f"p_{name}" for name in CLASSES), "epoch"]
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


def test_a_finished_run_is_one_file_and_trains_nothing(runs):
    experiment = declare()
    rows = train(experiment)
    (file,) = runs.rglob("*.*")
    assert file.name == f"{experiment.key}.zip"
    written = file.stat().st_mtime_ns
    pd.testing.assert_frame_equal(rows, train(experiment))
    assert written == file.stat().st_mtime_ns


class Stopped(Exception):
    """Ends a run in the middle."""


def stop_after(count: int, monkeypatch, experiment, **options) -> None:
    """Train `count` folds of a run, as far as a killed process would have come."""
    train_task = training.train_task

    def some(*arguments, **keywords):
        for number, result in enumerate(train_task(*arguments, **keywords)):
            if number == count:
                raise Stopped
            yield result

    with monkeypatch.context() as patch:
        patch.setattr(training, "train_task", some)
        with pytest.raises(Stopped):
            train(experiment, **options)


def test_a_half_finished_run_is_read_and_finished(runs, monkeypatch):
    experiment = declare()
    whole = train(experiment)
    content = (runs / f"{experiment.key}.zip").read_bytes()
    (runs / f"{experiment.key}.zip").unlink()
    stop_after(3, monkeypatch, experiment)
    half = experiments.load(experiment.key)
    assert len(half) == 15
    pd.testing.assert_frame_equal(half, whole[:15])
    assert experiments.read(experiment.key).predicted.shape == (3, 15)
    assert experiments.find(key=experiment.key)["folds"].tolist() == [3]
    pd.testing.assert_frame_equal(train(experiment), whole)
    names = {"experiment.json", "rows.csv", "predicted.npy", "losses.npy"}
    once, again = zipfile.ZipFile(io.BytesIO(content)), zipfile.ZipFile(store.file(experiment.key))
    with once, again:
        assert all(once.read(name) == again.read(name) for name in names)
    assert len(store.read(experiment.key).provenance["resumed"]) == 1


def test_what_a_killed_writer_left_is_no_fold(monkeypatch):
    experiment = declare()
    stop_after(5, monkeypatch, experiment)
    folds = paths.RUNS / experiment.key / "folds"
    (folds / "left__001.npz").rename(folds / ".left__001.npz.4711.part")
    (folds / ".left__002.4711.npz").write_bytes(b"half")
    assert len(experiments.load(experiment.key)) == 20
    assert len(experiments.epochs(experiment.key)) == 3 * 20
    rows = train(experiment)
    assert len(rows) == 30
    store.file(experiment.key).unlink()
    pd.testing.assert_frame_equal(train(experiment), rows)


def test_every_epoch_is_kept_and_its_last_is_the_result():
    experiment = declare()
    rows = train(experiment)
    every = experiments.epochs(experiment.key)
    assert list(every.columns) == ["epoch", *KEY, "label", "predicted"]
    assert len(every) == 3 * len(rows)
    last = every[every["epoch"] == 3].drop(columns="epoch")
    order = list(last.columns)
    pd.testing.assert_frame_equal(
        last.sort_values(order, ignore_index=True),
        rows[order].sort_values(order, ignore_index=True),
    )
    picked = protocol.oracle(rows, experiments.read(rows["run"].iloc[0]).predicted)
    right, own = ((each["label"] == each["predicted"]).mean() for each in (picked, rows))
    assert right >= own
    curves = experiments.curves(experiment.key)
    assert curves.groupby("fold").size().tolist() == [3] * 6


def test_a_system_without_epochs_has_none_to_read():
    rows = train(declare("svm"))
    assert (rows["epoch"] == 0).all()
    assert experiments.epochs(declare("svm").key).empty
    assert experiments.curves(declare("svm").key).empty


def test_permuted_labels_are_scored_as_they_were_learned():
    rows = train(declare("majority", labels="permuted"))
    assert rows["label"].value_counts().to_dict() == CLIPS["label"].value_counts().to_dict()
    assert rows.merge(CLIPS, on=[*KEY, "label"]).shape[0] < len(rows)


def test_weights_are_kept_where_they_are_asked_for_afterwards_too(runs):
    experiment = declare()
    rows = train(experiment)
    assert not (paths.WEIGHTS / experiment.key).exists()
    content = store.file(experiment.key).read_bytes()
    pd.testing.assert_frame_equal(train(experiment, keep_weights=True), rows)
    assert len(list((paths.WEIGHTS / experiment.key).glob("*.safetensors"))) == 6
    assert store.file(experiment.key).read_bytes() == content
    train(declare("svm"), keep_weights=True)
    assert not (paths.WEIGHTS / declare("svm").key).exists()


def test_weights_that_predict_something_else_than_the_run_are_refused():
    experiment = declare()
    train(experiment)
    file = store.file(experiment.key)
    with zipfile.ZipFile(file) as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    lines = [line.split(",") for line in contents["rows.csv"].decode().splitlines()]
    for line in lines[1:]:  # every prediction is another, and all parts of the file agree
        line[4:8] = [CLASSES[(CLASSES.index(line[4]) + 1) % 3], line[7], *line[5:7]]
    contents["rows.csv"] = "\n".join([*map(",".join, lines), ""]).encode()
    content = io.BytesIO()
    np.save(content, (np.load(io.BytesIO(contents["predicted.npy"])) + 1) % 3)
    contents["predicted.npy"] = content.getvalue()
    file.write_bytes(archive.pack(contents))
    with pytest.raises(StudyError, match="the weights of .* predict something else"):
        train(experiment, keep_weights=True)


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
    with pytest.raises(StudyError, match="column 'sistem' is not known, the nearest is 'system'"):
        experiments.find(sistem="svm")
    with pytest.raises(StudyError, match="run none is not there"):
        experiments.load("none")


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
    provenance = store.read(experiment.key).provenance
    assert (provenance["schedule"], provenance["why"]) == ("stacked", "as asked")
    store.file(experiment.key).unlink()
    probabilities = [f"p_{name}" for name in CLASSES]
    other = train(experiment)
    assert (rows[probabilities] - other[probabilities]).abs().max().max() < 1e-4


def test_provenance_says_what_it_was_made_with():
    experiment = declare("svm")
    train(experiment)
    provenance = store.read(experiment.key).provenance
    assert {"commit", "versions", "device", "began", "schedule", "precision"} <= set(provenance)
    assert "torch" in provenance["versions"]


# --- killed, and twice at once --------------------------------------------------------------------


def start(file: Path, runs: Path, jobs: int = 1, **fields) -> subprocess.Popen:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "mer_utils", "train", "ststnet", "--corpus", "made"]
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
        # what a shell starts in the background ignores an interrupt, and so would this process
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finished(experiment) -> int:
    return len(store.finished_folds(experiment.key))


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
    store.file(experiment.key).unlink()
    pd.testing.assert_frame_equal(train(experiment), resumed)


@pytest.mark.slow
def test_two_at_once_do_each_other_no_harm(runs, tmp_path):
    file = views.save(VIEWS, tmp_path / "views.npz")
    both = [start(file, runs) for _ in range(2)]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    experiment = declare()
    there = experiments.load(experiment.key)
    assert len(there) == len(CLIPS)
    assert not list(runs.rglob(".*"))  # no half file is left
    store.file(experiment.key).unlink()
    pd.testing.assert_frame_equal(train(experiment), there)


def test_what_every_fold_would_refuse_is_refused_before_the_first():
    with pytest.raises(StudyError, match="off_apexnet cannot be built with these settings"):
        declare("off_apexnet", maps=())
    with pytest.raises(StudyError, match="seed -1 is below 0"):
        declare(seed=-1)
    with pytest.raises(StudyError, match="leak clip_names: no two clips have one name"):
        unlike = CLIPS.assign(clip=[f"clip{number}" for number in range(len(CLIPS))])
        declare("svm", given=replace(VIEWS, clips=unlike), leak="clip_names")
    kept = {name: values[:10] for name, values in VIEWS.arrays.items()}
    few = replace(VIEWS, clips=CLIPS[:10], arrays=kept)  # of two persons
    with pytest.raises(StudyError, match="selection inner: with .* fewer than two classes"):
        declare(given=few, selection="inner")
    assert declare("majority", selection="inner").selection == "last"  # nothing to choose


def test_command_line_lists_and_refuses(runs, tmp_path, capsys):
    assert cli.main(["list"]) == 0
    assert "no runs yet" in capsys.readouterr().out
    file = views.save(VIEWS, tmp_path / "views.npz")
    options = ["--corpus", "made", "--data", str(file), "--jobs", "1"]
    assert cli.main(["train", "majority", *options]) == 0
    assert "UF1" in capsys.readouterr().out
    cli.main(["list"])
    assert "majority" in capsys.readouterr().out
    both = ["train", "majority,svm", *options, "--set", "svm.cost=1"]  # as `run` writes it
    assert cli.main(both) == 0
    assert "svm" in capsys.readouterr().out
    assert {json.loads(config).get("cost") for config in store.find()["config"]} == {None, 1.0}
    assert cli.main(["train", "majority,ststnet", *options, "--epochs", "1"]) == 0
    assert {json.loads(config).get("epochs") for config in store.find()["config"]} == {None, 1}
    for change, sentence in (
        ("seed=3", "field of ststnet 'seed' is not known"),
        ("svm.cost=3", "--set: system 'svm' is not known, the nearest is 'ststnet'"),
        ("epochs", "--set: 'epochs' changes no field: write NAME=VALUE"),
    ):
        assert cli.main(["train", "ststnet", *options, "--set", change]) == 2
        assert sentence in capsys.readouterr().err
