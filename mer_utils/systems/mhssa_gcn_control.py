"""What MHSSA-GCN's network adds to its patches: `control` reads them, x (N, 43 * 147)."""

from dataclasses import dataclass

from . import mhssa_gcn
from .control import ABLATIONS, ARMS, Machine, estimator  # noqa: F401
from .inputs import Arrays, Clips

VIEWS = mhssa_gcn.VIEWS


@dataclass(frozen=True)
class Config(Machine, mhssa_gcn.Config):
    """Of MHSSA-GCN the inputs alone are used."""


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """x (N, 6321): all patches in a row."""
    return {"x": mhssa_gcn.features(views, clips, config)["patches"].reshape(len(clips), -1)}
