"""Trains the folds of one run; every fold's result depends on its own name and seed alone.

Two schedules behind `train_folds`, which give the same fold (tests/test_stacked.py):

* *loop*: one fold after the other in each process, one process per core with one thread each, the
  data set as one tensor shared by all, batches by index, a fused optimiser.  On a CPU a fold is
  bound by matrix products already, so that nothing is gained by stacking.
* *stacked*: many folds in one forward and backward pass.  On a GPU launching the operations of one
  fold takes the time, and those of many are launched as fast.
"""

import ctypes
import gc
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from joblib import Parallel, delayed

from .. import environment, systems
from ..errors import StudyError
from ..evaluation.protocol import Fold
from . import stacked
from .fold import (
    PRECISIONS,
    SELECTIONS,
    FoldResult,
    Task,
    batch_sizes,
    draw,
    inputs,
    load_weights,
    make_optimizer,
    predict,
    save_weights,
    time_steps,
    train_fold,
    try_network,
)

__all__ = [
    "PRECISIONS",
    "SELECTIONS",
    "FoldResult",
    "Schedule",
    "Task",
    "batch_sizes",
    "choose_device",
    "choose_schedule",
    "device_name",
    "draw",
    "estimate",
    "load_weights",
    "make_optimizer",
    "predict",
    "save_weights",
    "train_fold",
    "train_folds",
    "train_task",
    "try_network",
]

SCHEDULES = ("auto", "stacked", "loop")
CPU_STACK = 16  # folds: on a CPU a larger stack is no faster
SHARE = 0.8  # of a GPU's free memory
KEPT = 1 << 30  # bytes that a process's allocator may hold for the next step


@dataclass(frozen=True)
class Schedule:
    """Which of the two, and why; both go into a run's provenance."""

    name: str
    why: str


def train_folds(
    task: Task,
    folds: Sequence[Fold],
    schedule: str = "auto",
    jobs: int | None = None,
    stack: int | None = None,
) -> Iterator[FoldResult]:
    """`train_task` after `check` and `choose_schedule`."""
    check(task.config, task.selection, task.precision, task.device)
    return train_task(task, folds, choose_schedule(task, folds, schedule), jobs, stack)


def train_task(
    task: Task,
    folds: Sequence[Fold],
    schedule: Schedule,
    jobs: int | None = None,
    stack: int | None = None,
    tick: Callable[[float], None] | None = None,
) -> Iterator[FoldResult]:
    """Yield the result of each fold as it ends, in any order.

    jobs: processes on a CPU; by default one per core.  stack: folds trained at once; by default as
    many as fit.  tick: called after each epoch of a stack with the number of folds that it adds to
    those done; not called by the loop, whose folds end one by one, or in other processes.
    """
    jobs = min(jobs or environment.cores(), max(1, len(folds)))
    if schedule.name == "stacked":
        yield from _stacked(task, folds, stack, jobs, tick or _no_tick)
    elif task.device != "cpu" or jobs == 1:
        for fold in folds:
            on_gpu = task.device != "cpu"
            yield train_fold(task, fold) if on_gpu else _one_thread(train_fold, task, fold)
    else:
        yield from _in_processes(jobs, train_fold, task, folds)


def check(config, selection: str, precision: str, device: str) -> None:
    """Refuse what cannot be trained."""
    for what, word, known in (
        ("selection", selection, SELECTIONS),
        ("precision", precision, PRECISIONS),
    ):
        if word not in known:
            raise StudyError(f"{what} '{word}' is not known: choose one of {', '.join(known)}")
    for field in ("epochs", "batch_size"):
        if getattr(config, field, 1) < 1:
            raise StudyError(f"{field}={getattr(config, field)} trains nothing: give 1 or more")
    if precision == "tf32" and device == "cpu":
        raise StudyError("precision tf32 is a GPU's: use --precision fp32 or bf16 on a CPU")


# --- which schedule -------------------------------------------------------------------------------


def choose_schedule(task: Task, folds: Sequence[Fold], schedule: str = "auto") -> Schedule:
    """`auto` stacks on a GPU whatever can be stacked. Raises StudyError where it was asked for."""
    if schedule not in SCHEDULES:
        raise StudyError(
            f"schedule '{schedule}' is not known: choose one of {', '.join(SCHEDULES)}"
        )
    if not systems.neural(task.module):
        return Schedule("loop", f"{task.name} is an estimator of scikit-learn")
    if schedule == "loop":
        return Schedule("loop", "as asked")
    if schedule == "auto" and task.device == "cpu":
        return Schedule("loop", "on a CPU one fold keeps a core busy: one process per core")
    if schedule == "auto" and len(folds) < 2:
        return Schedule("loop", "one fold has no others to be stacked with")
    why_not = stacked.refusal(task, folds[0]) if folds else ""
    if why_not and schedule == "stacked":
        raise StudyError(f"{task.name} cannot be stacked ({why_not}): use --schedule loop")
    if why_not:
        return Schedule("loop", f"{task.name} cannot be stacked: {why_not}")
    if schedule == "stacked":
        return Schedule("stacked", "as asked")
    return Schedule("stacked", "one fold would leave the GPU idle between its launches")


