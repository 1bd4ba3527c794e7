"""The dual-branch 3D-CNN as its script has it, 0e448003: what is different from the described one.

Both poolings divide time by three as well; both branches see the face, in three channels; spatial
attention has a map per channel and is computed next to channel attention, not after it; channel
attention joins mean and maximum by their sum.  2 836 759 parameters.  Keras's GRU (`reset_after`,
two biases) is torch's.  The script repeats every label three times, which changes no gradient.
"""

from dataclasses import dataclass

from . import dual_branch_3dcnn as dual
from .inputs import Arrays, ask

views_needed, features, loss, rate = dual.views_needed, dual.features, dual.loss, dual.rate


@dataclass(frozen=True)
class Config(dual.Config):
    """As described, and what the code does instead."""

    channels: int = 1  # 3 as coded: the grey picture is repeated
    time_pool: int = 1  # 3 as coded: steps that each of the two poolings makes one
    map_per_channel: bool = False  # True: of spatial attention
    parallel: bool = False  # True: spatial attention does not see what channel attention did


AS_CODED = {"mirror": False, "frames": 10, "channels": 3, "second": "face", "time_pool": 3}
AS_CODED |= {"channel_attention": "sum", "map_per_channel": True, "parallel": True}
ABLATIONS = dict(
    as_coded=(  # fewer frames would leave one step
        "all at once",
        "What does the published script do, under the same honest protocol?",
        AS_CODED,
    ),
    time_pooled=ask("all at once", "What does pooling in time cost?", frames=10, time_pool=3),
)


class DualBranch(dual.DualBranch):
    """face, regions -> logits (B, n_classes); while training also the L2 term of the loss."""

    def __init__(self, config: Config, n_classes: int, context: Arrays):
        maps = config.maps if config.map_per_channel else 1
        super().__init__(config, n_classes, context, config.channels, maps)
        for block in (*self.branches, self.both):
            block.pool = (config.time_pool, 3, 3)

    def attend(self, x):
        """(B, maps, T', h, w) -> the same, channels and places weighted."""
        if not self.config.parallel or self.channel_attention is None:
            return super().attend(x)
        return x * self.channel_attention(x) * self.spatial_attention(x)


network = DualBranch
