"""What a network costs: parameters, and multiply-adds for the prediction of one clip.

Counted on torch's `meta` device, where tensors have shapes and no memory, so that 139 million
parameters cost nothing.  Counted are products of matrices and convolutions, recurrent layers
included; not what is done element by element (normalisation, activation, pooling), nor what is
computed of a clip before the network (`features`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .. import systems

CLASSES = 3
FORMS = ("small", "described", "as coded")
# One clip of every view: shape, type, least and largest number.
BLANK = {
    "flow": ((3, 28, 28), np.float32, (-1, 1)),
    "flow_legacy": ((3, 28, 28), np.float32, (0, 255)),
    "landmarks": ((68, 2), np.float32, (2, 26)),
    "frames": ((2, 128, 128), np.uint8, (0, 255)),
    "video": ((10, 128, 128), np.uint8, (0, 255)),
    "keyframes": ((11, 128, 128), np.uint8, (0, 255)),
    "keyframe_points": ((11, 68, 2), np.float32, (8, 120)),
    "rise": ((11, 128, 128), np.uint8, (0, 255)),
    "rise_points": ((11, 68, 2), np.float32, (8, 120)),
    "points": ((2, 68, 2), np.float32, (100, 300)),
}


@dataclass(frozen=True)
class Cost:
    """Of one network."""

    parameters: int
    multiply_adds: int  # of one clip, in evaluation mode


def cost(name: str, preset: str = "paper", overrides: dict | None = None) -> Cost | None:
    """`htnet/as_coded` -> its cost; None for a system that is no network.

    Raises StudyError for a name, preset or field that is not known.
    """
    module, config = systems.resolve(name, overrides, preset)
    if not systems.neural(module):
        return None
    views, clips = blank_views(), blank_clips()
    config = systems.inputs.resolved(config, views)
    features = module.features(views, clips, config)
    context = systems.fit_context(module, clips, features, config)
    with mock.patch.object(nn.Module, "register_parameter", _without_memory):
        net = module.network(config, CLASSES, context)
    net = net.to("meta").eval()  # the buffers too
    inputs = {key: torch.as_tensor(values).to("meta") for key, values in features.items()}
    return Cost(sum(p.numel() for p in net.parameters()), multiply_adds(net, **inputs))


_register = nn.Module.register_parameter


def _without_memory(self: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
    """A parameter reserves memory but takes none before it is filled: here it never is.

    `with torch.device("meta")` would do it too, but not where a network computes indices.
    """
    _register(self, name, None if parameter is None else nn.Parameter(parameter.to("meta")))


def multiply_adds(net: nn.Module, *inputs, **named) -> int:
    """Of one forward pass; net and inputs on the meta device.

    On a CPU the recurrent layers are one call that the counter does not know; on meta they are the
    matrix products that they consist of.
    """
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        net(*inputs, **named)
    return counter.get_total_flops() // 2  # torch counts a multiply-add as two


def blank_views() -> dict[str, np.ndarray]:
    """Every view of one clip, filled with noise: only its shape counts."""
    random = np.random.default_rng(0)
    return {
        name: random.uniform(*span, (1, *shape)).astype(kind)
        for name, (shape, kind, span) in BLANK.items()
    }


def blank_clips() -> pd.DataFrame:
    """The row of that clip, for what a fold's training clips would tell."""
    return pd.DataFrame(
        {"corpus": ["casme2"], "subject": ["01"], "clip": ["1"], "label": ["negative"]}
        | {"action_units": ["12"]}
    )


def table(names: Sequence[str] | None = None) -> pd.DataFrame:
    """Parameters and multiply-adds of every network: small, as described, as coded.

    A system whose code is not published, or is what is described, has no `as coded`.
    """
    rows = []
    for name in names or systems.SYSTEMS:
        forms = {"small": (name, "small"), "described": (name, "paper")}
        if "as_coded" in systems.ablations(name):
            forms["as coded"] = (f"{name}/as_coded", "paper")
        costs = {form: cost(*which) for form, which in forms.items()}
        if costs["small"] is None:
            continue
        rows.append(
            {"system": name}
            | {f"parameters, {form}": each.parameters for form, each in costs.items()}
            | {f"multiply-adds, {form}": each.multiply_adds for form, each in costs.items()}
        )
    forms = [f"{what}, {form}" for what in ("parameters", "multiply-adds") for form in FORMS]
    return pd.DataFrame(rows, columns=["system", *forms]).astype(dict.fromkeys(forms, "Int64"))


def needs(corpus: str, offered: Sequence[str]) -> pd.DataFrame:
    """Every system on one corpus: what it reads, what it costs, and why it cannot run.

    Costs are given as small | described (| as coded, where it is another network).  `offered`: the
    corpus' views.
    """
    costs = table().set_index("system")
    rows = []
    for row in systems.table(offered).itertuples():
        line = {"system": row.system, "reads": row.reads}
        for what, digits, unit in (("parameters", 0, 1), ("multiply-adds, millions", 2, 1e6)):
            columns = [f"{what.partition(',')[0]}, {form}" for form in FORMS]
            values = costs.loc[row.system, columns].dropna() if row.system in costs.index else ()
            line[what] = " | ".join(f"{value / unit:,.{digits}f}" for value in values) or "–"
        lacks = " and no ".join(row.lacks.split(", "))
        line["cannot run because"] = f"{corpus} has no {lacks}" if lacks else ""
        rows.append(line)
    return pd.DataFrame(rows)
