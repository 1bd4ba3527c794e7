"""Trains one fold: the plain loop, prediction, estimators of scikit-learn, weights.

The plain loop is the reference; `stacked` trains many folds at once and must give the same.
"""

import time
import timeit
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.utils.validation import has_fit_parameter
from torch import nn

from .. import paths, systems
from ..corpora.table import one_line
from ..errors import StudyError
from ..evaluation.protocol import Fold
from .noise import Noise
from .numerics import numerics
from .task import FoldResult, Start, Task, draw, on_device, start

EVALUATION_BATCH = 512  # clips: test folds are small, validation folds are not


def train_fold(task: Task, fold: Fold) -> FoldResult:
    """Train on the other subjects, predict the left-out one."""
    with numerics("fp32", task.device):  # a network is built in full precision
        return loop(task, fold) if systems.neural(task.module) else fit_estimator(task, fold)


def loop(task: Task, fold: Fold) -> FoldResult:
    """Train the network of one fold; predict the left-out subject after every epoch."""
    began = time.perf_counter()
    begin, data = start(task, fold), on_device(task, task.features)
    net = to_device(begin.net, task)
    optimizer = make_optimizer(task.module, task.config, net.parameters())
    probabilities, losses = [], []
    with numerics(task.precision, task.device):
        for epoch in range(1, task.config.epochs + 1):
            set_rate(task, optimizer, epoch)
            losses.append(one_epoch(net, optimizer, begin, data, epoch))
            if not np.isfinite(losses[-1]):
                raise diverged(task, fold, epoch, losses[-1])
            probabilities.append(predict(net, data, fold.test, begin.mirror))
    if task.keep_weights is not None:
        save_weights(net.state_dict(), task.keep_weights, fold)
    return result(task, fold, np.stack(probabilities), losses, time.perf_counter() - began)


def one_epoch(net, optimizer, begin: Start, data: dict, epoch: int) -> float:
    """One pass over the training clips; the mean loss."""
    net.train()
    order, inputs, total = begin.order(epoch).to(begin.clips.device), begin.inputs(epoch), 0.0
    for number, places in enumerate(order.split(begin.sizes)):
        batch, seed = gather(data, inputs[places]), begin.seed(epoch, number)
        total = total + step(net, optimizer, begin, batch, places, seed) * len(places)
    return float(total) / sum(begin.sizes)


def step(net, optimizer, begin: Start, batch, places: torch.Tensor, seed: int) -> torch.Tensor:
    """Learn from a batch, the inputs of the training clips at `places`; its mean loss."""
    with Noise.seeded(seed):
        output = net(**batch)
    loss = begin.criterion(output, begin.labels[places], **gather(begin.targets, places))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def result(task: Task, fold: Fold, probabilities: np.ndarray, losses, seconds: float):
    """FoldResult of (E, n, C) probabilities and (E,) losses."""
    return FoldResult(
        fold,
        probabilities[-1],
        len(probabilities),
        probabilities.argmax(2).astype(np.uint8),
        brier(probabilities, task.labels[fold.test]),
        np.array(losses, probabilities.dtype),
        seconds,
    )


