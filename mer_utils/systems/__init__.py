"""Every system of the study by its name: one paper, one file, the same names in each.

A system is a module with

* `TITLE`, `COLOUR` and `MARKER` for tables and figures, and `VIEWS`, what it reads of a corpus;
* `Config`, a frozen dataclass whose defaults are the paper's numbers; `SMALL`, the fields that make
  it fit two CPU cores; `ABLATIONS`, name -> (ingredient, question, the fields that change);
* `features(views, clips, config)` -> the inputs, computed of each clip alone;
* a network, `network(config, n_classes, context)`, whose `forward` takes the inputs by the names
  that `features` gives them, or `estimator(config, n_classes, seed)`, scikit-learn's.

Optional are

* `views_needed(config)`, where the views depend on the configuration;
* `files(config)`, files of its own whose content is then part of a run's name;
* `check(clips, config)`, which refuses a corpus before anything is trained;
* `fit_context(clips, features, config)` -> what is learned of a fold's training clips beforehand;
* `loss(config, class_counts)`, `targets(clips, config)`, `optimizer(config, parameters)` and
  `rate(config, epoch)`, instead of cross-entropy on the label and Adam at one rate;
* `CHANNELS_LAST = True`, where its convolutions are faster in that layout on a CPU;
* `LOOP_ONLY = "why"`, where its folds cannot be stacked on a GPU and `training.stacked` cannot see
  that by itself (it knows recurrent layers).  What differs from fold to fold must be a parameter or
  a buffer, and the clips of a batch may meet in BatchNorm alone.

What the published code does and the paper does not describe is in a second file, NAME_as_coded.py:
its Config adds the coded ingredients (the defaults are as described), its ABLATIONS ask about them.
It may import NAME.py; systems import each other in no other way.
"""

import ast
import dataclasses
import math
import types
import typing
from collections.abc import Sequence

import pandas as pd

from ..corpora.table import nearest
from ..errors import StudyError
from . import (
    am_gcn,
    am_gcn_as_coded,
    dual_branch_3dcnn,
    dual_branch_3dcnn_as_coded,
    hoof,
    htnet,
    htnet_as_coded,
    hyperhtnet,
    hyperhtnet_as_coded,
    inputs,
    lbp_top,
    majority,
    mhssa_gcn,
    mhssa_gcn_as_coded,
    off_apexnet,
    rcn,
    ststnet,
    svm,
    unified,
    unified_as_coded,
)
from .inputs import views_needed

SYSTEMS = {
    "majority": majority,
    "svm": svm,
    "lbp_top": lbp_top,
    "hoof": hoof,
    "ststnet": ststnet,
    "off_apexnet": off_apexnet,
    "rcn": rcn,
    "mhssa_gcn": mhssa_gcn,
    "am_gcn": am_gcn,
    "htnet": htnet,
    "hyperhtnet": hyperhtnet,
    "dual_branch_3dcnn": dual_branch_3dcnn,
    "unified": unified,
}
AS_CODED = {  # the published code of some
    "mhssa_gcn": mhssa_gcn_as_coded,
    "htnet": htnet_as_coded,
    "hyperhtnet": hyperhtnet_as_coded,
    "am_gcn": am_gcn_as_coded,
    "dual_branch_3dcnn": dual_branch_3dcnn_as_coded,
    "unified": unified_as_coded,
}

PRESETS = ("small", "paper")
ABOVE_ZERO = ("cost", "learning_rate", "temperature")  # real numbers that cannot be 0


class Ablation(typing.NamedTuple):
    """One change of a system and the question that it answers."""

    module: types.ModuleType  # whose Config has the fields: the system's file or its code's
    ingredient: str
    question: str
    changes: dict


def ablations(system: str) -> dict[str, Ablation]:
    """Every change that can be asked for as `system/name`, by its name.

    Raises StudyError for an unknown system.
    """
    if system not in SYSTEMS:
        raise _unknown("system", system, SYSTEMS)
    described, coded = SYSTEMS[system], AS_CODED.get(system)
    table = {
        name: Ablation(module, *line)
        for module in (described, coded)
        if module is not None
        for name, line in module.ABLATIONS.items()
    }
    if inputs.reads_flow(described):
        table["stretched_flow"] = Ablation(described, *inputs.STRETCHED)
    return table


def title(label: str) -> str:
    """`htnet/as_coded (inner)` -> "HTNet, as coded (inner)"; other text stays as it is."""
    name, space, rest = str(label).partition(" ")
    system, _, ablation = name.partition("/")
    if system not in SYSTEMS:
        return str(label)
    words = SYSTEMS[system].TITLE
    return (f"{words}, {ablation.replace('_', ' ')}" if ablation else words) + space + rest


