"""What training costs on a CPU, and where the time goes; `benchmarks/gpu.py` is for a GPU.

    python benchmarks/training.py                     # a quarter of an hour
    python benchmarks/training.py --parts loop,graph  # some of it
    python benchmarks/training.py --write             # and keep it: reports/tables/training_cpu.csv

442 made clips of 68 subjects, as many as the MEGC2019 composite has.  What is compared takes turns,
so that what else the machine does falls on both; every ratio is of one run.

loop     a leave-one-subject-out run through the study, and the loop everybody writes: one process
         with torch's own number of threads, a DataLoader, Adam as it comes
graph    the graph of MHSSA-GCN, and the published way: Floyd-Warshall and metric multidimensional
         scaling, sample by sample in host Python
noise    dropout from hashed keys, and torch's own
rates    FLOP/s of every system against a matrix product of the same run, and what stops it
dask     two workers, and one
folds    seconds per fold of 8 folds and of 68; memory of the driver run after run
estimate the time that a run is said to take, and what it took
"""

import argparse
import itertools
import os
import platform
import statistics
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
import torch
import torch.nn.functional as F
from sklearn.manifold import MDS
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from mer_utils import environment, experiments, paths, systems, training
from mer_utils.corpora import CLASSES
from mer_utils.evaluation import protocol
from mer_utils.preprocessing import regions
from mer_utils.preprocessing.views import Views
from mer_utils.systems import layers
from mer_utils.training.fold import time_steps
from mer_utils.training.noise import Noise

CLIPS, SUBJECTS = 442, 68
PARTS = ("loop", "graph", "noise", "rates", "dask", "folds", "estimate")
NETWORKS = [name for name, module in systems.SYSTEMS.items() if systems.neural(module)]
FOUND: list[dict] = []


def note(part: str, what: str, value: float, unit: str, ratio: float | None = None, to: str = ""):
    """One line on the screen, one row of the table; ratio: how much better than `to`."""
    FOUND.append({"part": part, "what": what, "value": value, "unit": unit,
                  "ratio": ratio, "to": to})  # fmt: skip
    better = f"{ratio:9.2f} x {to}" if ratio is not None else ""
    print(f"{part:7s} {what:52s} {value:11.4g} {unit:14s}{better}", flush=True)


def made() -> Views:
    """Noise in every view; 68 subjects."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat([0, 1, 2], (250, 109, 83)))
    clips = pd.DataFrame(
        {
            "corpus": "made_casme2",
            "subject": [f"{number % SUBJECTS:03}" for number in range(CLIPS)],
            "clip": [str(number) for number in range(CLIPS)],
            "label": [CLASSES[label] for label in labels],
            "action_units": random.choice(["1+2", "4", "12", "R15+17", "6+12"], CLIPS),
        }
    )
    arrays = {
        "flow": random.normal(0, 1, (CLIPS, 3, 28, 28)).astype(np.float32),
        "landmarks": random.uniform(4, 24, (CLIPS, 68, 2)).astype(np.float32),
        "frames": random.integers(0, 256, (CLIPS, 2, 128, 128), dtype=np.uint8),
    }
    arrays["flow_legacy"] = np.round(255 * random.random((CLIPS, 3, 28, 28))).astype(np.float32)
    return Views(clips, pd.DataFrame(), arrays)


VIEWS = made()
LABELS = VIEWS.clips["label"].map(CLASSES.index).to_numpy()
FOLDS = protocol.folds(VIEWS.clips)


def task(name: str, preset: str = "small", **fields):
    """A run of one system."""
    module, config = systems.resolve(name, fields, preset)
    config = systems.inputs.resolved(config, VIEWS.arrays)
    features = module.features(VIEWS.arrays, VIEWS.clips, config)
    given = (module, config, features, VIEWS.clips, LABELS)
    return training.Task(*given, n_classes=len(CLASSES))


def seconds(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def processor_seconds(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def turns(ways: dict, count: int) -> dict[str, float]:
    """Median seconds of each way; they take turns."""
    taken = {name: [] for name in ways}
    for _ in range(count):
        for name, work in ways.items():
            taken[name].append(seconds(work))
    return {name: statistics.median(each) for name, each in taken.items()}


# --- loop -----------------------------------------------------------------------------------------


def plain(run: training.Task, folds, threads: int) -> None:
    """One fold after the other, as in most public code."""
    torch.set_num_threads(threads)
    names = list(run.features)
    for fold in folds:
        values = {name: each[fold.train] for name, each in run.features.items()}
        context = systems.fit_context(run.module, run.clips.iloc[fold.train], values, run.config)
        net = run.module.network(run.config, len(CLASSES), context)
        optimizer = torch.optim.Adam(net.parameters(), lr=run.config.learning_rate)
        known = TensorDataset(*map(torch.tensor, values.values()), torch.tensor(LABELS[fold.train]))
        left_out = {name: torch.tensor(each[fold.test]) for name, each in run.features.items()}
        for _ in range(run.config.epochs):
            net.train()
            for *batch, labels in DataLoader(known, run.config.batch_size, shuffle=True):
                optimizer.zero_grad()
                logits = net(**dict(zip(names, batch, strict=True)))
                F.cross_entropy(logits, labels).backward()
                optimizer.step()
            net.eval()
            with torch.no_grad():
                net(**left_out).softmax(-1)
    torch.set_num_threads(1)


def study(run: training.Task, jobs: int) -> None:
    """A whole run, rows and all, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        paths.RUNS = Path(folder)
        declared = experiments.declare(run.name, "made", VIEWS, epochs=run.config.epochs)
        experiments.run(declared, VIEWS, jobs=jobs, device="cpu", progress=False)


