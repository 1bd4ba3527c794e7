"""The smallest network with everything a system may define; it notes what it was shown."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

TITLE = "Made"
VIEWS = ("flow",)
SHOWN: list[tuple[str, object]] = []  # (where, what) of every call; of this process


@dataclass(frozen=True)
class Config:
    epochs: int = 4
    batch_size: int = 4
    learning_rate: float = 0.05
    weight_decay: float = 0.0
    diverge_at: int = 0  # epoch whose learning rate is infinite


def features(views, clips, config):
    return {"flow": views["flow"][:, :, ::4, ::4]}


def fit_context(clips, features, config):
    SHOWN.append(("fit_context", clips.index.to_numpy()))
    assert all(len(values) == len(clips) for values in features.values())
    return {"mean": features["flow"].mean(0)}


def targets(clips, config):
    SHOWN.append(("targets", clips.index.to_numpy()))
    return {"position": clips.index.to_numpy()}


class Net(nn.Module):
    def __init__(self, mean, n_classes):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean))
        self.norm = nn.BatchNorm1d(3 * 49)
        self.layer = nn.Linear(3 * 49, n_classes)

    def forward(self, flow):
        return self.layer(F.dropout(self.norm((flow - self.mean).flatten(1)), 0.2, self.training))


def network(config, n_classes, context):
    return Net(context["mean"], n_classes)


def loss(config, class_counts):
    SHOWN.append(("counts", class_counts))

    def criterion(logits, labels, position):
        SHOWN.append(("batch", position.numpy()))
        return F.cross_entropy(logits, labels)

    return criterion


def rate(config, epoch):
    SHOWN.append(("rate", epoch))
    return float(np.inf) if epoch == config.diverge_at else config.learning_rate / epoch
