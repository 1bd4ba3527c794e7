"""One fold: what it starts from, the plain loop that trains it, what comes out of it.

The plain loop is the reference: batches by index, a fused optimiser, one fold after the other.
`stacked` trains many folds at once and must give the same.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from .. import systems
from ..errors import StudyError
from ..evaluation import protocol
from ..evaluation.protocol import Fold
from .noise import Noise

SELECTIONS = ("last", "inner")
PRECISIONS = ("fp32", "tf32", "bf16", "fp64")
EVALUATION_BATCH = 512  # clips: test folds are small, validation folds are not


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What the left-out subject was given, at the chosen epoch and at every other."""

    fold: Fold
    probabilities: np.ndarray  # (n_test, C) at the chosen epoch; float32, in fp64 float64
    epoch: int  # 1..E; 0 where a system has no epochs
    predicted: np.ndarray  # (E, n_test) uint8 class numbers after every epoch; E = 0 without epochs
    validation: np.ndarray  # (E, 2) macro F1 and loss on the inner subjects; E = 0 for `last`
    losses: np.ndarray  # (E,) mean training loss
    seconds: float


@dataclass(frozen=True, eq=False)
class Task:
    """What all folds of one run share."""

    module: object  # the system's
    config: object
    features: dict[str, np.ndarray]  # first axis clips
    clips: pd.DataFrame
    labels: np.ndarray  # (N,) int class numbers
    _: KW_ONLY
    n_classes: int
    seed: int = 0
    selection: str = "last"  # in SELECTIONS
    device: str = "cpu"  # or "cuda"
    precision: str = "fp32"  # in PRECISIONS
    keep_weights: Path | None = None  # a folder for <fold>.safetensors
    leak: str = ""  # "scaler" | "graph": fitted on all clips on purpose, to price it

    @property
    def name(self) -> str:
        return self.module.__name__.rpartition(".")[2]

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and results; bf16 keeps both in float32, as autocast does."""
        return torch.float64 if self.precision == "fp64" else torch.float32


@dataclass(frozen=True, eq=False)
class Start:
    """What a fold begins with, made on the CPU: the same whoever trains it."""

    fold: Fold
    train: np.ndarray  # positions into the clips
    validation: np.ndarray
    net: nn.Module
    known: dict[str, torch.Tensor]  # labels and other targets of the training clips, in their order
    criterion: Callable
    scope: tuple  # the words that the fold's random numbers are made of

    def order(self, epoch: int) -> torch.Tensor:
        """The training clips in an epoch's random order: places in `train`."""
        generator = torch.Generator().manual_seed(draw(*self.scope, epoch, "order"))
        return torch.randperm(len(self.train), generator=generator)

    def seeds(self, epoch: int, steps: int) -> list[int]:
        return [draw(*self.scope, epoch, step) for step in range(steps)]


def draw(*words) -> int:
    """A random state that depends on the words alone: seed, corpus, subject, epoch, step."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch takes 63 bits


def keys(seeds: Sequence[int]) -> torch.Tensor:
    """int32 keys of `Noise`, one for each seed."""
    return torch.from_numpy(np.array([seed & 0xFFFFFFFF for seed in seeds], np.uint32).view("i4"))


def training_clips(task: Task, fold: Fold) -> tuple[np.ndarray, np.ndarray]:
    """Positions a fold trains on, and those of the subjects that pick its epoch."""
    if task.selection == "inner":
        return protocol.inner_split(task.clips, fold)
    return fold.train, np.array([], int)


def start(task: Task, fold: Fold) -> Start:
    """The fold's context, initial weights, targets and loss."""
    module, config = task.module, task.config
    train, validation = training_clips(task, fold)
    clips = task.clips.iloc[train]
    seen = np.arange(len(task.clips)) if task.leak == "graph" else train
    context = systems.fit_context(
        module,
        task.clips.iloc[seen],
        {name: values[seen] for name, values in task.features.items()},
        config,
    )
    scope = (task.seed, fold.corpus, fold.subject)
    torch.manual_seed(draw(*scope, "weights"))
    net = module.network(config, task.n_classes, context).to(task.dtype)
    systems.inputs.check_names(net, task.features)
    # every clip's inputs are known, but labels and other targets of the training clips alone
    known = {"labels": torch.as_tensor(task.labels[train])}
    if hasattr(module, "targets"):
        known |= {
            name: cast(torch.tensor(values), task.dtype)
            for name, values in module.targets(clips, config).items()
        }
    counts = np.bincount(task.labels[train], minlength=task.n_classes)
    criterion = module.loss(config, counts) if hasattr(module, "loss") else F.cross_entropy
    return Start(fold, train, validation, net, known, criterion, scope)


