"""Folds on Dask's workers: the same rows, and a lost worker costs the folds it was on."""

import json
import os
import signal
import threading
import time

import pandas as pd
import pytest
from made_clips import clip_table, made_views

from mer_utils import experiments, paths
from mer_utils.errors import StudyError
from mer_utils.training import cluster

distributed = pytest.importorskip("dask.distributed")

CLIPS = clip_table()
VIEWS = made_views(CLIPS)


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")


@pytest.fixture(scope="module")
def workers():
    with distributed.LocalCluster(
        2, threads_per_worker=1, dashboard_address=":0", memory_limit=0
    ) as local:
        yield local


def declare(**fields):
    fields = {"epochs": 3, "batch_size": 8} | fields
    return experiments.declare("ststnet", "made", VIEWS, **fields)


def train(experiment, **options) -> pd.DataFrame:
    return experiments.run(experiment, VIEWS, progress=False, device="cpu", **options)


def again(experiment, **options) -> pd.DataFrame:
    """The same run from its beginning."""
    for file in experiment.folder.rglob("*.*"):
        file.unlink()
    return train(experiment, **options)


@pytest.mark.slow
def test_workers_give_the_same_rows_and_weights(workers):
    experiment = declare(seed=2)
    there = train(experiment, dask=workers.scheduler_address, keep_weights=True)
    kept = {file.name: file.read_bytes() for file in experiment.folder.glob("weights/*")}
    told = json.loads((experiment.folder / "provenance.json").read_text())
    assert told["device"].startswith("dask, 2 workers: cpu")
    assert told["schedule"] == "loop"
    pd.testing.assert_frame_equal(there, again(experiment, jobs=1, keep_weights=True))
    assert len(kept) == 6
    for file in experiment.folder.glob("weights/*"):
        assert file.read_bytes() == kept[file.name]


@pytest.mark.slow
def test_workers_train_stacks_and_estimators_too(workers):
    experiment = declare(seed=3)
    there = train(experiment, dask=workers.scheduler_address, schedule="stacked", stack=2)
    here = again(experiment, jobs=1, schedule="stacked", stack=2)
    probabilities = ["p_negative", "p_positive", "p_surprise"]
    assert (there[probabilities] - here[probabilities]).abs().max().max() < 1e-5
    plain = experiments.declare("svm", "made", VIEWS)
    assert len(train(plain, dask=workers.scheduler_address)) == len(CLIPS)


@pytest.mark.slow
def test_a_killed_worker_costs_only_the_folds_it_was_on(workers):
    experiment = declare(seed=4, epochs=60)
    folds = experiment.folder / "folds"
    killed, before = [], {}

    def kill():
        with distributed.Client(workers.scheduler_address) as client:
            processes = client.run(os.getpid)
        until = time.monotonic() + 90
        while not list(folds.glob("*.csv")) and time.monotonic() < until:
            time.sleep(0.005)
        before.update({file: file.stat().st_mtime_ns for file in folds.glob("*.csv")})
        killed.append(min(processes.values()))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    there = train(experiment, dask=workers.scheduler_address)
    thread.join()
    assert killed and 0 < len(before) < 6
    assert before == {file: file.stat().st_mtime_ns for file in before}
    pd.testing.assert_frame_equal(there, again(experiment, jobs=1))


@pytest.mark.slow
def test_where_all_workers_are_lost_the_data_are_sent_again(workers):
    experiment = declare(seed=5, epochs=60)
    folds, before = experiment.folder / "folds", []

    def kill_all():
        with distributed.Client(workers.scheduler_address) as client:
            processes = client.run(os.getpid)
        until = time.monotonic() + 90
        while not list(folds.glob("*.csv")) and time.monotonic() < until:
            time.sleep(0.005)
        before.extend(folds.glob("*.csv"))
        for process in processes.values():
            os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=kill_all)
    thread.start()
    there = train(experiment, dask=workers.scheduler_address)
    thread.join()
    assert 0 < len(before) < 6
    pd.testing.assert_frame_equal(there, again(experiment, jobs=1))


@pytest.mark.slow
def test_a_worker_with_other_code_is_refused(workers, monkeypatch):
    monkeypatch.setattr(cluster, "code", lambda: {"torch": "0.1"})
    with pytest.raises(StudyError, match=r"a worker has torch .*, the driver 0.1: give both"):
        train(declare(seed=6), dask=workers.scheduler_address)


@pytest.mark.slow
def test_an_address_without_a_scheduler_is_told():
    with pytest.raises(StudyError, match="no scheduler answers there; start one with"):
        train(declare(seed=7), dask="tcp://127.0.0.1:9")


@pytest.mark.slow
def test_a_cluster_of_ones_own():
    assert len(train(declare(seed=8), dask="local", jobs=1)) == len(CLIPS)
