"""Trains the folds of one run; every fold's result depends on its own name and seed alone.

The loop schedule: one process per core with one thread each, the data set as one tensor, batches by
index, a fused optimiser.  On a CPU a single fold is bound by matrix products already, so that
nothing is gained by stacking folds.  On a GPU one process trains one fold after the other.
"""

import hashlib
import os
import platform
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from joblib import Parallel, delayed
from sklearn.metrics import f1_score
from torch import nn

from . import environment, protocol, systems
from .errors import StudyError
from .protocol import Fold

SELECTIONS = ("last", "inner")
EVALUATION_BATCH = 512  # clips: test folds are small, validation folds are not


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What the left-out subject was given, at the chosen epoch and at every other."""

    fold: Fold
    probabilities: np.ndarray  # (n_test, C) at the chosen epoch
    epoch: int  # 1..E; 0 where a system has no epochs
    epochs: np.ndarray  # (E, n_test, C) float32, for pricing the leak; E = 0 without epochs
    validation: np.ndarray  # (E, 2) macro F1 and loss on the inner subjects; E = 0 for `last`
    losses: np.ndarray  # (E,) mean training loss
    seconds: float


def train_folds(
    module,
    config,
    features: dict[str, np.ndarray],
    clips: pd.DataFrame,
    labels: np.ndarray,
    folds: Sequence[Fold],
    *,
    seed: int,
    selection: str = "last",
    n_classes: int,
    device: str = "auto",
    jobs: int | None = None,
    keep_weights: Path | None = None,
) -> Iterator[FoldResult]:
    """Yield the result of each fold as it ends, in any order.

    features: as the system's `features` gives them, first axis clips.  labels (N,) int class
    numbers.  keep_weights: a folder for `<fold>.safetensors`.  Raises StudyError for a device that
    is not there or a selection that is not known.
    """
    if selection not in SELECTIONS:
        raise StudyError(
            f"selection '{selection}' is not known: choose one of {', '.join(SELECTIONS)}"
        )
    for field in ("epochs", "batch_size"):
        if getattr(config, field, 1) < 1:
            raise StudyError(f"{field}={getattr(config, field)} trains nothing: give 1 or more")
    place = choose_device(device)
    jobs = min(jobs or environment.cores(), max(1, len(folds)))
    arguments = (module, config, features, clips, labels)
    options = (seed, selection, n_classes, place, keep_weights)
    if place != "cpu" or jobs == 1:
        for fold in folds:
            yield (_one_thread if place == "cpu" else train_fold)(*arguments, fold, *options)
        return
    # Large arrays reach the processes as one memory-mapped file, shared by all of them.
    pool = Parallel(jobs, return_as="generator_unordered", mmap_mode="c")
    yield from pool(delayed(_in_worker)(os.getpid(), *arguments, fold, *options) for fold in folds)


def _in_worker(parent: int, *arguments) -> FoldResult:
    _end_with(parent)
    return _one_thread(*arguments)


@cache
def _end_with(parent: int) -> None:
    """A killed run takes its workers along: they would train on, with nobody to write it down."""

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _one_thread(*arguments) -> FoldResult:
    """Sums of matrix products depend on the number of threads; with one they never change."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return train_fold(*arguments)
    finally:
        torch.set_num_threads(threads)


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


