"""A study is declared: which runs its tables show is written down, never inferred from a disk.

A study file names a corpus and groups of runs; papermill's `-f` can feed it to any notebook:

    corpus: megc2019_flow
    runs:
      - systems: [svm, ststnet, mhssa_gcn/as_coded]    # or: all
        seeds: [0, 1, 2]
      - {systems: [mhssa_gcn], seeds: [0, 1, 2], ablations: true}
      - {systems: [mhssa_gcn], leak: graph}

A group is the product of its systems, selections and seeds.  Its other fields are those of GROUP.
"""

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import pandas as pd
import yaml

from .. import paths, systems, training
from ..corpora.table import KEY, nearest, one_line
from ..errors import StudyError
from ..evaluation import protocol
from ..preprocessing.views import Views
from ..systems import inputs
from . import store
from .declaration import ANY_PRECISION, CHOICES, VERSION, config_of, data_hash, resolve
from .variations import INPUTS, corpus_name, names_of

GROUP = {  # field -> default (of a list: a tuple), type of a value, what to give
    "systems": (("all",), str, "a list of names"),  # an ablation as mhssa_gcn/no_gcn; or all
    "ablations": (False, bool, "true or false; single ones stand in systems, as svm/unbalanced"),
    "preset": ("small", object, "a name"),
    "seeds": ((0,), int, "a list of whole numbers from 0 up"),
    "selections": (("last",), str, "a list of names"),
    "precision": ("fp32", object, "a name"),
    "epochs": (None, object, ""),  # of all networks, instead of the preset's
    "set": ({}, dict, "SYSTEM.FIELD: value"),
    "leak": ("", object, "a name"),
    "ranked": (True, bool, "true or false"),  # false: beside the ranking, as an ablation is
    "label": ("", str, "a text"),  # added to the systems' names, to tell two groups apart
    "data": ((), str, "a list of names"),  # hashes of the inputs, where runs on several are there
}
DEFAULT = ({"systems": "all"}, {"systems": "all", "ablations": True})
STUDIES = paths.NOTEBOOKS / "studies"
LINE = ("label", "system", "ablation", "selection", "seed")


@dataclass(frozen=True)
class Line:
    """One declared run, and what tables call it."""

    label: str
    system: str  # a name of `systems.resolve`
    preset: str
    seed: int
    selection: str
    precision: str
    overrides: dict = field(hash=False)
    inputs: str  # a name in INPUTS, or ""
    leak: str
    ablation: bool  # beside the ranking: asked by `ablations: true`, or `ranked: false`
    data: tuple[str, ...]
    by_name: bool  # the group names its systems

    @property
    def configs(self) -> tuple[str, ...]:
        """The resolved fields as a run holds them, for either form of the flow."""
        _, config = systems.resolve(self.system, self.overrides, self.preset)
        forms = [inputs.resolved(config, offered) for offered in (("flow",), ("flow_centred",))]
        texts = [json.dumps(dataclasses.asdict(form), sort_keys=True) for form in forms]
        return tuple(dict.fromkeys(texts))


