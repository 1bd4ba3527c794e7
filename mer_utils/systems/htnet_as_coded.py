"""HTNet as its published code computes it, where that is not what the paper says.

wangzhifengharrison/HTNet at 91cf4bda (2024), on which HyperHTNet's code is built.  The code
* cuts rows by x and columns by y, and puts the second eye below the first;
* feeds raw grey values 0..255;
* has one number per token for its position, drawn from N(0, 1) and added to all channels.  The
  LayerNorms before every layer take it out again, and nothing else reads it in the last level;
* has a third level with one token to a block, where a softmax is 1 whatever the queries and keys
  say: 22.2 million of its 139 582 982 parameters can never learn.

Crops are at dlib's points.  The code takes constant points (`constant_crops`) where its detector
finds no face, on a picture shrunk to 28x28; what it found is not published.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from . import hierarchy, htnet
from .inputs import CODED, RAW, SCALES, Arrays, Clips, ask, scaled_flow

views_needed, network = htnet.views_needed, htnet.HTNet


@dataclass(frozen=True)
class Config(hierarchy.TrunkConfig):
    """The numbers of the description, and the coded ingredients, which are off."""

    scale: Literal["fixed", "raw"] = "fixed"  # divide by constants, or take the values as they are
    axes: Literal["xy", "swapped"] = "xy"
    position: Literal["vector", "scalar"] = "vector"  # learned, per token

    def first_position(self, tokens: int, dim: int) -> torch.Tensor:
        """One number per token for all channels, where that is asked for."""
        if self.position == "scalar":
            return torch.randn(tokens, 1)
        return super().first_position(tokens, dim)


AS_CODED = {"flow": "flow_legacy", "scale": "raw", "axes": "swapped"}
AS_CODED |= {"mirror": False, "levels": 3, "position": "scalar"}
ABLATIONS = dict(
    as_coded=(*CODED, AS_CODED),
    scalar_position=ask("position", "Does a token need to know where it is?", position="scalar"),
    swapped_axes=ask("region map", "What do the swapped crop axes cost?", axes="swapped"),
    raw_input=ask("input scaling", "What does unscaled input cost?", scale="raw"),
)


def swapped(points: np.ndarray) -> np.ndarray:
    """Centres (N, 4, 2) as the code takes them: it cuts img[x-7:x+7, y-7:y+7]."""
    return np.trunc(points[:, (0, 2, 1, 3), ::-1])


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """The four crops next to each other: canvas (N, 3, 28, 28) float32."""
    flow = scaled_flow(views, config, RAW if config.scale == "raw" else SCALES)
    points = hierarchy.centres(views, config)
    points = swapped(points) if config.axes == "swapped" else points
    return {"canvas": hierarchy.canvas(flow, hierarchy.edges(points))}
