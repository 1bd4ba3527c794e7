"""Many folds in one forward and backward pass: their weights have a leading fold axis.

One fold of these networks leaves a GPU idle: launching its small operations takes the time.  Here
parameters, buffers (an adjacency, BatchNorm's statistics) and the optimiser's state of F folds are
in one tensor each, (F, ...), and a forward pass is `functional_call` under `vmap`.  The sum of the
folds' losses is differentiated, so that each fold gets the gradient of its own loss alone.  The
data set is on the device once; each fold gathers its own batches from it by index.

A fold must come out as from the plain loop of `fold`, whatever it is stacked with:

* its order of clips, its initial weights and the keys of its noise come from `task.start`;
* only folds with equally many steps an epoch are stacked, so that the optimiser's count of steps,
  and a momentum that moves without a gradient, are right for all;
* the last batch of an epoch is filled up to the largest, and the filling is left out of the loss
  and of BatchNorm's statistics (`noise.stacked_batch_norm`), where alone the clips of a batch meet;
* the optimiser treats every number by itself (`ELEMENTWISE`), so that it needs no fold axis.

`Stack.step` never waits for the device and makes no tensor from the host's numbers.

Under vmap a convolution with weights of its own for each fold becomes a grouped one.  As a product
of matrices it was slower on a GPU (LOG.md).
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.utils.rnn import pad_sequence
from torch.utils._pytree import tree_map

from ..corpora.table import one_line
from ..errors import StudyError
from ..evaluation.protocol import Fold
from . import fold as single
from .noise import Noise, key_of
from .numerics import numerics
from .task import FoldResult, Task, batch_sizes, on_device, start

SHARE = 0.8  # of a GPU's free memory
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
    net = start(replace(task, device="cpu"), fold).net
    for layer in net.modules():
        if isinstance(layer, UNSTACKED):
            return f"{type(layer).__name__} has no rule for a stack of weights in torch.func"
    optimizer = single.make_optimizer(task.module, task.config, net.parameters())
    if type(optimizer) not in ELEMENTWISE:
        return f"{type(optimizer).__name__} looks at all weights of a network at once"
    return ""


def trial(task: Task, folds: Sequence[Fold]) -> str:
    """Why a small stack fails on the task's device, as the end of a sentence; empty where it works.

    Two folds, of the most and the fewest clips, take the first and the last step, and predict.
    """
    try:
        with numerics(task.precision, task.device):
            group = max(alike(task, folds), key=len)
            stack = Stack(task, group[:1] + group[1:][-1:], on_device(task, task.features))
            stack.steps = stack.steps[:1] + stack.steps[1:][-1:]
            stack.epoch(1)
            stack.predict(stack.labels[:, :1]).numpy(force=True)  # waits for the device
    except torch.OutOfMemoryError:
        pass  # `train_all` takes fewer folds
    except Exception as error:  # of any kind: the loop may do what a stack cannot
        return f"a step on {task.device} failed: {one_line(error)}"
    return ""


def alike(task: Task, folds: Sequence[Fold]) -> list[list[Fold]]:
    """Folds in groups of equally many steps an epoch, each from the largest to the smallest."""
    groups: dict[int, list[Fold]] = {}
    for fold in sorted(folds, key=lambda fold: -len(fold.train)):
        steps = len(batch_sizes(len(fold.train), task.config.batch_size))
        groups.setdefault(steps, []).append(fold)
    return list(groups.values())


def parts(group: Sequence[Fold], limit: int) -> list[list[Fold]]:
    """As few parts as the limit allows, as equal as can be, neighbours in size together."""
    count = -(-len(group) // limit)
    return [list(part) for part in np.array_split(np.array(group, object), count)]


def train_all(
    task: Task, stacks: Sequence[Sequence[Fold]], tick: Callable[[float], None] | None = None
) -> Iterator[FoldResult]:
    """Train stacks, each of folds with equally many steps an epoch.

    tick: as `train_task` takes it.  Where the memory does not hold a stack, it and all later ones
    are halved.  Raises StudyError where it does not hold one fold, or where one diverges.
    """
    data, waiting = on_device(task, task.features), list(stacks)
    while waiting:
        stack, began = waiting.pop(0), time.perf_counter()
        try:
            with numerics(task.precision, task.device):
                results = Stack(task, stack, data).train(tick)
            seconds = (time.perf_counter() - began) / len(stack)
            yield from (replace(result, seconds=seconds) for result in results)
            continue
        except torch.OutOfMemoryError:
            if len(stack) == 1:
                raise StudyError(
                    f"{task.name} does not fit the memory of {task.device} when "
                    f"{stack[0].corpus} {stack[0].subject} is left out: lower batch_size, or use "
                    "--device cpu"
                ) from None
        # here and not in the handler: the error holds on to what was allocated
        gc.collect()
        if task.device == "cuda":
            torch.cuda.empty_cache()
        half = -(-len(stack) // 2)
        waiting = [part for group in (stack, *waiting) for part in parts(group, half)]


def room(task: Task, fold: Fold) -> int:
    """How many folds fit the GPU's free memory, from what one takes in a step."""
    data = on_device(task, task.features)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with numerics(task.precision, task.device):
        stack = Stack(task, [fold], data)
        stack.steps = stack.steps[:1]
        stack.epoch(1)
    torch.cuda.synchronize()
    taken = torch.cuda.max_memory_allocated() - before
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    return max(1, int(SHARE * free / max(taken, 1)))


