"""Power cuts, failing disks, full disks and killed processes: named, made anew, never believed."""

import errno
import io
import json
import os
import re
import shutil
import signal
import time
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from test_experiments import CLIPS, VIEWS, declare, runs, start, stop_after, train  # noqa: F401

from mer_utils import cli, experiments, paths, training
from mer_utils.corpora import CLASSES
from mer_utils.errors import StudyError
from mer_utils.evaluation import logs
from mer_utils.experiments import archive, store
from mer_utils.preprocessing import views

SHARES = (0, 0.01, 0.3, 0.5, 0.9, 0.99)
pytestmark = pytest.mark.filterwarnings("ignore:.* is damaged")


def cut(content: bytes) -> list[bytes]:
    """What a power cut leaves of a file: the beginning of it, or its length in zeros."""
    return [content[: int(share * len(content))] for share in SHARES] + [bytes(len(content))]


def members(file) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


# --- runs underway --------------------------------------------------------------------------------


def test_a_fold_that_is_not_whole_is_named_left_out_and_trained_again(monkeypatch):
    experiment = declare()
    whole = train(experiment)
    store.file(experiment.key).unlink()
    stop_after(3, monkeypatch, experiment)
    file = paths.RUNS / experiment.key / "folds" / "left__002.npz"
    content = file.read_bytes()
    with np.load(file) as stored:
        arrays = dict(stored)
    fewer = {name: value[1:] if name == "clip" else value for name, value in arrays.items()}
    worse = arrays | {"probabilities": arrays["probabilities"] * np.nan}
    unlike = [io.BytesIO(), io.BytesIO(), io.BytesIO()]
    for given, packed in zip((fewer, worse, {"label": arrays["label"]}), unlike, strict=True):
        np.savez(packed, **given)
    for damage in [*cut(content), *(packed.getvalue() for packed in unlike)]:
        file.write_bytes(damage)
        with pytest.warns(UserWarning, match=r"left__002\.npz is damaged .*: train its run again"):
            assert store.finished_folds(experiment.key) == {"left__001": 5, "left__003": 5}
        assert len(experiments.load(experiment.key)) == 10
        assert experiments.find()["folds"].tolist() == [2]
        with pytest.raises(StudyError, match="has 2 of 6 folds: run it again"):
            store.finish(experiment.key)
    pd.testing.assert_frame_equal(train(experiment), whole)


def test_a_fold_of_other_clips_is_trained_again(monkeypatch):
    experiment = declare("majority")
    whole = train(experiment)
    store.file(experiment.key).unlink()
    stop_after(3, monkeypatch, experiment)
    file = paths.RUNS / experiment.key / "folds" / "left__002.npz"
    with np.load(file) as stored:
        arrays = dict(stored)
    per_clip = ("corpus", "subject", "clip", "label", "probabilities")
    fewer = {name: arrays[name][1:] for name in per_clip}
    np.savez(file, **arrays | fewer | {"predicted": arrays["predicted"][:, 1:]})
    pd.testing.assert_frame_equal(train(experiment), whole)


@pytest.mark.parametrize("name", ["experiment.json", "provenance.json"])
def test_a_damaged_json_is_named_stops_no_table_and_its_run_goes_on(monkeypatch, name):
    other, experiment = declare("svm"), declare()
    train(other)
    whole = train(experiment)
    store.file(experiment.key).unlink()
    stop_after(2, monkeypatch, experiment)
    file = paths.RUNS / experiment.key / name
    fields = json.loads(file.read_bytes())
    for damage in [*cut(file.read_bytes()), b"[]", b'"a"', b"\xff", b"{}", None]:
        file.write_bytes(damage) if damage is not None else file.unlink()
        if name == "provenance.json" and damage == b"{}":
            continue
        if (name, damage) != ("experiment.json", None):
            with pytest.warns(UserWarning, match=f"{experiment.key}.*is damaged"):
                assert experiments.find()["key"].tolist() == [other.key]
        with pytest.raises(StudyError):
            experiments.load(experiment.key)
        assert len(store.finished_folds(experiment.key)) == 2
        file.write_text(json.dumps(fields))
    file.write_bytes(b"{")
    pd.testing.assert_frame_equal(train(experiment), whole)


# --- finished runs --------------------------------------------------------------------------------


def test_a_damaged_run_is_named_stops_no_table_and_is_trained_again(runs):  # noqa: F811
    other, experiment = declare("svm"), declare("majority")
    train(other)
    whole = train(experiment)
    file = runs / f"{experiment.key}.zip"
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[65] ^= 255  # in the first file, behind its header
    for damage in [*cut(content), bytes(flipped)]:
        file.write_bytes(damage)
        with pytest.warns(UserWarning, match=rf"{file.name} is damaged .*: train its run again"):
            assert experiments.find()["key"].tolist() == [other.key]
        with pytest.raises(StudyError, match="is not there: train it"):
            experiments.load(experiment.key)
    pd.testing.assert_frame_equal(train(experiment), whole)
    assert members(file)["rows.csv"] == archive.unpacked(file).rows


