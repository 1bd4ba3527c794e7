"""Half a million prediction rows: how long the notebooks that read them take.

    python benchmarks/comparison.py             # about five minutes, most of it writing the rows
    python benchmarks/comparison.py --rows 50000 --notebooks 50,52

442 made clips of 68 subjects as flow images of noise, and finished runs of every system and every
ablation of it, with as many seeds as it takes; all in a folder that is removed at the end.  Each
notebook runs in a fresh kernel, as the driver runs it; its start counts.
"""

import argparse
import dataclasses
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from mer_utils import corpora, experiments, paths, systems
from mer_utils.analysis import ablations
from mer_utils.corpora import CLASSES
from mer_utils.evaluation import statistics
from mer_utils.reporting import pages

CORPUS = "megc2019_flow"
LABELS = np.repeat([0, 1, 2], (250, 109, 83))
SUBJECTS, EPOCHS = 68, 30
NOTEBOOKS = "50,51,52,53,90"


def write_corpus(folder: Path, random: np.random.Generator) -> None:
    """Flow images of noise and their clip list, in the layout that is handed on."""
    images = folder / "STSNet_whole_norm_u_v_os"
    images.mkdir(parents=True)
    lines = []
    for number, label in enumerate(random.permutation(LABELS)):
        subject, clip = f"sub{number % SUBJECTS:02}", f"EP{number:03}"
        picture = random.integers(0, 256, (28, 28, 3), dtype=np.uint8)
        cv2.imwrite(str(images / f"{subject}_{clip} .png"), picture)
        lines.append(("casme2", subject, clip, label, "", f"{subject}_{clip} .png", ""))
    columns = ["dataset", "sub", "filename_o", "label", "apex", "imagename", "sub_filename"]
    table = pd.DataFrame(lines, columns=columns)
    table.to_csv(folder / "combined_3_class2_for_optical_flow.csv", index=False)
    points = pd.DataFrame(
        random.uniform(0, 224, (len(lines), 136)).round(1),
        columns=[f"{axis}{point}" for point in range(68) for axis in "xy"],
    )
    keys = table[["dataset", "sub", "filename_o"]].set_axis(["corpus", "subject", "clip"], axis=1)
    keys.join(points).to_csv(folder / "landmarks.csv", index=False)


def planned(rows: int) -> list[experiments.Experiment]:
    """Every system and every change of it, with enough seeds."""
    names = list(systems.SYSTEMS)
    names += [line.declared for line in ablations.known() if line.changed("small")]
    made = {}
    for seed in range(math.ceil(rows / len(LABELS) / len(names))):
        for system in names:
            _, config = systems.resolve(system, {}, "small")
            config = systems.inputs.resolved(config, ("flow_legacy",))
            words = json.dumps(dataclasses.asdict(config), sort_keys=True)
            own = (system, CORPUS, "small", seed, "last", "true", words, "made")
            made.setdefault(experiments.Experiment(*own))
    return list(made)


