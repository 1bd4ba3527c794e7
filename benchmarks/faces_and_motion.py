"""Clips per second of face finding and of each flow method, on one core and on all.

Run it with `python benchmarks/faces_and_motion.py` on a machine that does nothing else.
"""

import argparse
import platform
import sys
import time
from pathlib import Path

import cv2
import dlib
import joblib
import numpy as np
from skimage import data

from mer_utils import environment
from mer_utils.preprocessing import faces, motion

SIZE = (640, 480)  # of a recorded frame


def frames() -> tuple[np.ndarray, np.ndarray]:
    """Onset and apex as a camera gives them: a face 200 pixels wide, moved by half a pixel."""
    picture = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)
    random = np.random.default_rng(0)
    pair = []
    for shift in (0.0, 0.5):
        place = np.array([[2.2, 0, -170.0 + shift], [0, 2.2, -20.0]])
        frame = cv2.warpAffine(picture, place, SIZE).astype(float)
        pair.append(np.clip(frame + random.normal(0, 2, frame.shape), 0, 255).astype(np.uint8))
    return pair[0], pair[1]


def find(count: int) -> None:
    """Face, points and alignment of both frames, `count` times."""
    cv2.setNumThreads(1)
    onset, apex = frames()
    for _ in range(count):
        matrix = faces.alignment(faces.landmarks(onset))
        faces.landmarks(apex)
        faces.align(onset, matrix), faces.align(apex, matrix)


def move(count: int, method: str) -> None:
    """Flow on the aligned pair, the head taken out, strain, the 28x28 grid; `count` times."""
    cv2.setNumThreads(1)
    onset, apex = frames()
    points = faces.landmarks(onset)
    matrix = faces.alignment(points)
    onset, apex = faces.align(onset, matrix), faces.align(apex, matrix)
    laid = faces.move(points, matrix)
    for _ in range(count):
        motion.channels(motion.expression(onset, apex, laid, method))


def clips_per_second(work, count: int, jobs: int, *arguments) -> float:
    """Median of three runs of `jobs` processes with `count` clips each, models already loaded."""
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        pool = joblib.Parallel(n_jobs=jobs, batch_size=1, pre_dispatch="all")
        pool(joblib.delayed(work)(2, *arguments) for _ in range(4 * jobs))
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            pool(joblib.delayed(work)(count, *arguments) for _ in range(jobs))
            seconds.append(time.perf_counter() - began)
    return count * jobs / float(np.median(seconds))


def processor() -> str:
    """Its name, where the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=60, help="clips per run and process")
    options = parser.parse_args()
    cores = environment.cores()
    print(f"{processor()}, {cores} cores, {platform.system()}, Python {platform.python_version()}")
    print(f"OpenCV {cv2.__version__}, dlib {dlib.__version__}, numpy {np.__version__}")
    print(f"frames {SIZE[0]}x{SIZE[1]}, aligned face {faces.SIZE}x{faces.SIZE}\n")
    print(f"{'clips per second':24s} {'1 core':>10s} {f'{cores} cores':>10s}")
    work = [("faces and points", find, options.clips, ())]
    for method in motion.METHODS:
        count = options.clips if method == "tvl1" else 10 * options.clips
        work.append((f"flow {method}", move, count, (method,)))
    for name, task, count, arguments in work:
        rates = [clips_per_second(task, count, jobs, *arguments) for jobs in (1, cores)]
        print(f"{name:24s} {rates[0]:10.1f} {rates[1]:10.1f}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