@dataclass(frozen=True, eq=False)
class Step:
    """What a step has in common in all epochs."""

    columns: slice  # its places in the order of the clips
    sizes: tuple[int, ...]  # clips of each fold's batch
    counts: torch.Tensor  # (F,) the same
    real: torch.Tensor | None  # (F, B) bool: no filling; None: all


class Stack:
    """The weights of F folds, and what trains them; data: as `task.on_device` gives it."""

    def __init__(self, task: Task, folds: Sequence[Fold], data: dict[str, torch.Tensor]):
        self.task, self.data = task, data
        self.starts = [start(task, fold) for fold in folds]
        parameters, buffers = stack_module_state([begin.net for begin in self.starts])
        self.parameters = {
            name: values.detach().to(task.device).requires_grad_(values.requires_grad)
            for name, values in parameters.items()
        }
        self.buffers = {name: values.to(task.device) for name, values in buffers.items()}
        self.net = self.starts[0].net.to(task.device)  # for its structure; weights are not used
        self.starts = [replace(begin, net=self.net) for begin in self.starts]
        weights = list(self.parameters.values())
        self.optimizer = single.make_optimizer(task.module, task.config, weights)
        self.labels = self._padded([begin.labels for begin in self.starts])
        self.steps = []
        for number, sizes in enumerate(zip(*(begin.sizes for begin in self.starts), strict=True)):
            width, first = max(sizes), number * task.config.batch_size
            counts, real = torch.tensor(sizes, device=task.device), None
            if len(set(sizes)) > 1:
                real = torch.arange(width, device=task.device) < counts[:, None]
            self.steps.append(Step(slice(first, first + width), sizes, counts, real))
        self.clips = sum(step.counts for step in self.steps)  # (F,) that an epoch learns from

    def _padded(self, rows: Sequence) -> torch.Tensor:
        """Rows of unequal length -> (F, longest) int64 on the device; no result reads the zeros."""
        return pad_sequence([torch.as_tensor(row) for row in rows], True).to(self.task.device)

    def train(self, tick: Callable[[float], None] | None = None) -> list[FoldResult]:
        """All epochs; a result of each fold, without its seconds."""
        task, starts, last = self.task, self.starts, self.task.config.epochs
        tests = self._padded([begin.fold.test for begin in starts])
        probabilities, losses = [], []
        for epoch in range(1, last + 1):
            single.set_rate(task, self.optimizer, epoch)
            losses.append(self.epoch(epoch))
            if epoch % CHECK == 0 or epoch == last:
                self._check(torch.stack(losses))
            probabilities.append(self.predict(tests))
            if tick:
                tick(len(starts) / last)
        if task.keep_weights is not None:
            weights = {**self.parameters, **self.buffers}
            for number, begin in enumerate(starts):
                state = {name: weights[name][number].detach() for name in self.net.state_dict()}
                single.save_weights(state, task.keep_weights, begin.fold)
        probabilities = torch.stack(probabilities, dim=1).numpy(force=True)  # (F, E, longest, C)
        losses = torch.stack(losses, dim=1).numpy(force=True)  # (F, E)
        return [
            single.result(task, begin.fold, rows[:, : len(begin.fold.test)], loss, seconds=0.0)
            for begin, rows, loss in zip(starts, probabilities, losses, strict=True)
        ]

    def _check(self, losses: torch.Tensor) -> None:
        """Raises Diverged for the first of (E, F) that is no number."""
        for epoch, number in (~losses.isfinite()).nonzero().tolist():
            fold, loss = self.starts[number].fold, losses[epoch, number].item()
            raise single.diverged(self.task, fold, epoch + 1, loss)

    def epoch(self, epoch: int) -> torch.Tensor:
        """One pass over all folds' training clips; (F,) mean losses, on the device."""
        orders = self._padded([begin.order(epoch) for begin in self.starts])
        inputs = self._padded([begin.inputs(epoch) for begin in self.starts])
        numbers = range(len(self.steps))
        keys = [[key_of(begin.seed(epoch, step)) for step in numbers] for begin in self.starts]
        keys = torch.tensor(keys, dtype=torch.int32).to(self.task.device)  # (F, steps)
        self.net.train()
        total = 0.0
        for step, key in zip(self.steps, keys.T, strict=True):
            total = total + self.step(orders[:, step.columns], inputs, key, step)
        return total / self.clips

    def step(self, places, inputs, keys: torch.Tensor, step: Step) -> torch.Tensor:
        """places (F, B) of the folds' training clips -> (F,) summed losses of the batch."""
        batch = single.gather(self.data, inputs.gather(1, places))  # (F, B, ...)
        forward = vmap(self._call, in_dims=(0, 0, 0, 0, 0 if step.real is not None else None))
        output = forward(self.parameters, self.buffers, batch, keys, step.real)
        losses = self._losses(output, self.labels.gather(1, places), places, step)  # (F,)
        self.optimizer.zero_grad()
        losses.sum().backward()
        self.optimizer.step()
        return losses.detach() * step.counts

    def _call(self, parameters, buffers, batch, key=None, real=None):
        # operations that TorchScript fuses on a GPU (geoopt's) have no rule under vmap
        with Noise(key, real), torch.jit.optimized_execution(False):
            return functional_call(self.net, (parameters, buffers), kwargs=batch)

    def _losses(self, output, labels, places, step: Step) -> torch.Tensor:
        """Mean loss of each fold's batch."""
        if not hasattr(self.task.module, "loss"):
            losses = F.cross_entropy(output.flatten(0, 1), labels.flatten(), reduction="none")
            losses = losses.view(labels.shape)
            if step.real is not None:
                losses = torch.where(step.real, losses, 0.0)
            return losses.sum(1) / step.counts
        losses = []
        for number, (begin, size) in enumerate(zip(self.starts, step.sizes, strict=True)):
            batch = tree_map(lambda values, n=number, size=size: values[n, :size], output)
            targets = single.gather(begin.targets, places[number, :size])
            losses.append(begin.criterion(batch, labels[number, :size], **targets))
        return torch.stack(losses)

    @torch.no_grad()
    def predict(self, positions: torch.Tensor, own: bool = True) -> torch.Tensor:
        """positions (F, T) of clips -> (F, T, C) probabilities, on the device."""
        if mirror := self.starts[0].mirror * own:
            return (self.predict(positions, False) + self.predict(positions + mirror, False)) / 2
        self.net.eval()
        forward = vmap(self._call)
        logits = [
            forward(self.parameters, self.buffers, single.gather(self.data, index))
            for index in positions.split(single.EVALUATION_BATCH, dim=1)
        ]
        return torch.cat([single.softmax(part) for part in logits], dim=1)
