"""What a GPU gains, and the published sizes on real clips, in ten minutes of one card.

    bash benchmarks/gpu.sh DATA OUT              DATA: a file of `./run_all.sh views megc2019_flow`,
                                                 or the folder of the flow images
    bash benchmarks/gpu.sh DATA OUT --rehearse   on a CPU: four subjects, small networks

times  an epoch of every network in fp32, tf32 and bf16, on made clips, in three forms: the loop; a
       stack of folds under vmap; the same from a CUDA graph of each step.  ratio: how many times as
       fast as the loop, for each fold; share: of the rate of the card's own matrix product in that
       precision, a step counted as three forward passes; gap: of the loss after three epochs, to
       the loop's
runs   leave-one-subject-out on the clips of DATA in the published sizes

Both parts run in processes of their own.  What hangs, dies or fails is noted, and the rest goes on;
at the end of the time all is ended.  OUT holds times.csv and runs.zip (folds and finished runs, to
be unpacked in data/runs), written as results come, and at the end runs.csv, tables.txt and log.txt.
A second call with the same OUT, or a copy of it, goes on.

benchmarks/gpu.csv: times on one NVIDIA H200, torch 2.11.0 (CUDA 13.0), numpy 2.5.2.  STSTNet, RCN
and HyperHTNet in fp32 are of 2026-11-28, with nothing beside them; the rest is of 2026-11-27, while
other work kept 7 of 16 cores busy, copied from what the run printed, without the share in fp32 and
without some rows that failed.  share is of 51 TFLOP/s in fp32, 412 in tf32 and 784 in bf16.  AM-GCN
failed in a stack, was mended on a CPU and not tried again: that machine's OpenCV had no optflow.
In bf16 the stacks of HTNet and what follows were not reached, nor was preset paper; of the runs,
MHSSA-GCN as coded and OFF-ApexNet ended (LOG.md).  A form that lost has gone since: a stack whose
convolutions are products of matrices (unfold).
"""

import argparse
import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import timeit
from collections import Counter
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from training import FOLDS, LABELS, NETWORKS, VIEWS, product_rate

from mer_utils import corpora, experiments, paths, systems, training
from mer_utils.corpora import CLASSES
from mer_utils.corpora.table import one_line
from mer_utils.errors import StudyError
from mer_utils.evaluation import scores
from mer_utils.experiments import store
from mer_utils.preprocessing import views
from mer_utils.systems import cost
from mer_utils.training import fold as single
from mer_utils.training import stacked
from mer_utils.training.numerics import numerics
from mer_utils.training.task import on_device, start

PUBLISHED = [
    *("mhssa_gcn/as_coded", "htnet/as_coded", "hyperhtnet/as_coded"),  # 5.1, 139.6, 139.7 million
    *("mhssa_gcn", "htnet", "hyperhtnet"),  # as described: 2.7, 34.3, 34.3 million
]
PRECISIONS, FORMS = ["fp32", "tf32", "bf16"], ["loop", "vmap", "graph"]
CELL = ["device", "preset", "precision", "network", "form"]
NUMBERS = ["folds", "ms", "ratio", "GFLOP/s", "share", "loss", "gap", "peak GiB", "note"]
UNFINISHED = "did not end"
WARM = 2  # steps of a size before one is recorded
WEIGHTS, OPERATIONS = 2e8, 5e13  # at most in a timed stack; of one of its epochs


# --- times: in a process of its own ---------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def inputs(name: str, preset: str):
    """Module, config and inputs of 442 made clips, each a multiple of one of eight."""
    module, config = systems.resolve(name, {}, preset)
    random, clips = np.random.default_rng(0), VIEWS.clips
    arrays = {
        view: random.uniform(*span, (8, *shape)).astype(kind)
        for view, (shape, kind, span) in cost.BLANK.items()
    }
    config, whole = systems.inputs.resolved(config, arrays), {}
    for key, values in module.features(arrays, clips.iloc[:8], config).items():
        whole[key] = np.resize(values, (len(clips), *values.shape[1:]))
        if values.dtype.kind == "f":
            factors = random.uniform(0.5, 1, (len(clips), *[1] * (values.ndim - 1)))
            whole[key] = whole[key] * factors.astype(values.dtype)
    return module, config, whole


