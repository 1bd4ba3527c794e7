"""Kills what trains, at random moments, starts it again, and compares its rows.

    python benchmarks/kills.py --minutes 8                             # a run, its workers
    python benchmarks/kills.py --minutes 30 --ways driver,kernel       # a study of two systems

A run is killed (SIGKILL: no handler sees it), one of its workers or of its Dask workers is, or all
are and the power fails: files written in the last second are cut, emptied or zeros. Or a study is
run, and the kernel of a notebook is killed, or its driver, each second time while a report is
written. It is started again, now and then undisturbed, until it is finished, and must then hold
the bytes of a run that nobody disturbed. A line for each way: how often, folds that were on disk,
files damaged, tracebacks that a user saw, processes still there after 11 s, finished runs and
studies, and those that differ. Linux only (/proc, fork).
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from mer_utils import corpora, experiments, paths
from mer_utils.errors import StudyError
from mer_utils.experiments import archive, store
from mer_utils.preprocessing import views
from mer_utils.preprocessing.views import Views

CORPUS, SUBJECTS, CLIPS = "megc2019_flow", 10, 4
SYSTEMS = {"ststnet": {"epochs": 3}, "svm": {}}  # of the study; the first is the run
STUDY = f"--corpus {CORPUS} --systems {','.join(SYSTEMS)} --epochs 3 --notebooks 41 --jobs 2"
WAYS = {  # what is killed: how often, and how the run is started; None: a whole study
    "nothing": (6, {"jobs": 1}),
    "run": (12, {"jobs": 1}),
    "machine": (12, {"jobs": 1}),
    "worker": (2, {"jobs": 2}),
    "Dask worker": (1, {"jobs": 2, "dask": "local"}),
    "driver": (4, None),
    "kernel": (4, None),
}
ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT
LATELY = 1.0  # seconds before a power cut in which what was written may be lost
ORPHANED = 11.0  # seconds after which nothing that a killed process had started may be there


def made_release(folder: Path) -> Path:
    """Flow images of noise, in the layout of the public ones."""
    images = folder / "flow/STSNet_whole_norm_u_v_os"
    images.mkdir(parents=True)
    numbers, lines = np.random.default_rng(0), ["dataset,sub,filename_o,label,apex,imagename"]
    for count in range(SUBJECTS * CLIPS):
        subject, clip = f"sub{count // CLIPS + 1:02}", f"EP{count % CLIPS + 1:02}_01f"
        noise = numbers.integers(0, 255, (28, 28, 3), np.uint8)
        cv2.imwrite(str(images / f"{subject}_{clip}.png"), noise)
        lines.append(f"casme2,{subject},{clip},{count % 3},,{subject}_{clip}.jpg")
    list_ = images.with_name("combined_3_class2_for_optical_flow.csv")
    list_.write_text("\n".join(lines) + "\n")
    return images.parent


def started(experiment, views: Views, log: Path, how: dict | None) -> int:
    """A process of its own group that trains the run, or the study; its number."""
    if child := os.fork():
        return child
    os.setsid()
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    if how is None:
        places = {"MER_DATA": str(log.parent), "MER_REPORTS": str(paths.REPORTS)}
        command = [sys.executable, "-m", "mer_utils", "run", *STUDY.split()]
        command += ["--data", str(log.parent / "flow")]
        os.execve(sys.executable, command, {**os.environ, **places, "PYTHONPATH": str(paths.ROOT)})
    try:
        experiments.run(experiment, views, device="cpu", progress=False, **how)
    except StudyError as error:
        print(error, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stderr.flush()
    os._exit(0)


def runs(child: int) -> bool:
    return not os.waitid(os.P_PID, child, ENDED)


def kill(way: str, child: int, place: Path, chance: random.Random) -> bool:
    """Whether there was something to kill."""
    found = {"worker": workers, "Dask worker": workers, "kernel": lambda _: kernels(place)}
    targets = found.get(way, lambda child: [child])(child)
    with suppress(ProcessLookupError):  # it has ended
        if targets and way != "nothing" and runs(child):
            send = os.killpg if way in ("run", "machine") else os.kill
            send(chance.choice(targets), signal.SIGKILL)
            return True
    return False


def workers(child: int) -> list[int]:
    """Processes that a run has started, but for those that tidy up after it."""
    with suppress(FileNotFoundError):
        tasks = Path(f"/proc/{child}/task").glob("*/children")
        below = [number for task in tasks for number in task.read_text().split()]
        return [int(n) for n in below if b"tracker" not in Path(f"/proc/{n}/cmdline").read_bytes()]
    return []


def of_study(place: Path) -> dict[int, bytes]:
    """The processes of the study, by their data folder, and their commands."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"MER_DATA=%s\0" % bytes(place) in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_bytes()
    return found


def kernels(place: Path) -> list[int]:
    return [n for n, command in of_study(place).items() if b"ipykernel_launcher" in command]


