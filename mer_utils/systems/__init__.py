"""Every system of the study by its name: one paper, one file, the same names in each.

A system is a module with TITLE, COLOUR, MARKER, VIEWS, Config, SMALL, ABLATIONS, `features`, and
`network` or `estimator`, which CONTRIBUTING.md describes; the `fit` of an estimator is given the
training clips' persons where it has an argument `groups`.  Optional are

* `views_needed(config)`, where the views depend on the configuration;
* `files(config)`, files of its own whose content is then part of a run's name;
* `check(clips, config)`, which refuses a corpus before anything is trained;
* `fit_context(clips, features, config)` -> what is learned of a fold's training clips beforehand;
* `shared(x, clips)` -> what all folds of an estimator read, computed once a run, and
  `fit_shared(config, shared, labels, train, test)` -> its machine and what that reads of the test
  clips: the same decisions in less time, as in `svm`;
* `loss(config, class_counts)`, `targets(clips, config)`, `optimizer(config, parameters)` and
  `rate(config, epoch)`, instead of cross-entropy on the label and Adam at one rate;
* `NOTE`, which stands under every table that names the system and is printed by `train`;
* `CHANNELS_LAST = True`, where its convolutions are faster in that layout on a CPU;
* `LOOP_ONLY = "why"`, where its folds cannot be stacked on a GPU and `training.stacked` cannot see
  that by itself (it knows recurrent layers, and tries a small stack).  What differs from fold to
  fold must be a parameter or a buffer, and the clips of a batch may meet in BatchNorm alone.

What the published code does and the paper does not describe is in NAME_as_coded.py, a plain machine
on the network's own inputs in NAME_control.py; both may import NAME.py, and hyperhtnet_as_coded has
its trunk from htnet_as_coded.  Systems import each other in no other way.
"""

import ast
import math
import re
import types
import typing
from collections.abc import Iterable, Sequence
from importlib import import_module

import pandas as pd

from ..corpora.table import unknown
from ..errors import StudyError
from . import inputs
from .inputs import views_needed

NAMES = ("majority", "svm", "lbp_top", "hoof", "mirror_ridge", "ststnet", "off_apexnet", "rcn")
NAMES += ("mhssa_gcn", "am_gcn", "htnet", "hyperhtnet", "dual_branch_3dcnn", "unified")
PUBLISHED = ("mhssa_gcn", "htnet", "hyperhtnet", "am_gcn", "dual_branch_3dcnn", "unified")
SYSTEMS = {name: import_module(f".{name}", __name__) for name in NAMES}
AS_CODED = {name: import_module(f".{name}_as_coded", __name__) for name in PUBLISHED}
CONTROLS = {name: import_module(f".{name}_control", __name__) for name in ("mhssa_gcn", "htnet")}

PRESETS = ("small", "paper")
ABOVE_ZERO = (".cost", ".learning_rate", ".temperature")  # real numbers that cannot be 0
TYPES = {bool: "true or false", int: "a whole number", float: "a number"}


class Ablation(typing.NamedTuple):
    """One change of a system and the question that it answers."""

    module: types.ModuleType  # whose Config has the fields: the system's file, its code's, control
    ingredient: str
    question: str
    changes: dict


def ablations(system: str) -> dict[str, Ablation]:
    """Every change that can be asked for as `system/name`; StudyError for an unknown system."""
    _check_known("system", system, SYSTEMS)
    described, table = SYSTEMS[system], {}
    for module in (described, AS_CODED.get(system), CONTROLS.get(system)):
        lines = module.ABLATIONS if module else {}
        table |= {name: Ablation(module, *line) for name, line in lines.items()}
    if inputs.reads_flow(described):
        table["stretched_flow"] = Ablation(described, *inputs.STRETCHED)
    if hasattr(described.Config(), "mirror"):
        table["no_mirror"] = Ablation(described, *inputs.MIRROR)
    return table


def title(label: str) -> str:
    """`htnet/as_coded (inner)` -> "HTNet, as coded (inner)"; other text stays as it is."""
    name, space, rest = str(label).partition(" ")
    system, _, ablation = name.partition("/")
    if system not in SYSTEMS:
        return str(label)
    change = f", {ablation.replace('_', ' ')}" if ablation else ""
    return SYSTEMS[system].TITLE + change + space + rest


