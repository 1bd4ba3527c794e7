"""HTNet as its published code computes it, where that is not what the paper says.

wangzhifengharrison/HTNet at 91cf4bda (2024).  Input and position are in `hierarchy_as_coded`.

The code's third level leaves one token to a block, where a softmax is 1 whatever the queries and
keys say: 22.2 of its 139.6 million parameters can never learn.  `as_coded` has 139 582 982.

Its crops are at dlib's points.  The code takes constant points (`constant_crops`) where its
detector finds no face, on a picture shrunk to 28x28; what it found is not published.
"""

from . import hierarchy_as_coded, htnet
from .hierarchy_as_coded import AS_CODED, features  # noqa: F401
from .inputs import CODED, ask

views_needed, network = htnet.views_needed, htnet.HTNet
Config = hierarchy_as_coded.CodedTrunkConfig

ABLATIONS = dict(
    as_coded=(*CODED, AS_CODED),
    scalar_position=ask("position", "Does a token need to know where it is?", position="scalar"),
    swapped_axes=ask("region map", "What do the swapped crop axes cost?", axes="swapped"),
    raw_input=ask("input scaling", "What does unscaled input cost?", scale="raw"),
)
