"""No face of a person in a figure: every figure is looked through on its way to a reader.

`report.show` and `widgets` hand all their figures to `without_faces`, so that a figure function
need not know whose clips it draws. `report.header` says whether a notebook's corpus is synthetic;
until it does, the clips are taken for those of people.
"""

from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import _ImageBase

FINEST = 28  # cells a side: flow, strain and attention have no more, frames of a face have 128
_corpus = {"synthetic": False}


def announce(synthetic: bool) -> None:
    """Say whose clips the figures from here on show."""
    _corpus["synthetic"] = bool(synthetic)


def may_be_shown() -> bool:
    """Whether frames may be drawn at all."""
    return _corpus["synthetic"]


def without_faces(fig: Figure) -> Figure:
    """The figure, of people with a sentence for each picture finer than FINEST both ways."""
    for picture in () if may_be_shown() else fig.findobj(_is_fine):
        axis = picture.axes
        picture.remove()
        if axis is not None:
            words, look = "not shown:\nthe clip is of a person", {"fontsize": 7, "wrap": True}
            axis.text(0.5, 0.5, words, transform=axis.transAxes, ha="center", va="center", **look)
    return fig


def _is_fine(artist) -> bool:
    if not isinstance(artist, _ImageBase | QuadMesh) or (cells := artist.get_array()) is None:
        return False
    return len(cells.shape) > 1 and min(cells.shape[:2]) > FINEST
