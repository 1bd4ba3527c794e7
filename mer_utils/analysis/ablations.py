"""Which ingredient of which system earns its place: a question and one change a line, no grids.

The lines are every system's ABLATIONS.  Added here are `INPUTS`: another algorithm of the flow, or
another frame as the apex.
"""

import dataclasses
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from .. import experiments
from ..corpora import apexes
from ..corpora.frames import frame_names
from ..corpora.table import Corpus, clip_table, nearest
from ..errors import StudyError
from ..evaluation import scores, statistics
from ..preprocessing import views
from ..systems import SYSTEMS, ablations, resolve, views_needed

SEVERAL = "all at once"  # as coded, a README's settings: more than one field
INPUTS = {  # name -> (ingredient, question, algorithm of the flow, where the apex comes from)
    "dis": ("flow algorithm", "Is DIS's preset as good?", "dis", ""),
    "farneback": ("flow algorithm", "Is Farneback's flow as good?", "farneback", ""),
    "tvl1": ("flow algorithm", "Is the literature's TV-L1 as good?", "tvl1", ""),
    "midpoint": ("apex policy", "Is the middle of the clip as good an apex?", None, "midpoint"),
    "spotted": ("apex policy", "Is an apex found by itself as good?", None, "spotted"),
}
INPUT_SYSTEMS = ("svm", "ststnet", "mhssa_gcn")  # of which INPUTS are asked
EARNED, HARM, NOT_SHOWN = "it earns its place", "better without", "no difference shown"
AS_A_WHOLE = {EARNED: "better as described", HARM: "better as changed"}  # where SEVERAL change
NOT_RUN = "not run: ./run_all.sh ablations trains what is missing"


@dataclass(frozen=True)
class Ablation:
    """One question about one system, and the one change that asks it."""

    system: str  # as described
    name: str
    question: str
    ingredient: str
    changes: dict  # fields of its Config; {} where the inputs change
    inputs: str = ""  # a name in INPUTS

    @property
    def entry(self) -> str:
        """Its name in tables: `mhssa_gcn/no_gcn`, which is a system's name unless inputs change."""
        return f"{self.system}/{self.name}"

    @property
    def declared(self) -> str:
        """The system's name with which its run is declared."""
        return self.system if self.inputs else self.entry

    def changed(self, preset: str) -> dict:
        """The fields that differ from the system's own at this size; none where only INPUTS do."""
        module, config = resolve(self.declared, {}, preset)
        described = module.Config(**(SYSTEMS[self.system].SMALL if preset == "small" else {}))
        own, other = dataclasses.asdict(described), dataclasses.asdict(config)
        return {field: value for field, value in other.items() if value != own[field]}


@functools.cache
def known() -> tuple[Ablation, ...]:
    """Every question of the study, by system."""
    found = []
    for system in SYSTEMS:
        for name, (_, ingredient, question, changes) in ablations(system).items():
            found.append(Ablation(system, name, question, ingredient, changes))
        for name, (ingredient, question, *_) in INPUTS.items() if system in INPUT_SYSTEMS else ():
            found.append(Ablation(system, name, question, ingredient, {}, name))
    return tuple(found)


def plans(systems: Sequence[str], preset: str) -> list[tuple[str, str]]:
    """(system, inputs) to train for `systems`: each as described, then its changes."""
    found = []
    for system in systems:
        if system not in SYSTEMS:
            raise StudyError(
                f"system '{system}' is not known, the nearest is '{nearest(system, SYSTEMS)}': "
                "ablations takes systems without their variants"
            )
        found.append((system, ""))
        for line in known():
            if line.system == system and (line.inputs or line.changed(preset)):
                found.append((line.declared, line.inputs))
    return found


# --- other inputs ---------------------------------------------------------------------------------


def corpus_name(corpus: str, inputs: str) -> str:
    """Under which name such runs are kept, so that no table takes them for the corpus itself."""
    return f"{corpus}~{inputs}" if inputs else corpus


def views_of(
    corpus: Corpus, inputs: str = "", jobs: int | None = None, progress: bool = False
) -> views.Views:
    """Views of a corpus as it is, or with one of INPUTS. Raises StudyError where it has no frames.

    An apex that a sheet has given is kept out of the way of `midpoint` and `spotted`; a clip
    without a midpoint is left out, and `answers` says so.
    """
    if not inputs:
        return views.compute(corpus, corpus.views, jobs=jobs, progress=progress)
    if inputs not in INPUTS:
        raise StudyError(
            f"inputs '{inputs}' is not known, the nearest is '{nearest(inputs, INPUTS)}': "
            f"choose one of {', '.join(INPUTS)}"
        )
    if "frames" not in corpus.views:
        raise StudyError(f"{corpus.name} comes without frames: inputs={inputs} needs them")
    _, _, method, apex = INPUTS[inputs]
    clips = corpus.clips
    if apex:
        rows = clips.astype(object).where(clips.notna(), None).to_dict("records")
        rows, _ = apexes.choose(apex, rows, frame_names)
        clips = clip_table(rows)
    other = dataclasses.replace(corpus, clips=clips)
    wanted = tuple(name for name in corpus.views if name in ("flow", "flow_legacy", "landmarks"))
    return views.compute(other, wanted, jobs=jobs, progress=progress, flow_method=method)