@functools.cache
def fastest(precision: str, device: str) -> float:
    """FLOP/s of the device's own matrix product."""
    with numerics(precision, device):
        return product_rate(device, torch.bfloat16 if precision == "bf16" else torch.float32)


class Replayed(stacked.Stack):
    """A stack whose steps, after the first ones, are launched at once: from a CUDA graph."""

    def __init__(self, *given):
        super().__init__(*given)
        self.seen, self.graphs = Counter(), {}
        for group in self.optimizer.param_groups:
            group["capturable"] = True  # it counts its steps where a graph can

    def step(self, places, inputs, keys, step):
        given, run = (places, inputs, keys), functools.partial(super().step, step=step)
        self.seen[step.sizes] += 1
        if self.seen[step.sizes] <= WARM:
            return run(*given)
        if step.sizes not in self.graphs:
            self.graphs[step.sizes] = recorded(run, given)
        return self.graphs[step.sizes](*given)


def recorded(function, given):
    """A function of tensors as a CUDA graph; it changes what else it knows in place."""
    kept, graph = [values.clone() for values in given], torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = function(*kept)

    def replay(*given):
        for mine, values in zip(kept, given, strict=True):
            mine.copy_(values)
        graph.replay()
        return result.clone()

    return replay


def prepared(run: training.Task, form: str, most: int, operations: float):
    """What trains one epoch, given its number, and gives the first fold's loss; and its folds."""
    group, data = max(stacked.alike(run, FOLDS), key=len), on_device(run, run.features)
    if form == "loop":
        begin = start(run, group[0])
        net = single.to_device(begin.net, run)
        optimizer = single.make_optimizer(run.module, run.config, net.parameters())
        return functools.partial(single.one_epoch, net, optimizer, begin, data), 1
    if why_not := stacked.refusal(run, group[0]):
        raise StudyError(f"{run.name} cannot be stacked: {why_not}")
    if form == "graph" and run.device == "cpu":
        raise StudyError("a CUDA graph is a GPU's")
    weights = sum(each.numel() for each in start(run, group[0]).net.parameters())
    most = max(1, int(min(most, WEIGHTS / weights, OPERATIONS / operations)))
    if run.device == "cuda":
        most = min(most, stacked.room(run, group[0]))
    kind = Replayed if form == "graph" else stacked.Stack
    stack = kind(run, group[:most], data)
    return lambda number: float(stack.epoch(number)[0]), len(stack.starts)


def measured(name: str, preset: str, precision: str, form: str, device: str, most: int) -> dict:
    """Numbers of one row; most: folds in a stack."""
    module, config, arrays = inputs(name, preset)
    training.check(config, precision, device)
    ways = {"n_classes": len(CLASSES), "device": device, "precision": precision}
    run = training.Task(module, config, arrays, VIEWS.clips, LABELS, **ways)
    operations = 6 * cost.cost(name, preset).multiply_adds * (len(LABELS) - len(FOLDS[0].test))
    aside = nullcontext()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        if form == "graph":  # is recorded beside the usual stream
            aside = torch.cuda.stream(torch.cuda.Stream())
    with numerics(precision, device), aside:
        epoch, folds = prepared(run, form, most, operations)
        loss = [epoch(number) for number in (1, 2, 3)][-1]
        taken = np.median(timeit.repeat(lambda: epoch(4), number=1, repeat=3))
    rate = operations * folds / taken
    share = rate / fastest(precision, device)
    row = {"folds": folds, "ms": 1e3 * taken / folds, "GFLOP/s": rate / 1e9, "share": share}
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else np.nan
    return row | {"loss": loss, "peak GiB": peak}


def times(options) -> None:
    """Every row that times.csv lacks; a row that ends the process stays unfinished."""
    place = training.choose_device(options.device)
    device, rows = training.device_name(place), known(options.out)
    print(f"{device}; torch {torch.__version__}, numpy {np.__version__}", flush=True)
    done = {tuple(row[name] for name in CELL) for row in rows}
    given = (options.presets, options.precisions, options.networks, FORMS)
    for cell in itertools.product([device], *given):
        if cell in done:
            continue
        print(*cell[1:], flush=True)
        row = dict(zip(CELL, cell, strict=True))
        keep(options.out, [*rows, row | {"note": UNFINISHED}])
        _, preset, precision, name, form = cell
        try:
            row |= measured(name, preset, precision, form, place, options.folds)
        except Exception as error:  # of any kind: the other rows go on
            row["note"] = f"{type(error).__name__}: {one_line(error)}"
        rows.append(row)
        keep(options.out, rows)
        float(torch.ones(1, device=place))  # a broken device ends this process