def orphans(place: Path) -> int:
    """How many processes of a study are still there when all should have ended; they are killed."""
    until = time.monotonic() + ORPHANED
    while (left := of_study(place)) and time.monotonic() < until:
        time.sleep(0.1)
    for number in left:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return len(left)


def power_cut(chance: random.Random) -> int:
    """Cut, empty or blank each file written lately, as a disk without its cache may; how many."""
    files = [path for path in paths.RUNS.rglob("*") if path.is_file()]
    lately = [path for path in files if time.time() - path.stat().st_mtime < LATELY]
    for path in lately:
        content = path.read_bytes()
        path.write_bytes(chance.choice((b"", content[: len(content) // 2], bytes(len(content)))))
    return len(lately)


def folds() -> list[Path]:
    return list(paths.RUNS.glob("*/folds/*.npz"))


def reports() -> set[Path]:
    return set(paths.REPORTS.rglob("*.*"))


def await_moment(way: str, child: int, place: Path, seconds: float, chance: random.Random) -> None:
    """Until it is to be killed, or has ended.  seconds: of a whole study."""
    if WAYS[way][1] is None:
        until = time.monotonic() + chance.uniform(0, seconds)
        writing = way == "driver" and chance.random() < 0.5
        while runs(child) and (time.monotonic() < until or way == "kernel" and not kernels(place)):
            time.sleep(0.02)
        before = reports()
        while writing and runs(child) and reports() == before:
            time.sleep(0.002)
        return
    more = len(folds()) + (chance.randrange(4) if way != "nothing" else len(SYSTEMS) * SUBJECTS)
    while len(folds()) < more and runs(child):
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.05))


def compared(whole: dict) -> tuple[int, int]:
    """How many runs, and tables of all rows, are finished, and how many are unlike the unbroken."""
    found = {path.stem: path for path in paths.RUNS.glob("*.zip") if store.file(path.stem)}
    unlike = 0
    for key, path in found.items():
        run, first = archive.unpacked(path), whole[key]
        same = run.rows == first.rows and (run.predicted == first.predicted).all()
        unlike += not (same and (run.losses == first.losses).all())
        path.unlink()
    rows = paths.PREDICTIONS / f"{CORPUS}.csv.gz"
    table = rows.read_bytes() if rows.is_file() and len(found) == len(SYSTEMS) else None
    unlike += table is not None and table != whole.setdefault(CORPUS, table)
    return len(found) + (table is not None), unlike


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--ways", default="nothing,run,machine,worker,Dask worker")
    options = parser.parse_args()
    ways = {way: WAYS[way] for way in options.ways.split(",")}
    chance, counts = random.Random(0), Counter()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        paths.RUNS, paths.REPORTS = place / "runs", place / "reports"
        paths.KEPT, paths.PREDICTIONS = place / "kept", paths.REPORTS / "predictions"
        corpus = corpora.load(CORPUS, made_release(place))
        data, log = views.compute(corpus, corpus.views), place / "log"
        declared = [experiments.declare(name, CORPUS, data, **of) for name, of in SYSTEMS.items()]
        whole, seconds = {}, 0.0
        for experiment in declared:
            experiments.run(experiment, data, jobs=1, device="cpu", progress=False)
            whole[experiment.key] = archive.unpacked(paths.RUNS / f"{experiment.key}.zip")
        shutil.rmtree(paths.RUNS)
        if any(how is None for _, how in ways.values()):
            began, child = time.monotonic(), started(None, data, log, None)
            assert not os.waitpid(child, 0)[1], log.read_text()
            seconds = time.monotonic() - began
            assert compared(whole) == (len(SYSTEMS) + 1, 0)
        until = time.monotonic() + 60 * options.minutes
        while time.monotonic() < until:
            ((way, (_, how)),) = chance.choices(list(ways.items()), [n for n, _ in ways.values()])
            log.unlink(missing_ok=True)
            child = started(declared[0], data, log, how)
            await_moment(way, child, place, seconds, chance)
            counts[way, "times"] += kill(way, child, place, chance) or way == "nothing"
            status = os.waitpid(child, 0)[1]
            counts[way, "orphans"] += orphans(place) if how is None else 0
            counts[way, "folds there"] += len(folds())
            counts[way, "damaged"] += power_cut(chance) if way == "machine" else 0
            counts[way, "tracebacks"] += "Traceback" in log.read_text()
            if how is not None or not status:
                finished, unlike = compared(whole)
                counts[way, "finished"] += finished
                counts[way, "unlike"] += unlike
                shutil.rmtree(paths.REPORTS, ignore_errors=True)
    columns = ["times", "folds there", "damaged", "tracebacks", "orphans", "finished", "unlike"]
    print(pd.DataFrame([[counts[way, name] for name in columns] for way in ways], ways, columns))


if __name__ == "__main__":
    main()
