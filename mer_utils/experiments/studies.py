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
from .declaration import ANY_PRECISION, LEAKS, SELECTIONS, VERSION, config_of, data_hash, resolve
from .variations import INPUTS, corpus_name, names_of

GROUP = {
    "systems": "all",  # names, an ablation as mhssa_gcn/no_gcn; or all
    "ablations": False,  # instead of the systems: each of their ablations
    "preset": "small",
    "seeds": (0,),
    "selections": ("last",),
    "precision": "fp32",
    "epochs": None,  # of all networks, instead of the preset's
    "set": {},  # SYSTEM.FIELD: value
    "leak": "",
    "label": "",  # added to the systems' names, to tell two groups of one system apart
    "data": (),  # hashes of the inputs, where runs on several are on disk
}
KINDS = {  # field -> type of its value, or of each in its list; what to give
    "systems": (str, "a list of names"),
    "seeds": (int, "a list of whole numbers from 0 up"),
    "selections": (str, "a list of names"),
    "data": (str, "a list of names"),
    "ablations": (bool, "true or false; single ones are named in systems, as svm/unbalanced"),
    "set": (dict, "SYSTEM.FIELD: value"),
    "label": (str, "a text"),
}
DEFAULT = ({"systems": "all"}, {"systems": "all", "ablations": True})
STUDIES = paths.NOTEBOOKS / "studies"
LINE = ("label", "system", "ablation", "selection", "seed")