def write_runs(runs, clips: pd.DataFrame, random: np.random.Generator) -> None:
    """Files as a run leaves them; a system's skill is its own, a clip is as hard for all."""
    hard = random.beta(1.5, 2.5, len(clips))
    label = clips["label"].map(list(CLASSES).index).to_numpy()
    people = list(clips.groupby(["corpus", "subject"]).indices.items())
    kept = paths.DATA / "epochs"
    kept.mkdir()
    for (corpus, subject), own in people:
        chances = random.dirichlet(np.ones(3), (EPOCHS, len(own))).astype(np.float32)
        arrays = {"epochs": chances, "losses": np.zeros(EPOCHS), "validation": np.zeros((0, 2))}
        np.savez_compressed(kept / f"{corpus}__{subject}.npz", **arrays)
    skill = {run.system: random.uniform(-0.15, 0.15) for run in runs}
    for run in runs:
        knows = random.random(len(clips)) > hard + skill[run.system]
        predicted = np.array(CLASSES)[np.where(knows, label, random.integers(0, 3, len(clips)))]
        rows = pd.DataFrame({"run": run.key, "system": run.system, "seed": run.seed,
                             "selection": "last"}, index=clips.index)  # fmt: skip
        rows = rows.join(clips[["corpus", "subject", "clip", "label"]]).assign(predicted=predicted)
        rows = rows.assign(**{f"p_{name}": 0.333333 for name in CLASSES}, epoch=EPOCHS)
        folder = run.folder / "folds"
        folder.mkdir(parents=True)
        (run.folder / "experiment.json").write_text(json.dumps(dataclasses.asdict(run)))
        facts = {"began": "2026-01-01T00:00:00+00:00", "folds": len(people), "device": "made"}
        (run.folder / "provenance.json").write_text(json.dumps(facts))
        head, *lines = rows.to_csv(index=False).splitlines()
        for (corpus, subject), own in people:
            name = f"{corpus}__{subject}"
            (folder / f"{name}.csv").write_text("\n".join([head, *(lines[i] for i in own)]) + "\n")
            (folder / f"{name}.seconds").write_text("1.0")
            os.link(kept / f"{name}.npz", folder / f"{name}.npz")
        experiments.bind(run)


def timed(what: str, call):
    began, used = time.monotonic(), time.process_time()
    result = call()
    spent, used = time.monotonic() - began, time.process_time() - used
    print(f"  {what:<48}{spent:8.2f} s ({used:.2f} s of processor time)", flush=True)
    return result


def measure() -> None:
    """The calls that the notebooks are made of."""
    corpus = corpora.load(CORPUS)
    runs = timed("experiments.comparable", lambda: experiments.comparable(CORPUS, corpus.clips))
    rows = timed("experiments.gather", lambda: experiments.gather(runs))
    print(f"  {len(rows):,} rows of {len(runs)} runs")
    timed("statistics.tally", lambda: statistics.tally(rows))
    timed("statistics.summary", lambda: statistics.summary(rows))
    timed("statistics.spread", lambda: statistics.spread(rows))
    main = rows[~rows["system"].str.contains("/")]
    timed("statistics.compare, systems as described", lambda: statistics.compare(main))
    answered, _ = timed("ablations.answers", lambda: ablations.answers(corpus))
    print(f"  {len(answered)} questions answered")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--notebooks", default=NOTEBOOKS)
    parser.add_argument("--within", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.within:
        random = np.random.default_rng(0)
        write_corpus(paths.RAW / CORPUS, random)
        runs = planned(options.rows)
        timed(f"writing {len(runs)} runs", lambda: write_runs(runs, _clips(), random))
        measure()
        return
    with tempfile.TemporaryDirectory(prefix="mer-") as folder:
        surroundings = {**os.environ, "MER_DATA": folder, "MER_REPORTS": f"{folder}/reports"}
        again = [sys.executable, __file__, "--within", "--rows", str(options.rows)]
        subprocess.run(again, env=surroundings, check=True)
        for name in options.notebooks.split(","):
            command = [sys.executable, "-m", "mer_utils.reporting.driver", "--corpus", CORPUS]
            command += ["--notebooks", name, "--jobs", "1"]
            before = _processor()
            subprocess.run(command, env=surroundings, check=True, stdout=subprocess.DEVNULL)
            used = _processor() - before  # of the driver and the notebook
            page = next(Path(folder).glob(f"reports/html/*/{name}_*.html"))
            taken, size = pages.load(page).seconds, page.stat().st_size
            print(
                f"  {page.stem:<48}{taken:8.1f} s ({used:.1f} s of processor time, the "
                f"driver's included), page of {size / 1e6:.2f} MB",
                flush=True,
            )


def _processor() -> float:
    """Seconds that finished child processes have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _clips() -> pd.DataFrame:
    return corpora.load(CORPUS).clips


if __name__ == "__main__":
    main()
