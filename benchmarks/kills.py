"""Kills a run that trains, at random moments, starts it again, and compares its rows.

    python benchmarks/kills.py --minutes 8

A run is killed (SIGKILL: no handler sees it), one of its workers or of its Dask workers is, or all
are and the power fails: files written in the last second are cut, emptied or zeros. It is started
again, now and then undisturbed, until it is finished, and must then hold the bytes of a run that
nobody disturbed. A line for each way: how often, folds that were on disk, files damaged, tracebacks
that a user saw, finished runs and those that differ. Linux only (/proc, fork).
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from mer_utils import experiments, paths
from mer_utils.corpora import CLASSES
from mer_utils.corpora.table import KEY, clip_table, exclusion_table
from mer_utils.errors import StudyError
from mer_utils.experiments import archive, store
from mer_utils.preprocessing.views import Views

SUBJECTS, CLIPS = 10, 4
WAYS = {  # what is killed: how often, and how the run is started
    "nothing": (6, {"jobs": 1}),
    "the run": (12, {"jobs": 1}),
    "the machine": (12, {"jobs": 1}),
    "a worker": (2, {"jobs": 2}),
    "a Dask worker": (1, {"jobs": 2, "dask": "local"}),
}
ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT
LATELY = 1.0  # seconds before a power cut in which what was written may be lost


def made_views() -> Views:
    numbers = np.random.default_rng(0)
    keys = [("made", f"s{s:02}", f"c{c}") for s in range(SUBJECTS) for c in range(CLIPS)]
    rows = [dict(zip(KEY, key, strict=True), label=CLASSES[n % 3]) for n, key in enumerate(keys)]
    flow = numbers.normal(size=(len(rows), 3, 28, 28)).astype(np.float32)
    return Views(clip_table(rows), exclusion_table([]), {"flow": flow})


def started(experiment, views: Views, log: Path, **how) -> int:
    """A process of its own group that trains the run; its number."""
    if child := os.fork():
        return child
    os.setsid()
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    try:
        experiments.run(experiment, views, device="cpu", progress=False, **how)
    except StudyError as error:
        print(error, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stderr.flush()
    os._exit(0)


def kill(way: str, child: int, chance: random.Random) -> None:
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        if way == "nothing":
            return
        if "worker" not in way:
            os.killpg(child, signal.SIGKILL)
        elif found := workers(child):
            os.kill(chance.choice(found), signal.SIGKILL)


def workers(child: int) -> list[int]:
    """Processes that a run has started, but for those that tidy up after it."""
    tasks = Path(f"/proc/{child}/task").glob("*/children")
    below = [number for task in tasks for number in task.read_text().split()]
    return [int(n) for n in below if b"tracker" not in Path(f"/proc/{n}/cmdline").read_bytes()]


def power_cut(chance: random.Random) -> int:
    """Cut, empty or blank each file written lately, as a disk without its cache may; how many."""
    files = [path for path in paths.RUNS.rglob("*") if path.is_file()]
    lately = [path for path in files if time.time() - path.stat().st_mtime < LATELY]
    for path in lately:
        content = path.read_bytes()
        path.write_bytes(chance.choice((b"", content[: len(content) // 2], bytes(len(content)))))
    return len(lately)


def folds() -> list[Path]:
    return list(paths.RUNS.glob("*/folds/made__*.npz"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8)
    minutes = parser.parse_args().minutes
    chance, views, counts = random.Random(0), made_views(), Counter()
    experiment = experiments.declare("ststnet", "made", views, epochs=3, batch_size=16)
    with tempfile.TemporaryDirectory() as place:
        paths.RUNS, paths.KEPT = Path(place, "runs"), Path(place, "kept")
        log, file = Path(place, "log"), paths.RUNS / f"{experiment.key}.zip"
        experiments.run(experiment, views, jobs=1, device="cpu", progress=False)
        whole = archive.unpacked(file)
        file.unlink()
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            ((way, (_, how)),) = chance.choices(list(WAYS.items()), [n for n, _ in WAYS.values()])
            child = started(experiment, views, log, **how)
            more = len(folds()) + (chance.randrange(4) if way != "nothing" else SUBJECTS)
            while len(folds()) < more and not os.waitid(os.P_PID, child, ENDED):
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.05))
            kill(way, child, chance)
            os.waitpid(child, 0)
            counts[way, "times"] += 1
            counts[way, "folds there"] += len(folds())
            counts[way, "damaged"] += power_cut(chance) if way == "the machine" else 0
            counts[way, "tracebacks"] += "Traceback" in log.read_text()
            if file.is_file() and store.file(experiment.key):
                found = archive.unpacked(file)
                same = found.rows == whole.rows and (found.predicted == whole.predicted).all()
                counts[way, "finished"] += 1
                counts[way, "unlike"] += not (same and (found.losses == whole.losses).all())
                file.unlink()
    columns = ("times", "folds there", "damaged", "tracebacks", "finished", "unlike")
    table = [[counts[way, column] for column in columns] for way in WAYS]
    print(pd.DataFrame(table, WAYS, columns))


if __name__ == "__main__":
    main()
