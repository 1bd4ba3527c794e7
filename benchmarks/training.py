"""STSTNet folds per second: the loop everybody writes, and the schedule of `mer_utils.training`.

    python benchmarks/training.py             # about two minutes on two quiet cores

442 made clips of 68 subjects, as many as the MEGC2019 composite has.  The plain loop is one process
with torch's own number of threads, a DataLoader, Adam as it comes; the schedule is one process per
core with one thread each, the data as one tensor, a fused Adam, channels last.  They take turns, so
that what else the machine does falls on both.  Where another program holds one of the cores, more
than one thread waits for it in circles: the plain loop is shown with one thread too.
"""

import argparse
import os
import platform
import statistics
import time

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from mer_utils import environment, protocol, systems, training
from mer_utils.corpora import CLASSES

CLIPS, SUBJECTS = 442, 68


def made() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Clip table, flow (442, 3, 28, 28) of noise, class numbers."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat([0, 1, 2], (250, 109, 83)))
    clips = pd.DataFrame(
        {
            "corpus": "made",
            "subject": [f"{number % SUBJECTS:03}" for number in range(CLIPS)],
            "clip": [str(number) for number in range(CLIPS)],
            "label": [CLASSES[label] for label in labels],
        }
    )
    return clips, random.normal(0, 1, (CLIPS, 3, 28, 28)).astype(np.float32), labels


def plain(config, flow: np.ndarray, labels: np.ndarray, folds, threads: int) -> None:
    """One fold after the other, as in most public code."""
    torch.set_num_threads(threads)
    for fold in folds:
        net = systems.SYSTEMS["ststnet"].network(config, len(CLASSES), {})
        optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
        known = TensorDataset(torch.tensor(flow[fold.train]), torch.tensor(labels[fold.train]))
        left_out = torch.tensor(flow[fold.test])
        for _ in range(config.epochs):
            net.train()
            for inputs, targets in DataLoader(known, config.batch_size, shuffle=True):
                optimizer.zero_grad()
                F.cross_entropy(net(inputs), targets).backward()
                optimizer.step()
            net.eval()
            with torch.no_grad():
                net(left_out).softmax(-1)


def schedule(config, flow, labels, folds, clips, jobs: int) -> None:
    module = systems.SYSTEMS["ststnet"]
    features = {"flow": flow}
    for _ in training.train_folds(
        module, config, features, clips, labels, folds,
        seed=0, n_classes=len(CLASSES), jobs=jobs, device="cpu",
    ):  # fmt: skip
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=16, help="of the 68, in each turn")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    clips, flow, labels = made()
    folds = protocol.folds(clips)[: options.folds]
    _, config = systems.resolve("ststnet", {"epochs": options.epochs, "flow": "flow"}, "small")
    cores = environment.cores()
    threads = torch.get_num_threads()
    ways = {
        f"plain loop, {threads} threads": lambda: plain(config, flow, labels, folds, threads),
        "plain loop, 1 thread": lambda: plain(config, flow, labels, folds, 1),
        "schedule, 1 process": lambda: schedule(config, flow, labels, folds, clips, 1),
        f"schedule, {cores} processes": lambda: schedule(config, flow, labels, folds, clips, cores),
    }
    schedule(config, flow, labels, folds[:cores], clips, cores)  # processes start once per study
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.turns):
        for name, work in ways.items():
            began = time.perf_counter()
            work()
            rates[name].append(len(folds) / (time.perf_counter() - began))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{platform.machine()}, {cores} cores, load {load:.1f}, torch {torch.__version__}")
    print(f"STSTNet, {options.epochs} epochs of {CLIPS} clips in batches of {config.batch_size}")
    first = statistics.median(next(iter(rates.values())))
    for name, found in rates.items():
        median = statistics.median(found)
        print(f"{name:28s} {median:6.2f} folds/s  {median / first:5.2f}x  "
              f"({min(found):.2f} to {max(found):.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
