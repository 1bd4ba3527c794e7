"""Dual-branch 3D-CNN: two convolutions over the clip, a GRU, attention heads of many widths.

Fang, Liu, Liu, "Enhanced feature extraction and attention mechanisms for micro-expression
recognition", IEEE MLSP 2024, code dannyFan-0201/MLSP_2024 at 0e448003; and its sibling with a
second input, "Micro-expression recognition using dual-branch 3DCNN network with novel attention
mechanism", code of the same author at 98b866db.  Read from both codes.

Followed: a 5^3 and a 3^3 convolution side by side, one 3^3 over both, channel attention with an
MLP each for mean and maximum, joined as sigmoid((max - mean) / 2), the "new" form (`cam_sum` is
the usual one), spatial attention, dense layers step by step, GRU 512, eight heads of widths 256 to
2 (MSMH), of whose queries the maximum is taken, two dense layers; class weights .30, .35, .35; L2
on four layers; Adam 1e-3, a tenth less every 40 epochs, batch 8, 200 epochs.

Not followed, and why:
* pooling in time.  Both poolings divide it by three: of 10 frames are left 2 steps, of which each
  has seen all 10 (of 30 are left 4, of which each has seen 11 to 19), so that GRU and heads have
  next to nothing to order or to choose from.  Here `time_pool` is 1: as many steps as frames, and
  not a weight more.
* the second branch's picture.  The sibling crops it by the clip's annotated action units, of test
  clips too; the first paper gives both branches the same.  Here it is brows and eyes over the
  mouth, cut out around landmarks, the same for every clip (`same_input`: the whole face again).
* normalising by mean and maximum of all clips, test clips included: here by those of the clip.
* spatial attention: one map, after the channels (CBAM, and the paper's figure), where the code has
  one per channel, beside.
* colour, the first 10 frames of a file: here 10 even steps from onset to offset, aligned, grey.

`as_coded`: the script's network, 2 836 759 parameters.  Keras's same padding, initial weights and
GRU (`reset_after`, two biases, as torch's) are kept; the labels that it repeats three times change
no gradient.

The small preset sees each frame minus the onset, less what a moving head explains (`shown`): what
does not move, the person first of all, is not there to be learned by heart from 150 clips.

Inputs face, regions (B, T, size, size), values about -1..1; output (B, n_classes).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from ..errors import StudyError
from ..preprocessing import head

TITLE = "Dual-branch 3D-CNN"
COLOUR, MARKER = "#2a8c8c", "<"
VIEWS = ("video", "landmarks")

CHOICES = {
    "shown": ("frames", "difference"),
    "second": ("regions", "face"),
    "channel_attention": ("difference", "sum", "none"),
    "attention": ("msmh", "pooling", "mean"),
    "weighting": ("paper", "inverse", "none"),
}


@dataclass(frozen=True)
class Config:
    """Defaults are the numbers of the published scripts; ours are marked."""

    frames: int = 10  # of view `video`, at even steps
    size: int = 128  # pixels a side, of either picture
    channels: int = 1  # 3 as coded: the grey picture is repeated
    shown: str = "frames"  # "difference": each frame minus the first; ours
    second: str = "regions"  # what branch 2 sees; ours; "face": the same as branch 1, as coded
    maps: int = 32  # of each branch, and of the convolution over both
    kernels: tuple[int, ...] = (5, 3)  # pixels, of branch 1 and 2; after them always 3
    time_kernels: tuple[int, ...] = (5, 3, 3)  # frames: branch 1, branch 2, all after them
    time_pool: int = 1  # ours; 3 as coded
    channel_attention: str = "difference"  # sigmoid((max - mean) / 2); "sum": sigmoid(max + mean)
    reduction: int = 8  # of its hidden layers
    map_per_channel: bool = False  # of spatial attention; ours, as CBAM; True as coded
    parallel: bool = False  # ours; True as coded: spatial attention never sees the channels'
    dense: tuple[int, ...] = (128, 64)  # layers of each step alone
    dropout: float = 0.3  # before each of them
    penalty: float = 0.01  # L2 on their weights, and on the first of each channel MLP
    recurrent: bool = True  # GRU; without, the heads see the steps as they are
    width: int = 512  # of the GRU
    attention: str = "msmh"  # "pooling": one learned query; "mean": of all steps alike
    scales: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256)  # a head's width is width / scale
    head: tuple[int, ...] = (128, 64)  # layers before the classes
    weighting: str = "paper"  # "inverse": clips / (classes * clips of the class); ours
    class_weights: tuple[float, ...] = (0.30, 0.35, 0.35)  # negative, positive, surprise
    epochs: int = 200
    batch_size: int = 8
    learning_rate: float = 1e-3
    rate_decay: float = 0.9  # factor on the learning rate ...
    rate_decay_epochs: int = 40  # ... after so many epochs, again and again
    weight_decay: float = 0.0

    def __post_init__(self):
        for field, known in CHOICES.items():
            if getattr(self, field) not in known:
                raise StudyError(
                    f"dual_branch_3dcnn: {field}={getattr(self, field)!r} is not known; "
                    f"choose one of {', '.join(known)}"
                )
        if self.width < max(self.scales):
            raise StudyError(
                f"dual_branch_3dcnn: width={self.width} leaves the head of scale "
                f"{max(self.scales)} without a number; choose smaller scales"
            )


SMALL = {  # sizes chosen on the synthetic clips: 24 folds in two minutes of one core
    "frames": 6,
    "size": 36,
    "shown": "difference",
    "maps": 8,
    "reduction": 4,
    "dense": (32, 16),
    "penalty": 0.001,
    "width": 32,
    "scales": (2, 4, 8, 16),
    "head": (16,),
    "weighting": "inverse",
    "epochs": 12,
}

ABLATIONS = {
    "as_coded": (
        "all at once",
        "What does the published script do, under the same honest protocol?",
        {
            "frames": 10,  # fewer would leave one step
            "channels": 3,
            "second": "face",
            "time_pool": 3,
            "channel_attention": "sum",
            "map_per_channel": True,
            "parallel": True,
        },
    ),
    "cam_sum": (
        "channel attention",
        "Is the difference of the two channel MLPs better than their sum?",
        {"channel_attention": "sum"},
    ),
    "cam_none": (
        "channel attention",
        "Does channel attention help at all?",
        {"channel_attention": "none"},
    ),
    "no_gru": ("order in time", "Does the order of the steps matter?", {"recurrent": False}),
    "no_msmh": (
        "MSMH",
        "Are eight heads better than the mean of the steps?",
        {"attention": "mean"},
    ),
    "attention_pooling": (
        "MSMH",
        "Are eight heads better than one learned query?",
        {"attention": "pooling"},
    ),
    "same_input": ("streams", "Does branch 2 need a picture of its own?", {"second": "face"}),
    "time_pooled": (
        "all at once",
        "What does pooling in time cost?",
        {"frames": 10, "time_pool": 3},
    ),
    "equal_weights": ("class weights", "Do class weights help?", {"weighting": "none"}),
}

SLOPE = 0.2  # of every LeakyReLU
CHANGE = 1 / 30  # of the clip's contrast: what a movement of a pixel does to the grey around it
FACE = 128  # pixels a side of the aligned face
CELL = FACE / 28  # pixels per unit of view `landmarks`
STRIPS = (  # points of dlib's 68, and how much wider than them the strip is
    ((*range(17, 27), *range(36, 48)), 1.15),  # brows and eyes
    (range(48, 68), 1.5),  # mouth, with room for its corners
)


# --- what is known of a clip ----------------------------------------------------------------------


def views_needed(config: Config) -> tuple[str, ...]:
    """Landmarks are needed for the second picture alone."""
    return VIEWS if config.second == "regions" else ("video",)


def features(
    views: dict[str, np.ndarray], clips: pd.DataFrame, config: Config
) -> dict[str, np.ndarray]:
    """What either branch sees, (N, T, size, size) float32.

    Raises StudyError where more frames are asked for than the view has.
    """
    offered = views["video"].shape[1]
    if not 1 <= config.frames <= offered:
        raise StudyError(
            f"dual_branch_3dcnn: frames={config.frames} cannot be taken from a video of {offered}; "
            f"choose 1 to {offered}"
        )
    steps = np.rint(np.linspace(0, offered - 1, config.frames)).astype(int)
    found = {"face": []} if config.second == "face" else {"face": [], "regions": []}
    for clip, video in enumerate(views["video"]):
        video = torch.from_numpy(video[steps]).float()
        if config.shown == "difference":
            video = movement(video)
        found["face"].append(shown(video, config))
        if config.second == "regions":
            found["regions"].append(shown(regions(video, views["landmarks"][clip]), config))
    return {name: np.stack(pictures) for name, pictures in found.items()}


def regions(video: torch.Tensor, landmarks: np.ndarray) -> torch.Tensor:
    """(T, 128, 128) and (68, 2) -> (T, 128, 128): brows and eyes above, mouth below.

    Both strips are twice as wide as high and centred on their landmarks; no label, no action unit.
    """
    strips = []
    for points, room in STRIPS:
        place = landmarks[list(points)] * CELL  # pixels
        low, high = place.min(axis=0), place.max(axis=0)
        half = np.array([1.0, 0.5]) * room * max(np.max(high - low), 1.0) / 2
        centre = (low + high) / FACE - 1  # of -1..1 from edge to edge
        columns = torch.linspace(-1, 1, FACE) * (2 * half[0] / FACE) + centre[0]
        rows = torch.linspace(-1, 1, FACE // 2) * (2 * half[1] / FACE) + centre[1]
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).float()
        strips.append(
            F.grid_sample(video[None], grid[None], padding_mode="border", align_corners=False)[0]
        )
    return torch.cat(strips, dim=1)


def movement(video: torch.Tensor) -> torch.Tensor:
    """(T, 128, 128) grey -> each frame minus the first, less head and light, in units of CHANGE."""
    video = F.avg_pool2d(F.pad(video, (1, 1, 1, 1), mode="replicate"), 3, 1)
    left = torch.from_numpy(head.without_head(video.numpy()))
    return left / (CHANGE * video[0].std().clamp(min=1.0))


def shown(video: torch.Tensor, config: Config) -> np.ndarray:
    """(T, 128, 128) -> (T, size, size); grey values by the clip's own mean and maximum."""
    video = F.interpolate(
        video[None], (config.size,) * 2, mode="bilinear", align_corners=False, antialias=True
    )[0]
    if config.shown == "frames":
        video = video - video.mean()
        video = video / video.max().clamp(min=1.0)
    return video.numpy()