@dataclass(frozen=True, eq=False)
class Study:
    """The runs that a study declares, as far as they are on disk."""

    name: str  # of the corpus
    runs: pd.DataFrame  # declared and finished: LINE and the columns of `store.find`; sorted
    missing: pd.DataFrame  # declared and not finished: LINE and `why`

    @property
    def results(self) -> pd.DataFrame:
        """The runs that are results: trained without a leak, and no ablation."""
        return self.runs[~self.runs["ablation"].astype(bool) & (self.runs["leak"] == "")]

    @property
    def ranked(self) -> pd.DataFrame:
        """The results that a ranking compares: one rule for each system, the fairest there is."""
        return protocol.fairest(self.results)

    def rows(self, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """Prediction rows of these runs (of all), `system` being the label. StudyError for none."""
        runs = self.runs if runs is None else runs
        if not len(runs):
            raise StudyError(f"no run of this study of {self.name} is finished: run notebook 41")
        rows = map(store.load, runs["key"])
        rows = [part.assign(system=of) for part, of in zip(rows, runs["label"], strict=True)]
        return pd.concat(rows, ignore_index=True)

    @cached_property
    def clips(self) -> pd.DataFrame:
        """corpus, subject, clip and label of every clip that the runs predict."""
        plain = self.runs[~self.runs["corpus"].str.contains("~(?!smoke)")]
        rows = self.rows(plain.head(1))
        return rows[[*KEY, "label"]].sort_values(list(KEY), ignore_index=True)

    @property
    def classes(self) -> tuple[str, ...]:
        return store.read(self.runs["key"].iloc[0]).experiment.classes

    @property
    def synthetic(self) -> bool:
        return self.name.partition("-")[0] == "synthetic"


def study(corpus: str, runs: Sequence[dict] = (), smoke: bool = False) -> Study:
    """The study of a corpus: groups as in a study file, by default those of its own file.

    smoke: the runs of a quick look.  Raises StudyError for a name that is not known.
    """
    return Study(corpus, *_match(corpus, expand(runs or groups_of(corpus)), smoke))


def groups_of(corpus: str) -> Sequence[dict]:
    """The groups that notebooks/studies declares for a corpus; DEFAULT where it has no file."""
    path = STUDIES / f"{corpus}.yml"
    return read(path)[1] if path.is_file() else DEFAULT


def read(path: Path) -> tuple[str, list[dict]]:
    """Corpus and groups of a study file. Raises StudyError naming what is wrong in it."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}): give a study file") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path} is no YAML ({one_line(error)}): mend it") from error
    if not isinstance(content, dict) or set(content) != {"corpus", "runs"}:
        raise StudyError(f"{path} must hold `corpus` and `runs`, and nothing else")
    if not isinstance(content["runs"], list) or not content["runs"]:
        raise StudyError(f"{path}: runs is not a list of groups: write `- systems: [svm]`")
    try:
        expand(content["runs"])
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error
    return str(content["corpus"]), content["runs"]


def expand(groups: Sequence[dict]) -> tuple[Line, ...]:
    """Every run that the groups declare, in their order. Raises StudyError for what is unknown."""
    lines: dict[tuple, Line] = {}
    for group in groups:
        for name, line in _expanded(_checked(group)).items():
            if lines.setdefault(name, line) != line:
                raise StudyError(
                    f"two groups of runs declare {line.label}, {line.selection}, seed {line.seed}, "
                    "each in another way: give one of them a `label`"
                )
    return tuple(lines.values())


def _checked(group: dict) -> dict:
    """A group with every field. Raises StudyError for one that is unknown or of no use."""
    if not isinstance(group, dict):
        raise StudyError(f"runs holds {group!r}: write a group as `systems: [svm]` and its fields")
    for name in group:
        training.one_of("field of a group of runs", name, tuple(GROUP))
    group = {name: group.get(name, default) for name, (default, *_) in GROUP.items()}
    for name, (default, kind, what) in GROUP.items():
        value = group[name]
        if isinstance(default, tuple):
            value = group[name] = [value] if isinstance(value, str | int) else value
            fits = isinstance(value, list | tuple) and all(type(one) is kind for one in value)
            fits = fits and (len(value) > 0 or name == "data")
        else:
            fits = isinstance(value, kind)
        if not fits or (name == "seeds" and min(value) < 0):
            raise StudyError(f"{name}: {group[name]!r} is not possible: give {what}")
    for name in ("preset", "precision", "leak"):
        training.one_of(name, group[name], CHOICES[name])
    for selection in group["selections"]:
        training.one_of("selection", selection, CHOICES["selection"])
    return group


def pinned(groups: Sequence[dict], corpus: str, views: Views) -> list[dict]:
    """The groups with the hashes of what they read of these views: other inputs do not count."""
    with_data, elsewhere = [], read_elsewhere(corpus, views)
    unreadable = {data for own, data in elsewhere.items() if own == data}
    for group in groups:
        hashes = set(unreadable)
        for line in expand([group]):
            with contextlib.suppress(StudyError):  # the corpus lacks a view of that system
                module, config = resolve(line.system, corpus, views, line.overrides, line.preset)
                own = data_hash(module, config, views)
                hashes.add(elsewhere.get(own, own))
        with_data.append({"data": sorted(hashes)} | dict(group))
    return with_data


def read_elsewhere(corpus: str, views: Views) -> dict[str, str]:
    """Hash of these views -> that of runs in reports/runs on the same images and other landmarks.

    Landmarks are fitted to flow images: the last digits of a fit are those of a machine.  A run
    that reads a view which is not here stands for itself.  Empty where the images are others.
    """
    hashes = {}
    for run in store.find(corpus=corpus, version=VERSION).to_dict("records"):
        reads = {*_reads(run["system"], run["config"])}
        if not (paths.KEPT / corpus / f"{run['key']}.zip").is_file():
            continue
        module, _ = systems.resolve(run["system"])
        there = reads <= {*views.arrays}
        config = config_of(module, run["config"])
        own = data_hash(module, config, views) if there else run["data"]
        if there and own == run["data"]:
            continue
        if there and "landmarks" not in reads:
            return {}
        hashes[own] = run["data"]
    return hashes


def _expanded(group: dict) -> dict[tuple, Line]:
    """The lines of a checked group by what names them in a table."""
    by_name = [*group["systems"]] != ["all"]
    names = tuple(group["systems"] if by_name else systems.SYSTEMS)
    if group["ablations"]:
        names = tuple(label for name in names for label in names_of(name))
    settable = {part for name in names for part in (name, name.partition("/")[0])}
    for change in group["set"]:
        system, _, field = change.rpartition(".")
        if not (system and field):
            raise StudyError(f"set {change}: write it as SYSTEM.FIELD")
        if system not in settable:
            raise StudyError(
                f"set {change}: '{system}' is none of the systems, the nearest is "
                f"'{nearest(system, names)}': write it as SYSTEM.FIELD"
            )
    lines = {}
    beside, data = group["ablations"] or not group["ranked"], tuple(group["data"])
    for name in names:
        described, _, last = name.partition("/")
        system, other_inputs = (described, last) if last in INPUTS else (name, "")
        overrides, (_, config) = {}, systems.resolve(system, {}, group["preset"])
        if group["epochs"] and hasattr(config, "epochs"):
            overrides["epochs"] = group["epochs"]
        for change, value in group["set"].items():
            changed, _, field = change.rpartition(".")
            if changed in (name, described):
                overrides[field] = value
        module, _ = systems.resolve(system, overrides, group["preset"])
        precision = group["precision"] if systems.neural(module) else ANY_PRECISION
        label = f"{name} ({group['label']})" if group["label"] else name
        label += f" (leak: {group['leak']})" if group["leak"] else ""
        for rule, seed in itertools.product(group["selections"], group["seeds"]):
            rule = rule if systems.has_budget(module) else "last"
            declared = label, system, group["preset"], seed, rule, precision, overrides
            line = Line(*declared, other_inputs, group["leak"], beside, data, by_name)
            lines[label, rule, seed] = line
    return lines


# --- declared runs on disk ------------------------------------------------------------------------


def _match(corpus: str, lines: Sequence[Line], smoke: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Finished runs of the lines, and the lines without one."""
    fields = ["system", "corpus", "preset", "seed", "selection", "precision", "leak", "config"]
    stored: dict[tuple, list] = {}
    for run in store.find(labels="true", version=VERSION).to_dict("records"):
        stored.setdefault(tuple(run[name] for name in fields), []).append(run)
    finished, missing = [], []
    for line in lines:
        name = corpus_name(corpus, line.inputs, smoke)
        same = (line.system, name, line.preset, line.seed, line.selection, line.precision)
        runs = [run for text in line.configs for run in stored.get((*same, line.leak, text), [])]
        if line.data and not line.inputs:
            runs = [run for run in runs if run["data"] in line.data]
        done = [run for run in runs if run["folds"] == run["of"]]
        if len(done) > 1:
            keys = " and ".join(run["key"] for run in done)
            raise StudyError(
                f"{line.label}, seed {line.seed}, is on disk on several inputs, as {keys}: delete "
                "those of old inputs, or name the right one as `data` in the study file"
            )
        declared = {column: getattr(line, column) for column in LINE}
        if done:
            finished.append(done[0] | declared)
        else:
            why = f"{runs[0]['folds']} of {runs[0]['of']} folds" if runs else "not trained"
            missing.append(declared | {"why": why})
    runs = pd.DataFrame(finished, columns=list(dict.fromkeys((*LINE, *store.COLUMNS))))
    runs = runs.sort_values(["label", "selection", "seed"], ignore_index=True)
    _check_same_inputs(runs)
    return runs, pd.DataFrame(missing, columns=[*LINE, "why"])


def _check_same_inputs(runs: pd.DataFrame) -> None:
    """Systems that read the same views must have had identical arrays, and all the same clips."""
    given: dict[tuple, dict] = {}
    before, clips = "", set()
    for run in runs.to_dict("records"):
        if "~" in run["corpus"].replace("~smoke", ""):
            continue  # other inputs, on purpose
        first = given.setdefault(_reads(run["system"], run["config"]), run)
        if run["data"] != first["data"]:
            raise StudyError(
                f"{run['key']} and {first['key']} were trained on other clips or inputs: delete "
                "the older one and train it again, or name the right one as `data` in the study"
            )
        rows = {*store.load(run["key"])[[*KEY, "label"]].itertuples(index=False, name=None)}
        if before and rows != clips:
            raise StudyError(
                f"{before} and {run['key']} predict other clips: delete the older one and train it "
                "again"
            )
        before, clips = run["key"], rows


@cache
def _reads(system: str, config: str) -> tuple[str, ...]:
    """The views and files that a run was given."""
    module, _ = systems.resolve(system)
    resolved = config_of(module, config)
    files = module.files(resolved) if hasattr(module, "files") else ()
    return (*inputs.views_needed(module, resolved), *files)
