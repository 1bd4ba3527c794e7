"""What HTNet's network adds to its canvas: `control` reads that, x (N, 3 * 28 * 28)."""

from dataclasses import dataclass

from . import htnet
from .control import ABLATIONS, ARMS, Machine, estimator  # noqa: F401
from .inputs import Arrays, Clips

views_needed = htnet.views_needed


@dataclass(frozen=True)
class Config(Machine, htnet.Config):
    """Of HTNet the inputs alone are used."""


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """x (N, 2352): the canvas in a row."""
    return {"x": htnet.features(views, clips, config)["canvas"].reshape(len(clips), -1)}