def forged(contents: dict[str, bytes], other: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """The members of a run, each time with something in them that is not its own."""
    rows = contents["rows.csv"].decode().splitlines(keepends=True)
    cells = rows[1].split(",")
    right = cells[4]
    wrong = next(name for name in CLASSES if name != right)
    changed = [rows[0], ",".join([*cells[:4], wrong, *cells[5:]]), *rows[2:]]
    p = slice(5, 8)
    swapped = ",".join([*cells[:5], *np.roll(cells[p], 1), *cells[8:]])
    zeros = io.BytesIO()
    np.save(zeros, np.zeros((3, 30), np.uint8))
    few = json.loads(contents["provenance.json"]) | {"folds": 7}
    texts = {
        "a prediction by hand": ("rows.csv", "".join(changed)),
        "probabilities by hand": ("rows.csv", "".join([rows[0], swapped, *rows[2:]])),
        "a clip twice": ("rows.csv", "".join([*rows[:2], *rows[1:-1]])),
        "a clip less": ("rows.csv", "".join(rows[:-1])),
        "an unknown label": ("rows.csv", "".join(rows).replace(f",{right},", ",none,", 1)),
        "folds that are missing": ("provenance.json", json.dumps(few)),
        "no object": ("provenance.json", "[]"),
    }
    for name in ("rows.csv", "experiment.json", "predicted.npy", "losses.npy"):
        if contents[name] != other[name]:
            texts[f"{name} of another run"] = (name, other[name])
    made = {
        why: contents | {n: t if isinstance(t, bytes) else t.encode()}
        for why, (n, t) in texts.items()
    }
    made["epochs by hand"] = contents | {"predicted.npy": zeros.getvalue()}
    made["a file above"] = contents | {"../../evil.py": b"import os"}
    made["one file more"] = contents | {"more.csv": b"1"}
    made["a bomb"] = contents | {"losses.npy": bytes(archive.LARGEST)}
    return made


def test_restore_and_tables_believe_no_archive(runs, capsys):  # noqa: F811
    experiment, other = declare(epochs=3), declare(epochs=4, seed=1)
    train(experiment)
    train(other)
    content = (runs / f"{experiment.key}.zip").read_bytes()
    contents = members(runs / f"{experiment.key}.zip")
    kept = paths.KEPT / "made" / f"{experiment.key}.zip"
    kept.parent.mkdir(parents=True)
    cases = forged(contents, members(runs / f"{other.key}.zip"))
    assert len(cases) > 12
    shutil.rmtree(runs)
    for why, case in cases.items():
        kept.write_bytes(archive.pack(case))
        with pytest.warns(UserWarning, match="is damaged"):
            assert store.restore("made") == [], why
        assert experiments.find().empty, why
        assert not list(runs.glob("*")), why
    kept.write_bytes(content)
    assert [file.name for file in store.restore("made")] == [kept.name]
    (runs / kept.name).write_bytes(b"")
    assert len(store.restore("made")) == 1  # in place of the damaged one
    assert (runs / kept.name).read_bytes() == content
    kept.write_bytes(b"PK")
    assert len(experiments.load(experiment.key)) == len(CLIPS)  # this machine's is whole


def test_an_archive_that_lies_about_its_sizes_unpacks_no_more_than_it_says(runs):  # noqa: F811
    experiment = declare("majority")
    train(experiment)
    file = store.file(experiment.key)
    content = archive.pack(members(file) | {"losses.npy": bytes(2**24)})
    file.write_bytes(content.replace((2**24).to_bytes(4, "little"), (8).to_bytes(4, "little")))
    with pytest.warns(UserWarning, match="is damaged"):
        assert store.file(experiment.key) is None


# --- weights, rows, processes, disks --------------------------------------------------------------


def test_half_a_file_of_weights_is_named_and_trained_again():
    experiment = declare()
    train(experiment, keep_weights=True)
    file = paths.WEIGHTS / experiment.key / "left__002.safetensors"
    content = file.read_bytes()
    for damage in cut(content):
        file.write_bytes(damage)
        with pytest.raises(StudyError, match=r"left__002\.safetensors is damaged"):
            training.load_weights(torch.nn.Linear(1, 1), file)
        with pytest.warns(UserWarning, match=r"left__002\.safetensors is damaged"):
            train(experiment, keep_weights=True)
        assert file.read_bytes() == content


def test_half_a_file_of_rows_is_a_sentence(tmp_path, capsys):
    rows = train(declare("majority"))
    file = logs.write_rows(rows, tmp_path / "rows.csv.gz")
    for damage in cut(file.read_bytes()):
        file.write_bytes(damage)
        assert cli.main(["scores", str(file)]) == 2
        assert capsys.readouterr().err.startswith("error: rows.csv.gz cannot be read")


def _killed(task, fold):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_a_sentence_and_what_was_trained_is_kept(monkeypatch):
    monkeypatch.setattr(training, "train_fold", _killed)
    with pytest.raises(StudyError, match="was killed, most often for lack of memory.*fewer --jobs"):
        train(declare(), jobs=2)
    monkeypatch.undo()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_no_fold_is_a_sentence(tmp_path, monkeypatch, capsys, code):
    file = views.save(VIEWS, tmp_path / "views.npz", "made")

    def full(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main(["train", "majority", "--data", str(file), "--jobs", "1"]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert re.match(rf"error: .*{os.strerror(code)}", told)


@pytest.mark.slow
def test_a_run_that_is_interrupted_by_hand_says_so_in_a_line(runs, tmp_path):  # noqa: F811
    file = views.save(VIEWS, tmp_path / "views.npz")
    process = start(file, runs, jobs=2, epochs=300)
    until = time.monotonic() + 120
    while not list(runs.rglob("experiment.json")) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers are told too
    told = process.communicate(timeout=60)[0]
    assert process.returncode == 130, told
    assert "Traceback" not in told and told.splitlines()[-1].startswith("Interrupted.")
