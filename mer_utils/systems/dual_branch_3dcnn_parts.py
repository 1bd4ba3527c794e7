"""The parts of the dual-branch 3D-CNN: its blocks and their attention, its heads over the steps."""

import torch
import torch.nn.functional as F
from torch import nn

SLOPE = 0.2  # of every LeakyReLU


class Block(nn.Module):
    """(B, C, T, h, w) -> (B, maps, T, h / 3, w / 3), rounded up as Keras does.

    The maximum is taken before the LeakyReLU, not after: the same numbers, a ninth of the work.
    """

    def __init__(self, channels: int, maps: int, time: int, space: int):
        super().__init__()
        self.convolution = nn.Conv3d(channels, maps, (time, space, space), padding="same")
        self.pool = (1, 3, 3)

    def forward(self, x):
        x = self.convolution(x)
        missing = [-length % step for length, step in zip(x.shape[2:], self.pool, strict=True)]
        # Keras puts the odd one of the missing cells at the end, and so does `ceil_mode`.
        before = [count // 2 for count in missing]
        return F.leaky_relu(F.max_pool3d(x, self.pool, padding=before, ceil_mode=True), SLOPE)


class ChannelAttention(nn.Module):
    """(B, maps, T, h, w) -> (B, maps, 1, 1, 1): the "enhanced" CAM, an MLP for each statistic."""

    def __init__(self, config):
        super().__init__()
        self.difference = config.channel_attention == "difference"
        maps, hidden = config.maps, config.maps // config.reduction
        self.of_mean, self.of_maximum = (
            nn.Sequential(nn.Linear(maps, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, maps))
            for _ in range(2)
        )

    def forward(self, x):
        mean, maximum = self.of_mean(x.mean((2, 3, 4))), self.of_maximum(x.amax((2, 3, 4)))
        joined = 0.5 * (maximum - mean) if self.difference else maximum + mean
        return joined.sigmoid()[:, :, None, None, None]


class SpatialAttention(nn.Module):
    """(B, maps, T, h, w) -> (B, count, T, h, w), of maximum and mean over channels."""

    def __init__(self, time: int, count: int):
        super().__init__()
        self.convolution = nn.Conv3d(2, count, (time, 3, 3), padding="same")

    def forward(self, x):
        both = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        return self.convolution(both).sigmoid()


class Head(nn.Module):
    """Steps (B, T, dim) -> one vector (B, width): the scores' maximum over queries, as coded."""

    def __init__(self, dim: int, width: int):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(dim, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def scores(self, x):
        """(B, T queries, T keys)"""
        return self.query(x) @ self.key(x).transpose(1, 2) * self.out.in_features**-0.5

    def weights(self, x):
        """(B, T): of each step; the steps in another order have the same."""
        return self.scores(x).amax(1).softmax(-1)

    def forward(self, x):
        return self.out((self.weights(x)[:, None] @ self.value(x))[:, 0])


class MultiScaleMultiHead(nn.Module):
    """MSMH: (B, T, dim) -> (B, sum of widths), every head at its own width."""

    def __init__(self, dim: int, config):
        super().__init__()
        self.heads = nn.ModuleList(Head(dim, config.width // scale) for scale in config.scales)
        self.width = sum(head.out.out_features for head in self.heads)

    def weights(self, x):
        """(B, heads, T)"""
        return torch.stack([head.weights(x) for head in self.heads], dim=1)

    def forward(self, x):
        return torch.cat([head(x) for head in self.heads], dim=-1)


class Pooling(nn.Module):
    """(B, T, dim) -> (B, dim): a mean over steps, weighted by one learned query, or plain."""

    def __init__(self, dim: int, config):
        super().__init__()
        self.width = dim
        self.query = nn.Linear(dim, 1, bias=False) if config.attention == "pooling" else None

    def forward(self, x):
        scores = torch.zeros_like(x[:, :, 0]) if self.query is None else self.query(x)[:, :, 0]
        return (scores.softmax(-1)[:, None] @ x)[:, 0]


def initialise(net: nn.Module) -> None:
    """As Keras: Glorot, or He where the code says so; orthogonal recurrences; biases 0."""
    glorot = {net.head[-1], *net.attention.modules(), net.spatial_attention.convolution}
    if net.channel_attention is not None:
        glorot |= {net.channel_attention.of_mean[0], net.channel_attention.of_maximum[0]}
    for module in net.modules():
        if module in glorot and hasattr(module, "weight"):
            nn.init.xavier_uniform_(module.weight)
        elif isinstance(module, nn.Linear | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if net.gru is not None:
        nn.init.xavier_uniform_(net.gru.weight_ih_l0)
        nn.init.orthogonal_(net.gru.weight_hh_l0)
    for name, parameter in net.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
