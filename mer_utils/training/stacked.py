"""Many folds in one forward and backward pass: their weights carry a leading fold axis.

One fold of these networks leaves a GPU idle, and launching its small operations takes the time.
Here parameters, buffers (an adjacency, BatchNorm's statistics) and the optimiser's state of F folds
lie in one tensor each, (F, ...); a forward pass is `functional_call` under `vmap`, and since the
sum of the folds' losses is what is differentiated, each fold gets the gradient of its own alone.
The data set lies on the device once, and each fold gathers its own batches from it by index.

A fold must come out as from the plain loop of `fold`, whoever trains beside it:

* its order of clips, its initial weights and the keys of its noise are made in `fold.Start`;
* only folds with equally many steps an epoch are stacked, so that the optimiser's count of steps,
  and a momentum that moves without a gradient, are right for all;
* the last batch of an epoch differs in size: it is filled up to the largest, and what was filled in
  is left out of the loss and of BatchNorm's statistics (`noise.masked_batch_norm`), in which alone
  the clips of a batch meet.  A system's own loss is given each fold's output without the filling;
* the optimiser treats every number by itself (`ELEMENTWISE`), so that it needs no fold axis.

Nothing in `Stack.step` waits for the device or makes a tensor from the host's numbers, as a CUDA
graph or `torch.compile` of it would ask; neither is used, since neither has been tried on a GPU.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map

from ..errors import StudyError
from ..evaluation.protocol import Fold
from . import fold as single
from .fold import FoldResult, Task
from .noise import Noise

ELEMENTWISE = (
    *(torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.RAdam),
    *(torch.optim.Adamax, torch.optim.Adagrad, torch.optim.RMSprop, torch.optim.Adadelta),
)
# Layers without a batching rule under vmap, or that draw their noise where `Noise` cannot see it
UNSTACKED = (
    *(nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention),
    *(nn.AlphaDropout, nn.FeatureAlphaDropout),
)
CHECK = 10  # epochs between two looks at the losses, for each of which the host waits for the GPU


def refusal(task: Task, fold: Fold) -> str:
    """Why this network cannot be stacked, as the end of a sentence; empty where it can.

    A system that knows better says so itself: `LOOP_ONLY = "why"`.
    """
    if hasattr(task.module, "LOOP_ONLY"):
        return task.module.LOOP_ONLY
    net = single.start(replace(task, selection="last"), fold).net
    for layer in net.modules():
        if isinstance(layer, UNSTACKED):
            return f"{type(layer).__name__} has no rule for a stack of weights in torch.func"
    optimizer = single.make_optimizer(task.module, task.config, net)
    if type(optimizer) not in ELEMENTWISE:
        return f"{type(optimizer).__name__} looks at all weights of a network at once"
    return ""


def alike(task: Task, folds: Sequence[Fold]) -> list[list[Fold]]:
    """Folds in groups of equally many steps an epoch, each from the largest to the smallest."""
    groups: dict[int, list[tuple[int, Fold]]] = {}
    for fold in folds:
        clips = len(single.training_clips(task, fold)[0])
        steps = len(single.batch_sizes(clips, task.config.batch_size))
        groups.setdefault(steps, []).append((clips, fold))
    return [
        [fold for _, fold in sorted(group, key=lambda each: -each[0])] for group in groups.values()
    ]


def train(
    task: Task, folds: Sequence[Fold], data: dict[str, torch.Tensor], tick: Callable[[float], None]
) -> list[FoldResult]:
    """Train folds with equally many steps an epoch side by side.

    data: what `fold.inputs` put on the device.  tick: told after every epoch how much it adds to
    the folds that are done.  Raises torch.OutOfMemoryError where they are too
    many, StudyError where one diverges.
    """
    began = time.perf_counter()
    with single.numerics(task.precision, task.device):
        stack = Stack(task, folds, data)
        found = stack.train(tick)
    seconds = (time.perf_counter() - began) / len(folds)
    return [replace(each, seconds=seconds) for each in found]


def bytes_of_a_fold(task: Task, fold: Fold, data: dict[str, torch.Tensor]) -> int:
    """Memory that one fold takes on the GPU, by training one for a step."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with single.numerics(task.precision, task.device):
        stack = Stack(task, [fold], data)
        stack.first_steps(1)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


@dataclass(frozen=True, eq=False)
class Step:
    """What is the same in every epoch: which places of the order, and which of them count."""

    columns: slice  # of the order
    sizes: tuple[int, ...]  # clips of each fold's batch
    counts: torch.Tensor  # (F,) the same
    real: torch.Tensor | None  # (F, B) bool; None: all


