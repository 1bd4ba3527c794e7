"""Trains the folds of one run; every fold's result depends on its own name and seed alone.

Two schedules behind `train_task`, which give the same fold (tests/test_stacked.py):

* *loop*: one fold after the other in each process, one process per core with one thread each, the
  data set shared by all.  On a CPU the matrix products of one fold keep a core busy.
* *stacked*: many folds in one forward and backward pass.  On a GPU launching the operations of one
  fold takes the time, and those of many are launched as fast.
"""

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .. import environment, systems
from ..errors import StudyError
from ..evaluation.protocol import Fold
from . import fold as single
from . import stacked
from .fold import Diverged, load_weights, new_network, predict, train_fold, whole_weights
from .task import PRECISIONS, FoldResult, Task, batch_sizes, one_of, sharing

__all__ = ["Diverged", "load_weights", "new_network", "one_of", "predict", "whole_weights"]

SCHEDULES = ("auto", "stacked", "loop")
CPU_STACK = 16  # folds: on a CPU a larger stack is no faster


@dataclass(frozen=True)
class Schedule:
    """Which of the two, and why; both go into a run's provenance."""

    name: str
    why: str


def train_folds(
    task: Task, folds: Sequence[Fold], schedule: str = "auto", jobs: int | None = None, **options
) -> Iterator[FoldResult]:
    """`train_task` after `check` and `choose_schedule`."""
    check(task.config, task.precision, task.device)
    return train_task(task, folds, choose_schedule(task, folds, schedule), jobs, **options)


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
    many as fit.  tick: called after each epoch of a stack in this process, with the number of folds
    that it adds to those done.
    """
    jobs = _processes(task, folds, jobs)
    if schedule.name == "loop":
        yield from _each(jobs, train_fold, sharing(task), folds)
        return
    on_cpu = min(CPU_STACK, -(-len(folds) // jobs))
    limit = stack or (on_cpu if task.device == "cpu" else stacked.room(task, folds[0]))
    stacks = [part for group in stacked.alike(task, folds) for part in stacked.parts(group, limit)]
    if jobs == 1 or len(stacks) == 1:
        yield from stacked.train_all(task, stacks, tick)
    else:
        for results in _each(jobs, _train_stack, task, stacks):
            yield from results


def _train_stack(task: Task, folds: Sequence[Fold]) -> list[FoldResult]:
    return list(stacked.train_all(task, [folds]))


def check(config, precision: str, device: str) -> None:
    """Refuse what cannot be trained."""
    one_of("precision", precision, PRECISIONS)
    for field in ("epochs", "batch_size"):
        if getattr(config, field, 1) < 1:
            raise StudyError(f"{field}={getattr(config, field)} trains nothing: give 1 or more")
    if precision == "tf32" and device == "cpu":
        raise StudyError("precision tf32 is a GPU's: use --precision fp32 or bf16 on a CPU")


def choose_schedule(task: Task, folds: Sequence[Fold], schedule: str = "auto") -> Schedule:
    """`auto` stacks on a GPU whatever can be stacked; a small stack is tried on the device.

    Raises StudyError where a stack was asked for and cannot be.
    """
    one_of("schedule", schedule, SCHEDULES)
    if not systems.neural(task.module):
        return Schedule("loop", f"{task.name} is an estimator of scikit-learn")
    if schedule == "loop":
        return Schedule("loop", "as asked")
    auto = schedule == "auto"
    if auto and task.device == "cpu":
        return Schedule("loop", "on a CPU one fold keeps a core busy: one process per core")
    if auto and len(folds) < 2:
        return Schedule("loop", "one fold has no others to be stacked with")
    why_not = folds and (stacked.refusal(task, folds[0]) or stacked.trial(task, folds))
    if why_not and auto:
        return Schedule("loop", f"{task.name} cannot be stacked: {why_not}")
    if why_not:
        raise StudyError(f"{task.name} cannot be stacked ({why_not}): use --schedule loop")
    idle = "one fold would leave the GPU idle between its launches"
    return Schedule("stacked", idle if auto else "as asked")


def choose_device(name: str) -> str:
    """`auto` is the GPU where there is one."""
    one_of("device", name, ("auto", "cpu", "cuda"))
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise StudyError("device cuda: torch finds no GPU here; use --device cpu or auto")
    return "cuda" if available and name != "cpu" else "cpu"


def device_name(device: str) -> str:
    """What a run's provenance says of the device."""
    return torch.cuda.get_device_name() if device == "cuda" else f"cpu ({platform.machine()})"


def estimate(
    task: Task, timed: Sequence[Fold], folds: Sequence[Fold], jobs: int | None = None
) -> float:
    """Seconds that the loop will take for `folds`, from a few steps of those that are `timed`.

    The steps are timed in as many processes as will train, at the same time, because cores share
    their memory.  The processes stay for the training.  Not for scikit-learn's estimators.
    """
    jobs = _processes(task, folds, jobs)
    by_size = sorted(timed, key=lambda fold: len(fold.test))
    middle = by_size[max(len(timed) - jobs, 0) // 2 :][:jobs]
    begin, step, clips, predicting = np.mean(
        list(_each(jobs, single.time_steps, task, middle)), axis=0
    )
    sizes = [sum(batch_sizes(len(fold.train), task.config.batch_size)) for fold in folds]
    epoch = step / clips * np.mean(sizes) + predicting
    return -(-len(folds) // jobs) * (begin + task.config.epochs * epoch)


def _processes(task: Task, folds: Sequence[Fold], jobs: int | None) -> int:
    return min(jobs or environment.cores(), len(folds)) or 1 if task.device == "cpu" else 1


def _each(jobs: int, work: Callable, task: Task, items: Sequence) -> Iterator:
    """`work(task, item)` of every item, as it ends."""
    given = [(task, item) for item in items]
    return (result for _, result in environment.each(jobs, f"trained {task.name}", work, given))