# --- answers --------------------------------------------------------------------------------------


def answers(
    corpus: Corpus, selection: str = "last", metric: str = "UF1", seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What every change did, and what has not been run and why.

    `worth` is the score as described less the score of the changed system, paired over subjects,
    with its 95 % interval; p is after Holm over all lines that have been run.
    """
    runs = experiments.finished(corpus.name, corpus.clips)
    runs = runs[runs["selection"] == selection]
    base = experiments.comparable(corpus.name, corpus.clips)
    base = base[base["selection"] == selection]
    labels, pairs, asked, missing = {}, [], [], []
    for line in known():
        own = base[base["system"] == line.system]
        keys, reason = _runs(line, own, runs, corpus)
        if len(keys):
            labels |= dict.fromkeys(own["key"], line.system) | dict.fromkeys(keys, line.entry)
            pairs.append(((line.system, selection), (line.entry, selection)))
            asked.append(line)
        else:
            missing.append(_told(line) | {"why": reason})
    lines = [_told(line) for line in asked]
    table = pd.DataFrame(lines, columns=["ingredient", "ablation", "question"])
    if asked:
        rows = experiments.gather(pd.DataFrame({"key": list(labels)}))
        rows = rows.assign(system=rows["run"].map(labels))
        table = table.join(_effects(rows, pairs, metric, seed))
        many = table["ingredient"] == SEVERAL  # a price of all changes, to the credit of none
        table.loc[many, "answer"] = table.loc[many, "answer"].replace(AS_A_WHOLE)
    missing = pd.DataFrame(missing, columns=["ingredient", "ablation", "question", "why"])
    return table, missing


def _told(line: Ablation) -> dict:
    return {"ingredient": line.ingredient, "ablation": line.entry, "question": line.question}


def _effects(rows: pd.DataFrame, pairs: list, metric: str, seed: int) -> pd.DataFrame:
    counted = scores.tally(rows)
    found = statistics.compare(rows, pairs, metric, seed=seed)
    means = {name: scores.of(counted.of(*name).sum(1))[metric].mean() for name in counted.systems()}
    seeds = counted.runs.groupby(["system", "selection"])["seed"].nunique()
    return pd.DataFrame(
        {
            "described": [means[described] for described, _ in pairs],
            "changed": [means[changed] for _, changed in pairs],
            "worth": found["difference"],
            "low": found["low"],
            "high": found["high"],
            "p Holm": found["p Holm"],
            "detectable": found["detectable"],
            "seeds": [min(seeds[described], seeds[changed]) for described, changed in pairs],
            "answer": [
                (EARNED if line.difference > 0 else HARM) if line.significant else NOT_SHOWN
                for line in found.itertuples()
            ],
        }
    )


def _runs(
    line: Ablation, own: pd.DataFrame, runs: pd.DataFrame, corpus: Corpus
) -> tuple[list[str], str]:
    """Keys of the runs that differ from `own` by this change alone; else why there are none."""
    name = line.declared
    try:
        module, config = resolve(name)
    except StudyError as error:
        return [], str(error)
    offered = {*corpus.views, "flow"} if "flow_legacy" in corpus.views else set(corpus.views)
    lacks = [view for view in views_needed(module, config) if view not in offered]
    if lacks:
        return [], f"{corpus.name} has no {', '.join(lacks)}"
    if line.inputs and "frames" not in corpus.views:
        return [], f"{corpus.name} comes without frames"
    if not len(own):
        return [], f"not run: {line.system} itself has not been trained"
    preset, described = own.iloc[0]["preset"], json.loads(own.iloc[0]["config"])
    if not (line.inputs or line.changed(preset)):
        return [], f"changes nothing at the {preset} size"
    wanted = json.loads(json.dumps(dataclasses.asdict(module.Config()) | described | line.changes))
    if all(described.get(field) == wanted[field] for field in line.changes) and not line.inputs:
        return [], f"changes nothing on {corpus.name}"
    if line.inputs:
        runs = experiments.finished(corpus_name(corpus.name, line.inputs), corpus.clips)
    same = ["preset", "precision", "version"]
    runs = runs[(runs["system"] == name) & (runs[same] == own.iloc[0][same]).all(axis=1)]
    runs = runs[runs["config"].map(lambda config: json.loads(config) == wanted).astype(bool)]
    if not len(runs):
        return [], NOT_RUN
    _, described_config = resolve(line.system, described, preset)
    alike = views_needed(module, config) == views_needed(module, described_config)
    data = own if alike and not line.inputs else runs  # what reads the same was given the same
    runs = runs[runs["data"] == data.iloc[-1]["data"]].drop_duplicates("seed", keep="last")
    if line.inputs:
        had, full = (len(experiments.load(each.iloc[-1]["key"])) for each in (runs, own))
        if had < full:
            return [], f"its runs hold {had} of the {full} clips of {line.system}"
    return list(runs["key"]), NOT_RUN
