"""Folds on Dask's workers: the same rows, and a lost worker costs the folds it was on."""

import os
import shutil
import signal
import threading
import time

import pandas as pd
import pytest
from made_clips import clip_table, made_views

from mer_utils import experiments, paths
from mer_utils.errors import StudyError
from mer_utils.experiments import store
from mer_utils.training import cluster

distributed = pytest.importorskip("dask.distributed")

CLIPS = clip_table()
VIEWS = made_views(CLIPS)


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")


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
    shutil.rmtree(paths.RUNS)
    return train(experiment, **options)


def finished_folds(experiment) -> dict[str, float]:
    """Seconds of every fold that is on disk: a fold that is trained again takes others."""
    folds = experiments.read(experiment.key).folds
    return dict(zip(folds["fold"], folds["seconds"], strict=True))


def wait_for_a_fold(experiment) -> dict[str, float]:
    """The finished folds of a run, as soon as there is one."""
    until = time.monotonic() + 90
    while not store.finished_folds(experiment.key) and time.monotonic() < until:
        time.sleep(0.005)
    return finished_folds(experiment)


@pytest.mark.slow
def test_workers_give_the_same_rows_and_weights(workers):
    experiment = declare(seed=2)
    there = train(experiment, dask=workers.scheduler_address, keep_weights=True)
    kept = {file.name: file.read_bytes() for file in paths.WEIGHTS.rglob("*.safetensors")}
    provenance = experiments.read(experiment.key).provenance
    assert provenance["device"].startswith("dask, 2 workers: cpu")
    assert provenance["schedule"] == "loop"
    shutil.rmtree(paths.WEIGHTS)
    pd.testing.assert_frame_equal(there, again(experiment, jobs=1, keep_weights=True))
    assert len(kept) == 6
    for file in paths.WEIGHTS.rglob("*.safetensors"):
        assert file.read_bytes() == kept.pop(file.name)
    assert not kept


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
def test_inputs_are_sent_once_for_all_choices_and_groups(workers, monkeypatch):
    sent, scatter = [], distributed.Client.scatter

    def counted(client, data, *given, **options):
        sent.append(len(data.features))
        return scatter(client, data, *given, **options)

    monkeypatch.setattr(distributed.Client, "scatter", counted)
    plain = experiments.declare("svm", "made", VIEWS, selection="inner")
    there = train(plain, dask=workers.scheduler_address)
    assert sent == [1]
    pd.testing.assert_frame_equal(there, again(plain, jobs=1))


@pytest.mark.slow
def test_a_killed_worker_costs_only_the_folds_it_was_on(workers):
    experiment = declare(seed=4, epochs=60)
    killed, before = [], {}

    def kill():
        with distributed.Client(workers.scheduler_address) as client:
            processes = client.run(os.getpid)
        before.update(wait_for_a_fold(experiment))
        killed.append(min(processes.values()))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    there = train(experiment, dask=workers.scheduler_address)
    thread.join()
    assert killed and 0 < len(before) < 6
    assert before.items() <= finished_folds(experiment).items()
    pd.testing.assert_frame_equal(there, again(experiment, jobs=1))


@pytest.mark.slow
def test_where_all_workers_are_lost_the_data_are_sent_again(workers):
    experiment = declare(seed=5, epochs=60)
    before = {}

    def kill_all():
        with distributed.Client(workers.scheduler_address) as client:
            processes = client.run(os.getpid)
        before.update(wait_for_a_fold(experiment))
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


def test_a_cluster_of_ones_own_listens_on_this_machine_alone(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        distributed, "LocalCluster", lambda *_, **options: seen.update(options) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError), cluster.connect("local", 1):
        pass
    assert seen["host"] == "127.0.0.1" and seen["dashboard_address"].startswith("127.0.0.1:")
