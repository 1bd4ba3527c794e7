"""Runs that travel: what a clone restores is what was trained, and it trains nothing."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views

from mer_utils import experiments, paths
from mer_utils.analysis import leaks
from mer_utils.errors import StudyError
from mer_utils.experiments import archive
from mer_utils.reporting import driver

VIEWS = made_views(clip_table())
QUICK = {"epochs": 3, "batch_size": 8}


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "KEPT", tmp_path / "kept")


def train(system="ststnet", **options) -> str:
    fields = QUICK if system == "ststnet" else {}
    run = experiments.declare(system, "made", VIEWS, **(fields | options))
    experiments.run(run, VIEWS, jobs=1, device="cpu", progress=False)
    return run.key


def forget() -> Path:
    """Runs out of sight, as in a clone; where they are."""
    return paths.RUNS.rename(paths.RUNS.with_name("before"))


@pytest.mark.parametrize(
    ("system", "options"), [("ststnet", {"selection": "inner"}), ("svm", {}), ("majority", {})]
)
def test_a_restored_run_is_the_run(system, options):
    key = train(system, **options)
    rows, calls = experiments.load(key), experiments.calls(key)
    curves, every = experiments.curves(key), experiments.epochs(key)
    picked = leaks.oracle([key])
    assert [path.name for path in archive.keep("made")] == [f"{key}.zip"]
    before = forget()
    assert archive.restore("made") == [key]
    pd.testing.assert_frame_equal(experiments.load(key), rows, check_exact=True)
    for file in before.glob("*/folds/*.csv"):
        assert file.read_bytes() == (paths.RUNS / key / "folds" / file.name).read_bytes()
    np.testing.assert_array_equal(experiments.calls(key), calls)
    pd.testing.assert_frame_equal(experiments.epochs(key), every)
    pd.testing.assert_frame_equal(leaks.oracle([key]), picked)
    pd.testing.assert_frame_equal(experiments.curves(key), curves, rtol=1e-6)


def test_a_restored_run_trains_nothing():
    experiment = experiments.declare("ststnet", "made", VIEWS, **QUICK)
    train()
    archive.keep("made")
    forget()
    archive.restore("made")
    times = {path: path.stat().st_mtime_ns for path in paths.RUNS.rglob("*") if path.is_file()}
    experiments.run(experiment, VIEWS, jobs=1, device="cpu", progress=False)
    assert times == {p: p.stat().st_mtime_ns for p in paths.RUNS.rglob("*") if p.is_file()}


def test_what_was_trained_here_is_not_overwritten_and_the_rest_of_a_run_is_added():
    key = train()
    archive.keep("made")
    assert archive.restore("made") == []
    first, *others = sorted((paths.RUNS / key / "folds").glob("*.csv"))
    written = first.stat().st_mtime_ns
    for file in others:
        file.unlink()
    assert archive.restore("made") == [key]
    assert first.stat().st_mtime_ns == written
    assert sorted((paths.RUNS / key / "folds").glob("*.csv")) == [first, *others]


def test_the_same_run_is_the_same_file_and_is_written_once():
    train("svm")
    (path,) = archive.keep("made")
    content = path.read_bytes()
    assert archive.keep("made") == []
    path.unlink()
    archive.keep("made")
    assert path.read_bytes() == content


def test_runs_done_wrong_on_purpose_stay_apart():
    honest, wrong = train("svm"), train("svm", leak="random_folds")
    archive.keep("made")
    forget()
    assert sorted(archive.restore("made")) == sorted([honest, wrong])
    assert experiments.find(leak="random_folds")["key"].tolist() == [wrong]


def test_an_unfinished_run_and_shuffled_labels_are_not_kept():
    key = train("svm")
    train("svm", labels="permuted")
    next((paths.RUNS / key / "folds").glob("*.csv")).unlink()
    with pytest.raises(StudyError, match="made has no finished run"):
        archive.keep("made")


def test_who_is_about_to_train_what_is_kept_is_told(capsys):
    key = train("svm")
    driver._tell_of_kept("made", {key})
    assert not capsys.readouterr().out
    archive.keep("made")
    assert archive.kept("made") == {key}
    driver._tell_of_kept("made", {key, "another"})
    told = capsys.readouterr().out
    assert "1 of 2 runs" in told and "mer_utils.experiments.archive restore made" in told
    driver._tell_of_kept("made", {"another"})
    assert not capsys.readouterr().out


def test_nothing_kept_is_said():
    with pytest.raises(StudyError, match="holds no run"):
        archive.restore("made")


def test_a_damaged_file_is_named_and_lays_out_nothing():
    train("svm")
    (path,) = archive.keep("made")
    forget()
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(StudyError, match=f"{path.name} is damaged"):
        archive.restore("made")
    assert not paths.RUNS.exists()


def test_a_run_under_another_name_or_with_rows_cut_is_refused():
    train("svm")
    (path,) = archive.keep("made")
    forget()
    other = path.with_name(path.name.replace("seed0", "seed1"))
    path.rename(other)
    with pytest.raises(StudyError, match="does not hold the run of its name"):
        archive.restore("made")
    other.rename(path)
    _rewrite(path, "rows.csv", lambda text: "\n".join(text.split("\n")[:-3]) + "\n")
    with pytest.raises(StudyError, match="does not hold the run of its name"):
        archive.restore("made")


def test_a_changed_declaration_is_refused():
    train("svm")
    (path,) = archive.keep("made")
    forget()
    _rewrite(path, "experiment.json", lambda text: text.replace('"seed": 0', '"seed": 1'))
    with pytest.raises(StudyError, match="does not hold the run of its name"):
        archive.restore("made")


def test_a_fold_that_would_lie_elsewhere_and_a_class_that_is_none_are_refused():
    train("ststnet")
    (path,) = archive.keep("made")
    forget()
    content = path.read_bytes()
    _rewrite(path, "folds.csv", lambda text: text.replace("left__", "../left__"))
    with pytest.raises(StudyError, match="does not hold the run of its name"):
        archive.restore("made")
    path.write_bytes(content)
    calls = io.BytesIO()
    np.save(calls, np.full((3, len(VIEWS.clips)), 7, np.uint8))
    _rewrite(path, "calls.npy", lambda _: calls.getvalue())
    with pytest.raises(StudyError, match="is damaged"):
        archive.restore("made")
    assert not paths.RUNS.exists()


def test_a_run_underway_keeps_its_own_provenance():
    key = train("svm")
    archive.keep("made")
    file = paths.RUNS / key / "provenance.json"
    own = json.loads(file.read_text()) | {"device": "another"}
    file.write_text(json.dumps(own))
    next((paths.RUNS / key / "folds").glob("*.csv")).unlink()
    archive.restore("made")
    told = json.loads(file.read_text())
    assert told.pop("restored") and told == own


def test_the_command_line_keeps_and_restores(capsys):
    train("svm")
    assert archive.main(["keep", "made"]) == 0
    shutil.rmtree(paths.RUNS)
    assert archive.main(["restore", "made"]) == 0
    told = capsys.readouterr().out
    assert told.count(": 1\n") == 2
    (folder,) = paths.RUNS.iterdir()
    assert "restored" in json.loads((folder / "provenance.json").read_text())


def _rewrite(path: Path, name: str, change) -> None:
    with zipfile.ZipFile(path) as packed:
        contents = {each: packed.read(each) for each in packed.namelist()}
    binary = name.endswith(".npy")
    changed = change(contents[name] if binary else contents[name].decode())
    contents[name] = changed if binary else changed.encode()
    with zipfile.ZipFile(path, "w") as packed:
        for each, content in contents.items():
            packed.writestr(each, content)