def known(out: Path) -> list[dict]:
    """The rows of times.csv."""
    file = out / "times.csv"
    table = pd.read_csv(file).fillna({"note": ""}) if file.is_file() else pd.DataFrame()
    return table.to_dict("records")


def compared(rows: list[dict]) -> pd.DataFrame:
    """The table: what every form gains over the loop of the same network."""
    table = pd.DataFrame(rows, columns=[*CELL, *NUMBERS])
    keys = CELL[:-1]
    loops = table[table["form"] == "loop"].set_index(keys)[["ms", "loss"]]
    loops = table[keys].join(loops, on=keys)
    table["ratio"] = loops["ms"] / table["ms"]
    table["gap"] = (table["loss"] / loops["loss"] - 1).abs()
    return table


def keep(out: Path, rows: list[dict]) -> None:
    write(out / "times.csv", compared(rows))


def write(file: Path, table: pd.DataFrame) -> None:
    text = table.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    paths.write_whole(file, text.encode())


# --- runs: each in a process of its own -----------------------------------------------------------


def declared(system: str, options):
    """The run of a system on the prepared clips, and these."""
    file = paths.RUNS.parent / "views.npz"
    corpus, classes = views.about(file)
    given = views.load(file)
    return experiments.declare(system, corpus, given, classes=classes, **options.fields), given


def train(options) -> None:
    """The folds of a run that are missing; those of a stack are kept when it ends."""
    schedule = "stacked" if options.rehearse else "auto"
    ways = {"device": options.device, "schedule": schedule, "stack": options.stack, "jobs": 1}
    experiments.run(*declared(options.systems[0], options), **ways)


def state(system: str, options, note: str) -> dict:
    """How far a run is, and its scores where it is whole."""
    row = {"system": system, **options.fields, "note": note}
    with suppress(StudyError):  # it says so itself, where it is trained
        key = declared(system, options)[0].key
        row |= {"key": key, "folds": len(store.finished_folds(key))}
        row |= {"of": store.read(key).provenance["folds"], "seconds": store.seconds(key)}
        if row["folds"] == row["of"]:
            rows = store.load(key)
            row |= {"UF1": scores.uf1(rows), "UAR": scores.uar(rows)}
    return row


class Folds:
    """The runs under way, and their copy in OUT."""

    def __init__(self, out: Path):
        self.file = out / "runs.zip"
        paths.RUNS.mkdir()
        if self.file.is_file():
            shutil.unpack_archive(self.file, paths.RUNS)
        self.packed = self.names()

    def names(self) -> set[Path]:
        return {*paths.RUNS.glob("*/folds/*.npz"), *paths.RUNS.glob("*.zip")}

    def keep(self) -> None:
        """Pack them, where there is one more than before."""
        names = self.names()
        if names - self.packed:
            with suppress(OSError):  # a run is just being finished, its folds go: next time
                base = str(paths.RUNS.parent / "packed")
                content = Path(shutil.make_archive(base, "zip", paths.RUNS)).read_bytes()
                paths.write_whole(self.file, content)
                self.packed = names


# --- what watches over both -----------------------------------------------------------------------


def call(command: list, until: float, silence: float, log, meanwhile=lambda: None) -> str:
    """Run a command until it ends, the time is over or it is silent; "" or why it did not end."""
    log.write(b"\n")
    log.flush()
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while process.poll() is None:
            heard = os.stat(log.name).st_mtime
            if time.time() > until:
                return "the time was over"
            if time.time() > heard + silence:
                return f"nothing was heard for {silence:.0f} s"
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
            meanwhile()
    finally:
        process.kill()
        process.wait()
    if process.returncode == 0:
        return ""
    if process.returncode < 0:
        return f"its process died of signal {-process.returncode}"
    return Path(log.name).read_text(encoding="utf-8", errors="replace").splitlines()[-1]