def draw(*words) -> int:
    """A random state that depends on the words alone: seed, corpus, subject, epoch, step."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch takes 63 bits


def train_fold(
    module,
    config,
    features: dict[str, np.ndarray],
    clips: pd.DataFrame,
    labels: np.ndarray,
    fold: Fold,
    seed: int,
    selection: str,
    n_classes: int,
    device: str,
    keep_weights: Path | None = None,
) -> FoldResult:
    """Train on the other subjects, predict the left-out one."""
    began = time.perf_counter()
    if not systems.neural(module):
        return _fit_estimator(module, config, features, labels, fold, seed, n_classes, began)

    train, validation = fold.train, np.array([], int)
    if selection == "inner":
        train, validation = protocol.inner_split(clips, fold)
    training_clips = clips.iloc[train]
    context = module.fit_context(
        training_clips, {name: values[train] for name, values in features.items()}, config
    )
    scope = (seed, fold.corpus, fold.subject)
    torch.manual_seed(draw(*scope, "weights"))
    layout = _layout(module, device)
    net = module.network(config, n_classes, context).to(device, memory_format=layout)
    # every clip's inputs, but labels and other targets of the training clips alone
    data = {name: torch.as_tensor(values).to(device) for name, values in features.items()}
    known = {"labels": torch.as_tensor(labels[train]).to(device)}
    if hasattr(module, "targets"):
        known |= {
            name: torch.tensor(values).to(device)
            for name, values in module.targets(training_clips, config).items()
        }
    counts = np.bincount(labels[train], minlength=n_classes)
    criterion = module.loss(config, counts) if hasattr(module, "loss") else F.cross_entropy
    optimizer = make_optimizer(module, config, net, device)

    epochs, scores, losses = [], [], []
    best, best_state = (-np.inf, -np.inf), None
    train_index = torch.as_tensor(train).to(device)
    for epoch in range(1, config.epochs + 1):
        if hasattr(module, "rate"):
            for group in optimizer.param_groups:
                group["lr"] = module.rate(config, epoch)
        order = torch.randperm(
            len(train), generator=torch.Generator().manual_seed(draw(*scope, epoch, "order"))
        ).to(device)
        step = (net, config, data, known, train_index, order, criterion, optimizer, layout)
        losses.append(_one_epoch(*step, (*scope, epoch)))
        if not np.isfinite(losses[-1]):
            raise StudyError(
                f"{module.__name__.rpartition('.')[2]} diverged in epoch {epoch} when "
                f"{fold.corpus} {fold.subject} was left out (loss {losses[-1]}): "
                f"set a learning_rate below {config.learning_rate:g}"
            )
        epochs.append(predict(net, data, fold.test, layout))
        if selection == "inner":
            found = predict(net, data, validation, layout)
            scores.append(_validation(found, labels[validation], n_classes))
            if (scores[-1][0], -scores[-1][1]) > best:
                best = (scores[-1][0], -scores[-1][1])
                chosen = epoch
                best_state = {name: value.clone() for name, value in net.state_dict().items()}
    if selection == "last":
        chosen = config.epochs
    if keep_weights is not None:
        state = best_state or net.state_dict()
        save_weights({name: value.cpu() for name, value in state.items()}, keep_weights, fold)
    every = np.stack(epochs)
    return FoldResult(
        fold,
        every[chosen - 1],
        chosen,
        every,
        np.array(scores, np.float32).reshape(-1, 2),
        np.array(losses, np.float32),
        time.perf_counter() - began,
    )


def _layout(module, device: str) -> torch.memory_format:
    """Some convolutions are faster on a CPU with the channels last; a system says so itself."""
    if device == "cpu" and getattr(module, "CHANNELS_LAST", False):
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


def make_optimizer(module, config, net: nn.Module, device: str) -> torch.optim.Optimizer:
    """The system's own, or Adam; fused, which saves a fifth of a small network's step."""
    if hasattr(module, "optimizer"):
        return module.optimizer(config, net.parameters())
    return torch.optim.Adam(
        net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


def _one_epoch(net, config, data, known, train_index, order, criterion, optimizer, layout, scope):
    """Mean loss of one pass over the training clips, in batches of a shuffled order."""
    net.train()
    total = 0.0
    for step, batch in enumerate(order.split(config.batch_size)):
        if len(batch) == 1 < config.batch_size and step:
            continue  # BatchNorm cannot learn from one clip; another order takes it along
        torch.manual_seed(draw(*scope, step))  # dropout
        inputs = _gather(data, train_index[batch], layout)
        targets = {name: values[batch] for name, values in known.items()}
        loss = criterion(net(**inputs), targets.pop("labels"), **targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total = total + loss.detach() * len(batch)
    return float(total) / len(order)


@torch.no_grad()
def predict(
    net: nn.Module,
    data: dict[str, torch.Tensor],
    positions: np.ndarray,
    layout: torch.memory_format = torch.contiguous_format,
) -> np.ndarray:
    """(n, C) float32 class probabilities of the clips at `positions`."""
    net.eval()
    index = torch.as_tensor(positions).to(next(iter(data.values())).device)
    found = [
        net(**_gather(data, part, layout)).softmax(-1) for part in index.split(EVALUATION_BATCH)
    ]
    return torch.cat(found).float().cpu().numpy()


def _validation(probabilities: np.ndarray, labels: np.ndarray, n_classes: int):
    """Macro F1 pooled over the validation subjects, and their cross-entropy, which breaks ties."""
    f1 = f1_score(
        labels,
        probabilities.argmax(1),
        labels=range(n_classes),
        average="macro",
        zero_division=0,
    )
    likelihood = probabilities[np.arange(len(labels)), labels]
    return float(f1), float(-np.log(np.maximum(likelihood, 1e-12)).mean())


def _fit_estimator(module, config, features, labels, fold, seed, n_classes, began) -> FoldResult:
    x = features["x"]
    state = draw(seed, fold.corpus, fold.subject) % 2**32
    model = module.estimator(config, n_classes, state).fit(x[fold.train], labels[fold.train])
    probabilities = np.zeros((len(fold.test), n_classes), np.float32)
    if hasattr(model, "predict_proba"):
        probabilities[:, model.classes_] = model.predict_proba(x[fold.test])
    else:
        # a machine without probabilities: all its belief on the class it predicts
        probabilities[np.arange(len(fold.test)), model.predict(x[fold.test])] = 1.0
    empty = np.zeros((0, *probabilities.shape), np.float32)
    return FoldResult(
        fold,
        probabilities,
        0,
        empty,
        np.zeros((0, 2), np.float32),
        np.zeros(0, np.float32),
        time.perf_counter() - began,
    )


# --- weights --------------------------------------------------------------------------------------


def save_weights(state: dict[str, torch.Tensor], folder: Path, fold: Fold) -> Path:
    """`<corpus>__<subject>.safetensors`, the fold's buffers (its adjacency) included; by rename."""
    from safetensors.torch import save_file  # a machine that keeps no weights does without it

    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{fold.name}.{os.getpid()}.part"
    # tensors that share memory, or lie across it, have no place in the format
    save_file({name: value.clone().contiguous() for name, value in state.items()}, part)
    return part.replace(folder / f"{fold.name}.safetensors")


def load_weights(net: nn.Module, file: Path) -> nn.Module:
    """Fill a network with the weights of a fold. Raises StudyError where the file is not there."""
    from safetensors.torch import load_file

    if not file.is_file():
        raise StudyError(f"{file} does not exist: run the fold again with --keep-weights")
    net.load_state_dict(load_file(file))
    return net