def loop_part(options) -> None:
    cores = environment.cores()
    study(task("ststnet", epochs=1), cores)  # processes start once in a study
    for name, epochs in (("ststnet", 4), ("mhssa_gcn", 1)):
        run = task(name, epochs=epochs)
        found = turns(
            {
                f"plain loop, {options.threads} threads": partial(
                    plain, run, FOLDS, options.threads
                ),
                "plain loop, 1 thread": partial(plain, run, FOLDS, 1),
                "study, 1 process": partial(study, run, 1),
                f"study, {cores} processes": partial(study, run, cores),
            },
            options.turns,
        )
        # where another program holds a core, two threads wait for each other in circles
        better = min(list(found.values())[:2])
        for way, taken in found.items():
            note(
                *("loop", f"{name}: {way}", len(FOLDS) * epochs / taken, "fold-epochs/s"),
                *(better / taken, "the better plain loop"),
            )

        # the processor's time of both, one thread each: what other programs do moves it less
        ways = {
            "plain loop": partial(plain, run, FOLDS[:4], 1),
            "ours": partial(_train, run, FOLDS[:4], training.Schedule("loop", "")),
        }
        busy = {way: statistics.median(processor_seconds(work) for _ in range(3))
                for way, work in ways.items()}  # fmt: skip
        for way, taken in busy.items():
            note(
                *("loop", f"{name}: {way}, processor time", 1e3 * taken / 4 / epochs),
                *("ms/fold-epoch", busy["plain loop"] / taken, "plain loop"),
            )


def _train(run, folds, schedule) -> list:
    return list(training.train_task(run, folds, schedule, 1))


# --- graph ----------------------------------------------------------------------------------------


def published_graph(cosines: np.ndarray) -> np.ndarray:
    """(B, 6, 6) cosines -> (B, 6, 6), one clip after the other in Python, as published."""
    found = []
    for cosine in cosines:
        lengths = np.maximum(cosine, 0.1)
        np.fill_diagonal(lengths, 0.0)
        for via, first, second in itertools.product(range(6), repeat=3):
            way = lengths[first, via] + lengths[via, second]
            lengths[first, second] = min(lengths[first, second], way)
        points = MDS(
            n_components=2,
            metric="precomputed",
            n_init=4,
            init="random",
            max_iter=300,
            eps=1e-3,
            random_state=42,
            normalized_stress=False,
        ).fit_transform(lengths)
        apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
        found.append(apart / apart.max(axis=1, keepdims=True))
    return np.array(found)