class Stack:
    """F folds on their way."""

    def __init__(self, task: Task, folds: Sequence[Fold], data: dict[str, torch.Tensor]):
        self.task, self.data = task, data
        self.starts, self.parameters, self.buffers = [], {}, {}
        for number, fold in enumerate(folds):
            start = single.start(task, fold)  # one network at a time on the host
            if not number:
                self.net = start.net  # its weights are never used, its shape is
            self._fill(self.parameters, start.net.named_parameters(), number, len(folds))
            self._fill(self.buffers, start.net.named_buffers(), number, len(folds))
            self.starts.append(replace(start, net=self.net))
        wanted = {name: each.requires_grad for name, each in self.net.named_parameters()}
        for name, values in self.parameters.items():
            values.requires_grad_(wanted[name])
        self.net.to(task.device)
        self.optimizer = single.optimizer_of(
            task.module, task.config, list(self.parameters.values())
        )
        self.train_index = self._padded([start.train for start in self.starts])
        self.labels = self._padded([start.known["labels"] for start in self.starts])
        self.targets = [
            {
                name: values.to(task.device)
                for name, values in start.known.items()
                if name != "labels"
            }
            for start in self.starts
        ]
        self.steps = self._steps()
        self.clips = sum(step.counts for step in self.steps)  # (F,) that an epoch learns from

    def _fill(self, stacked, named, number: int, count: int) -> None:
        for name, values in named:
            if name not in stacked:
                shape = (count, *values.shape)
                stacked[name] = torch.empty(shape, dtype=values.dtype, device=self.task.device)
            stacked[name][number] = values.detach()

    def _padded(self, rows: Sequence) -> torch.Tensor:
        """Rows of unequal length -> (F, longest) int64, filled up with their own first."""
        rows = [np.asarray(row) for row in rows]
        longest = max(map(len, rows))
        table = np.stack(
            [np.concatenate([row, np.repeat(row[:1], longest - len(row))]) for row in rows]
        )
        return torch.from_numpy(table.astype(np.int64)).to(self.task.device)

    def _steps(self) -> list[Step]:
        batch_size, device = self.task.config.batch_size, self.task.device
        each = [single.batch_sizes(len(start.train), batch_size) for start in self.starts]
        steps = []
        for number, sizes in enumerate(zip(*each, strict=True)):
            width, begin = max(sizes), number * batch_size
            counts = torch.tensor(sizes, device=device)
            real = None
            if len(set(sizes)) > 1:
                real = torch.arange(width, device=device) < counts[:, None]
            steps.append(Step(slice(begin, begin + width), sizes, counts, real))
        return steps

    # --- training ---------------------------------------------------------------------------------

    def train(self, tick: Callable[[float], None]) -> list[FoldResult]:
        task = self.task
        tests = self._padded([start.fold.test for start in self.starts])
        inner = task.selection == "inner"
        if inner:
            validations = self._padded([start.validation for start in self.starts])
        predicted, losses = [], []
        scores = [[] for _ in self.starts]
        best = [(-np.inf, -np.inf)] * len(self.starts)
        chosen = [task.config.epochs] * len(self.starts)
        best_state = None
        for epoch in range(1, task.config.epochs + 1):
            single.set_rate(task, self.optimizer, epoch)
            losses.append(self.epoch(epoch))
            if epoch % CHECK == 0 or epoch == task.config.epochs:
                self._check(losses)
            current = self.predict(tests)
            predicted.append(current.argmax(-1))
            if not inner:
                chosen_probabilities = current
            else:
                better = np.zeros(len(self.starts), bool)
                for number, found in enumerate(self.predict(validations).numpy(force=True)):
                    positions = self.starts[number].validation
                    score = single.validation_score(found[: len(positions)], task.labels[positions])
                    scores[number].append(score)
                    if (score[0], -score[1]) > best[number]:
                        best[number], chosen[number] = (score[0], -score[1]), epoch
                        better[number] = True
                better = torch.from_numpy(better).to(task.device)
                if epoch == 1:
                    chosen_probabilities = current
                chosen_probabilities[better] = current[better]
                if task.keep_weights is not None:
                    best_state = self._state(best_state, better)
            tick(len(self.starts) / task.config.epochs)
        chosen_probabilities = chosen_probabilities.numpy(force=True)  # (F, longest, C)
        predicted = torch.stack(predicted, dim=1).numpy(force=True)  # (F, E, longest)
        losses = torch.stack(losses, dim=1).numpy(force=True)  # (F, E)
        if task.keep_weights is not None:
            self._save(best_state or self._state())
        return [
            single.result(
                start.fold,
                chosen_probabilities[number][: len(start.fold.test)],
                chosen[number],
                predicted[number][:, : len(start.fold.test)],
                scores[number],
                losses[number],
                0.0,
            )
            for number, start in enumerate(self.starts)
        ]

    def epoch(self, epoch: int) -> torch.Tensor:
        """One pass over all folds' training clips; (F,) mean losses, on the device."""
        orders, keys = self._epoch_inputs(epoch)
        self.net.train()
        total = 0.0
        for number, step in enumerate(self.steps):
            total = total + self.step(orders[:, step.columns], keys[:, number], step)
        return total / self.clips

    def first_steps(self, count: int) -> None:
        """A few steps of the first epoch, for a measurement; the folds are spoilt by it."""
        orders, keys = self._epoch_inputs(1)
        self.net.train()
        for number in range(count):
            number %= len(self.steps)
            step = self.steps[number]
            self.step(orders[:, step.columns], keys[:, number], step)

    def _epoch_inputs(self, epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """All that the host draws for an epoch: the orders (F, longest), the keys (F, steps)."""
        orders = self._padded([start.order(epoch).numpy() for start in self.starts])
        seeds = [start.seeds(epoch, len(self.steps)) for start in self.starts]
        return orders, torch.stack([single.keys(each) for each in seeds]).to(self.task.device)

    def step(self, places: torch.Tensor, keys: torch.Tensor, step: Step) -> torch.Tensor:
        """places (F, B) of the folds' training clips -> (F,) summed losses of the batch."""
        index = self.train_index.gather(1, places)
        batch = {name: values[index] for name, values in self.data.items()}  # (F, B, ...)
        forward = vmap(self._forward, in_dims=(0, 0, 0, 0, 0 if step.real is not None else None))
        output = forward(self.parameters, self.buffers, batch, keys, step.real)
        losses = self._losses(output, self.labels.gather(1, places), places, step)  # (F,)
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        self.optimizer.step()
        return losses.detach() * step.counts

    def _forward(self, parameters, buffers, batch, key, real):
        with Noise(key, real):
            return functional_call(self.net, (parameters, buffers), kwargs=batch)

    def _losses(self, output, labels, places, step: Step) -> torch.Tensor:
        """Mean loss of each fold's batch."""
        if not hasattr(self.task.module, "loss"):
            each = F.cross_entropy(output.flatten(0, 1), labels.flatten(), reduction="none")
            each = each.view(labels.shape)
            if step.real is not None:
                each = torch.where(step.real, each, 0.0)
            return each.sum(1) / step.counts
        losses = []
        for number, (start, size) in enumerate(zip(self.starts, step.sizes, strict=True)):
            mine = tree_map(lambda values, n=number, size=size: values[n, :size], output)
            targets = {
                name: values[places[number, :size]] for name, values in self.targets[number].items()
            }
            losses.append(start.criterion(mine, labels[number, :size], **targets))
        return torch.stack(losses)

    def _check(self, losses: list[torch.Tensor]) -> None:
        table = torch.stack(losses).numpy(force=True)  # (E, F)
        wrong = np.argwhere(~np.isfinite(table))
        if len(wrong):
            epoch, number = wrong[0]
            fold = self.starts[number].fold
            raise single.diverged(self.task, fold, epoch + 1, table[epoch, number])

    # --- predicting, keeping ----------------------------------------------------------------------

    @torch.no_grad()
    def predict(self, positions: torch.Tensor) -> torch.Tensor:
        """positions (F, T) of clips -> (F, T, C) probabilities, on the device."""
        self.net.eval()
        found = []
        for part in positions.split(single.EVALUATION_BATCH, dim=1):
            batch = {name: values[part] for name, values in self.data.items()}
            logits = vmap(
                lambda parameters, buffers, batch: functional_call(
                    self.net, (parameters, buffers), kwargs=batch
                )
            )(self.parameters, self.buffers, batch)
            found.append(single.probabilities(logits))
        return torch.cat(found, dim=1)

    @torch.no_grad()
    def _state(self, before: dict | None = None, better: torch.Tensor | None = None) -> dict:
        """Copies of all weights and buffers; with `better` (F,) only of those folds."""
        now = {**self.parameters, **self.buffers}
        if before is None:
            return {name: values.detach().clone() for name, values in now.items()}
        folds = torch.nonzero(better)[:, 0]
        for name, values in now.items():
            before[name][folds] = values[folds]
        return before

    @torch.no_grad()
    def _save(self, state: dict[str, torch.Tensor]) -> None:
        for number, start in enumerate(self.starts):
            for name, values in (*self.net.named_parameters(), *self.net.named_buffers()):
                values.copy_(state[name][number])
            single.save_weights(self.net.state_dict(), self.task.keep_weights, start.fold)


def too_large(task: Task, fold: Fold) -> StudyError:
    """Where not even one fold fits."""
    return StudyError(
        f"{task.name} does not fit the memory of {task.device} when {fold.corpus} {fold.subject} "
        "is left out: lower batch_size, or use --device cpu"
    )
