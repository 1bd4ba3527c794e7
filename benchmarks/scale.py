"""Time and memory of large corpora: 1,570, 4,710 and 10,000 clips of up to 1,000 people.

    python benchmarks/scale.py                              # svm and hoof, a quarter of an hour
    python benchmarks/scale.py --clips 1570 --systems mirror_ridge

A release of flow images is made for each size (noise, in which a place tells the class) and read
by a process of its own: seconds of the processor, and the highest memory until then, for reading it
and computing its views, for declaring a run, and for one fold of a system, training included. All
folds take as many times that as there are people.
"""

import argparse
import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from mer_utils import corpora, experiments, training
from mer_utils.experiments.run import folds_of, task_of
from mer_utils.preprocessing import views

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


def measure(release: Path, systems: list[str]) -> None:
    """Prints a line for each step; runs in a process of its own."""

    def say(what: str, began: float) -> float:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  {what}: {time.process_time() - began:.1f} s, {peak:.0f} MB", flush=True)
        return time.process_time()

    began = time.process_time()
    corpus = corpora.load("megc2019_flow", release)
    data = views.compute(corpus, corpus.views, progress=False)
    size = sum(array.nbytes for array in data.arrays.values()) / 1e6
    print(f"{len(data.clips)} clips, views of {size:.0f} MB", flush=True)
    began = say("views", began)
    for system in systems:
        run = experiments.declare(system, "megc2019_flow", data)
        folds = folds_of(run, data.clips)
        began = say(f"{system} declared, {len(folds)} folds", began)
        task = task_of(run, data, "cpu")
        list(training.train_task(task, folds[:1], training.Schedule("loop", ""), jobs=1))
        began = say(f"one fold of {len(folds)}", began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=list(PEOPLE), choices=PEOPLE)
    parser.add_argument("--systems", nargs="+", default=["svm", "hoof"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for clips in options.clips:
            release = made_release(Path(folder), clips, PEOPLE[clips])
            process = get_context("spawn").Process(target=measure, args=(release, options.systems))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
