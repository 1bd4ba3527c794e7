"""Input and trunk of HTNet and HyperHTNet where their published code departs from the paper.

* axes: the code cuts rows by x and columns by y, and puts the second eye below the first;
* scale: it feeds raw grey values 0..255;
* position: one number per token, drawn from N(0, 1) and added to all channels.  The LayerNorms
  before every layer take it out again, and nothing else reads it in the last level.

Its third level leaves one token to a block: that is `levels=3` of the trunk as described.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from . import hierarchy
from .inputs import RAW, SCALES, Arrays, Clips, scaled_flow

AS_CODED = {"flow": "flow_legacy", "scale": "raw", "axes": "swapped"}
AS_CODED |= {"mirror": False, "levels": 3, "position": "scalar"}


@dataclass(frozen=True)
class CodedTrunkConfig(hierarchy.TrunkConfig):
    """The numbers of the description, and the coded ingredients, which are off."""

    scale: Literal["fixed", "raw"] = "fixed"  # divide by constants, or take the values as they are
    axes: Literal["xy", "swapped"] = "xy"
    position: Literal["vector", "scalar"] = "vector"  # learned, per token

    def first_position(self, tokens: int, dim: int) -> torch.Tensor:
        """One number per token for all channels, where that is asked for."""
        if self.position == "scalar":
            return torch.randn(tokens, 1)
        return super().first_position(tokens, dim)


def swapped(points: np.ndarray) -> np.ndarray:
    """Centres (N, 4, 2) as the code takes them: it cuts img[x-7:x+7, y-7:y+7]."""
    return np.trunc(points[:, (0, 2, 1, 3), ::-1])


def features(views: Arrays, clips: Clips, config: CodedTrunkConfig) -> Arrays:
    """The four crops next to each other: canvas (N, 3, 28, 28) float32."""
    flow = scaled_flow(views, config, RAW if config.scale == "raw" else SCALES)
    points = hierarchy.centres(views, config)
    points = swapped(points) if config.axes == "swapped" else points
    return {"canvas": hierarchy.canvas(flow, hierarchy.edges(points))}
