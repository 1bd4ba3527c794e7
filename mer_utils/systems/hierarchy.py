"""Four facial areas on one canvas, and the transformer over nested blocks that reads them.

What HTNet and HyperHTNet share: the input (four 14x14 crops of the flow around eyes and mouth
corners, set side by side to 28x28) and the trunk, which HTNet takes from NesT (Zhang et al.,
"Nested Hierarchical Transformer", AAAI 2022): attention inside each block of tokens, then a
convolution and a pooling that let neighbouring blocks meet, then larger blocks.

The canvas of G x G tokens starts with 2^(levels-1) blocks a side, which halve with every level, as
the grid does.  Patches of 7 give G = 4: two levels make 4 tokens a block, which is one facial area;
the three levels of the published code make **one**, and attention over one token is 1.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from ..errors import StudyError
from .inputs import Arrays, Clips, Flow, ask, flow_view, scaled_flow
from .layers import encoder_layer, outputs_of

CANVAS, CROP = 28, 14  # cells a side of the whole and of one area
# x, y of the four centres on a 28x28 face: the code takes these where its detector finds no face
CONSTANT = ((9.53, 11.06), (21.40, 10.92), (10.26, 22.12), (20.58, 22.26))

NO_ATTENTION = ask("attention", "Does it matter that tokens hear each other?", attention="own")
CONSTANT_CROPS = ask("region map", "Do crops need this face's landmarks?", points="constant")


@dataclass(frozen=True)
class TrunkConfig:
    """Input, trunk and training of HTNet; the sizes are the published ones."""

    flow: Flow = "auto"
    mirror: bool = True  # learn from mirror images too, and predict by the mean of both
    points: Literal["dlib", "constant"] = "dlib"  # crop centres; constant: the same for any face
    patch: int = 7  # cells a side of a token
    levels: int = 2  # 2: four tokens a block; 3, as coded: one
    dim: int = 256  # width of a token at the first level; it doubles with each
    heads: int = 3  # attention heads at the first level; they double with each
    layers: int = 2  # transformer layers of every level but the last
    last_layers: int = 10  # transformer layers of the last level
    feedforward: int = 4  # hidden width of the MLP over the token's width
    dropout: float = 0.0
    attention: Literal["local", "global", "own"] = "local"  # in blocks; one block; to itself only
    epochs: int = 800
    batch_size: int = 256
    learning_rate: float = 5e-5
    weight_decay: float = 0.0

    def __post_init__(self):
        grid = CANVAS // self.patch if self.patch > 0 else 0
        if grid * self.patch != CANVAS or self.levels < 1 or grid % 2 ** (self.levels - 1):
            raise StudyError(
                f"patch={self.patch} and levels={self.levels} do not tile 28x28; "
                f"28 / patch must be a whole multiple of 2^(levels - 1), as 7 with 2 or 3"
            )

    def first_position(self, tokens: int, dim: int) -> torch.Tensor:
        """What a level knows of its tokens' places at the start: small and random, as in ViT."""
        return torch.randn(tokens, dim) * 0.02


def views_needed(config: TrunkConfig) -> tuple[str, ...]:
    """Flow, and landmarks unless the crops are the same for any face."""
    return ("flow", "landmarks") if config.points == "dlib" else ("flow",)


def centres(views: Arrays, config: TrunkConfig) -> np.ndarray:
    """(N, 4, 2): both eyes, then both mouth corners; the person's right one first, on the left."""
    if config.points == "constant":
        return np.float32([CONSTANT] * len(views[flow_view(config)]))
    landmarks = views["landmarks"]  # (N, 68, 2), dlib's
    eyes = [landmarks[:, eye].mean(axis=1) for eye in (slice(36, 42), slice(42, 48))]
    return np.stack([*eyes, landmarks[:, 48], landmarks[:, 54]], axis=1)


def edges(points: np.ndarray) -> np.ndarray:
    """Centres (N, 4, 2) -> where the crops are centred: edges between cells, x then y, whole.

    Kept 7 cells from the border, as published, so that every crop is inside.
    """
    half = CROP // 2
    return np.clip(np.rint(points), half, CANVAS - half).astype(np.int64)


