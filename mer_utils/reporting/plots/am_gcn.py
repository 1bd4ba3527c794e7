"""Figures of AM-GCN: its inputs, its attention, the units it reads, the graph between them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .face import over
from .planted import planted as planted
from .style import ACCENT, EDGE, PALE, key, matrix, panels, reference, signed


def inputs(motion: np.ndarray, pool: np.ndarray, landmarks: np.ndarray, region: str) -> Figure:
    """Apex minus onset (size, size), and the cells that one region's node pools (cells, cells)."""
    fig, [(left, right)] = panels(("apex minus onset", f"pool of the {region}"), 3.7, 3.7)
    change = over(left, motion, landmarks, "0.25", 1, **signed(motion))
    weight = over(right, pool, landmarks, ACCENT, 1, cmap="Greys", vmin=0, vmax=pool.max())
    fig.colorbar(change, ax=left, shrink=0.8, label="standardised grey value")
    fig.colorbar(weight, ax=right, shrink=0.8, label="weight")
    return fig


def attention(maps: Sequence[np.ndarray], landmarks: np.ndarray) -> Figure:
    """The attention of each block, (cells, cells) each, over the face it belongs to."""
    titles = [f"block {i}, {len(values)}x{len(values)}" for i, values in enumerate(maps, start=1)]
    fig, [axes] = panels(titles, 2.4, 2.9, extra=(0.8, 0))
    for axis, values in zip(axes, maps, strict=True):
        image = over(axis, values, landmarks, ACCENT, 1, cmap="Greys", vmin=0, vmax=1)
    fig.colorbar(image, ax=axes, shrink=0.8, label="share let through")
    return fig


def scores(table: pd.DataFrame) -> Figure:
    """A bar per unit: its score (0..1), orange where `coded` is 1; columns unit, score, coded."""
    fig, axis = plt.subplots(figsize=(8, 2.9))
    coded = table["coded"] == 1
    look = {"color": np.where(coded, ACCENT, PALE), "hatch": list(np.where(coded, "///", ""))}
    axis.bar(table["unit"].astype(str), table["score"], edgecolor=EDGE, **look)
    reference(axis, 0.5, level=True)
    boxes = {"in the sheet": ACCENT, "not in the sheet": PALE}
    axis.legend(handles=key(boxes, {"in the sheet": "///"}), ncols=2)
    axis.set(xlabel="action unit", ylabel="score, squeezed to 0..1", ylim=(0, 1.18))
    axis.set_yticks(np.linspace(0, 1, 5))
    return fig


def graph(weights: np.ndarray, units: Sequence[int]) -> Figure:
    """Unit j (row) reads unit i (column) with this weight; units without an edge are left out."""
    others = weights - np.diag(np.diag(weights))
    linked = np.flatnonzero(others.any(axis=0) | others.any(axis=1))
    if len(linked):
        weights, units = weights[np.ix_(linked, linked)], [units[i] for i in linked]
    fig, axis = plt.subplots(figsize=(5.6, 4.8))
    image = matrix(axis, weights, units, cmap="Greys", vmin=0, vmax=weights.max())
    axis.set(xlabel="from action unit", ylabel="to action unit")
    fig.colorbar(image, ax=axis, shrink=0.8, label="weight in the graph convolution")
    return fig