def brier(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(..., n, C) probabilities -> (..., n): squared distance from the label (Brier, 1950)."""
    truth = np.eye(probabilities.shape[-1], dtype=np.float32)[labels]
    return np.square(probabilities - truth).sum(-1).astype(np.float32)


class Diverged(StudyError):
    """The loss of a fold is no number."""


def diverged(task: Task, fold: Fold, epoch: int, loss: float) -> Diverged:
    return Diverged(
        f"{task.name} diverged in epoch {epoch} when {fold.corpus} {fold.subject} was left out "
        f"(loss {loss}): set a learning_rate below {task.config.learning_rate:g}"
    )


def to_device(net: nn.Module, task: Task) -> nn.Module:
    """Some convolutions are faster on a CPU with the channels last; a system says so itself."""
    last = task.device == "cpu" and getattr(task.module, "CHANNELS_LAST", False)
    layout = torch.channels_last if last else torch.contiguous_format
    return net.to(task.device, memory_format=layout)


def gather(data: dict[str, torch.Tensor], index: torch.Tensor) -> dict[str, torch.Tensor]:
    """The inputs of the clips at `index`."""
    return {name: values[index] for name, values in data.items()}


def make_optimizer(module, config, parameters) -> torch.optim.Optimizer:
    """The system's own, or Adam; fused, which saves a fifth of a small network's step."""
    if hasattr(module, "optimizer"):
        return module.optimizer(config, parameters)
    rates = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    return torch.optim.Adam(parameters, **rates, fused=True)


def set_rate(task: Task, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """The learning rate of an epoch, where a system has its own course of it."""
    if hasattr(task.module, "rate"):
        for group in optimizer.param_groups:
            group["lr"] = task.module.rate(task.config, epoch)


@torch.no_grad()
def predict(
    net: nn.Module, data: dict[str, torch.Tensor], positions: np.ndarray, mirror: int = 0
) -> np.ndarray:
    """(n, C) class probabilities of the clips at `positions`; float32, of a float64 net float64.

    With a `mirror`, the mean of the clip's and of its mirror image's, so far behind it.
    """
    if mirror:
        return (predict(net, data, positions) + predict(net, data, positions + mirror)) / 2
    net.eval()
    index = torch.as_tensor(positions).to(next(iter(data.values())).device)
    parts = index.split(EVALUATION_BATCH)
    return torch.cat([softmax(net(**gather(data, part))) for part in parts]).numpy(force=True)


def softmax(logits: torch.Tensor) -> torch.Tensor:
    return (logits.float() if logits.dtype == torch.bfloat16 else logits).softmax(-1)


def new_network(module, config, n_classes: int, context: dict, seed: int = 0) -> nn.Module:
    """A network before it is trained; random numbers of the caller stay as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return module.network(config, n_classes, context)


def time_steps(task: Task, fold: Fold, count: int = 3) -> tuple[float, float, int, float]:
    """Seconds to begin a fold and of a full step, the clips of that step, seconds to predict.

    Of a step the median of `count`, after one to warm up.  The network is thrown away.
    """
    with torch.random.fork_rng(devices=[]), numerics(task.precision, task.device):
        for _ in range(2):  # the first loads what is loaded once in a process
            began = time.perf_counter()
            begin, data = start(task, fold), on_device(task, task.features)
            net = to_device(begin.net, task)
            beginning = time.perf_counter() - began
        optimizer = make_optimizer(task.module, task.config, net.parameters())
        places = begin.order(1)[: begin.sizes[0]].to(task.device)
        net.train()

        def learn():
            batch = gather(data, begin.clips[places])
            float(step(net, optimizer, begin, batch, places, 0))  # the GPU is waited for

        steps = timeit.repeat(learn, number=1, repeat=count + 1)[1:]
        read = partial(predict, net, data, fold.test, begin.mirror)
        predicting = timeit.repeat(read, number=1, repeat=2)[-1]
    return beginning, float(np.median(steps)), len(places), predicting


def fit_estimator(task: Task, fold: Fold) -> FoldResult:
    """Fit an estimator of scikit-learn, which has no epochs, and predict the left-out subject."""
    began = time.perf_counter()
    x, mirror, test = task.features["x"], len(task.clips) * task.mirrored, fold.test
    if task.leak == "scaler":  # the pipeline's first step is fitted on the left-out subject too
        x = task.module.estimator(task.config, task.n_classes, 0)[0].fit(x).transform(x)
    if task.shared:
        given = task.config, task.shared, task.labels, fold.train, test
        (machine, x), mirror, test = task.module.fit_shared(*given), 0, np.arange(len(test))
    else:
        machine = fitted(task, fold, x)
    probabilities = decided(machine, x, test, task.n_classes, mirror)
    only = result(task, fold, probabilities[None], [], time.perf_counter() - began)
    return replace(only, epoch=0, predicted=only.predicted[:0])


def fitted(task: Task, fold: Fold, x: np.ndarray):
    """The system's estimator, fitted to a fold's training clips: rows of `x`."""
    state = draw(task.seed, fold.corpus, fold.subject) % 2**32
    model = task.module.estimator(task.config, task.n_classes, state)
    if task.leak == "scaler":
        model = model[1:]
    clips, labels, extra = fold.train, task.labels[fold.train], {}
    if has_fit_parameter(model, "groups"):  # it leaves training subjects out itself
        extra["groups"] = task.clips.iloc[fold.train].groupby(["corpus", "subject"]).ngroup()
    if task.mirrored:
        clips, labels = np.append(clips, clips + len(task.clips)), np.tile(labels, 2)
        extra = {name: np.tile(values, 2) for name, values in extra.items()}
    return model.fit(x[clips], labels, **extra)


def decided(
    model, x: np.ndarray, positions: np.ndarray, n_classes: int, mirror: int = 0
) -> np.ndarray:
    """(n, C) float32 probabilities of the clips at `positions` in x, as `predict` of a network.

    A machine without probabilities gives 1 for the class that it decides for.
    """
    tests = [positions, positions + mirror] if mirror else [positions]
    probabilities = np.zeros((len(positions), n_classes), np.float32)
    if hasattr(model, "predict_proba"):
        probabilities[:, model.classes_] = np.mean([model.predict_proba(x[t]) for t in tests], 0)
        return probabilities
    decision = np.mean([model.decision_function(x[t]) for t in tests], 0)
    number = decision.argmax(1) if decision.ndim == 2 else (decision > 0).astype(int)
    probabilities[np.arange(len(positions)), model.classes_[number]] = 1.0
    return probabilities


def save_weights(state: dict[str, torch.Tensor], folder: Path, fold: Fold) -> None:
    """`<corpus>__<subject>.safetensors`, the fold's buffers (its adjacency) included; by rename."""
    from safetensors.torch import save  # a machine that keeps no weights does without it

    # tensors that share memory, or are views of it, have no place in the format
    copies = {name: value.cpu().clone().contiguous() for name, value in state.items()}
    paths.write_whole(folder / f"{fold.name}.safetensors", save(copies))


def load_weights(net: nn.Module, file: Path) -> nn.Module:
    """Fill a network with the weights of a fold. Raises StudyError where the file has them not."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    remedy = "train that run again with --keep-weights"
    if not file.is_file():
        raise StudyError(f"{file} does not exist: {remedy}")
    try:
        net.load_state_dict(load_file(file))
    except (RuntimeError, SafetensorError) as error:  # RuntimeError: the weights of another network
        raise StudyError(f"{file} is damaged ({one_line(error)}): {remedy}") from error
    return net


def whole_weights(folder: Path) -> list[Path]:
    """The files of weights in a folder; what is cut is named in a warning and left out."""
    from safetensors import SafetensorError, safe_open

    files = []
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "np"):
                files.append(file)
        except SafetensorError as error:
            warnings.warn(f"{file} is damaged ({error}): it is trained again", stacklevel=2)
    return files
