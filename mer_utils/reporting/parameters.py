"""The parameters of notebooks: what papermill, or a reader, may give each of them."""

from collections.abc import Mapping
from types import ModuleType

from ..errors import StudyError

TEXTS = ("corpus", "data", "system", "preset", "labels", "selection", "inputs", "leak", "device")
TEXTS += ("precision", "dask", "systems", "curve", "model", "table")
KINDS = {  # name -> types, what to give
    **dict.fromkeys(TEXTS, ((str,), "a text")),
    **dict.fromkeys(
        ("smoke", "keep_weights", "show_faces", "frames", "slow"), ((bool,), "True or False")
    ),
    **dict.fromkeys(("onset", "apex", "offset"), ((int, type(None)), "a frame number, or None")),
    "films": ((list, tuple), "a list of paths"),
    "seed": ((int,), "a whole number from 0 up"),
    "jobs": ((int, type(None)), "a whole number above 0, or None"),
    **dict.fromkeys(("each", "most"), ((int,), "a whole number above 0")),
    "overrides": ((dict,), 'field: value, with papermill as -y "overrides: {epochs: 2}"'),
    "runs": ((list, tuple), "a list of groups, with papermill as -f STUDY.yml"),
}
LEAST = {"seed": 0, "jobs": 1, "each": 1, "most": 1}


def check(given: Mapping[str, object]) -> None:
    """Raises StudyError for a parameter of another type or size, before anything reads it.

    given: names and values, also others: a notebook's `globals()`.
    """
    # a module that a notebook imports may bear such a name: `systems.inputs`
    given = {name: one for name, one in given.items() if not isinstance(one, ModuleType)}
    for name in KINDS.keys() & given.keys():
        value, (types, what) = given[name], KINDS[name]
        small = type(value) is int and value < LEAST.get(name, 0)
        if type(value) not in types or small:
            raise StudyError(f"parameter {name} = {value!r} is not possible: give {what}")
