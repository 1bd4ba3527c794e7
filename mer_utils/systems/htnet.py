"""HTNet: attention inside four facial areas, then between them.

Wang, Zhang, Luo, Sankaranarayana, "HTNet for micro-expression recognition", Neurocomputing 602
(2024), arXiv 2307.14637.  Read from the paper's figures and the code, wangzhifengharrison/HTNet at
91cf4bda (2024).  Input and trunk stand in `hierarchy`, because HyperHTNet shares them.

Followed: four 14x14 crops of the onset-to-apex flow around eyes and mouth corners, tokens of 7x7
cells, a transformer inside each area, a convolution and pooling that merge the areas, a transformer
over the merged tokens; widths, heads, depths and training as published.

Not followed, because the code does not do what the paper says:
* levels: the code's third level leaves one token to a block, where a softmax is 1 whatever the
  queries and keys say: 22.2 of its 139.6 million parameters can never learn.  Here two levels:
  four tokens in each of four areas, then four merged tokens;
* crops: the code cuts rows by x and columns by y, up to 2 cells off, and takes constant points
  where its detector, run on a face shrunk to 28x28, finds none.  Here rows by y, dlib's points;
* position: one number per token, added to all channels, is what the LayerNorms before every layer
  take out again, and in the last level nothing else reads it.  Here a vector per token;
* input: flow over fixed constants; the code feeds raw 0..255.  Batches are shuffled; the code
  takes them class by class, two to an epoch.

`as_coded` puts levels, axes, position and raw input back: 139 582 982 parameters.  Its crops stand
at dlib's points, since what the code's detector found is not published (`constant_crops` takes its
substitute points).  Input canvas (B, 3, 28, 28); output (B, n_classes).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import nn

from . import hierarchy
from .hierarchy import attention, views_needed

__all__ = ["attention", "views_needed"]

TITLE = "HTNet"
COLOUR, MARKER = "#6b4c9a", "h"
VIEWS = ("flow", "landmarks")


@dataclass(frozen=True)
class Config(hierarchy.TrunkConfig):
    """All of HTNet's numbers are those of its input and trunk."""


# Sized for two CPU cores.  The rate was chosen on the synthetic clips, by the inner validation
# subjects of four folds and by nothing else: after 30 epochs UF1 .64, .60, .51 and cross-entropy
# 0.98, 1.47, 1.93 for rates of 1e-4, 3e-4, 1e-3.
SMALL = {
    "dim": 48,
    "last_layers": 2,
    "epochs": 30,
    "batch_size": 32,
    "learning_rate": 1e-4,
}

AS_CODED = {
    "flow": "flow_legacy",
    "scale": "raw",
    "axes": "swapped",
    "levels": 3,
    "position": "scalar",
}

ABLATIONS = {
    "as_coded": (
        "all at once",
        "What does the published code do, under the same honest protocol?",
        AS_CODED,
    ),
    "no_attention": (
        "attention",
        "Does it matter that tokens hear each other?",
        {"attention": "own"},
    ),
    "global_attention": (
        "attention",
        "Must attention keep to one facial area?",
        {"attention": "global"},
    ),
    "one_token": ("depth", "What does the third level, one token a block, cost?", {"levels": 3}),
    "scalar_position": (
        "position",
        "Does a token need to know where it is?",
        {"position": "scalar"},
    ),
    "swapped_axes": ("region map", "What do the swapped crop axes cost?", {"axes": "swapped"}),
    "constant_crops": (
        "region map",
        "Do crops need this face's landmarks?",
        {"points": "constant"},
    ),
    "raw_input": ("input scaling", "What does unscaled input cost?", {"scale": "raw"}),
    "shallow": ("depth", "Must the last level be deep?", {"last_layers": 1}),
}


def features(
    views: dict[str, np.ndarray], clips: pd.DataFrame, config: Config
) -> dict[str, np.ndarray]:
    """The four crops side by side: canvas (N, 3, 28, 28)."""
    return hierarchy.features(views, config)


def fit_context(
    clips: pd.DataFrame, features: dict[str, np.ndarray], config: Config
) -> dict[str, np.ndarray]:
    """Nothing is learned from the training clips but the weights."""
    return {}


class HTNet(nn.Module):
    """canvas (B, 3, 28, 28) -> logits (B, n_classes)"""

    def __init__(self, config: Config, n_classes: int):
        super().__init__()
        self.trunk = hierarchy.Trunk(config)
        self.head = hierarchy.Head(self.trunk.width, n_classes)

    def forward(self, canvas):
        return self.head(self.trunk(canvas))


def network(config: Config, n_classes: int, context: dict[str, np.ndarray]) -> nn.Module:
    """The network of one fold."""
    return HTNet(config, n_classes)
