"""What a network costs: parameters, and multiply-adds for the prediction of one clip.

Counted on torch's `meta` device, where tensors have shapes and no memory, so that 139 million
parameters cost nothing.  Counted are products of matrices and convolutions, recurrent layers
included; not what is done element by element (normalisation, activation, pooling), nor what is
computed of a clip before the network (`features`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .. import systems

PICTURE, FLOAT = (np.uint8, (0, 255)), np.float32
# One clip of every view: shape, type, least and largest number.
BLANK = {
    "flow": ((3, 28, 28), FLOAT, (-1, 1)),
    "flow_legacy": ((3, 28, 28), FLOAT, (0, 255)),
    "landmarks": ((68, 2), FLOAT, (2, 26)),
    "frames": ((2, 128, 128), *PICTURE),
    "video": ((10, 128, 128), *PICTURE),
    "keyframes": ((11, 128, 128), *PICTURE),
    "keyframe_points": ((11, 68, 2), FLOAT, (8, 120)),
    "rise": ((11, 128, 128), *PICTURE),
    "rise_points": ((11, 68, 2), FLOAT, (8, 120)),
    "points": ((2, 68, 2), FLOAT, (100, 300)),
    "flow_centred": ((3, 28, 28), FLOAT, (0, 4)),
    "flow_centred_2": ((3, 28, 28), FLOAT, (0, 4)),
}


class Cost(NamedTuple):
    """Of one network for three classes."""

    parameters: int
    multiply_adds: int  # of one clip, in evaluation mode


def cost(name: str, preset: str = "paper") -> Cost | None:
    """`htnet/as_coded` -> its cost; None for a system that is no network; errors as `resolve`."""
    module, config = systems.resolve(name, preset=preset)
    if not systems.neural(module):
        return None
    views, clips = blank_views(), blank_clips()
    config = systems.inputs.resolved(config, views)
    features = module.features(views, clips, config)
    context = systems.fit_context(module, clips, features, config)
    with torch.device("meta"):
        net = module.network(config, 3, context)
    net = net.to("meta").eval()  # buffers that were given as arrays too
    inputs = {key: torch.as_tensor(values).to("meta") for key, values in features.items()}
    return Cost(sum(p.numel() for p in net.parameters()), multiply_adds(net, **inputs))


def multiply_adds(net: nn.Module, *inputs, **named) -> int:
    """Of one forward pass; net and inputs on the meta device.

    On a CPU the recurrent layers are one call that the counter does not know; on meta they are the
    matrix products that they consist of.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
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
    row = {"corpus": "casme2", "subject": "01", "clip": "1", "label": "negative"}
    return pd.DataFrame([row | {"action_units": "12"}])


def needs(corpus: str, offered: Sequence[str]) -> pd.DataFrame:
    """Every system on one corpus: what it reads, what it costs, and why it cannot run.

    Costs are given as small | described (| as coded, where it is another network).  `offered`: the
    corpus' views.
    """
    rows = []
    for row in systems.table(offered).itertuples():
        costs = [cost(row.system, "small"), cost(row.system)]
        if "as_coded" in systems.ablations(row.system):
            costs.append(cost(f"{row.system}/as_coded"))
        line, costs = {"system": row.system, "reads": row.reads}, list(filter(None, costs))
        line["parameters"] = " | ".join(f"{one.parameters:,}" for one in costs) or "–"
        millions = [f"{one.multiply_adds / 1e6:,.2f}" for one in costs]
        line["multiply-adds, millions"] = " | ".join(millions) or "–"
        lacks = row.lacks.replace(", ", " and no ")
        rows.append(line | {"cannot run because": lacks and f"{corpus} has no {lacks}"})
    return pd.DataFrame(rows)
