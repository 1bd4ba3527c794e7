"""What the folds of a run share, what each begins with, and what comes out of it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from .. import systems
from ..corpora.table import unknown
from ..evaluation.protocol import Fold

PRECISIONS = ("fp32", "tf32", "bf16", "fp64")


@dataclass(frozen=True, eq=False)
class Task:
    """What all folds of one run share."""

    module: object  # the system's
    config: object
    features: dict[str, np.ndarray]  # first axis clips; of a mirrored task then their mirror images
    clips: pd.DataFrame
    labels: np.ndarray  # (N,) int class numbers
    _: KW_ONLY
    n_classes: int
    seed: int = 0
    device: str = "cpu"  # or "cuda"
    precision: str = "fp32"  # in PRECISIONS
    keep_weights: Path | None = None  # a folder for <fold>.safetensors
    leak: str = ""  # "scaler" | "graph": fitted on all clips on purpose, to price it
    shared: dict[str, np.ndarray] = field(default_factory=dict)  # `sharing` fills it

    @property
    def name(self) -> str:
        return self.module.__name__.rpartition(".")[2]

    @property
    def mirrored(self) -> bool:
        """Whether clips are also learned from, and predicted, as seen in a mirror."""
        return len(next(iter(self.features.values()))) == 2 * len(self.clips)

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and results; bf16 keeps both in float32, as autocast does."""
        return torch.float64 if self.precision == "fp64" else torch.float32


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What a system predicted of the left-out subject."""

    fold: Fold
    probabilities: np.ndarray  # (n_test, C) after the last epoch; float32, in fp64 float64
    epoch: int  # how many there were; 0 where a system has none
    predicted: np.ndarray  # (E, n_test) uint8 class numbers after every epoch; E = 0 without epochs
    errors: np.ndarray  # (E or 1, n_test) Brier score of every clip: 0 to 2
    losses: np.ndarray  # (E,) mean training loss
    seconds: float


@dataclass(frozen=True, eq=False)
class Start:
    """What a fold begins with: the same for the loop and for a stack."""

    fold: Fold
    mirror: int  # how far behind a clip its mirror image is in the features; 0 without
    net: nn.Module  # on the CPU; all tensors below are on the device
    clips: torch.Tensor  # positions of the training clips
    labels: torch.Tensor  # of the training clips, in their order
    targets: dict[str, torch.Tensor]  # what else its loss reads of them
    criterion: Callable  # (output, labels, **targets) -> mean loss of a batch
    sizes: list[int]  # clips of each step of an epoch
    scope: tuple  # seed, corpus, subject: its random numbers depend on these alone

    def order(self, epoch: int) -> torch.Tensor:
        """The training clips of an epoch in their random order: places in `clips`."""
        generator = torch.Generator().manual_seed(draw(*self.scope, epoch, "order"))
        return torch.randperm(len(self.clips), generator=generator)[: sum(self.sizes)]

    def inputs(self, epoch: int) -> torch.Tensor:
        """Where in the features each of `clips` is read in an epoch: half of them in a mirror."""
        if not self.mirror:
            return self.clips
        generator = torch.Generator().manual_seed(draw(*self.scope, epoch, "mirror"))
        mirrored = torch.randint(2, (len(self.clips),), generator=generator)
        return self.clips + self.mirror * mirrored.to(self.clips.device)

    def seed(self, epoch: int, step: int) -> int:
        """The random state of one step, from which dropout gets its noise."""
        return draw(*self.scope, epoch, step)


def sharing(task: Task) -> Task:
    """The task with what all its folds read, where its system computes such a thing once a run."""
    if task.shared or not hasattr(task.module, "shared"):
        return task
    return replace(task, shared=task.module.shared(task.features["x"], len(task.clips)))


def one_of(name: str, value, choices: Sequence[str]) -> None:
    """Raises StudyError, naming the nearest, where the value is none of the choices."""
    if value not in choices:
        raise unknown(name, value, [choice for choice in choices if choice])


def draw(*scope) -> int:
    """A random state of 63 bits that depends on the arguments alone."""
    digest = hashlib.sha256("/".join(map(str, scope)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def start(task: Task, fold: Fold) -> Start:
    """The context, initial weights, targets and loss of a fold."""
    module, config = task.module, task.config
    train = fold.train
    labels, scope = task.labels[train], (task.seed, fold.corpus, fold.subject)
    context = {}
    if hasattr(module, "fit_context"):  # else no copy of the features is made
        fitted = np.arange(len(task.clips)) if task.leak == "graph" else train
        features = {name: values[fitted] for name, values in task.features.items()}
        context = module.fit_context(task.clips.iloc[fitted], features, config)
    torch.manual_seed(draw(*scope, "weights"))
    net = module.network(config, task.n_classes, context).to(task.dtype)
    systems.inputs.check_names(net, task.features)
    targets, criterion = {}, F.cross_entropy
    if hasattr(module, "targets"):
        targets = module.targets(task.clips.iloc[train], config)
    if hasattr(module, "loss"):
        criterion = module.loss(config, np.bincount(labels, minlength=task.n_classes))
    return Start(
        *(fold, len(task.clips) * task.mirrored, net),
        torch.as_tensor(train).to(task.device),
        torch.as_tensor(labels).to(task.device),
        on_device(task, targets),
        systems.inputs.checked_loss(criterion, net),
        batch_sizes(len(train), config.batch_size),
        scope,
    )


def batch_sizes(clips: int, batch_size: int) -> list[int]:
    """Of the steps of one epoch: the last one may hold fewer clips, but not one alone.

    BatchNorm cannot learn from one clip, and the next epoch's order takes it along.
    """
    sizes = [min(batch_size, clips - first) for first in range(0, clips, batch_size)]
    return sizes[:-1] if len(sizes) > 1 and sizes[-1] == 1 < batch_size else sizes


def on_device(task: Task, arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Real numbers in the run's type, whole numbers as they are."""
    tensors = {name: torch.as_tensor(values) for name, values in arrays.items()}
    return {
        name: values.to(task.device, task.dtype if values.is_floating_point() else values.dtype)
        for name, values in tensors.items()
    }
