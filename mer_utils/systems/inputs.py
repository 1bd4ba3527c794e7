"""What all systems do alike with their inputs: the form of the flow, its units, its views.

A corpus offers the flow in pixels (`flow`), as the published images that are stretched to 0..255
clip by clip (`flow_legacy`), or both.  A Config that reads flow has a field `flow: Flow = "auto"`.
No other module knows that field.
"""

import dataclasses
import inspect
import types
from collections.abc import Callable, Collection
from typing import Literal

import numpy as np
import pandas as pd
from torch import nn

from ..corpora.table import one_line
from ..errors import StudyError

Arrays = dict[str, np.ndarray]
Clips = pd.DataFrame
# auto: in pixels where the corpus offers it, else centred, with each clip's own zero and spread
Flow = Literal["auto", "flow", "flow_legacy", "flow_centred"]
# Each channel (u, v, strain) is divided by a constant that is the same for all clips.
# flow: pixels of the 128-pixel face, where 2 is a strong micro-movement, and pixels per pixel.
SCALES = {"flow": (2.0, 2.0, 0.1), "flow_legacy": (255.0, 255.0, 255.0)}
RAW = dict.fromkeys(SCALES, (1.0, 1.0, 1.0))


def ask(ingredient: str, question: str, **changes) -> tuple[str, str, dict]:
    """An entry of ABLATIONS: what is changed, the question that this answers, the fields to set."""
    return ingredient, question, changes


# Asked of every system that can learn from mirror images, and of every one that reads flow:
MIRROR = ask(
    "mirror images",
    "Does it help to learn from mirror images, and to predict by them?",
    mirror=False,
)
STRETCHED = ask(
    "input scaling",
    "Is the flow as published images stretch it better than flow with its zero?",
    flow="flow_legacy",
)
# ... and of every system whose code is published and differs
CODED = ("all at once", "What does the published code do, under the same honest protocol?")


def reads_flow(module: types.ModuleType) -> bool:
    """Whether a system takes the form of the flow that a corpus offers."""
    return getattr(module.Config(), "flow", "") == "auto"


def flow_view(config) -> str:
    """The view that a Config's flow is read from."""
    return "flow" if config.flow == "auto" else config.flow


def resolved(config, offered: Collection[str]):
    """The Config with `auto` decided by the views that are offered; any other Config as it is."""
    if getattr(config, "flow", "") != "auto":
        return config
    images = "flow" not in offered and {"flow_centred", "flow_legacy"} & {*offered}
    return dataclasses.replace(config, flow="flow_centred" if images else "flow")


def views_needed(module: types.ModuleType, config) -> tuple[str, ...]:
    """Names of the views a run reads: the module's `views_needed(config)`, or else its VIEWS.

    Where `flow` is among them, it is the form of the flow that the Config chooses.
    """
    views = module.views_needed(config) if hasattr(module, "views_needed") else module.VIEWS
    return tuple(flow_view(config) if name == "flow" else name for name in views)


def scaled_flow(views: Arrays, config, scales=SCALES, kind=np.float32) -> np.ndarray:
    """Flow (N, 3, 28, 28) of the chosen form, each channel divided by its constant in `kind`."""
    name = flow_view(config)
    flow = views[name].astype(np.float32, copy=False)
    if name == "flow_centred":
        return flow  # which has no unit
    return flow / np.array(scales[name], kind)[:, None, None]


def check_names(net: nn.Module, features: Arrays) -> None:
    """Raises StudyError where `features` and the network's `forward` do not name inputs alike."""
    forward = inspect.signature(net.forward)
    try:
        forward.bind(**features)
    except TypeError as error:
        raise StudyError(
            f"{type(net).__module__}: features() returns {', '.join(sorted(features))}, but "
            f"{type(net).__name__}.forward takes {', '.join(forward.parameters)}: "
            "give the inputs the same names in both"
        ) from error


def checked_loss(criterion: Callable, net: nn.Module) -> Callable:
    """The loss; it raises StudyError where it cannot read what the network's `forward` returns."""

    def loss(output, labels, **targets):
        try:
            return criterion(output, labels, **targets)
        except (AttributeError, TypeError, ValueError) as error:
            what = f"a tuple of {len(output)}" if isinstance(output, tuple) else "logits alone"
            raise StudyError(
                f"{type(net).__module__}: in training {type(net).__name__}.forward returns {what}, "
                f"which the loss cannot read ({one_line(error)}): let loss(config, class_counts) "
                "return a function that takes what forward returns, the labels and the targets"
            ) from error

    return loss
