"""Time and memory of large corpora: 1,570, 4,710 and 10,000 clips of up to 1,000 people.

    python benchmarks/scale.py                              # one fold of svm and of hoof
    python benchmarks/scale.py --clips 1570 --systems mirror_ridge
    python benchmarks/scale.py --systems svm --whole --out benchmarks/scale.csv

A release of flow images is made for each size (noise, in which a place tells the class) and read
by a process of its own: seconds of the processor, and the highest memory until then, for reading it
and computing its views, for declaring a run, and for one fold of a system by itself, which shares
nothing with others. All such folds take as many times that as there are people.

`--whole` trains a whole run with a budget chosen inside (`selection inner`): also its seconds on
the clock, and the highest memory of all its processes together (what they share counts once).
"""

import argparse
import csv
import os
import resource
import tempfile
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from joblib.externals.loky import get_reusable_executor

from mer_utils import corpora, experiments, paths, training
from mer_utils.experiments.run import folds_of, task_of
from mer_utils.preprocessing import views

COLUMNS = ("clips", "people", "step", "processor seconds", "seconds on the clock", "MB")
PEOPLE = {1570: 240, 4710: 720, 10000: 1000}


def made_release(folder: Path, clips: int, people: int) -> Path:
    images = folder / f"{clips}/STSNet_whole_norm_u_v_os"
    images.mkdir(parents=True)
    numbers, lines = np.random.default_rng(0), ["dataset,sub,filename_o,label,apex,imagename"]
    for count in range(clips):
        name, label = f"sub{count % people:02}_EP{count // people:02}_01f", count % 7 % 3
        image = numbers.normal(128, 20, (28, 28, 3))
        image[8:18, 9 * label : 9 * label + 8] += 15
        cv2.imwrite(str(images / f"{name}.png"), image.clip(0, 255).astype(np.uint8))
        subject, clip = name.split("_", 1)
        lines.append(f"casme2,{subject},{clip},{label},,{name}.jpg")
    images.with_name("combined_3_class2_for_optical_flow.csv").write_text("\n".join(lines) + "\n")
    return images.parent


class Memory:
    """The highest memory of this process and its children, looked at once a second, in MB."""

    def __init__(self):
        self.highest, self.ended = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self) -> None:
        while not self.ended.wait(1):
            self.highest = max(self.highest, sum(map(proportional, family(os.getpid()))))

    def stop(self) -> float:
        self.ended.set()
        self.thread.join()
        return self.highest


def family(process: int) -> list[int]:
    """A process and all that began from it."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
    members = [process]
    for member in members:
        members += [child for child, parent in parents.items() if parent == member]
    return members


def proportional(process: int) -> float:
    """MB of a process; a page that n processes share counts as a part in n."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def processor() -> float:
    """Seconds of the processor of this process and of those that it started and that ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measure(release: Path, options: argparse.Namespace) -> None:
    """Prints and writes a line for each step; runs in a process of its own."""
    paths.RUNS, paths.KEPT = release / "runs", release / "kept"

    def say(what: str, began: float, peak: float = 0.0, clock: str = "") -> float:
        peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds = f"{processor() - began:.1f}"
        print(f"  {what}: {seconds} s, {peak:.0f} MB {clock}", flush=True)
        if options.out:
            new = not options.out.exists()
            with options.out.open("a", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if new:
                    writer.writerow(COLUMNS)
                writer.writerow([len(data.clips), people, what, seconds, clock, round(peak)])
        return processor()

    began = processor()
    corpus = corpora.load("megc2019_flow", release)
    data = views.compute(corpus, corpus.views, progress=False)
    people = len(set(data.clips["subject"]))
    size = sum(array.nbytes for array in data.arrays.values()) / 1e6
    print(f"{len(data.clips)} clips, views of {size:.0f} MB", flush=True)
    began = say("views", began)
    for system in options.systems:
        run = experiments.declare(
            system, "megc2019_flow", data, selection="inner" if options.whole else "last"
        )
        folds = folds_of(run, data.clips)
        began = say(f"{system} declared", began)
        if options.whole:
            memory, clock = Memory(), time.perf_counter()
            experiments.run(run, data, jobs=options.jobs, device="cpu", progress=False)
            clock = f"{time.perf_counter() - clock:.0f}"
            get_reusable_executor().shutdown()  # ended processes tell what they took
            began = say(f"{system}, whole run, {options.jobs} jobs", began, memory.stop(), clock)
        if options.fold:
            task = task_of(run, data, "cpu")
            training.train_fold(task, folds[0])
            began = say(f"{system}, one fold by itself", began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=list(PEOPLE), choices=PEOPLE)
    parser.add_argument("--systems", nargs="+", default=["svm", "hoof"])
    parser.add_argument("--whole", action="store_true", help="train a whole run")
    parser.add_argument("--no-fold", dest="fold", action="store_false", help="no fold by itself")
    parser.add_argument("--jobs", type=int, default=2, help="processes of a whole run")
    parser.add_argument("--out", type=Path, help="a csv that gets a line for each step")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for clips in options.clips:
            release = made_release(Path(folder), clips, PEOPLE[clips])
            process = get_context("spawn").Process(target=measure, args=(release, options))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
