"""Folds on other machines: Dask hands out batches of folds, and this process alone writes files.

    dask scheduler                                # prints tcp://ADDRESS:8786
    dask worker tcp://ADDRESS:8786 --nthreads 1   # one per core; or, of several GPUs, one each:
    CUDA_VISIBLE_DEVICES=0 dask worker tcp://ADDRESS:8786 --nthreads 1
    ./run_all.sh train ststnet --dask tcp://ADDRESS:8786

`train_task` trains a batch.  A worker that is lost costs the batch it was on: Dask gives that to
another one, and what had ended is here already.  Workers need the same code and the same torch,
numpy, pandas and scikit-learn as this process.  They need no data: the inputs of a run are sent to
them once, whatever the number of folds, choices and groups; a fold is its positions in them.
"""

import functools
import hashlib
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np

from .. import environment, paths
from ..errors import StudyError
from ..evaluation.protocol import Fold
from . import FoldResult, Schedule, Task, choose_device, choose_schedule, device_name, train_task
from .task import sharing

BATCHES = 4  # for each worker without a GPU: a lost one costs a part, and all end together
PATIENCE = 60  # seconds until the first worker must have come
TRIES = 3  # times that the data are sent anew where every worker that had them is gone
_sharing = functools.lru_cache(maxsize=1)(sharing)  # of all batches that a worker has of a run
_one_at_a_time = threading.Lock()  # torch's random state belongs to a whole process


@contextmanager
def connect(address: str, jobs: int | None = None) -> Iterator["Cluster"]:
    """A cluster that runs at `address`, or for `local` one of `jobs` processes on this machine."""
    try:
        from dask.distributed import Client, LocalCluster
    except ModuleNotFoundError as error:
        missing = "--dask needs dask and distributed: pip install 'dask[distributed]'"
        raise StudyError(missing) from error
    with ExitStack() as open_until_done:
        if address == "local":
            here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
            local = LocalCluster(jobs or environment.cores(), threads_per_worker=1, **here)
            address = open_until_done.enter_context(local)
        try:
            client = Client(address, timeout=10)
        except (OSError, ValueError) as error:
            raise StudyError(
                f"--dask {address}: no scheduler answers there; start one with `dask scheduler` "
                "and give the address that it prints"
            ) from error
        yield Cluster(open_until_done.enter_context(client))


class Cluster:
    """Workers that train batches of folds."""

    def __init__(self, client):
        self.client, self._first, self._inputs = client, None, None
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            address = client.scheduler.address
            raise StudyError(
                f"no worker came to {address} within {PATIENCE} seconds: start one with "
                f"`dask worker {address} --nthreads 1`"
            ) from error

    def place(self, device: str) -> str:
        """cuda where every worker has one, else cpu. Raises StudyError as `choose_device` does."""
        places = set(self.client.run(choose_device, device).values())
        return "cuda" if places == {"cuda"} else "cpu"

    def describe(self, place: str) -> str:
        """What a run's provenance says of the devices."""
        names = list(self.client.run(device_name, place).values())
        return f"dask, {len(names)} workers: {', '.join(sorted(set(names)))}"

    def choose_schedule(self, task: Task, folds: Sequence[Fold], schedule: str) -> Schedule:
        """As a worker chooses, which has the device to try it on."""
        asked = (self._sent(task), _own(task), folds, schedule)
        return self.client.submit(_choose, *asked, pure=False).result()

    def _sent(self, task: Task):
        """Where the workers have the inputs of a run: those of its first task, sent once."""
        if self._inputs is None or self._first.features is not task.features:
            self._first = task
            self._inputs = self.client.scatter(task, broadcast=True, hash=False)
        return self._inputs

    def train(
        self, task: Task, folds: Sequence[Fold], schedule: Schedule, stack: int | None = None
    ) -> Iterator[FoldResult]:
        """Results as they come, in any order; weights are written here too."""
        from dask.distributed import CancelledError, KilledWorker, as_completed

        workers = len(self.client.scheduler_info(n_workers=-1)["workers"])
        count = workers * (BATCHES if task.device == "cpu" else 1)
        parts = np.array_split(np.array(folds, object), min(count, len(folds)))
        waiting = {number: list(part) for number, part in enumerate(parts)}
        for _ in range(TRIES):
            inputs, arguments = self._sent(task), (schedule, stack, code())
            futures = {
                self.client.submit(
                    train_batch, inputs, _own(task), part, *arguments, pure=False
                ): number
                for number, part in waiting.items()
            }
            try:
                for future in as_completed(list(futures)):
                    trained = future.result()
                    del waiting[futures.pop(future)]
                    future.release()
                    for result, weights in trained:
                        if weights is not None:
                            file = task.keep_weights / f"{result.fold.name}.safetensors"
                            paths.write_whole(file, weights)
                        yield result
            except CancelledError:
                self._inputs = None  # the last worker that had them is gone: send them to others
                continue
            except KilledWorker as error:
                raise StudyError(
                    f"{task.name}: a batch of folds ended several workers, one after the other; "
                    "they may lack memory: give them more, or a smaller --stack"
                ) from error
            return
        raise StudyError(f"all workers were lost {TRIES} times: look at their logs, then run again")


def _own(task: Task) -> Task:
    """A task without the inputs, which all tasks of a run share."""
    return replace(task, features={})


def _choose(inputs: Task, task: Task, folds: Sequence[Fold], schedule: str) -> Schedule:
    with _one_at_a_time:
        return choose_schedule(replace(task, features=inputs.features), folds, schedule)


def train_batch(
    inputs: Task,
    task: Task,
    folds: list[Fold],
    schedule: Schedule,
    stack: int | None,
    expected: dict,
) -> list[tuple[FoldResult, bytes | None]]:
    """On a worker: results, and the weights as the bytes of their files where they are kept.

    inputs: the first task of the run, which the worker has; task: without them.
    """
    for name, version in code().items():
        if version != expected[name]:
            raise StudyError(
                f"a worker has {name} {version}, the driver {expected[name]}: give both the same"
            )
    keep = task.keep_weights is not None
    with _one_at_a_time, tempfile.TemporaryDirectory() as folder:
        given = {"features": inputs.features, "shared": _sharing(inputs).shared}
        task = replace(task, **given, keep_weights=Path(folder) if keep else None)
        results = list(train_task(task, folds, schedule, jobs=1, stack=stack))
        files = (Path(folder, f"{result.fold.name}.safetensors") for result in results)
        weights = [file.read_bytes() if keep else None for file in files]
        return list(zip(results, weights, strict=True))


def code() -> dict[str, str]:
    """What decides a prediction, apart from the data: versions, and the source of this package."""
    versions = {
        name: metadata.version(name).partition("+")[0]  # 2.13.0+cpu is a build of 2.13.0
        for name in ("torch", "numpy", "pandas", "scikit-learn")
    }
    source = b"".join(file.read_bytes() for file in sorted(paths.PACKAGE.rglob("*.py")))
    return versions | {"mer_utils": hashlib.sha256(source).hexdigest()[:12]}
