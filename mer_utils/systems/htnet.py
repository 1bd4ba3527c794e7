"""HTNet: attention inside four facial areas, then between them.

Wang, Zhang, Luo, Sankaranarayana, "HTNet for micro-expression recognition", Neurocomputing 602
(2024), arXiv 2307.14637.  Read from the paper's figures and the code, wangzhifengharrison/HTNet at
91cf4bda (2024).  Input and trunk are in `hierarchy`, which HyperHTNet shares.

Followed: four crops of the onset-to-apex flow, tokens of 7x7 cells, a transformer inside each area,
a convolution and pooling that merge the areas, a transformer over the merged tokens; widths, heads,
depths and training as published.

Ours, where the code (`htnet_as_coded`) does something else: two levels, of four tokens in each of
four areas, then four merged tokens; dlib's points; flow over fixed constants; batches are shuffled,
where the code takes them class by class, two to an epoch.

Input canvas (B, 3, 28, 28); output (B, n_classes).
"""

from torch import nn

from . import hierarchy
from .hierarchy import attention, features, views_needed  # noqa: F401  the same for both systems
from .inputs import Arrays, ask

TITLE = "HTNet"
COLOUR, MARKER = "#6b4c9a", "h"
VIEWS = ("flow", "landmarks")

Config = hierarchy.TrunkConfig  # all its numbers are those of its input and trunk
# Sized for two CPU cores; the rate was chosen on the synthetic clips.
SMALL = {"dim": 48, "last_layers": 2, "epochs": 30, "batch_size": 32, "learning_rate": 1e-4}
ABLATIONS = dict(
    no_attention=hierarchy.NO_ATTENTION,
    global_attention=ask(
        "attention", "Must attention keep to one facial area?", attention="global"
    ),
    one_token=ask("depth", "What does the third level, one token a block, cost?", levels=3),
    constant_crops=hierarchy.CONSTANT_CROPS,
    shallow=ask("depth", "Must the last level be deep?", last_layers=1),
)


class HTNet(nn.Module):
    """canvas (B, 3, 28, 28) -> logits (B, n_classes)"""

    def __init__(self, config: Config, n_classes: int, context: Arrays):
        super().__init__()
        self.trunk = hierarchy.Trunk(config)
        self.head = hierarchy.Head(self.trunk.width, n_classes)

    def forward(self, canvas):
        return self.head(self.trunk(canvas))


network = HTNet