def fit_context(
    clips: pd.DataFrame, features: dict[str, np.ndarray], config: Config
) -> dict[str, np.ndarray]:
    """Nothing is learned from the training clips but the weights."""
    return {}


# --- convolutions ---------------------------------------------------------------------------------


def _same(kernel: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length // 2 for length in kernel)


class Block(nn.Module):
    """(B, C, T, h, w) -> (B, maps, T / time_pool, h / 3, w / 3), rounded up as Keras does.

    The maximum is taken before the LeakyReLU, not after: the same numbers, a ninth of the work.
    """

    def __init__(self, channels: int, config: Config, time: int, space: int):
        super().__init__()
        kernel = (time, space, space)
        self.convolution = nn.Conv3d(channels, config.maps, kernel, padding=_same(kernel))
        self.pool = (config.time_pool, 3, 3)

    def forward(self, x):
        x = self.convolution(x)
        missing = [-length % step for length, step in zip(x.shape[2:], self.pool, strict=True)]
        # Keras puts the odd one of the missing cells at the end, and so does `ceil_mode`.
        before = [count // 2 for count in missing]
        return F.leaky_relu(F.max_pool3d(x, self.pool, padding=before, ceil_mode=True), SLOPE)


class ChannelAttention(nn.Module):
    """(B, maps, T, h, w) -> (B, maps, 1, 1, 1): the "enhanced" CAM, an MLP for each statistic."""

    def __init__(self, config: Config):
        super().__init__()
        self.difference = config.channel_attention == "difference"
        hidden = config.maps // config.reduction
        self.of_mean, self.of_maximum = (
            nn.Sequential(
                nn.Linear(config.maps, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, config.maps)
            )
            for _ in range(2)
        )

    def forward(self, x):
        mean, maximum = self.of_mean(x.mean((2, 3, 4))), self.of_maximum(x.amax((2, 3, 4)))
        joined = 0.5 * (maximum - mean) if self.difference else maximum + mean
        return joined.sigmoid()[:, :, None, None, None]


class SpatialAttention(nn.Module):
    """(B, maps, T, h, w) -> (B, 1 or maps, T, h, w), of maximum and mean over channels."""

    def __init__(self, config: Config):
        super().__init__()
        kernel = (config.time_kernels[2], 3, 3)
        count = config.maps if config.map_per_channel else 1
        self.convolution = nn.Conv3d(2, count, kernel, padding=_same(kernel))

    def forward(self, x):
        both = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        return self.convolution(both).sigmoid()


# --- over the steps -------------------------------------------------------------------------------


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

    def __init__(self, dim: int, config: Config):
        super().__init__()
        widths = [config.width // scale for scale in config.scales]
        self.heads = nn.ModuleList(Head(dim, width) for width in widths)
        self.width = sum(widths)

    def weights(self, x):
        """(B, heads, T)"""
        return torch.stack([head.weights(x) for head in self.heads], dim=1)

    def forward(self, x):
        return torch.cat([head(x) for head in self.heads], dim=-1)


class Pooling(nn.Module):
    """(B, T, dim) -> (B, dim): a mean over steps, weighted by one learned query, or plain."""

    def __init__(self, dim: int, config: Config):
        super().__init__()
        self.width = dim
        self.query = nn.Linear(dim, 1, bias=False) if config.attention == "pooling" else None

    def weights(self, x):
        """(B, 1, T)"""
        scores = torch.zeros_like(x[:, :, 0]) if self.query is None else self.query(x)[:, :, 0]
        return scores.softmax(-1)[:, None]

    def forward(self, x):
        return (self.weights(x) @ x)[:, 0]


# --- the whole ------------------------------------------------------------------------------------


class DualBranch(nn.Module):
    """face, regions -> logits (B, n_classes); while training also the L2 term of the loss."""

    def __init__(self, config: Config, n_classes: int):
        super().__init__()
        self.config = config
        first, second, after = config.time_kernels
        self.branches = nn.ModuleList(
            Block(config.channels, config, time, space)
            for time, space in zip((first, second), config.kernels, strict=True)
        )
        self.both = Block(2 * config.maps, config, after, 3)
        attends = config.channel_attention != "none"
        self.channel_attention = ChannelAttention(config) if attends else None
        self.spatial_attention = SpatialAttention(config)
        side = -(-config.size // 9)
        sizes = (config.maps * side**2, *config.dense)
        self.dense = nn.ModuleList(nn.Linear(*pair) for pair in zip(sizes, sizes[1:], strict=False))
        dim = sizes[-1]
        self.gru = None
        if config.recurrent:
            self.gru = nn.GRU(dim, config.width, batch_first=True)
            dim = config.width
        self.attention = (MultiScaleMultiHead if config.attention == "msmh" else Pooling)(
            dim, config
        )
        sizes = (self.attention.width, *config.head)
        self.head = nn.Sequential()
        for pair in zip(sizes, sizes[1:], strict=False):
            self.head.extend([nn.Linear(*pair), nn.LeakyReLU(SLOPE)])
        self.head.append(nn.Linear(sizes[-1], n_classes))
        _initialise(self)

    def convolve(self, face, regions=None):
        """Pictures (B, T, size, size) -> (B, maps, T', size / 9, size / 9)"""
        pictures = (face, face if regions is None else regions)
        seen = [
            branch(picture[:, None].expand(-1, self.config.channels, -1, -1, -1))
            for branch, picture in zip(self.branches, pictures, strict=True)
        ]  # (B, maps, T, size / 3, size / 3) each
        return self.both(torch.cat(seen, dim=1))

    def attend(self, x):
        """(B, maps, T', h, w) -> the same, channels and places weighted."""
        seen = x
        if self.channel_attention is not None:
            seen = x * self.channel_attention(x)
        return seen * self.spatial_attention(x if self.config.parallel else seen)

    def steps(self, face, regions=None):
        """(B, T', width): what GRU or, without it, the dense layers say of each step."""
        x = self.attend(self.convolve(face, regions))
        x = x.transpose(1, 2).flatten(2)  # (B, T', maps * cells)
        for layer in self.dense:
            x = F.leaky_relu(layer(F.dropout(x, self.config.dropout, self.training)), SLOPE)
        return x if self.gru is None else self.gru(x)[0]

    def forward(self, face, regions=None):
        logits = self.head(self.attention(self.steps(face, regions)))
        return (logits, self.penalty()) if self.training else logits

    def penalty(self):
        """L2 of the layers that the code gives one."""
        layers = list(self.dense)
        if self.channel_attention is not None:
            layers += [self.channel_attention.of_mean[0], self.channel_attention.of_maximum[0]]
        return self.config.penalty * sum(layer.weight.square().sum() for layer in layers)


def _initialise(net: DualBranch) -> None:
    """As Keras: Glorot, or He where the code says so; orthogonal recurrences; biases 0."""
    plain = {net.head[-1], *net.attention.modules(), net.spatial_attention.convolution}
    if net.channel_attention is not None:
        plain |= {net.channel_attention.of_mean[0], net.channel_attention.of_maximum[0]}
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Conv3d):
            if module in plain:
                nn.init.xavier_uniform_(module.weight)
            else:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if net.gru is not None:
        nn.init.xavier_uniform_(net.gru.weight_ih_l0)
        nn.init.orthogonal_(net.gru.weight_hh_l0)
        nn.init.zeros_(net.gru.bias_ih_l0)
        nn.init.zeros_(net.gru.bias_hh_l0)


def network(config: Config, n_classes: int, context: dict[str, np.ndarray]) -> nn.Module:
    """The network of one fold."""
    return DualBranch(config, n_classes)


def loss(config: Config, class_counts: np.ndarray):
    """Weighted cross-entropy, not divided by the sum of weights, plus the L2 term, as coded.

    Raises StudyError where the paper's weights are asked for and there are other classes.
    """
    weights = torch.ones(len(class_counts))
    if config.weighting == "paper":
        if len(config.class_weights) != len(class_counts):
            raise StudyError(
                f"dual_branch_3dcnn: class_weights={config.class_weights} are of "
                f"{len(config.class_weights)} classes, but here are {len(class_counts)}: "
                "set weighting=inverse or none, or one weight per class"
            )
        weights = torch.tensor(config.class_weights)
    elif config.weighting == "inverse":
        counts = torch.as_tensor(class_counts).clamp(min=1)
        weights = counts.sum() / (len(counts) * counts)

    def criterion(output, labels):
        logits, penalty = output
        each = F.cross_entropy(logits, labels, weights.to(logits), reduction="none")
        return each.mean() + penalty

    return criterion


def rate(config: Config, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1: a tenth less every 40, as coded."""
    return config.learning_rate * config.rate_decay ** ((epoch - 1) // config.rate_decay_epochs)
