"""Figures of faces as lines, of the flow on them, of the methods behind it, and of films."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...preprocessing import registration, spotting
from . import style
from .style import ACCENT, EDGE, FORMS, INK, LIGHT, MAGNITUDE, WARNING, panels, signed
from .style import bar_chart as bar_chart

GRID = 28  # landmarks are in cells of the 28x28 grid, whatever the size of a map
LINES = (  # of dlib's 68 points: jaw, brows, nose, eyes, lips; the closed lines end as they begin
    range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36), (*range(36, 42), 36),
    (*range(42, 48), 42), (*range(48, 60), 48), (*range(60, 68), 60),
)  # fmt: skip
CHANNELS = ("u, to the right", "v, down", "strain")
METHODS = {"dis_fine": (WARNING, "o"), "dis": (ACCENT, "s"), "farneback": (LIGHT, "^")}
METHODS |= {"tvl1": (INK, "D")}  # colour and marker
SUBSET = 1000  # pixels: a magnitude that fewer pixels have is not drawn


# --- a face as lines: positions on it, and no person to recognise ---------------------------------


def outline(axis, landmarks: np.ndarray, colour: str = "0.45", width: float = 1.0) -> None:
    """Draw the lines through the landmarks (68, 2)."""
    for line in LINES:
        axis.plot(*landmarks[list(line)].T, color=colour, lw=width, zorder=1)


def grid(axis, margin: float = 0.0) -> None:
    """Make an axis the grid of the flow, without ticks."""
    style.bare(axis)
    axis.set(xlim=(-margin, GRID + margin), ylim=(GRID + margin, -margin), aspect="equal")


def over(axis, values: np.ndarray, landmarks=None, colour=EDGE, width: float = 0.8, **look):
    """A picture of the grid, whatever its size, under the outline of a face; gives the image."""
    if landmarks is not None:
        outline(axis, landmarks, colour, width)
    grid(axis)
    return axis.imshow(values, extent=(0, GRID, GRID, 0), **look)


def blank(axis, landmarks: np.ndarray) -> None:
    """A face as grey lines on blank ground; landmarks (68, 2) in cells of the grid."""
    outline(axis, landmarks, "0.75")
    grid(axis, margin=2.0)


def clouds(points: np.ndarray, corpus: Sequence[str], size: float, unit: str) -> Figure:
    """All clips' (N, 68, 2) points as clouds, their mean as a drawn face, a panel per corpus."""
    parts = pd.Series(range(len(points))).groupby(np.asarray(corpus), sort=False)
    titles = [f"{name}, {len(part)} clips" for name, part in parts]
    fig, [axes] = panels(titles, 3.2, 3.7, extra=(0.6, 0))
    for axis, (_, part) in zip(axes, parts, strict=True):
        axis.scatter(*points[part].reshape(-1, 2).T, s=3, color=LIGHT, alpha=0.25, lw=0, zorder=0)
        outline(axis, points[part].mean(axis=0), EDGE)
        axis.set(xlim=(0, size), ylim=(size, 0), xlabel=unit, aspect="equal")
        axis.set_yticks([tick for tick in axis.get_xticks() if tick <= size])
    return fig


def registered(flow: np.ndarray, given: np.ndarray, moved: np.ndarray, corpus) -> Figure:
    """Mean strain of flow (N, 3, 28, 28) by corpus, with mean landmarks `given` and `moved`."""
    names = list(dict.fromkeys(corpus))
    fig, axes = panels(names, 2.7, 2.8, ("", ""), (0.6, 0))
    style.bare(*axes.flat)
    for column, name in zip(axes.T, names, strict=True):
        own = np.asarray(corpus) == name
        for axis, points, word in zip(column, (given, moved), ("as given", "moved"), strict=True):
            axis.imshow(registration.mean_strain(flow[own]), cmap="Blues")
            axis.plot(*points[own].mean(axis=0).T, "o", ms=2.5, color=EDGE)
            axis.set(title=f"{name}, {word}", xlim=(-0.5, 27.5), ylim=(27.5, -2.5))
    return fig