@torch.no_grad()
def graph_part(options) -> None:
    """One batch of the published size."""
    clips, known = 128, np.eye(len(regions.REGIONS), dtype=np.float32)
    torch.manual_seed(0)
    features = torch.randn(clips, 6, 256) + 1.0
    unit = F.normalize(features.double(), dim=-1)
    cosines = (unit @ unit.mT).numpy()
    expected = []
    published = seconds(lambda: expected.append(published_graph(cosines)))
    note("graph", "published: paths and scaling on the host", 1e6 * published / clips, "us/clip")
    for what, name, given in (
        ("as described: paths, affinity, mixed", "mhssa_gcn", features),
        ("as coded: the published numbers", "mhssa_gcn/as_coded", features.double()),
    ):
        module, config = systems.resolve(name)
        net = module.network(config, len(CLASSES), {"action_unit_graph": known})
        graph = net.relate.to(given.dtype)
        ours = partial(graph.manifold_graph, given)
        ours()
        taken = statistics.median(seconds(ours) for _ in range(30))
        note("graph", what, 1e6 * taken / clips, "us/clip", published / taken, "published")
    found = graph.manifold_graph(given).numpy()
    note("graph", "as coded: largest difference", np.abs(found - expected[0]).max(), "")
    alone = partial(layers.shortest_paths, 1 - unit @ unit.mT)
    taken = statistics.median(seconds(alone) for _ in range(30))
    note("graph", "shortest paths alone, a batch at once", 1e6 * taken / clips, "us/clip")


# --- noise ----------------------------------------------------------------------------------------


def noise_part(options) -> None:
    """Dropout on the hidden layer of a batch of the small MHSSA-GCN."""
    x, key = torch.randn(32, 43, 128), torch.tensor(1, dtype=torch.int32)

    def ours():
        with Noise(key):
            F.dropout(x, 0.1)

    ways = {"torch": partial(F.dropout, x, 0.1), "hashed keys": ours}
    found = turns(ways, 100)
    for name, taken in found.items():
        note(
            *("noise", f"dropout of {x.numel()} values: {name}", 1e6 * taken, "us"),
            *(found["torch"] / taken, "torch"),
        )


# --- rates ----------------------------------------------------------------------------------------


def product_rate(device: str = "cpu", dtype: torch.dtype = torch.float32) -> float:
    """FLOP/s of a square matrix product: the best of some."""
    size = 1024 if device == "cpu" else 8192
    first, second = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    # one number is read, for which a GPU is waited for
    taken = [seconds(lambda: float((first @ second)[0, 0])) for _ in range(8)]
    return 2 * size**3 / min(taken)


def rates_part(options) -> None:
    """One fold, one thread; the share of matrix products and convolutions says what stops it."""
    for preset, name in itertools.product(options.presets, NETWORKS):
        module, config = systems.resolve(name, {}, preset)
        lacking = set(systems.views_needed(module, config)) - set(VIEWS.arrays)
        if lacking:
            print(f"rates   {name}: not measured, it reads {', '.join(lacking)}")
            continue
        run = task(name, preset)
        operations = flops(run, 2) - flops(run, 1)
        product = product_rate()
        with torch.profiler.profile() as profile:
            time_steps(run, FOLDS[0], 2)
        found = profile.key_averages()
        busy = sum(each.self_cpu_time_total for each in found)
        products = sum(each.self_cpu_time_total for each in found if _is_product(each.key))
        count = sum(each.count for each in found if each.key.startswith("aten::")) / 3
        _, taken, clips, _ = time_steps(run, FOLDS[0], 3)  # the profiler itself takes time
        rate = operations / taken
        what = f"{name} ({preset}): {clips} clips a step"
        note("rates", what, rate / 1e9, "GFLOP/s", rate / product, "a matrix product")
        note("rates", f"{what}, time in products", 100 * products / busy, "%")
        note("rates", f"{what}, operations", count, "a step")
    note("rates", "matrix product", product_rate() / 1e9, "GFLOP/s")


def flops(run: training.Task, steps: int) -> int:
    """Floating-point operations of some steps, and of what comes before them."""
    with FlopCounterMode(display=False) as counter:
        time_steps(run, FOLDS[0], steps)
    return counter.get_total_flops()


