"""Which ingredients help: every ablation asks one question by one change of one system; no grids.

The questions are the ABLATIONS of all systems, and those of `experiments.INPUTS`: another algorithm
of the flow, another frame as the apex.
"""

import dataclasses
import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from .. import systems
from ..evaluation import protocol, scores, statistics
from ..experiments import INPUTS, budget
from ..experiments.declaration import ANY_PRECISION
from ..experiments.variations import names_of

if TYPE_CHECKING:
    from ..experiments import Study

SEVERAL = "all at once"  # the ingredient of a published code, which changes more than one thing
HELPS, HARMS, NO_DIFFERENCE = "it helps", "better without it", "no difference shown"
AS_A_WHOLE = {HELPS: "better as described", HARMS: "better as changed"}  # where SEVERAL change
NOT_TRAINED = "not trained: ./run_all.sh ablations trains it"
ANSWER = ["described", "changed", "effect", "low", "high"]
ANSWER += ["p Holm", "detectable", "seeds", "answer"]
# what a corpus of flow images can offer
OF_IMAGES = {"flow", "flow_legacy", "flow_centred", "flow_centred_2", "landmarks"}


class Question(NamedTuple):
    """One change of one system."""

    ingredient: str
    ablation: str  # `mhssa_gcn/no_gcn`, the label of its runs
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


QUESTION = list(Question._fields[:3])


def questions() -> tuple[Question, ...]:
    """Every question of the study, by system."""
    lines = []
    for system in systems.SYSTEMS:
        changes = systems.ablations(system)
        for label in names_of(system):
            name = label.partition("/")[2]
            entry = changes[name][1:] if name in changes else (*INPUTS[name][:2], {})
            lines.append(Question(entry[0], label, *entry[1:]))
    return tuple(lines)


def answers(study: "Study", seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What every change did (QUESTION, ANSWER); and the questions without an answer, with `why`.

    `effect` is UF1 as described less UF1 of the changed system, paired over subjects, with its 95 %
    interval; p is after Holm over all questions that have an answer.  Both choose a budget alike.
    """
    runs = study.runs[study.runs["leak"] == ""]
    system = runs["label"].str.split("/").str[0]
    described = protocol.fairest(runs[runs["label"] == system]).groupby("label")["selection"]
    runs = runs[runs["selection"] == system.map(described.first())]
    by_label = dict(list(runs.groupby("label")))
    described = runs.loc[~runs["label"].str.contains("/"), "config"]
    images = any(json.loads(config).get("flow", "flow") != "flow" for config in described)
    lines = [(*line[:3], _why_not(line, by_label, study, images)) for line in questions()]
    table = pd.DataFrame(lines, columns=[*QUESTION, "why"])
    missing = table[table["why"] != ""].reset_index(drop=True)
    table = table.loc[table["why"] == "", QUESTION].reset_index(drop=True)
    table = table.join(_effects(study, runs, table["ablation"], seed))
    several = table["ingredient"] == SEVERAL  # says nothing about a single ingredient
    table.loc[several, "answer"] = table.loc[several, "answer"].replace(AS_A_WHOLE)
    return table, missing


def named(answered: pd.DataFrame) -> str:
    """`: region map of HOOF + SVM, it helps (+0.231); ...`, to end a sentence on some answers."""
    names = []
    for line in answered.itertuples():
        subject = f"{line.ingredient} of {systems.title(line.ablation.partition('/')[0])}"
        if line.ingredient == SEVERAL:
            subject = systems.title(line.ablation)
        names.append(f"{subject}, {line.answer} ({line.effect:+.3f})")
    return f": {'; '.join(names) or 'none'}"


def _effects(study: "Study", runs: pd.DataFrame, ablations: pd.Series, seed: int) -> pd.DataFrame:
    """ANSWER of each ablation."""
    if ablations.empty:
        return pd.DataFrame(columns=ANSWER)
    rule = runs.groupby("label")["selection"].first()
    both = [(name.partition("/")[0], name) for name in ablations]
    pairs = [tuple((name, rule[name]) for name in names) for names in both]
    rows = study.rows(runs[runs["label"].isin({label for pair in pairs for label, _ in pair})])
    table, counts = statistics.compare(rows, pairs, seed=seed), scores.tally(rows).by_system()
    by_seed = {label: scores.of(part.sum(1))["UF1"] for label, part in counts.items()}
    effect = table["difference"]
    directions = [table["significant"] & (effect > 0), table["significant"] & (effect < 0)]
    return table.assign(
        described=[by_seed[described].mean() for described, _ in pairs],
        changed=[by_seed[changed].mean() for _, changed in pairs],
        effect=effect,
        seeds=[min(len(by_seed[label]) for label in pair) for pair in pairs],
        answer=np.select(directions, [HELPS, HARMS], NO_DIFFERENCE),
    )[ANSWER]


def _why_not(line: Question, by_label: dict, study: "Study", images: bool) -> str:
    """Why a question has no answer, or ""; images: the corpus consists of flow images."""
    module, config = systems.resolve(line.system if line.inputs else line.ablation)
    lacks = [view for view in systems.views_needed(module, config) if view not in OF_IMAGES]
    if images and (line.inputs or lacks):
        return f"{study.name} has no {', '.join(lacks) or 'frames'}"
    if line.system not in by_label:
        return f"not trained: {line.system} itself has no run here"
    described = by_label[line.system].iloc[0]
    preset, fields = described["preset"], json.loads(described["config"])
    if not line.inputs:
        inner = described["selection"] == "inner"
        if inner and line.changes.keys() <= {n for arm in budget.arms(module, config) for n in arm}:
            return "what it changes is chosen inside the training folds"
        # a published code may have further fields
        sized = vars(module.Config()) | vars(systems.resolve(line.system, {}, preset)[1])
        if line.changes.items() <= sized.items():
            return f"changes nothing at the {preset} size"
        if line.changes.items() <= (sized | fields).items():
            return f"changes nothing on {study.name}"
    if line.ablation not in by_label:
        return NOT_TRAINED
    changed = by_label[line.ablation].iloc[0]
    differs = [] if described["preset"] == changed["preset"] else ["preset"]
    if len({described["precision"], changed["precision"]} - {ANY_PRECISION}) > 1:
        differs.append("precision")
    config = json.loads(changed["config"])
    for name, value in (dataclasses.asdict(module.Config()) | fields).items():
        if name not in line.changes and config[name] != json.loads(json.dumps(value)):
            differs.append(name)
    if differs:
        return f"its runs differ from {line.system} in {', '.join(differs)} too"
    if line.inputs:
        names = line.ablation, line.system
        clips, full = (len(study.rows(by_label[name].head(1))) for name in names)
        if clips < full:
            return f"its runs hold {clips} of the {full} clips of {line.system}"
    return ""
