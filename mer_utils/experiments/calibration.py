"""Temperatures of a run, chosen by people of whom its models for the left-out ones know nothing.

For each of the five groups of `budget`, the inner folds of the others are trained with the group's
budget; their clips, left out in turn, choose.  No clip of the group has then been seen.
"""

import dataclasses

import numpy as np
import pandas as pd

from ..errors import StudyError
from ..evaluation import calibration, protocol
from ..preprocessing.views import Views
from . import budget, store
from .declaration import Experiment
from .run import rows_of, task_of

TARGETS = (0.8, 0.85, 0.9)  # of UF1, for which a system may abstain


def calibrate(experiment: Experiment, views: Views, longest: float = np.inf, **ways) -> str:
    """Choose the temperatures of a finished run and keep them in its file; what was done, in words.

    longest: seconds of training beyond which nothing is done; ways: jobs, device.
    """
    key, kept = experiment.key, store.chosen(experiment.key, "temperatures")
    # fifteen inner folds, each of 2/3 of 4/5 of the clips
    seconds = store.seconds(key) / len(store.read(key).folds) * 8
    if experiment.leak or experiment.labels != "true":
        return "No temperature: this run is no result."
    if np.isin(calibration.arrays(store.load(key))[0], (0, 1)).all():
        return "No temperature: this system only decides, its probabilities are 0 and 1."
    if not kept:
        if seconds > longest:
            return (
                f"No temperature yet, since its inner folds take about {seconds:.0f} s: "
                "`./run_all.sh train` with `--calibrate` and the options of this run chooses it."
            )
        try:
            budget.check(views.clips)
        except StudyError:
            return "No temperature: without a group of people, too few are left to choose it."
        kept = choose(experiment, views, **ways)
        store.note(key, temperatures=kept)
    numbers = ", ".join(f"{line['temperature']:.2f}" for line in kept)
    return f"Temperatures of the groups of left-out subjects: {numbers}."


def choose(
    experiment: Experiment, views: Views, jobs: int | None = None, device: str = "auto"
) -> list[dict]:
    """Of each group: its number, temperature, and `speaks`: the least certainty of each target.

    That is, at this temperature; None where the surest clips never have such a UF1.
    """
    task, classes = task_of(experiment, views, device), np.array(experiment.classes)
    chosen = store.chosen(experiment.key, "budgets")
    changes, temperatures = {choice["group"]: choice["changes"] for choice in chosen}, []
    for group, inner in budget.inner_folds(task.clips).items():
        config = dataclasses.replace(task.config, **changes.get(group, {}))
        rows = rows_of(dataclasses.replace(task, config=config), classes, inner, jobs)
        rows = rows.sort_values("fold", kind="stable")
        given, labels = calibration.arrays(rows)
        temperature = round(calibration.fit(given, labels), 4)
        rows[[f"p_{name}" for name in classes]] = calibration.apply(given, temperature)
        curve, speaks = calibration.coverage(rows), {}
        for target in TARGETS:
            good = curve.loc[curve["UF1"] >= target, "least"]
            speaks[f"{target:.2f}"] = float(good.min()) if len(good) else None
        temperatures.append({"group": group, "temperature": temperature, "speaks": speaks})
    return temperatures


def load(key: str) -> pd.DataFrame:
    """Rows of a run at its temperatures, with `speaks 0.80` and the other targets; else empty."""
    rows = store.load(key)
    groups, parts = protocol.dealt(rows, budget.GROUPS), [rows[:0]]
    names = [name for name in rows if name.startswith("p_")]
    for choice in store.chosen(key, "temperatures"):
        part = rows[groups == choice["group"]].copy()
        part[names] = calibration.apply(part[names].to_numpy(), choice["temperature"])
        for target, least in choice["speaks"].items():
            part[f"speaks {target}"] = part[names].max(axis=1) >= (least or np.inf)
        parts.append(part)
    return pd.concat(parts).sort_index()