def canvas(images: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Images (N, 3, 28, 28) and crop centres (N, 4, 2) -> the four crops as one (N, 3, 28, 28)."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (CROP, CROP), axis=(2, 3))
    left, top = np.moveaxis(edges - CROP // 2, -1, 0)  # (N, 4)
    crops = windows[np.arange(len(images))[:, None], :, top, left]  # (N, 4, 3, 14, 14)
    crops = crops.reshape(-1, 2, 2, *crops.shape[2:])  # row of areas, column of areas
    joined = crops.transpose(0, 3, 1, 4, 2, 5)  # (N, 3, 2, 14, 2, 14)
    return np.ascontiguousarray(joined, np.float32).reshape(-1, joined.shape[1], CANVAS, CANVAS)


def features(views: Arrays, clips: Clips, config: TrunkConfig) -> Arrays:
    """The four crops next to each other: canvas (N, 3, 28, 28) float32."""
    return {"canvas": canvas(scaled_flow(views, config), edges(centres(views, config)))}


class Attention(nn.Module):
    """(B, blocks, T, dim) -> the same: each token attends to the tokens of its own block."""

    def __init__(self, dim: int, heads: int, tokens: int, config: TrunkConfig):
        super().__init__()
        self.heads, width = heads, dim // heads  # 256 / 3 heads: 85, as published
        self.scale = width**-0.5
        self.qkv = nn.Linear(dim, 3 * heads * width, bias=False)
        self.softmax = nn.Softmax(dim=-1)  # a module, so that a hook can read the attention
        self.out = nn.Sequential(nn.Linear(heads * width, dim), nn.Dropout(config.dropout))
        others = 1 - torch.eye(tokens) if config.attention == "own" else torch.zeros(tokens, tokens)
        self.register_buffer("mask", torch.where(others > 0, -torch.inf, 0.0))

    def forward(self, x):
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)  # each (B, blocks, heads, T, width)
        # written out: the fused CPU kernel has no batching rule under vmap
        weights = self.softmax(q @ k.transpose(-1, -2) * self.scale + self.mask)
        return self.out((weights @ v).transpose(2, 3).flatten(3))


class Level(nn.Module):
    """Grid (B, H, W, dim) -> the same, after `layers` of attention in blocks and MLP on tokens."""

    def __init__(self, dim: int, heads: int, layers: int, side: int, config: TrunkConfig):
        super().__init__()
        self.side = side  # tokens a side of a block
        self.position = nn.Parameter(config.first_position(side**2, dim))
        self.layers, hidden = nn.ModuleList(), config.feedforward * dim
        for _ in range(layers):
            attention = Attention(dim, heads, side**2, config)
            self.layers.append(encoder_layer(attention, dim, hidden, config.dropout))

    def forward(self, grid):
        side = (self.side, self.side)
        rows, columns = (size // self.side for size in grid.shape[1:3])
        x = grid.unflatten(2, (columns, -1)).unflatten(1, (rows, -1)).transpose(2, 3)
        x = x.flatten(3, 4).flatten(1, 2) + self.position  # (B, blocks, T, dim)
        for norm, attention, mlp in self.layers:
            x = x + attention(norm(x))
            x = x + mlp(x)
        x = x.unflatten(2, side).unflatten(1, (rows, columns)).transpose(2, 3)
        return x.flatten(3, 4).flatten(1, 2)


class Aggregate(nn.Module):
    """Grid (B, H, W, dim) -> (B, H/2, W/2, 2 dim): neighbouring blocks meet."""

    def __init__(self, dim: int):
        super().__init__()
        self.mix = nn.Conv2d(dim, 2 * dim, 3, padding=1)
        self.norm = nn.LayerNorm(2 * dim)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, grid):
        x = self.mix(grid.permute(0, 3, 1, 2))  # (B, 2 dim, H, W)
        x = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.pool(x).permute(0, 2, 3, 1)  # (B, H/2, W/2, 2 dim)


class Trunk(nn.Module):
    """Canvas (B, 3, 28, 28) -> tokens of the last level (B, T, dim * 2^(levels-1))."""

    def __init__(self, config: TrunkConfig):
        super().__init__()
        self.patch = config.patch
        self.embedding = nn.Linear(3 * config.patch**2, config.dim)
        self.levels, self.aggregates = nn.ModuleList(), nn.ModuleList()
        for number in range(config.levels):
            last, factor = number == config.levels - 1, 2**number
            self.width, heads = factor * config.dim, factor * config.heads
            grid = CANVAS // config.patch // factor  # tokens a side
            blocks = 1 if config.attention == "global" else 2 ** (config.levels - 1 - number)
            layers = config.last_layers if last else config.layers
            self.levels.append(Level(self.width, heads, layers, grid // blocks, config))
            if not last:
                self.aggregates.append(Aggregate(self.width))

    def tokens(self, canvas):
        """Canvas (B, 3, 28, 28) -> grid of embedded patches (B, G, G, dim)."""
        x = canvas.unflatten(3, (-1, self.patch)).unflatten(2, (-1, self.patch))
        return self.embedding(x.permute(0, 2, 4, 3, 5, 1).flatten(3))

    def forward(self, canvas):
        grid = self.levels[0](self.tokens(canvas))
        for aggregate, level in zip(self.aggregates, self.levels[1:], strict=True):
            grid = level(aggregate(grid))
        return grid.flatten(1, 2)  # (B, T, width)


class Head(nn.Module):
    """Tokens (B, T, dim) -> (B, outputs): LayerNorm, mean over the tokens, a linear map."""

    def __init__(self, dim: int, outputs: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, outputs)

    def forward(self, tokens):
        return self.linear(self.norm(tokens).mean(dim=1))


def attention(net: nn.Module, canvas: torch.Tensor) -> list[list[torch.Tensor]]:
    """Per level and layer the weights (B, blocks, heads, T, T) of one forward pass in eval mode."""
    levels = net.trunk.levels
    softmaxes = [block.softmax for level in levels for _, block, _ in level.layers]
    weights = iter(outputs_of(net, softmaxes, canvas=canvas))
    return [[next(weights) for _ in level.layers] for level in levels]
