"""Which ingredients help: every ablation asks one question by one change of one system; no grids.

The questions are the ABLATIONS of all systems, and those of `experiments.INPUTS`: another algorithm
of the flow, another frame as the apex.
"""

import dataclasses
import json
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from .. import systems
from ..evaluation import scores, statistics
from ..experiments import INPUTS
from ..experiments.variations import names_of

if TYPE_CHECKING:
    from ..experiments import Study

SEVERAL = "all at once"  # the ingredient of a published code, which changes more than one thing
HELPS, HARMS, NO_DIFFERENCE = "it helps", "better without it", "no difference shown"
AS_A_WHOLE = {HELPS: "better as described", HARMS: "better as changed"}  # where SEVERAL change
NOT_TRAINED = "not trained: ./run_all.sh ablations trains it"
QUESTION = ["ingredient", "ablation", "question"]
ANSWER = [
    "described",
    "changed",
    "effect",
    "low",
    "high",
    "p Holm",
    "detectable",
    "seeds",
    "answer",
]
OF_IMAGES = {"flow", "flow_legacy", "landmarks"}  # what a corpus of flow images can offer


class Question(NamedTuple):
    """One change of one system."""

    ablation: str  # `mhssa_gcn/no_gcn`, the label of its runs
    ingredient: str
    question: str
    changes: dict  # fields of the Config; {} where the inputs change

    @property
    def system(self) -> str:
        return self.ablation.partition("/")[0]

    @property
    def inputs(self) -> str:
        """A name in INPUTS, or ""."""
        name = self.ablation.partition("/")[2]
        return name if name in INPUTS else ""

    @property
    def shown(self) -> dict:
        return {name: getattr(self, name) for name in QUESTION}


def questions() -> tuple[Question, ...]:
    """Every question of the study, by system."""
    lines = []
    for system in systems.SYSTEMS:
        asked = systems.ablations(system)
        for label in names_of(system):
            name = label.partition("/")[2]
            if name in asked:
                lines.append(Question(label, *asked[name][1:]))
            else:
                lines.append(Question(label, *INPUTS[name][:2], {}))
    return tuple(lines)


def answers(
    study: "Study", selection: str = "last", metric: str = "UF1", seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What every change did (QUESTION, ANSWER); and the questions without an answer, with `why`.

    `effect` is the score as described less the score of the changed system, paired over subjects,
    with its 95 % interval; p is after Holm over all questions that have an answer.
    """
    runs = study.runs[(study.runs["selection"] == selection) & (study.runs["leak"] == "")]
    by_label = dict(list(runs.groupby("label")))
    described = runs.loc[~runs["label"].str.contains("/"), "config"]
    images = any(json.loads(config).get("flow") == "flow_legacy" for config in described)
    answered, missing = [], []
    for line in questions():
        described, changed = by_label.get(line.system), by_label.get(line.ablation)
        why = _not_possible(line, described, study.name, images)
        why = why or _not_comparable(line, described, changed, study)
        if why:
            missing.append(line.shown | {"why": why})
        else:
            answered.append(line)
    table = pd.DataFrame([line.shown for line in answered], columns=QUESTION)
    table = table.join(_effects(study, runs, answered, selection, metric, seed))
    several = table["ingredient"] == SEVERAL  # says nothing about a single ingredient
    table.loc[several, "answer"] = table.loc[several, "answer"].replace(AS_A_WHOLE)
    return table, pd.DataFrame(missing, columns=[*QUESTION, "why"])


def named(answered: pd.DataFrame) -> str:
    """`: region map of HOOF + SVM, it helps (+0.231); ...`, to end a sentence on some answers."""
    names = []
    for line in answered.itertuples():
        system = systems.title(line.ablation.partition("/")[0])
        subject = f"{line.ingredient} of {system}"
        if line.ingredient == SEVERAL:
            subject = systems.title(line.ablation)
        names.append(f"{subject}, {line.answer} ({line.effect:+.3f})")
    return f": {'; '.join(names) or 'none'}"


def _effects(study: "Study", runs: pd.DataFrame, answered: list, selection, metric, seed):
    if not answered:
        return pd.DataFrame(columns=ANSWER)
    pairs = [((line.system, selection), (line.ablation, selection)) for line in answered]
    labels = {label for pair in pairs for label, _ in pair}
    rows = study.rows(runs[runs["label"].isin(labels)])
    compared = statistics.compare(rows, pairs, metric, seed=seed)
    tally = scores.tally(rows)
    by_seed = {label: scores.of(tally.of(*label).sum(1))[metric] for label in tally.systems()}
    table = pd.DataFrame(
        {
            "described": [by_seed[described].mean() for described, _ in pairs],
            "changed": [by_seed[changed].mean() for _, changed in pairs],
            "effect": compared["difference"],
            "seeds": [min(len(by_seed[label]) for label in pair) for pair in pairs],
            "answer": NO_DIFFERENCE,
        }
    ).join(compared[["low", "high", "p Holm", "detectable"]])
    table.loc[compared["significant"] & (table["effect"] > 0), "answer"] = HELPS
    table.loc[compared["significant"] & (table["effect"] < 0), "answer"] = HARMS
    return table[ANSWER]


# --- why a question has no answer -----------------------------------------------------------------


def _not_possible(line: Question, described: pd.DataFrame | None, corpus: str, images: bool) -> str:
    """Why this corpus or size cannot answer; images: the corpus consists of flow images."""
    module, config = systems.resolve(line.system if line.inputs else line.ablation)
    lacks = [view for view in systems.views_needed(module, config) if view not in OF_IMAGES]
    if images and (line.inputs or lacks):
        return f"{corpus} has no {', '.join(lacks) or 'frames'}"
    if described is None:
        return f"not trained: {line.system} itself has no run here"
    preset, fields = described["preset"].iloc[0], json.loads(described["config"].iloc[0])
    if not line.inputs:
        _, own = systems.resolve(line.system, {}, preset)
        own = vars(module.Config()) | vars(own)  # a published code may have further fields
        if all(own[name] == value for name, value in line.changes.items()):
            return f"changes nothing at the {preset} size"
        if all(fields.get(name, own[name]) == value for name, value in line.changes.items()):
            return f"changes nothing on {corpus}"
    return ""


def _not_comparable(
    line: Question, described: pd.DataFrame, changed: pd.DataFrame | None, study: "Study"
) -> str:
    """Why there is no run that differs from the described ones by this change alone."""
    if changed is None:
        return NOT_TRAINED
    one, other = described.iloc[0], changed.iloc[0]
    differs = [name for name in ("preset", "precision") if one[name] != other[name]]
    module, _ = systems.resolve(line.system if line.inputs else line.ablation)
    expected = dataclasses.asdict(module.Config()) | json.loads(one["config"])
    fields = json.loads(other["config"])
    differs += [
        name
        for name, value in expected.items()
        if name not in line.changes and fields[name] != json.loads(json.dumps(value))
    ]
    if differs:
        return f"its runs differ from {line.system} in {', '.join(differs)} too"
    if line.inputs:
        had, full = (len(study.rows(runs.head(1))) for runs in (changed, described))
        if had < full:
            return f"its runs hold {had} of the {full} clips of {line.system}"
    return ""
