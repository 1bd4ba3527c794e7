"""Half a million prediction rows: how long the notebooks that read them take.

    python benchmarks/comparison.py             # about five minutes
    python benchmarks/comparison.py --rows 50000 --notebooks 50,52

Made runs of every system and every ablation on 442 clips of 68 subjects, with as many seeds as it
takes, all in a folder that is removed at the end.  Each notebook runs in a fresh kernel, as the
driver runs it; its start counts.
"""

import argparse
import io
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from mer_utils import experiments, paths, systems
from mer_utils.analysis import ablations
from mer_utils.corpora import CLASSES
from mer_utils.evaluation import scores, statistics
from mer_utils.experiments import archive, studies
from mer_utils.reporting import pages

CORPUS = "megc2019"  # of which no run is kept in reports/runs
LABELS = np.repeat([0, 1, 2], (250, 109, 83))
SUBJECTS, EPOCHS = 68, 30
NOTEBOOKS = "50,51,52,53,90"


def groups(rows: int) -> list[dict]:
    """Every system and every ablation of it, with enough seeds."""
    both = [{"systems": "all"}, {"systems": "all", "ablations": True}]
    seeds = math.ceil(rows / len(LABELS) / len(studies.expand(both)))
    return [group | {"seeds": list(range(seeds))} for group in both]


def write_runs(lines: list[studies.Line], random: np.random.Generator) -> None:
    """Files as a run leaves them; a system's skill is its own, a clip is as hard for all."""
    label, hard = random.permutation(LABELS), random.beta(1.5, 2.5, len(LABELS))
    subject = [f"sub{number % SUBJECTS:02}" for number in range(len(LABELS))]
    rows = pd.DataFrame({"corpus": "casme2", "subject": subject})
    rows["clip"] = [f"EP{number:03}" for number in range(len(LABELS))]
    rows["label"] = np.array(CLASSES)[label]
    order = np.argsort(subject, kind="stable")
    counts = rows.groupby("subject").size()
    folds = pd.DataFrame({"fold": "casme2__" + counts.index, "clips": counts, "seconds": 1.0})
    skill = {line.label: random.uniform(-0.15, 0.15) for line in lines}
    paths.RUNS.mkdir(parents=True)
    for line in lines:
        epochs = EPOCHS if systems.neural(systems.resolve(line.system)[0]) else 0
        right = random.random((max(epochs, 1), len(label))) > hard + skill[line.label]
        predicted = np.where(right, label, random.integers(0, 3, right.shape))
        own = rows.assign(predicted=np.array(CLASSES)[predicted[-1]])
        likely = {f"p_{name}": 0.3 + 0.1 * (own["predicted"] == name) for name in CLASSES}
        own = own.assign(**likely, epoch=epochs).iloc[order]
        write_run(line, own, folds, predicted[:epochs, order].astype(np.uint8))


def write_run(line: studies.Line, rows: pd.DataFrame, folds: pd.DataFrame, predicted) -> None:
    run = experiments.Experiment(
        line.system,
        experiments.corpus_name(CORPUS, line.inputs),
        line.preset,
        line.seed,
        line.selection,
        "true",
        line.configs[0],
        "made",
        precision=line.precision,
    )
    facts = {"began": "2026-01-01T00:00:00+00:00", "folds": len(folds), "device": "made"}
    contents = {
        "experiment.json": json.dumps(asdict(run)).encode(),
        "provenance.json": json.dumps(facts).encode(),
        "rows.csv": rows.to_csv(index=False, lineterminator="\n").encode(),
        "folds.csv": folds.to_csv(index=False, lineterminator="\n").encode(),
    }
    losses = np.zeros((len(folds), len(predicted)), np.float32)
    arrays = {"predicted": predicted, "losses": losses}
    for name, values in arrays.items():
        packed = io.BytesIO()
        np.save(packed, values, allow_pickle=False)
        contents[f"{name}.npy"] = packed.getvalue()
    (paths.RUNS / f"{run.key}.zip").write_bytes(archive.pack(contents))


def timed(what: str, call):
    began, used = time.monotonic(), time.process_time()
    result = call()
    spent, used = time.monotonic() - began, time.process_time() - used
    print(f"  {what:<48}{spent:8.2f} s ({used:.2f} s of processor time)", flush=True)
    return result


def measure(study: experiments.Study) -> None:
    """The calls that the notebooks are made of."""
    results = timed("study.results", lambda: study.results)
    rows = timed("study.rows", study.rows)
    print(f"  {len(rows):,} rows of {len(study.runs)} runs")
    timed("scores.tally", lambda: scores.tally(rows))
    timed("statistics.summary", lambda: statistics.summary(rows))
    timed("statistics.spread", lambda: statistics.spread(rows))
    main = study.rows(results)
    timed("statistics.compare, systems as described", lambda: statistics.compare(main))
    answered, _ = timed("ablations.answers", lambda: ablations.answers(study))
    print(f"  {len(answered)} questions answered")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--notebooks", default=NOTEBOOKS)
    parser.add_argument("--within", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.within:
        runs = groups(options.rows)
        lines = studies.expand(runs)
        random = np.random.default_rng(0)
        timed(f"writing {len(lines)} runs", lambda: write_runs(lines, random))
        declared = {"corpus": CORPUS, "runs": runs}
        (paths.DATA / "study.yml").write_text(yaml.safe_dump(declared), encoding="utf-8")
        measure(experiments.study(CORPUS, runs))
        return
    with tempfile.TemporaryDirectory(prefix="mer-") as folder:
        surroundings = {**os.environ, "MER_DATA": folder, "MER_REPORTS": f"{folder}/reports"}
        again = [sys.executable, __file__, "--within", "--rows", str(options.rows)]
        subprocess.run(again, env=surroundings, check=True)
        for name in options.notebooks.split(","):
            command = [sys.executable, "-m", "mer_utils", "run", "--study", f"{folder}/study.yml"]
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


if __name__ == "__main__":
    main()
