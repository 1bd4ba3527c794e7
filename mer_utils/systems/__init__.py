"""Every system of the study by its name: one paper, one file, the same few names in each.

A file holds

* `TITLE`, `VIEWS`, and where the views depend on the configuration `views_needed(config)`;
  `files(config)` where it reads files of its own, whose content is then part of a run's name;
* `Config`, a frozen dataclass whose defaults are the paper's numbers; `SMALL`, the fields that make
  it fit two CPU cores; `VARIANTS`, name -> (the question it asks, the fields that change);
* `check(clips, config)` where it refuses some corpora, before anything is trained;
  `features(views, clips, config)`, what is computed of each clip alone, and
  `fit_context(clips, features, config)`, what may be learned from a fold's training clips;
* a network, `network(config, n_classes, context)`, with `loss(config, class_counts)`,
  `targets(clips, config)`, `optimizer(config, parameters)` and `rate(config, epoch)` where plain
  cross-entropy on the label and Adam at one rate are not meant;
  `CHANNELS_LAST = True` where its convolutions gain by that layout on a CPU;
  `LOOP_ONLY = "why"` where its folds cannot be stacked on a GPU and `training.stacked` cannot see
  that by itself (it knows recurrent layers).  What differs from fold to fold is a parameter or a
  buffer; clips of a batch meet in BatchNorm and nowhere else;
  or `estimator(config, n_classes, seed)`, scikit-learn's.

Systems never import each other.
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
    dual_branch_3dcnn,
    hoof,
    htnet,
    hyperhtnet,
    lbp_top,
    majority,
    mhssa_gcn,
    off_apexnet,
    rcn,
    ststnet,
    svm,
    unified,
)

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

PRESETS = ("small", "paper")
ABOVE_ZERO = ("cost", "learning_rate", "temperature")  # of the fields that are no whole numbers


def resolve(name: str, overrides: dict | None = None, preset: str = "paper"):
    """`mhssa_gcn/as_coded` -> its module and its Config.

    The preset comes first, then the variant's change, then `overrides`, typed like the defaults.
    Raises StudyError for an unknown system, variant, preset or field, naming the nearest, and for
    a number that the field cannot be.
    """
    system, _, variant = name.partition("/")
    module = SYSTEMS.get(system)
    if module is None:
        raise _unknown("system", system, SYSTEMS)
    if preset not in PRESETS:
        raise _unknown("preset", preset, PRESETS)
    fields = dict(module.SMALL) if preset == "small" else {}
    if variant:
        if variant not in module.VARIANTS:
            raise _unknown(f"variant of {system}", variant, module.VARIANTS)
        fields |= module.VARIANTS[variant][1]
    known = {field.name for field in dataclasses.fields(module.Config)}
    hints = typing.get_type_hints(module.Config)
    for field, value in (overrides or {}).items():
        if field not in known:
            if not known:
                raise StudyError(f"{system} has no field '{field}': it has none at all")
            raise _unknown(f"field of {system}", field, known)
        fields[field] = _typed(f"{system}.{field}", value, hints[field])
        _check_number(module, f"{system}.{field}", field, fields[field])
    return module, module.Config(**fields)


def _check_number(module: types.ModuleType, told: str, field: str, value) -> None:
    """Raises StudyError for a number below 0, a share of 1 to drop, or a 0 that nothing here is."""
    settings = [vars(module.Config()), module.SMALL, *(v for _, v in module.VARIANTS.values())]
    zero = any(each.get(field) == 0 for each in settings)
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, bool) or not isinstance(number, int | float):
            continue
        from_zero = zero or (isinstance(number, float) and field not in ABOVE_ZERO)
        if not math.isfinite(number) or number < 0 or (number == 0 and not from_zero):
            least = "from 0 up" if from_zero else "above 0"
            raise StudyError(f"{told}={value!r} is not possible: give numbers {least}")
        if "drop" in field and number >= 1:
            raise StudyError(f"{told}={value!r} drops everything: give a share below 1")


def views_needed(module: types.ModuleType, config) -> tuple[str, ...]:
    """Names of the views a run reads."""
    if hasattr(module, "views_needed"):
        return tuple(module.views_needed(config))
    return tuple(module.VIEWS)


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


def _typed(name: str, value, kind):
    """`value` as the field's type: papermill and the command line give text for much."""
    wanted = getattr(kind, "__name__", str(kind))
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
        elif typing.get_origin(kind) is tuple:
            items = ast.literal_eval(value) if isinstance(value, str) else value
            items = items if isinstance(items, list | tuple) else (items,)  # one alone: widths=8
            of = typing.get_args(kind)[0]
            return tuple(_typed(name, item, of) for item in items)
        elif typing.get_origin(kind) in (typing.Union, types.UnionType):
            if value is None or value == "None":
                return None
            of = next(each for each in typing.get_args(kind) if each is not type(None))
            return _typed(name, value, of)
    except (TypeError, ValueError, KeyError, SyntaxError, OverflowError):
        pass
    raise StudyError(f"{name}={value!r} is not of type {wanted}: give a {wanted}")


def table(offered: Sequence[str]) -> pd.DataFrame:
    """Every system: its kind, the views it reads, and which of them are not among `offered`.

    A system that takes either form of the flow lacks it only where neither is offered.
    """
    found = []
    for name, module in SYSTEMS.items():
        _, config = resolve(name)
        needs = views_needed(module, config)
        legacy = "flow_legacy" in offered and "flow" not in offered
        if getattr(config, "flow", None) == "auto" and legacy:
            needs = tuple("flow_legacy" if need == "flow" else need for need in needs)
        found.append(
            {
                "system": name,
                "title": module.TITLE,
                "kind": "network" if neural(module) else "classifier",
                "reads": ", ".join(needs),
                "lacks": ", ".join(need for need in needs if need not in offered),
                "variants": len(module.VARIANTS),
            }
        )
    return pd.DataFrame(found)