def choose_device(name: str) -> str:
    """`auto` is the GPU where there is one."""
    if name not in ("auto", "cpu", "cuda"):
        raise StudyError(f"device '{name}' is not known: choose auto, cpu or cuda")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise StudyError("device cuda: torch finds no GPU here; use --device cpu or auto")
    return "cuda" if there and name != "cpu" else "cpu"


def device_name(device: str) -> str:
    """What a run's provenance says of the device."""
    return torch.cuda.get_device_name() if device == "cuda" else f"cpu ({platform.machine()})"


def estimate(task: Task, folds: Sequence[Fold], jobs: int | None = None, count: int = 3) -> float:
    """Seconds that the loop will take for these folds, from a few timed steps of the first.

    The steps train a network that is thrown away.  Not for scikit-learn's estimators.
    """
    timed = (task, folds[0], count)
    cpu = task.device == "cpu"
    seconds, clips = _one_thread(time_steps, *timed) if cpu else time_steps(*timed)
    config, jobs = task.config, min(jobs or environment.cores(), len(folds))
    trained = sum(sum(batch_sizes(len(fold.train), config.batch_size)) for fold in folds)
    # a clip that is predicted costs about a third of one that is learned from
    shown = trained + sum(len(fold.test) for fold in folds) / 3
    return seconds / clips * shown * config.epochs / (jobs if cpu else 1)


# --- stacks ---------------------------------------------------------------------------------------


def _stacked(
    task: Task,
    folds: Sequence[Fold],
    stack: int | None,
    jobs: int,
    tick: Callable[[float], None],
) -> Iterator[FoldResult]:
    """Stacks of at most `stack` folds; halved and tried again where they do not fit."""
    groups = stacked.alike(task, folds)
    if task.device == "cpu":
        limit = stack or max(1, min(CPU_STACK, -(-len(folds) // jobs)))
        divided = [part for group in groups for part in parts(group, limit)]
        if jobs > 1 and len(divided) > 1:
            for found in _in_processes(jobs, _stack_in_halves, task, divided):
                yield from found
            return
        for part in divided:
            yield from _one_thread(_stack_in_halves, task, part, tick)
        return
    data = inputs(task)
    limit = stack or room(task, folds[0], data)
    for group in groups:
        waiting = parts(group, limit)
        while waiting:
            part = waiting.pop(0)
            results = _try(task, part, data, tick)
            if results is None:  # too many: so are the others
                limit = -(-len(part) // 2)
                waiting = parts([*part, *(fold for each in waiting for fold in each)], limit)
            else:
                yield from results


def parts(group: Sequence[Fold], limit: int) -> list[list[Fold]]:
    """As few parts as the limit allows, as equal as can be, neighbours in size together."""
    count = -(-len(group) // limit)
    return [list(part) for part in np.array_split(np.array(group, object), count)]


def _try(task: Task, folds: Sequence[Fold], data, tick) -> list[FoldResult] | None:
    """None where the memory does not hold them."""
    try:
        return stacked.train(task, folds, data, tick)
    except torch.OutOfMemoryError:
        if len(folds) == 1:
            raise stacked.too_large(task, folds[0]) from None
    # here and not in the handler: the error holds on to what was allocated
    if task.device == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
    return None


def _no_tick(folds: float) -> None:
    """Nobody counts in another process."""


def _stack_in_halves(task: Task, folds: Sequence[Fold], tick=_no_tick) -> list[FoldResult]:
    """All of `folds`, in as many stacks as the memory asks for."""
    results = _try(task, folds, inputs(task), tick)
    if results is not None:
        return results
    return [
        each
        for half in parts(folds, -(-len(folds) // 2))
        for each in _stack_in_halves(task, half, tick)
    ]


def room(task: Task, fold: Fold, data) -> int:
    """How many folds fit the GPU's free memory, by what one takes."""
    taken = stacked.bytes_of_a_fold(task, fold, data)
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    return max(1, int(SHARE * free / max(taken, 1)))


# --- processes ------------------------------------------------------------------------------------


def _in_processes(jobs: int, work, task: Task, items: Sequence) -> Iterator:
    # Large arrays reach the processes as one memory-mapped file, shared by all of them.
    pool = Parallel(jobs, return_as="generator_unordered", mmap_mode="c")
    shared = vars(task)
    return pool(delayed(_in_worker)(os.getpid(), work, shared, item) for item in items)


def _in_worker(parent: int, work, shared: dict, item):
    _end_with(parent)
    return _one_thread(work, Task(**shared), item)


@cache
def _end_with(parent: int) -> None:
    """A killed run takes its workers along: they would train on, with nobody to write it down."""

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _one_thread(work, *arguments):
    """Sums of matrix products depend on the number of threads; with one they never change."""
    _keep_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return work(*arguments)
    finally:
        torch.set_num_threads(threads)


@cache
def _keep_memory() -> None:
    """Stop glibc from giving every freed tensor back to the system, and asking for it again.

    Page faults were half of a step wherever a network's tensors are larger than what glibc keeps by
    itself: STSTNet's in any process, everybody's under Dask, which pins MALLOC_TRIM_THRESHOLD_.
    Elsewhere than on glibc nothing is done.
    """
    if platform.libc_ver()[0] == "glibc":
        for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
            ctypes.CDLL(None).mallopt(option, KEPT)