def _is_product(name: str) -> bool:
    words = ("mm", "conv", "mkldnn")
    return name.startswith(("aten::", "mkldnn")) and any(word in name for word in words)


# --- dask, folds ----------------------------------------------------------------------------------


def dask_part(options) -> None:
    from dask.distributed import Client, LocalCluster

    from mer_utils.training.cluster import Cluster

    folds = FOLDS[: options.folds]
    run, schedule = task("mhssa_gcn", epochs=1), training.Schedule("loop", "")
    with LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as local:
        taken = {}
        for workers in (2, 1):
            local.scale(workers)
            with Client(local) as client:
                while len(client.scheduler_info(n_workers=-1)["workers"]) != workers:
                    time.sleep(0.1)
                cluster = Cluster(client)
                list(cluster.train(run, FOLDS[:4], schedule))  # workers import torch once
                taken[workers] = seconds(lambda c=cluster: list(c.train(run, folds, schedule)))
    for workers, each in sorted(taken.items()):
        note(
            *("dask", f"mhssa_gcn: {workers} workers", len(folds) / each, "fold-epochs/s"),
            *(taken[1] / each, "one worker"),
        )


def folds_part(options) -> None:
    run, schedule = task("ststnet", epochs=2), training.Schedule("loop", "")
    list(training.train_task(run, FOLDS[:4], schedule, 1))
    each = {
        count: seconds(lambda n=count: list(training.train_task(run, FOLDS[:n], schedule, 1)))
        / count
        for count in (8, 68)
    }
    for count, taken in each.items():
        note(
            *("folds", f"ststnet: {count} folds", 1e3 * taken, "ms/fold"),
            *(each[8] / taken, "8 folds"),
        )
    for number in range(1, 6):
        study(task("ststnet", epochs=1), 2)
        if number in (2, 5):
            note("folds", f"driver's memory after {number} runs", resident(), "MiB")


def estimate_part(options) -> None:
    """The estimate of a run against what it took."""
    folds, cores = FOLDS[: options.folds], environment.cores()
    for (name, epochs), selection in itertools.product(
        (("ststnet", 20), ("mhssa_gcn", 2)), ("last", "inner")
    ):
        run = replace(task(name, epochs=epochs), selection=selection)
        for jobs in sorted({1, cores}):
            expected = training.estimate(run, folds, folds, jobs)
            loop = training.Schedule("loop", "")
            taken = seconds(lambda r=run, s=loop, n=jobs: list(training.train_task(r, folds, s, n)))
            what = f"{name}, {selection}, {jobs} processes: {len(folds)} folds"
            note("estimate", what, expected, "s", expected / taken, "what they took")


def resident() -> float:
    """MiB of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


# --- the whole ------------------------------------------------------------------------------------


def processor() -> str:
    """Its name, where the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", help=f"of {','.join(PARTS)}")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument(
        "--folds", type=int, default=SUBJECTS, help="of the 68, for dask and estimate"
    )
    parser.add_argument("--presets", default="small,paper", help="of these, for rates")
    parser.add_argument("--write", action="store_true", help="keep it in reports/tables")
    options = parser.parse_args()
    options.presets = options.presets.split(",")
    chosen = options.parts.split(",") if options.parts else PARTS
    unknown = set(chosen) - set(PARTS)
    if unknown:
        parser.error(f"no part is called {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    options.threads = torch.get_num_threads()
    torch.set_num_threads(1)
    machine = f"{processor()}, {environment.cores()} cores"
    versions = (
        f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, "
        f"scikit-learn {sklearn.__version__}"
    )
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{machine}, load {load:.1f}\n{versions}", flush=True)
    for part in chosen:
        globals()[f"{part}_part"](options)
    if options.write:
        table = pd.DataFrame(FOUND).assign(machine=machine, load=round(load, 1), versions=versions)
        file = paths.TABLES / "training_cpu.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_file():  # parts that were not measured now stay
            before = pd.read_csv(file)
            table = pd.concat([before[~before["part"].isin(chosen)], table])
        table.to_csv(file, index=False, float_format="%.5g", lineterminator="\n")
        print(f"Table: {file}")


if __name__ == "__main__":
    main()