def campaign(options, words: list, work: Path) -> None:
    """Both parts, one after the other."""
    began, out = time.time(), options.out
    ends, halfway = began + options.seconds, began + options.share * options.seconds
    paths.RUNS = work / "runs"
    out.mkdir(parents=True, exist_ok=True)
    os.environ["MER_DATA"], os.environ["TQDM_MININTERVAL"] = str(work), "5"
    command, folds, notes = [sys.executable, __file__, *words, "--part"], Folds(out), {}
    prepare(options, work / "views.npz")
    keep(out, [row for row in known(out) if row["note"] != UNFINISHED])
    with (out / "log.txt").open("ab") as log:
        why, before = "at first", -1
        while why and time.time() < halfway and before < len(known(out)):
            before = len(known(out))
            why = call([*command, "times"], halfway, options.silence, log)
            print(f"times: {len(known(out))} rows, {why or 'finished'}", flush=True)
        for system in options.systems:
            notes[system] = "no time was left"
            if time.time() < ends:
                given = [*command, "train", "--systems", system]
                notes[system] = call(given, ends, options.silence, log, folds.keep)
            print(f"{system}: {notes[system] or 'finished'}", flush=True)
            folds.keep()
    runs = pd.DataFrame([state(system, options, notes[system]) for system in options.systems])
    write(out / "runs.csv", runs)
    text = f"{tables(compared(known(out)))}\n\n{runs.to_string(index=False)}\n"
    paths.write_whole(out / "tables.txt", text.encode())
    print(f"{text}{out}: {', '.join(sorted(file.name for file in out.iterdir()))}")


def tables(table: pd.DataFrame) -> str:
    """ratio and share: a line for each network and precision, a column for each form."""
    parts = []
    for value in ("ratio", "share"):
        wide = table.pivot_table(value, CELL[:-1], "form", sort=False, dropna=True)
        parts.append(f"{value}\n{wide.to_string(float_format='{:.3f}'.format)}")
    return "\n\n".join(parts)


def prepare(options, file: Path) -> None:
    """The clips to train on as one file of views."""
    if options.data.is_dir():
        corpus = corpora.load("megc2019_flow", options.data)
        given, about = views.compute(corpus, corpus.views), (corpus.name, corpus.classes)
    else:
        given, about = views.load(options.data), views.about(options.data)
    views.save(experiments.subset(given, 4) if options.rehearse else given, file, *about)


def names(text: str) -> list[str]:
    return text.split(",")


def parsed(words: list) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("data", type=Path)
    add("out", type=Path)
    add("--rehearse", action="store_true", help="on a CPU, with little of everything")
    add("--seconds", type=float, default=560, help="for everything (560)")
    add("--share", type=float, default=0.4, help="of the time, for the table (0.4)")
    add("--silence", type=float, default=90, help="without a word, after which a part is ended")
    add("--device", choices=("cpu", "cuda"), default="cuda")
    add("--networks", type=names, default=NETWORKS, help="to time")
    add("--presets", type=names, default=["small", "paper"], help="to time")
    add("--precisions", type=names, default=PRECISIONS, help="to time")
    add("--folds", type=int, default=len(FOLDS), help="in a stack, at most, to time")
    add("--systems", type=names, default=PUBLISHED, help="to train, in this order")
    add("--precision", default="tf32", help="to train in (tf32)")
    add("--stack", type=int, default=12, help="folds that are trained, and kept, at once (12)")
    add("--part", choices=("times", "train"), help=argparse.SUPPRESS)
    if "--rehearse" in words:
        parser.set_defaults(device="cpu", presets=["small"], folds=2, precision="fp32", stack=2)
        parser.set_defaults(seconds=1800, silence=600)  # the cores may be busy
        parser.set_defaults(networks=["ststnet", "mhssa_gcn", "dual_branch_3dcnn"])
    options = parser.parse_args(words)
    options.fields = {"preset": "paper", "precision": options.precision}
    if options.rehearse:
        options.fields |= {"preset": "small", "epochs": 1}
    return options


def main(words: list) -> None:
    options = parsed(words)
    if options.part:
        return {"times": times, "train": train}[options.part](options)
    with tempfile.TemporaryDirectory() as work:
        campaign(options, words, Path(work))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a part is ended with this
    main(sys.argv[1:])
