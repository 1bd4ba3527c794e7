"""Where on the face a model finds what it decides by, as maps of the 28x28 grid of the flow.

`by_window` asks any system: a window of the face is held still, and what the decision then lacks is
the window's evidence.  Only views are changed, so that nothing of a system has to be known.
`by_gradient` asks a network that reads flow, cell by cell.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from .. import systems, training
from ..preprocessing.regions import GRID
from ..systems import inputs
from .members import Arrays, Member

SIDE = 4  # cells of a window, which divides 28: 18 pixels of the aligned face
SIGHTS = ("frames", "video", "keyframes", "rise")  # views whose frames are pictures
FLOOR = 1e-6  # a probability below counts as this
STEPS = 50  # of the way from no motion to the clip
BATCH = 256  # clips on their way at once


def by_window(
    members: Member | Sequence[Member], arrays: Arrays, clips: pd.DataFrame, places: Sequence[int]
) -> np.ndarray:
    """(n, 28, 28) evidence of every cell for the class that the members decide for, per clip.

    The cells of a window share the fall of the log probability (or decision function), mean over
    members, where nothing moves in it; below 0 where stillness would make the class surer.
    """
    members, masks = [members] if isinstance(members, Member) else members, windows()
    maps = []
    for place in places:
        clip = {name: values[place : place + 1] for name, values in arrays.items()}
        still = held_still(clip, masks)
        rows = clips.iloc[[place] * len(masks)].reset_index(drop=True)
        decided = np.mean([decisions(member, still, rows) for member in members], axis=0)
        fall = (decided[0] - decided[1:])[:, decided[0].argmax()].reshape(GRID // SIDE, -1)
        maps.append(np.kron(fall, np.ones((SIDE, SIDE))) / SIDE**2)
    return np.stack(maps)


def windows() -> np.ndarray:
    """(1 + 49, 28, 28) bool: first no cell, then the cells of each window."""
    blocks = np.eye((GRID // SIDE) ** 2, dtype=bool).reshape(-1, GRID // SIDE, GRID // SIDE)
    blocks = np.kron(blocks, np.ones((1, SIDE, SIDE), bool))
    return np.concatenate((np.zeros((1, GRID, GRID), bool), blocks))


def held_still(arrays: Arrays, still: np.ndarray) -> Arrays:
    """Views of one clip, or of n clips, for n masks (n, 28, 28): nothing moves inside a mask.

    The flow there is 0, of images without a zero the median of u and v and the least strain.
    Pictures show what the first one shows there.  Landmarks stay.
    """
    changed, still = {}, np.asarray(still, bool)
    for name, values in arrays.items():
        changed[name] = np.repeat(values, len(still) // len(values), axis=0)
        if name.startswith("flow"):
            rest = np.zeros((len(values), 3, 1, 1), values.dtype)
            if name == "flow_legacy":
                rest[:, :2] = np.median(values[:, :2], axis=(2, 3), keepdims=True)
                rest[:, 2:] = values[:, 2:].min(axis=(2, 3), keepdims=True)
            changed[name] = np.where(still[:, None], rest, changed[name])
        elif name in SIGHTS:
            where = np.arange(values.shape[-1]) * GRID // values.shape[-1]  # cell of each pixel
            inside = still[:, None, where[:, None], where]
            changed[name] = np.where(inside, changed[name][:, :1], changed[name])
    return changed


def decisions(member: Member, arrays: Arrays, clips: pd.DataFrame) -> np.ndarray:
    """(n, C) log probabilities, or the decision function of a machine that gives none."""
    if hasattr(member.model, "predict_proba") or not hasattr(member.model, "decision_function"):
        return np.log(np.maximum(member.probabilities(arrays, clips), FLOOR))
    x = member.features(arrays, clips)["x"]
    values = np.mean(np.split(member.model.decision_function(x), len(x) // len(clips)), axis=0)
    values = np.stack((-values, values), axis=1) if values.ndim == 1 else values
    of_all = np.full((len(clips), member.n_classes), values.min() - 1)  # a class it has not seen
    of_all[:, member.model.classes_] = values
    return of_all


def by_gradient(
    member: Member, arrays: Arrays, clips: pd.DataFrame, decided: np.ndarray | None = None
) -> np.ndarray:
    """(n, 28, 28) integrated gradients of a network that reads flow (`reads_cells`), per clip.

    Of the log probability of the class decided for, from no motion to the clip (Sundararajan et
    al., ICML 2017); an input goes back to the cell that it was cut from, and mirror images count as
    in a prediction.  decided: (n,) other classes to ask about.
    """
    from captum.attr import IntegratedGradients  # only explanations need it

    if decided is None:
        decided = member.probabilities(arrays, clips).argmax(axis=1)
    still = held_still(arrays, np.ones((len(clips), GRID, GRID), bool))
    cells, features = cells_of(member, arrays, clips), member.features(arrays, clips)
    rest = member.features(still, clips)

    def log_probabilities(*values):
        return member.model(**dict(zip(features, values, strict=True))).log_softmax(1)

    moving, rest = (tuple(map(torch.as_tensor, part.values())) for part in (features, rest))
    copies = len(moving[0]) // len(clips)
    target = torch.as_tensor(np.tile(decided, copies))
    options = {"n_steps": STEPS, "internal_batch_size": BATCH}
    given = IntegratedGradients(log_probabilities).attribute(moving, rest, target, **options)
    maps = np.zeros((copies * len(clips), GRID**2))
    for name, values in zip(features, given, strict=True):
        row = np.arange(len(maps)).reshape(-1, *[1] * (values.ndim - 1))
        row, cell = np.broadcast_arrays(row, cells[name])
        read = cell >= 0
        np.add.at(maps, (row[read], cell[read]), values.detach().numpy()[read])
    return maps.reshape(copies, len(clips), GRID, GRID).mean(axis=0)


def reads_cells(member: Member) -> bool:
    """Whether it is a network whose inputs are values of the flow, moved about and scaled."""
    return systems.neural(member.module) and inputs.reads_flow(member.module)


def cells_of(member: Member, arrays: Arrays, clips: pd.DataFrame) -> Arrays:
    """Of every value of the features the cell of the flow that it is read from, -1 for none.

    Found by asking: with flows of 0, of 1, and of each cell's own number.
    """
    flows = [np.zeros((GRID, GRID)), np.ones((GRID, GRID)), np.arange(GRID**2).reshape(GRID, GRID)]
    filled = [
        {n: np.full_like(v, flow) if n.startswith("flow") else v for n, v in arrays.items()}
        for flow in flows
    ]
    zero, one, number = (member.features(views, clips) for views in filled)
    cells = {}
    for name in one:
        scale, none = (one[name] - zero[name]).astype(float), np.full(one[name].shape, -1.0)
        cell = np.divide(number[name] - zero[name], scale, none, where=scale != 0)
        cells[name] = np.rint(cell).astype(int)
    return cells


def untrained(member: Member, seed: int) -> Member:
    """The same network with the weights of its start."""
    given = member.module, member.config, member.n_classes, member.context
    net = training.new_network(*given, seed).to(next(member.model.parameters()).dtype)
    return dataclasses.replace(member, model=net.eval())