def resolve(name: str, overrides: dict | None = None, preset: str = "paper"):
    """`mhssa_gcn/as_coded` -> its module and its Config.

    The preset comes first, then the ablation's change, then `overrides`, typed like the defaults.
    Raises StudyError for an unknown system, ablation, preset or field, naming the nearest, and for
    a value that the field cannot have.
    """
    system, _, ablation = name.partition("/")
    lines = ablations(system)
    if preset not in PRESETS:
        raise _unknown("preset", preset, PRESETS)
    module = SYSTEMS[system]
    fields = dict(module.SMALL) if preset == "small" else {}
    if ablation:
        if ablation not in lines:
            raise _unknown(f"ablation of {system}", ablation, lines)
        module = lines[ablation].module
        fields |= lines[ablation].changes
    hints = typing.get_type_hints(module.Config)
    for field, value in (overrides or {}).items():
        if field not in hints:
            raise _unknown_field(system, module, field)
        fields[field] = _typed(f"{system}.{field}", value, hints[field])
        _check_number(system, module, field, fields[field])
    return module, module.Config(**fields)


def _unknown_field(system: str, module: types.ModuleType, field: str) -> StudyError:
    names = [each.name for each in dataclasses.fields(module.Config)]
    coded = AS_CODED.get(system)
    if coded and field in {each.name for each in dataclasses.fields(coded.Config)}:
        return StudyError(
            f"field '{field}' belongs to the published code of {system}: set it on one of "
            f"{', '.join(f'{system}/{name}' for name in coded.ABLATIONS)}"
        )
    if not names:
        return StudyError(f"{system} has no field '{field}': it has none at all")
    return _unknown(f"field of {system}", field, names)


def _check_number(system: str, module: types.ModuleType, field: str, value) -> None:
    """Raises StudyError for a number below 0, a share of 1 to drop, or a 0 that means nothing."""
    changes = [line.changes for line in ablations(system).values()]
    settings = (vars(module.Config()), SYSTEMS[system].SMALL, *changes)
    zero = any(fields.get(field) == 0 for fields in settings)
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, bool) or not isinstance(number, int | float):
            continue
        from_zero = zero or (isinstance(number, float) and field not in ABOVE_ZERO)
        if not math.isfinite(number) or number < 0 or (number == 0 and not from_zero):
            least = "from 0 up" if from_zero else "above 0"
            raise StudyError(f"{system}.{field}={value!r} is not possible: give numbers {least}")
        if "drop" in field and number >= 1:
            raise StudyError(f"{system}.{field}={value!r} drops everything: give a share below 1")


def fit_context(module: types.ModuleType, clips: pd.DataFrame, features: dict, config) -> dict:
    """What a system learns of training clips before its network is built; {} for most."""
    if not hasattr(module, "fit_context"):
        return {}
    return module.fit_context(clips, features, config)


def neural(module: types.ModuleType) -> bool:
    """Whether the system is a network; else it is one of scikit-learn's estimators."""
    return hasattr(module, "network")


def _unknown(what: str, word: str, known) -> StudyError:
    names = sorted(known)
    return StudyError(
        f"{what} '{word}' is not known, the nearest is '{nearest(word, names)}': "
        f"choose one of {', '.join(names)}"
        if names
        else f"{what} '{word}' is not known: there is none"
    )


TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _typed(name: str, value, kind):
    """`value` as the field's type: papermill and the command line give text for much."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        if str(value) not in arguments:
            names = ", ".join(arguments)
            raise StudyError(
                f"{name}={value!r} is not known, the nearest is "
                f"'{nearest(str(value), arguments)}': choose one of {names}"
            )
        return str(value)
    wanted = TYPES.get(kind, "a list of values")
    try:
        if kind is bool:
            if isinstance(value, str):
                return {"true": True, "false": False}[value.lower()]
            if isinstance(value, bool):
                return value
        elif kind is int:
            if not isinstance(value, bool) and float(value) == int(float(value)):
                return int(float(value))
        elif kind is float:
            if not isinstance(value, bool):
                return float(value)
        elif kind is str:
            return str(value)
        elif origin is tuple:
            items = ast.literal_eval(value) if isinstance(value, str) else value
            items = items if isinstance(items, list | tuple) else (items,)  # one alone: widths=8
            return tuple(_typed(name, item, arguments[0]) for item in items)
    except (TypeError, ValueError, KeyError, SyntaxError, OverflowError):
        pass
    raise StudyError(f"{name}={value!r} is not possible: give {wanted}")


def table(offered: Sequence[str]) -> pd.DataFrame:
    """Every system: its kind, the views it reads, and which of them are not among `offered`.

    A system that takes either form of the flow lacks it only where neither is offered.
    """
    rows = []
    for name, module in SYSTEMS.items():
        config = module.Config()
        if "flow_legacy" in offered:
            config = inputs.resolved(config, offered)
        needs = views_needed(module, config)
        rows.append(
            {
                "system": name,
                "title": module.TITLE,
                "kind": "network" if neural(module) else "classifier",
                "reads": ", ".join(needs),
                "lacks": ", ".join(need for need in needs if need not in offered),
                "ablations": len(ablations(name)),
            }
        )
    return pd.DataFrame(rows)