def pictures(frames: np.ndarray, points: np.ndarray, titles: Sequence[str]) -> Figure:
    """Frames (n, H, W) with points (n, k, 2) on them, in the same pixels."""
    across, down = [""] * min(len(frames), 6), [""] * -(-len(frames) // 6)
    fig, axes = panels(across, 1.75, 2.0, down)
    for axis in axes.flat:
        axis.axis("off")
    for axis, frame, face, title in zip(axes.flat, frames, points, titles, strict=False):
        axis.imshow(frame, vmin=0, vmax=255)
        axis.scatter(*face.T, s=2.5, color="#ffb347", linewidths=0)
        axis.set(xlim=(0, frame.shape[1]), ylim=(frame.shape[0], 0))
        axis.set_title(title, fontsize=8)
    return fig


# --- flow, and how it is computed -----------------------------------------------------------------


def motion(arrays: Mapping[str, np.ndarray], places, titles: Sequence[str], points=None) -> Figure:
    """Flow of some clips, in pixels under their landmarks (n, 68, 2) where the corpus has it."""
    if "flow" in arrays:
        return maps(arrays["flow"][places], points, titles)
    return grey_maps(arrays["flow_legacy"][places], titles)


def maps(flow: np.ndarray, points: np.ndarray | None, titles: Sequence[str]) -> Figure:
    """u, v and strain of clips (n, 3, 28, 28), a row each on shared scales, under its face."""
    fig, axes = panels(CHANNELS, 2.53, 1.85, titles, (0, 0.6))
    around_zero = signed(flow[:, :2], 0.998)
    strain = {"cmap": MAGNITUDE, "vmin": 0, "vmax": max(np.quantile(flow[:, 2], 0.998), 1e-6)}
    for (row, channel), axis in np.ndenumerate(axes):
        face = None if points is None else points[row]
        over(axis, flow[row, channel], face, **(strain if channel == 2 else around_zero))
    look = {"shrink": 0.9 if len(flow) < 3 else 0.5, "pad": 0.02}
    fig.colorbar(axes[0, 1].images[0], ax=axes[:, :2], label="pixels", **look)
    fig.colorbar(axes[0, 2].images[0], ax=axes[:, 2], label="pixels per pixel", **look)
    return fig


def grey_maps(flow: np.ndarray, titles: Sequence[str], whole: bool = True) -> Figure:
    """The published form (n, 3, 28, 28), from 0 to 255, or not `whole`: over what a channel has."""
    fig, axes = panels(("u", "v", "strain"), 2, 1.85, titles, (0, 0.6))
    style.bare(*axes.flat)
    for (row, channel), axis in np.ndenumerate(axes):
        part = flow[:, channel]
        low, high = (0, 255) if whole else (part.min(), part.max())
        axis.imshow(flow[row, channel], vmin=low, vmax=high)
    return fig


def centred(image: np.ndarray) -> Figure:
    """u, v and strain of one clip with its own zero, (3, 28, 28) of the view `flow_centred`."""
    fig, [axes] = panels(CHANNELS, 3, 3.1)
    style.bare(*axes)
    units = 2 * ["standard deviations"] + ["root over its mean"]
    looks = 2 * [signed(image[:2])] + [{"cmap": MAGNITUDE, "vmin": 0}]
    for axis, channel, look, unit in zip(axes, image, looks, units, strict=True):
        fig.colorbar(axis.imshow(channel, **look), ax=axis, shrink=0.75, label=unit)
    return fig


def streams(maps: Sequence[np.ndarray]) -> Figure:
    """One row per stream of a network, (width, h, w) each, all on one scale."""
    fig, axes = plt.subplots(len(maps), max(map(len, maps)), figsize=(9, 1.25 * len(maps)))
    for axis in axes.flat:
        axis.set_axis_off()
    for row, stream in zip(axes, maps, strict=True):
        for axis, image in zip(row, stream, strict=False):
            axis.imshow(image, cmap=MAGNITUDE, vmin=0, vmax=max(part.max() for part in maps))
        row[0].set_title(f"stream of {len(stream)} maps", fontsize=9)
    return fig


def blocks(histograms: Mapping[str, np.ndarray]) -> Figure:
    """Share and sum of directions of each block: title -> (blocks, blocks, orientations)."""
    top = max(float(shares.sum(-1).max()) for shares in histograms.values())
    fig, [axes] = panels(histograms, 4, 3.9)
    style.bare(*axes)
    look = {"angles": "xy", "scale_units": "xy", "color": "0.1", "width": 0.008, "pivot": "mid"}
    for axis, shares in zip(axes, histograms.values(), strict=True):
        angles = 2 * np.pi * np.arange(shares.shape[-1]) / shares.shape[-1]
        right, down = shares @ np.cos(angles), shares @ np.sin(angles)
        image = axis.imshow(shares.sum(-1), cmap=MAGNITUDE, vmin=0, vmax=1.4 * top)
        longest = float(np.hypot(right, down).max()) or 1.0  # fills its block
        axis.quiver(right, down, scale=longest / 0.9, **look)
    fig.colorbar(image, ax=axes, shrink=0.75, label="share of the clip")
    return fig


def planes(cuts: Mapping[str, np.ndarray], patterns: Mapping[str, np.ndarray]) -> Figure:
    """Cuts through a clip, and below the pattern number of every point: XY, and X or Y over time"""
    fig, axes = panels(cuts, 9 / len(cuts), 3, ("grey values", "patterns"))
    style.bare(*axes.flat)
    for (above, below), name in zip(axes.T, cuts, strict=True):
        above.imshow(cuts[name], aspect="auto")
        below.imshow(patterns[name], cmap="viridis", aspect="auto")
    return fig


def methods(errors: pd.DataFrame) -> Figure:
    """End-point error and gain by true magnitude (truth.flow_errors); hollow: noise was added."""
    fig, [(left, right)] = panels(("Error", "Gain; 1 (dashed): nothing is shrunk"), 4.8, 4.4)
    errors = errors[errors["pixels"] >= SUBSET].sort_values("magnitude", kind="stable")
    for (method, noise), part in errors.groupby(["method", "noise"], sort=False):
        shade, marker = METHODS[method]
        look = {"color": shade, "marker": marker, "label": method}
        if noise != errors["noise"].min():
            label = f"{method}, noise of {noise:g} grey levels"
            look |= {"ls": ":", "mfc": "white", "label": label}
        left.plot(part["magnitude"], part["error"], **look)
        right.plot(part["magnitude"], part["gain"], **look)
    style.reference(right, 1, level=True)
    ticks = sorted(errors["magnitude"].unique())
    for axis in (left, right):
        axis.set(xscale="log", xlabel="true motion, pixels of the aligned face")
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    left.set(ylabel="mean end-point error, pixels", ylim=(0, None))
    right.set(ylabel="estimate along the truth")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def ways(errors: pd.DataFrame) -> Figure:
    """One dot per clip and way of treating the head, the mean as a bar (truth.head_errors)."""
    means = errors.groupby("way")["error"].mean().sort_values()
    xlabel = "distance to the face's own motion, pixels of the aligned face"
    fig, axis = style.item_rows(list(means.index), xlabel)
    look = {"color": "#8fa9c9", "middle": np.mean, "bar": WARNING, "width": 0.5, "s": 9}
    for row, (name, mean) in enumerate(means.items()):
        style.swarm(axis, errors.loc[errors["way"] == name, "error"], row, **look)
        axis.text(mean, row - 0.36, f" {mean:.2f}", color=WARNING, fontsize=9)
    axis.set_xlim(left=0)
    return fig


def shares_below(table: pd.DataFrame, column: str, label: str, by: str = "corpus") -> Figure:
    """The share of clips whose value of `column` is at most so large, a line per group of `by`."""
    fig, axis = plt.subplots(figsize=(6.4, 3.2))
    groups = table.groupby(by, sort=False)[column]
    for (name, values), look in zip(groups, FORMS, strict=False):
        axis.ecdf(values, color=look["color"], linestyle=look["ls"], label=name)
    axis.set(xlabel=label, ylabel="share of clips", ylim=(0, 1.02), xlim=(0, None))
    axis.yaxis.set_major_formatter("{x:.0%}")
    axis.legend()
    return fig


# --- films in which movements were searched, and what the models say of them ----------------------


def course(film) -> Figure:
    """How far the face has moved at each moment of a film, and the movements that were found."""
    fig, axis = plt.subplots(figsize=(7.8, 2.6))
    unit = "frame" if film.fps is None else "seconds"
    axis.plot(film.course[unit], film.course["movement"], color=INK, lw=1)
    style.reference(axis, spotting.FACTOR * film.still, "seen from here on", level=True)
    for ends in film.intervals.loc[film.intervals["seen"], ["onset", "offset"]].to_numpy():
        ends = ends if film.fps is None else (ends - 1) / film.fps
        axis.axvspan(*ends, color=LIGHT, alpha=0.5, lw=0)
    axis.set(xlabel=unit, ylabel="movement, pixels", ylim=(0, None))
    axis.margins(x=0)
    return fig


def probabilities(table: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """A row per movement: each class's probability, and its spread over the models."""
    fig, axis = plt.subplots(figsize=(7.8, 0.9 + 0.5 * len(table)))
    for number, (name, shade) in enumerate(style.class_colours(classes).items()):
        rows = np.arange(len(table)) + 0.2 * (number - (len(classes) - 1) / 2)
        axis.hlines(rows, table[f"low_{name}"], table[f"high_{name}"], color=shade, lw=2)
        axis.plot(table[f"p_{name}"], rows, "o", color=shade, label=name)
    axis.set_yticks(range(len(table)), table["name"])
    axis.set(xlim=(0, 1), ylim=(len(table) - 0.4, -0.6), xlabel="probability")
    style.reference(axis, 1 / len(classes))
    fig.legend(loc="outside upper right", ncols=len(classes))
    return fig


def evidence(
    flow: np.ndarray, maps: np.ndarray, points: np.ndarray, titles: Sequence[str]
) -> Figure:
    """Strain of clips (n, 3, 28, 28), and what is lost without a place, under a drawn face."""
    columns = ("how the skin is stretched", "where the evidence lies")
    fig, axes = panels(columns, 2.7, 2.5, titles, (0, 0.3))
    for (left, right), image, values, face in zip(axes, flow, maps, points, strict=True):
        over(left, image[2], face, cmap=MAGNITUDE)
        look = signed(values) | {"cmap": "PuOr_r", "interpolation": "bilinear"}
        over(right, values, face, **look)
    return fig