def notes(labels: Iterable[str]) -> str:
    """What has to be said wherever scores of these systems are: their NOTEs, "" for most."""
    names = dict.fromkeys(re.split("[/ ]", str(label))[0] for label in labels)
    return " ".join(SYSTEMS[name].NOTE for name in names if hasattr(SYSTEMS.get(name), "NOTE"))


def resolve(name: str, overrides: dict | None = None, preset: str = "paper"):
    """`mhssa_gcn/as_coded` -> its module and its Config.

    The preset comes first, then the ablation's change, then `overrides`, typed like the defaults.
    Raises StudyError for an unknown system, ablation, preset or field, naming the nearest, and for
    a value that the field cannot have.
    """
    system, _, ablation = name.partition("/")
    lines = ablations(system)
    _check_known("preset", preset, PRESETS)
    module = SYSTEMS[system]
    fields = dict(module.SMALL) if preset == "small" else {}
    if ablation:
        _check_known(f"ablation of {system}", ablation, lines)
        module = lines[ablation].module
        fields |= lines[ablation].changes
    kinds = typing.get_type_hints(module.Config)
    coded = AS_CODED.get(system, module)
    settings = [vars(module.Config()), SYSTEMS[system].SMALL]
    settings += [line.changes for line in lines.values()]
    for field, value in (overrides or {}).items():
        if field not in kinds and field in typing.get_type_hints(coded.Config):
            raise StudyError(
                f"field '{field}' belongs to the published code of {system}: set it on one of "
                f"{', '.join(f'{system}/{name}' for name in coded.ABLATIONS)}"
            )
        _check_known(f"field of {system}", field, kinds)
        zero = any(setting.get(field) == 0 for setting in settings)
        fields[field] = _typed(f"{system}.{field}", value, kinds[field], zero)
    return module, module.Config(**fields)


def _check_known(what: str, word: str, choices: Iterable[str]) -> None:
    if not choices:
        raise StudyError(f"{what} '{word}' is not known: there is none")
    if word not in choices:
        raise unknown(what, word, choices)


def _typed(name: str, value, kind, zero: bool):
    """`value` as the field's type: papermill and the command line give text for much.

    zero: a whole number may be 0.  Raises StudyError for a value of another type, a number below 0,
    a share of 1 to drop, or a 0 that means nothing.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        _check_known(name, str(value), arguments)
        return str(value)
    try:
        if origin is tuple:
            items = ast.literal_eval(value) if isinstance(value, str) else value
            items = items if isinstance(items, list | tuple) else (items,)  # one alone: widths=8
            return tuple(_typed(name, item, arguments[0], zero) for item in items)
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        if kind is str:
            return str(value)
        number = kind(float(value))
        if isinstance(value, bool) or number != float(value):
            raise ValueError
    except (TypeError, ValueError, KeyError, SyntaxError, OverflowError) as error:
        needed = TYPES.get(kind, "a list of values")
        raise StudyError(f"{name}={value!r} is not possible: give {needed}") from error
    zero = zero or (kind is float and not name.endswith(ABOVE_ZERO))
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        least = "from 0 up" if zero else "above 0"
        raise StudyError(f"{name}={value!r} is not possible: give numbers {least}")
    if "drop" in name and number >= 1:
        raise StudyError(f"{name}={value!r} drops everything: give a share below 1")
    return number


def fit_context(module: types.ModuleType, clips: pd.DataFrame, features: dict, config) -> dict:
    """What a system learns of training clips before its network is built; {} for most."""
    return module.fit_context(clips, features, config) if hasattr(module, "fit_context") else {}


def neural(module: types.ModuleType) -> bool:
    """Whether the system is a network; else it is one of scikit-learn's estimators."""
    return hasattr(module, "network")


def has_budget(module: types.ModuleType) -> bool:
    """Whether there is something to choose inside the training folds: a rate, or its own ARMS."""
    return neural(module) or hasattr(module, "ARMS")


def table(offered: Sequence[str]) -> pd.DataFrame:
    """Every system: its kind, the views it reads, and which of them are not among `offered`.

    A system that takes either form of the flow lacks it only where neither is offered.
    """
    rows = []
    for name, module in SYSTEMS.items():
        needs = views_needed(module, inputs.resolved(module.Config(), offered))
        kind = "network" if neural(module) else "classifier"
        lacks = ", ".join(need for need in needs if need not in offered)
        rows.append((name, kind, ", ".join(needs), lacks))
    return pd.DataFrame(rows, columns=["system", "kind", "reads", "lacks"])