def cast(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Real numbers in the run's type; whole numbers as they are."""
    return values.to(dtype) if values.is_floating_point() else values


def inputs(task: Task) -> dict[str, torch.Tensor]:
    """Every clip's inputs on the device."""
    return {
        name: cast(torch.as_tensor(values), task.dtype).to(task.device)
        for name, values in task.features.items()
    }


def batch_sizes(clips: int, batch_size: int) -> list[int]:
    """Of the steps of one epoch: the last one may hold fewer clips, but not one alone.

    BatchNorm cannot learn from one clip, and the next epoch's order takes it along.
    """
    sizes = [min(batch_size, clips - start) for start in range(0, clips, batch_size)]
    return sizes[:-1] if len(sizes) > 1 and sizes[-1] == 1 < batch_size else sizes


# --- the plain loop -------------------------------------------------------------------------------


def train_fold(task: Task, fold: Fold) -> FoldResult:
    """Train on the other subjects, predict the left-out one."""
    return loop(task, fold) if systems.neural(task.module) else _fit_estimator(task, fold)


def loop(task: Task, fold: Fold) -> FoldResult:
    """Train the network of one fold, step by step."""
    began = time.perf_counter()
    config, device = task.config, task.device
    beginning = start(task, fold)
    layout = _layout(task)
    net = beginning.net.to(device, memory_format=layout)
    data = inputs(task)
    known = {name: values.to(device) for name, values in beginning.known.items()}
    optimizer = make_optimizer(task.module, config, net)
    sizes = batch_sizes(len(beginning.train), config.batch_size)
    train_index = torch.as_tensor(beginning.train).to(device)
    validation_labels = task.labels[beginning.validation]

    predicted, scores, losses = [], [], []
    best, best_state, chosen = (-np.inf, -np.inf), None, config.epochs
    with numerics(task.precision, device):
        for epoch in range(1, config.epochs + 1):
            set_rate(task, optimizer, epoch)
            order = beginning.order(epoch).to(device)
            seeds = beginning.seeds(epoch, len(sizes))
            net.train()
            total = 0.0
            for batch, seed, key in zip(
                order.split(config.batch_size), seeds, keys(seeds).to(device), strict=False
            ):
                torch.manual_seed(seed)  # what is no dropout: the noise of a recurrent layer
                with Noise(key):
                    output = net(**_gather(data, train_index[batch], layout))
                targets = {name: values[batch] for name, values in known.items()}
                loss = beginning.criterion(output, targets.pop("labels"), **targets)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                total = total + loss.detach() * len(batch)
            losses.append(float(total) / sum(sizes))
            if not np.isfinite(losses[-1]):
                raise diverged(task, fold, epoch, losses[-1])
            current = predict(net, data, fold.test, layout)
            predicted.append(current.argmax(1))
            if task.selection == "last":
                chosen_probabilities = current
            else:
                found = predict(net, data, beginning.validation, layout)
                scores.append(validation_score(found, validation_labels))
                if (scores[-1][0], -scores[-1][1]) > best:
                    best, chosen = (scores[-1][0], -scores[-1][1]), epoch
                    chosen_probabilities = current
                    if task.keep_weights is not None:
                        state = net.state_dict().items()
                        best_state = {name: value.clone() for name, value in state}
    if task.keep_weights is not None:
        save_weights(best_state or net.state_dict(), task.keep_weights, fold)
    seconds = time.perf_counter() - began
    return result(fold, chosen_probabilities, chosen, predicted, scores, losses, seconds)


def try_network(module, config, n_classes: int, context: dict) -> None:
    """Build a network and throw it away; random numbers of the caller stay as they are."""
    with torch.random.fork_rng(devices=[]):
        module.network(config, n_classes, context)


def time_steps(task: Task, fold: Fold, count: int = 3) -> tuple[float, int]:
    """(seconds, clips) of a full step of the loop; the median of `count` after one to warm up.

    Random numbers of the caller stay as they are; the network is thrown away.
    """
    config, device = task.config, task.device
    with torch.random.fork_rng(devices=[]), numerics(task.precision, device):
        beginning = start(task, fold)
        layout = _layout(task)
        net = beginning.net.to(device, memory_format=layout).train()
        data = inputs(task)
        optimizer = make_optimizer(task.module, config, net)
        places = beginning.order(1)[: config.batch_size]
        index = torch.as_tensor(beginning.train)[places].to(device)
        targets = {name: values[places].to(device) for name, values in beginning.known.items()}
        labels = targets.pop("labels")
        key, taken = keys([0]).to(device)[0], []
        for _ in range(count + 1):
            began = time.perf_counter()
            with Noise(key):
                output = net(**_gather(data, index, layout))
            loss = beginning.criterion(output, labels, **targets)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            float(loss.detach())  # a GPU has done the step when it can say this
            taken.append(time.perf_counter() - began)
    return float(np.median(taken[1:])), len(places)


def result(fold: Fold, probabilities, chosen: int, predicted, scores, losses, seconds: float):
    """A FoldResult of lists with an item for each epoch."""
    return FoldResult(
        fold,
        probabilities,
        chosen,
        np.array(predicted, np.uint8).reshape(-1, len(fold.test)),
        np.array(scores, np.float32).reshape(-1, 2),
        np.array(losses, probabilities.dtype),
        seconds,
    )


def diverged(task: Task, fold: Fold, epoch: int, loss: float) -> StudyError:
    return StudyError(
        f"{task.name} diverged in epoch {epoch} when {fold.corpus} {fold.subject} was left out "
        f"(loss {loss}): set a learning_rate below {task.config.learning_rate:g}"
    )


@contextmanager
def numerics(precision: str, device: str):
    """How matrix products are rounded.

    fp32: as IEEE says, convolutions on a GPU included; tf32: a GPU's 10-bit factors, float32 sums;
    bf16: torch's autocast, weights and sums float32; fp64: for checks.
    """
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    # TorchScript's own way to say autocast has no rule under vmap; the plain one works inside it
    scripted = torch._C._jit_set_autocast_mode(False)
    try:
        # no cache: it would hold on to the first step's weights
        with torch.autocast(
            device, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False
        ):
            yield
    finally:
        torch._C._jit_set_autocast_mode(scripted)
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


def _layout(task: Task) -> torch.memory_format:
    """Some convolutions are faster on a CPU with the channels last; a system says so itself."""
    if task.device == "cpu" and getattr(task.module, "CHANNELS_LAST", False):
        return torch.channels_last
    return torch.contiguous_format


def _gather(data: dict[str, torch.Tensor], index: torch.Tensor, layout) -> dict:
    """The inputs of the clips at `index`; images (B, C, H, W) in the layout of the network."""
    batch = {name: values[index] for name, values in data.items()}
    if layout == torch.channels_last:
        return {
            name: values.contiguous(memory_format=layout) if values.ndim == 4 else values
            for name, values in batch.items()
        }
    return batch


def make_optimizer(module, config, net: nn.Module) -> torch.optim.Optimizer:
    """The system's own, or Adam; the same on every device."""
    return optimizer_of(module, config, net.parameters())


def optimizer_of(module, config, parameters) -> torch.optim.Optimizer:
    """The system's own, or Adam; fused, which saves a fifth of a small network's step."""
    if hasattr(module, "optimizer"):
        return module.optimizer(config, parameters)
    return torch.optim.Adam(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


def set_rate(task: Task, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """The learning rate of an epoch, where a system has its own course of it."""
    if hasattr(task.module, "rate"):
        for group in optimizer.param_groups:
            group["lr"] = task.module.rate(task.config, epoch)


@torch.no_grad()
def predict(
    net: nn.Module,
    data: dict[str, torch.Tensor],
    positions: np.ndarray,
    layout: torch.memory_format = torch.contiguous_format,
) -> np.ndarray:
    """(n, C) class probabilities of the clips at `positions`; float32, of a float64 net float64."""
    net.eval()
    index = torch.as_tensor(positions).to(next(iter(data.values())).device)
    parts = index.split(EVALUATION_BATCH)
    return torch.cat([probabilities(net(**_gather(data, part, layout))) for part in parts]).numpy(
        force=True
    )


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    return (logits.float() if logits.dtype == torch.bfloat16 else logits).softmax(-1)


def validation_score(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Macro F1 pooled over the validation subjects, and their cross-entropy, which breaks ties."""
    n_classes = probabilities.shape[1]
    predicted = probabilities.argmax(1)
    confusion = np.bincount(n_classes * labels + predicted, minlength=n_classes**2)
    confusion = confusion.reshape(n_classes, n_classes)
    counts = confusion.sum(0) + confusion.sum(1)  # 2TP + FP + FN
    f1 = 2 * confusion.diagonal() / np.maximum(counts, 1)  # a class in neither counts 0
    likelihood = probabilities[np.arange(len(labels)), labels]
    return float(f1.mean()), float(-np.log(np.maximum(likelihood, 1e-12)).mean())


def _fit_estimator(task: Task, fold: Fold) -> FoldResult:
    began = time.perf_counter()
    x, n_classes = task.features["x"], task.n_classes
    state = draw(task.seed, fold.corpus, fold.subject) % 2**32
    model = task.module.estimator(task.config, n_classes, state)
    if task.leak == "scaler":  # the pipeline's first step has seen the left-out subject
        x, model = model[0].fit(x).transform(x), model[1:]
    model = model.fit(x[fold.train], task.labels[fold.train])
    probabilities = np.zeros((len(fold.test), n_classes), np.float32)
    if hasattr(model, "predict_proba"):
        probabilities[:, model.classes_] = model.predict_proba(x[fold.test])
    else:
        # a machine without probabilities: all its belief on the class it predicts
        probabilities[np.arange(len(fold.test)), model.predict(x[fold.test])] = 1.0
    return result(fold, probabilities, 0, [], [], [], time.perf_counter() - began)


# --- weights --------------------------------------------------------------------------------------


def save_weights(state: dict[str, torch.Tensor], folder: Path, fold: Fold) -> Path:
    """`<corpus>__<subject>.safetensors`, the fold's buffers (its adjacency) included; by rename."""
    from safetensors.torch import save_file  # a machine that keeps no weights does without it

    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{fold.name}.{os.getpid()}.part"
    # tensors that share memory, or lie across it, have no place in the format
    whole = {name: value.cpu().clone().contiguous() for name, value in state.items()}
    save_file(whole, part)
    return part.replace(folder / f"{fold.name}.safetensors")


def load_weights(net: nn.Module, file: Path) -> nn.Module:
    """Fill a network with the weights of a fold. Raises StudyError where the file is not there."""
    from safetensors.torch import load_file

    if not file.is_file():
        raise StudyError(f"{file} does not exist: run the fold again with --keep-weights")
    net.load_state_dict(load_file(file))
    return net