@dataclass(frozen=True)
class Line:
    """One declared run: what is to be trained, and what tables call it."""

    label: str
    system: str  # a name of `systems.resolve`
    preset: str
    seed: int
    selection: str
    precision: str
    overrides: dict = field(hash=False)
    inputs: str  # a name in INPUTS, or ""
    leak: str
    ablation: bool  # asked by `ablations: true`
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
    lines: tuple[Line, ...]
    smoke: bool = False

    @cached_property
    def _matched(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return _match(self.name, self.lines, self.smoke)

    @property
    def runs(self) -> pd.DataFrame:
        """Declared and finished: LINE and the columns of `store.find`; sorted, a row each."""
        return self._matched[0]

    @property
    def missing(self) -> pd.DataFrame:
        """Declared and not finished: LINE and `why`."""
        return self._matched[1]

    @property
    def results(self) -> pd.DataFrame:
        """The runs that are results: trained without a leak, and no ablation."""
        return self.runs[~self.runs["ablation"].astype(bool) & (self.runs["leak"] == "")]

    @property
    def ranked(self) -> pd.DataFrame:
        """The results that a ranking compares: one rule for each system, the fairest there is."""
        return protocol.fairest(self.results)

    def rows(self, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """Prediction rows of these runs (of all), `system` being the label.

        Raises StudyError without any.
        """
        runs = self.runs if runs is None else runs
        if not len(runs):
            raise StudyError(f"no run of this study of {self.name} is finished: run notebook 41")
        pairs = zip(runs["key"], runs["label"], strict=True)
        return pd.concat(
            [store.load(key).assign(system=label) for key, label in pairs], ignore_index=True
        )

    @cached_property
    def clips(self) -> pd.DataFrame:
        """corpus, subject, clip and label of every clip that the runs predict."""
        plain = self.runs[~self.runs["corpus"].str.contains("~(?!smoke)")]
        rows = self.rows(plain.head(1))
        return rows[[*KEY, "label"]].sort_values(list(KEY), ignore_index=True)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return store.read(self.runs["key"].iloc[0]).experiment.classes

    @property
    def synthetic(self) -> bool:
        return self.name.partition("-")[0] == "synthetic"


def study(corpus: str, runs: Sequence[dict] = (), smoke: bool = False) -> Study:
    """The study of a corpus: groups as in a study file, by default those of its own file.

    smoke: the runs of a quick look, which no table of results shows.  Raises StudyError for a name
    that is not known.
    """
    return Study(corpus, expand(runs or groups_of(corpus)), smoke)


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
    group = GROUP | group
    for name, (kind, what) in KINDS.items():
        value = group[name]
        if isinstance(GROUP[name], tuple) or name == "systems":
            value = group[name] = [value] if isinstance(value, str | int) else value
            fits = isinstance(value, list | tuple) and all(type(each) is kind for each in value)
            fits = fits and (len(value) > 0 or name == "data")
        else:
            fits = isinstance(value, kind)
        if not fits:
            raise StudyError(f"{name}: {group[name]!r} is not possible: give {what}")
    training.one_of("preset", group["preset"], systems.PRESETS)
    training.one_of("precision", group["precision"], training.PRECISIONS)
    training.one_of("leak", group["leak"], ("", *LEAKS))
    for selection in group["selections"]:
        training.one_of("selection", selection, SELECTIONS)
    for seed in group["seeds"]:
        if seed < 0:
            raise StudyError(f"seed {seed!r} is not possible: give {KINDS['seeds'][1]}")
    return group


def pinned(groups: Sequence[dict], corpus: str, views: Views) -> list[dict]:
    """The groups, each with the hashes of what its systems read of these views.

    So that runs on other clips or inputs, which may be on disk too, do not count.
    """
    with_data = []
    for group in groups:
        hashes = set()
        for line in expand([group]):
            with contextlib.suppress(StudyError):  # the corpus lacks a view of that system
                module, config = resolve(line.system, corpus, views, line.overrides, line.preset)
                hashes.add(data_hash(module, config, views))
        with_data.append({"data": sorted(hashes)} | dict(group))
    return with_data


def _expanded(group: dict) -> dict[tuple, Line]:
    """The lines of a checked group by what names them in a table."""
    by_name = group["systems"] != ["all"]
    names = tuple(group["systems"] if by_name else systems.SYSTEMS)
    if group["ablations"]:
        names = tuple(label for name in names for label in names_of(name))
    overrides = {name: _overrides(name, group) for name in names}
    for change in group["set"]:
        system = change.rpartition(".")[0]
        if not any(_is_of(name, system) for name in names):
            raise StudyError(
                f"set {change}: '{system}' is none of the systems, the nearest is "
                f"'{nearest(system, names)}': write it as SYSTEM.FIELD"
            )
    lines = {}
    for name, selection, seed in itertools.product(names, group["selections"], group["seeds"]):
        system, other_inputs = _split(name)
        module, _ = systems.resolve(system, overrides[name], group["preset"])
        label = f"{name} ({group['label']})" if group["label"] else name
        label += f" (leak: {group['leak']})" if group["leak"] else ""
        line = Line(
            label,
            system,
            group["preset"],
            seed,
            selection if systems.has_budget(module) else "last",
            group["precision"] if systems.neural(module) else ANY_PRECISION,
            overrides[name],
            other_inputs,
            group["leak"],
            group["ablations"],
            tuple(group["data"]),
            by_name,
        )
        lines[line.label, line.selection, line.seed] = line
    return lines


def _split(name: str) -> tuple[str, str]:
    """`svm/dis` -> its system, and the inputs that it is given instead of the usual ones."""
    system, _, last = name.partition("/")
    return (system, last) if last in INPUTS else (name, "")


def _overrides(name: str, group: dict) -> dict:
    """The fields of one system's Config that a group changes."""
    system = _split(name)[0]
    _, config = systems.resolve(system, {}, group["preset"])
    changes = {}
    if group["epochs"] and hasattr(config, "epochs"):
        changes["epochs"] = group["epochs"]
    for change, value in group["set"].items():
        changed, _, field = change.rpartition(".")
        if not (changed and field):
            raise StudyError(f"set {change}: write it as SYSTEM.FIELD")
        if _is_of(name, changed):
            changes[field] = value
    systems.resolve(system, changes, group["preset"])  # refuses an unknown field
    return changes


def _is_of(name: str, system: str) -> bool:
    return system in (name, name.partition("/")[0])


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
        shown = {column: getattr(line, column) for column in LINE}
        why = f"{runs[0]['folds']} of {runs[0]['of']} folds" if runs else "not trained"
        (finished if done else missing).append(done[0] | shown if done else shown | {"why": why})
    runs = pd.DataFrame(finished, columns=list(dict.fromkeys((*LINE, *store.COLUMNS))))
    runs = runs.sort_values(["label", "selection", "seed"], ignore_index=True)
    _check_same_inputs(runs)
    return runs, pd.DataFrame(missing, columns=[*LINE, "why"])


def _check_same_inputs(runs: pd.DataFrame) -> None:
    """Systems that read the same views must have been given identical arrays, and all systems the
    same clips."""
    given: dict[tuple, dict] = {}
    clips: dict[str, set] = {}
    for run in runs.to_dict("records"):
        if "~" in run["corpus"].replace("~smoke", ""):
            continue  # other inputs, on purpose
        first = given.setdefault(_reads(run["system"], run["config"]), run)
        if run["data"] != first["data"]:
            raise StudyError(
                f"{run['key']} and {first['key']} were trained on other clips or inputs: delete "
                "the older one and train it again, or name the right one as `data` in the study"
            )
        rows = store.load(run["key"])[[*KEY, "label"]]
        clips[run["key"]] = set(rows.itertuples(index=False, name=None))
    for (key, expected), (other, predicted) in itertools.pairwise(clips.items()):
        if predicted != expected:
            raise StudyError(
                f"{key} and {other} predict other clips: delete the older one and train it again"
            )


@cache
def _reads(system: str, config: str) -> tuple[str, ...]:
    """The views and files that a run was given."""
    module, _ = systems.resolve(system)
    resolved = config_of(module, config)
    files = module.files(resolved) if hasattr(module, "files") else ()
    return (*inputs.views_needed(module, resolved), *files)
