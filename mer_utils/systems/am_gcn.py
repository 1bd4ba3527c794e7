"""AM-GCN: attention carried from block to block, and a graph of action units.

"Enhanced Microexpression Recognition through Action Unit-Driven Graph Convolution and Stacked
Attention Mechanisms", submitted to The Visual Computer; text not public.  Read from its title, its
README and its code, ffjjfjfj/AM-GCN at 95d086ac (2025), which is MMNet (Li et al., IJCAI 2022,
muse1998/MMNet) with one line commented out.

THE AUTHORS' (the parts that the code holds, here with its numbers):
* four convolution blocks over apex minus onset; each block's attention map is multiplied by the
  one before it (continuous attention, "CA block"; by position the README's "AA module");
* a transformer over the onset, shrunk to 14x14 cells, that says where each cell lies on the face
  (position branch; by position the README's "SA module"): it makes the two branches of the README.
  MMNet adds it to the map; the code computes it and drops it;
* the multi-label loss on action units: in the code, never called;
* one linear layer; AdamW 8e-4 with weight decay 0.7, batch 24, 99 epochs; the rate falls by 0.987
  an epoch for 50 epochs.  The command line's --lr and --epochs are read by nothing.

OURS (the code holds no graph at all, so the part in the title had to be made), after Lei et al.,
CVPRW 2021:
* one node per action unit: the map, pooled around the landmarks of the regions that the unit
  moves (`regions.UNITS`), plus a learned embedding of the unit;
* a score per unit from its node, taught by the authors' multi-label loss on the *training* clips
  alone.  No forward pass is given an action unit; clips nobody coded (SMIC) add nothing;
* P(unit j | unit i) over the training clips of the fold, self-loops, normalised; two graph
  convolutions, the mean of the nodes, and a linear layer added to the authors' one;
* that one sees the mean of the map, not all its cells (`flat`, as coded): given all cells it has
  learned the clips of `planted.units_together` by heart before the graph has learned anything.
* position multiplies the map, x (1 + p).  What follows is linear, so that an added p gives every
  class a bonus for the face that it sees and cannot weigh where something moves;
* BatchNorm on the map before position and units meet it: four attentions below 1 make it a few
  hundredths of what the other two bring (normalised tokens, an embedding drawn from N(0, 1));
* in the small size `displacement`: one step of Lucas and Kanade on apex minus onset, see SMALL.
The graph is what lets distant regions meet: a cell of the last map sees 39 of 224 pixels.

Not followed: random flips, turns and jittered key frames (no system here has any), colour (the
view is grey, so three equal channels), unaligned frames (here aligned, as MMNet's).

`as_coded`: no position branch, no graph, five outputs for three classes, the dead parts built;
9 974 531 parameters, of which 3 030 649 ever get a gradient.  The code counts outputs 4 and 5 as
wrong answers; here only the classes can be predicted.

Inputs motion (B, 1 or 2, 224, 224), face (B, 1, 14, 14), pool (B, 6, 196); output (B, n_classes).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import nn

from ..errors import StudyError
from ..preprocessing import head, regions

TITLE = "AM-GCN"
COLOUR, MARKER = "#5d8a4e", "X"
VIEWS = ("frames", "landmarks")

CHOICES = {
    "motion": ("difference", "displacement"),
    "fusion": ("sum", "product"),
    "head": ("flat", "pooled"),
    "graph": ("action_units", "identity", "none"),
}


@dataclass(frozen=True)
class Config:
    """Defaults are the numbers of the published script for three classes; ours are marked."""

    size: int = 224  # pixels a side; the last map has ceil(size / 16) cells a side
    motion: str = "difference"  # apex minus onset; ours: "displacement", what it says of movement
    channels: int = 3  # the grey picture is repeated; displacement has two of its own
    stem: int = 180  # maps of the first convolution
    widths: tuple[int, ...] = (128, 128, 256, 512)  # of the four blocks
    continuous: bool = True  # multiply each attention map by the one before it
    position: bool = True  # tell the last map where on the face each cell lies
    fusion: str = "product"  # ours: motion times (1 + position); "sum": as MMNet
    balance: bool = True  # ours: BatchNorm on the motion before it meets position and units
    position_layers: int = 3
    heads: int = 4
    mlp_ratio: float = 2.0
    drop_path: float = 0.3  # of the last layer, rising from 0
    head: str = "pooled"  # ours: one linear layer on the map's mean; "flat": on all of it, as coded
    outputs: int = 0  # of that layer; 0: one per class
    graph: str = "action_units"  # ours; "identity": units hear only themselves; "none": no units
    units: tuple[int, ...] = tuple(sorted(regions.UNITS))  # ours: the study's 19 FACS numbers
    node_dim: int = 40  # ours, as Lei et al.
    gcn_dims: tuple[int, ...] = (80, 160)  # ours, as Lei et al.
    unit_weight: float = 1.0  # ours: of the multi-label loss beside the cross-entropy
    dead_parts: bool = False  # build what the code builds and never uses
    epochs: int = 99
    batch_size: int = 24
    learning_rate: float = 8e-4
    weight_decay: float = 0.7
    rate_decay: float = 0.987  # factor on the learning rate after each epoch ...
    rate_decay_epochs: int = 50  # ... of the first so many

    def __post_init__(self):
        for field, known in CHOICES.items():
            if getattr(self, field) not in known:
                raise StudyError(
                    f"am_gcn: {field}={getattr(self, field)!r} is not known; "
                    f"choose one of {', '.join(known)}"
                )
        if self.motion == "displacement" and self.channels != 2:
            raise StudyError(
                f"am_gcn: motion='displacement' has two channels, not channels={self.channels}: "
                "set channels=2, or motion='difference'"
            )
        unknown = sorted(set(self.units) - set(regions.UNITS))
        if unknown:
            raise StudyError(
                f"am_gcn: units={unknown} move no region of the study's map; "
                f"choose from {', '.join(map(str, sorted(regions.UNITS)))}"
            )


# Sized for 24 folds in two minutes of one core.  Chosen on the synthetic clips, six folds of four
# subjects, after some fifteen looks: at 48 pixels a difference says little (a movement darkens one
# side of a line and lightens the other, and shrinking adds them up), so displacement is shrunk
# instead: UF1 .50 and .52 (two seeds) for .29 (`plain_difference`).  Taking the head's movement off
# the difference gave .31 to .55, more by the seed than by the setting.  Weight decay as published:
# rate times decay times steps is about what it is there.
SMALL = {
    "size": 48,
    "motion": "displacement",
    "channels": 2,
    "stem": 8,
    "widths": (8, 8, 16, 32),
    "position_layers": 1,
    "gcn_dims": (40, 40),
    "epochs": 30,
    "batch_size": 24,
    "learning_rate": 3e-3,
}

ABLATIONS = {
    "as_coded": (
        "all at once",
        "What does the published code do, under the same honest protocol?",
        {
            "motion": "difference",
            "channels": 3,
            "position": False,
            "balance": False,
            "graph": "none",
            "head": "flat",
            "outputs": 5,
            "dead_parts": True,
        },
    ),
    "no_graph": (
        "graph",
        "Does it matter that action units hear each other?",
        {"graph": "identity"},
    ),
    "no_units": ("graph", "Do action units help at all?", {"graph": "none"}),
    "no_unit_loss": (
        "action units",
        "Must the nodes be taught action units?",
        {"unit_weight": 0.0},
    ),
    "no_position": ("position", "Does the position branch help?", {"position": False}),
    "added_position": ("fusion", "Is position better added, as in MMNet?", {"fusion": "sum"}),
    "unbalanced": ("balance", "What do four attentions below 1 cost?", {"balance": False}),
    "plain_difference": (
        "all at once",
        "Must movement be read before the picture shrinks?",
        {"motion": "difference", "channels": 1},
    ),
    "separate_attention": ("attention", "Must attention be carried on?", {"continuous": False}),
    "flat": ("pooling", "Is the map's mean enough, or is all of it needed?", {"head": "flat"}),
    "nine_units": (
        "action units",
        "Are the nine units of Lei et al. enough?",
        {"units": (1, 2, 4, 10, 12, 14, 15, 17, 25)},
    ),
}

GREY, SPREAD = 0.449, 0.226  # ImageNet's mean and standard deviation, channels averaged
BLUR, AROUND = 1.0, 3.0  # pixels: standard deviations of the blur, and of what is around a pixel
FLAT = 0.1  # of the mean slope, squared: added so that flat skin does not seem to move
NEAR = 2.0  # cells of the 28x28 grid: standard deviation of the pooling around a landmark
SLOPE = 0.2  # of LeakyReLU, as Lei et al.


def views_needed(config: Config) -> tuple[str, ...]:
    """Landmarks place the nodes; without nodes the two frames are enough."""
    return ("frames",) if config.graph == "none" else ("frames", "landmarks")


def cells(config: Config) -> int:
    """Cells a side of the last map: four times halved, rounded up."""
    return -(-config.size // 16)


# --- what is known of a clip ----------------------------------------------------------------------


def features(
    views: dict[str, np.ndarray], clips: pd.DataFrame, config: Config
) -> dict[str, np.ndarray]:
    """Apex minus onset, the small onset, and where the six regions lie on the last map."""
    frames = (views["frames"] / 255.0 - GREY) / SPREAD  # (N, 2, H, W)
    motion = np.stack([MOTIONS[config.motion](pair) for pair in frames])
    frames, motion = torch.from_numpy(frames).float(), torch.from_numpy(motion).float()
    found = {"motion": _resize(motion, config.size)}  # (N, 1 or 2, size, size)
    if config.position:
        found["face"] = _resize(frames[:, :1], cells(config))  # (N, 1, cells, cells)
    if config.graph != "none":
        found["pool"] = region_pools(views["landmarks"], cells(config))  # (N, 6, cells^2)
    return found


def difference(pair: np.ndarray) -> np.ndarray:
    """(2, H, W) -> (1, H, W) apex minus onset."""
    return pair[1:] - pair[:1]


def displacement(pair: np.ndarray) -> np.ndarray:
    """(2, H, W) -> (2, H, W) pixels to the right and down: what the difference says of movement.

    Apex minus onset is minus the slope of the onset times the movement; around every pixel the
    movement that explains it best, by least squares (Lucas and Kanade), after head and light.
    """
    change = head.without_head(gaussian_filter(pair, (0, BLUR, BLUR)))[1]
    down, right = np.gradient(gaussian_filter(pair[0], BLUR))
    xx, xy, yy, xt, yt = (
        gaussian_filter(each, AROUND)
        for each in (right**2, right * down, down**2, right * change, down * change)
    )
    flat = FLAT * (xx + yy).mean()  # where there is no slope nothing can be told: no movement
    xx, yy = xx + flat, yy + flat
    whole = xx * yy - xy**2
    return np.stack([xy * yt - yy * xt, xy * xt - xx * yt]) / whole


MOTIONS = {"difference": difference, "displacement": displacement}


def _resize(pictures: torch.Tensor, size: int) -> np.ndarray:
    return F.interpolate(
        pictures, (size, size), mode="bilinear", align_corners=False, antialias=True
    ).numpy()


def region_pools(landmarks: np.ndarray, count: int) -> np.ndarray:
    """(N, 68, 2) landmarks -> (N, 6, count^2) weights over the cells of a map, each row sums to 1.

    A bell around each landmark of a region; wide enough to reach a cell of the coarsest map.
    """
    centres = (np.arange(count) + 0.5) * regions.GRID / count
    spread = max(NEAR, 0.5 * regions.GRID / count)
    pools = []
    for points in regions.POINTS:
        apart = landmarks[:, points, :, None] - centres  # (N, points, 2, count)
        near = np.exp(-0.5 * (apart / spread) ** 2)
        pools.append(np.einsum("npx,npy->nyx", near[:, :, 0], near[:, :, 1]))
    weights = np.stack(pools, axis=1).reshape(len(landmarks), len(pools), -1)
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def targets(clips: pd.DataFrame, config: Config) -> dict[str, np.ndarray]:
    """(N, units) 1 where a clip is coded with the unit, 0 where not, -1 where nobody coded it.

    For the loss of training clips; no forward pass receives it.  Of alternatives (`R14 or R12`)
    only a number that all agree on counts; units already there in the onset frame do not.
    """
    found = np.full((len(clips), len(config.units)), -1.0, np.float32)
    for row, text in enumerate(clips["action_units"].fillna("").astype(str)):
        groups = regions.parse_action_units(text).groups
        if groups:
            agreed = set()
            for group in groups:
                numbers = {unit.number for unit in group if not unit.reference}
                agreed |= numbers if len(numbers) == 1 else set()
            found[row] = [unit in agreed for unit in config.units]
    return {"action_units": found}


def fit_context(
    clips: pd.DataFrame, features: dict[str, np.ndarray], config: Config
) -> dict[str, np.ndarray]:
    """The graph (units, units) of the fold's training clips: D^-1/2 (P(j|i) + I) D^-1/2."""
    if config.graph == "none":
        return {}
    count = len(config.units)
    if config.graph == "identity":
        return {"unit_graph": np.eye(count, dtype=np.float32)}
    present = np.maximum(targets(clips, config)["action_units"], 0.0)  # uncoded clips add nothing
    together = present.T @ present  # (units, units) clips
    np.fill_diagonal(together, 0.0)
    conditional = together / np.maximum(present.sum(axis=0), 1.0)[:, None]
    return {"unit_graph": regions.normalise(conditional + np.eye(count)).astype(np.float32)}


# --- the authors': continuous attention, position branch ------------------------------------------


class CABlock(nn.Module):
    """(B, C, h, w) and the map before -> (B, width, h', w') times its attention, and the map."""

    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or channels != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        self.attention = nn.Sequential(
            nn.Conv2d(2, 1, 1, bias=False), nn.BatchNorm2d(1), nn.Sigmoid()
        )

    def forward(self, x, carried):
        x = F.relu(self.body(x) + self.shortcut(x))  # (B, width, h', w')
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        attention = self.attention(both)  # (B, 1, h', w')
        if carried is not None:
            attention = attention * carried
        return x * attention, attention


class Layer(nn.Module):
    """Pre-norm attention and MLP, whole paths dropped at random; (B, T, dim) -> (B, T, dim)."""

    def __init__(self, dim: int, heads: int, ratio: float, drop: float):
        super().__init__()
        self.heads, self.drop, hidden = heads, drop, int(dim * ratio)
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def attend(self, x):
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) * (dim // self.heads) ** -0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, tokens, dim))

    def keep(self, x):
        return F.dropout(torch.ones_like(x[:, :1, :1]), self.drop, self.training)  # one per clip

    def forward(self, x):
        x = x + self.keep(x) * self.attend(self.norm1(x))
        return x + self.keep(x) * self.mlp(self.norm2(x))


class Position(nn.Module):
    """(B, C, cells, cells) small onset -> (B, dim, cells, cells): where each cell lies."""

    def __init__(self, config: Config):
        super().__init__()
        dim, layers = config.widths[-1], config.position_layers
        self.patch = nn.Conv2d(config.channels, dim, 1)
        self.places = nn.Parameter(torch.empty(1, cells(config) ** 2, dim))
        drops = np.linspace(0, config.drop_path, layers).tolist() if layers > 1 else [0.0]
        self.layers = nn.ModuleList(
            Layer(dim, config.heads, config.mlp_ratio, drop) for drop in drops
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        nn.init.trunc_normal_(self.places, std=0.02)
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, face):
        x = self.patch(face).flatten(2).transpose(1, 2) + self.places  # (B, cells^2, dim)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x).transpose(1, 2).unflatten(2, face.shape[2:])


# --- ours: the graph of action units --------------------------------------------------------------


class UnitGraph(nn.Module):
    """Last map (B, dim, cells, cells), pool (B, 6, cells^2) -> readout (B, width), scores (B, U)"""

    def __init__(self, config: Config, graph: np.ndarray):
        super().__init__()
        moved = np.zeros((len(config.units), len(regions.REGIONS)), np.float32)
        for row, unit in enumerate(config.units):
            moved[row, list(regions.UNITS[unit])] = 1 / len(regions.UNITS[unit])
        self.register_buffer("moved", torch.from_numpy(moved))  # (U, 6) takes means
        self.register_buffer("graph", torch.as_tensor(graph, dtype=torch.float32))
        self.project = nn.Linear(config.widths[-1], config.node_dim)
        self.embedding = nn.Parameter(torch.randn(len(config.units), config.node_dim))
        self.score = nn.Parameter(torch.zeros(len(config.units), config.node_dim))
        self.offset = nn.Parameter(torch.zeros(len(config.units)))
        dims = (config.node_dim, *config.gcn_dims)
        self.gcn = nn.ModuleList(nn.Linear(*pair) for pair in zip(dims, dims[1:], strict=False))

    def nodes(self, x, pool):
        seen = self.moved @ pool @ x.flatten(2).transpose(1, 2)  # (B, U, dim)
        return F.leaky_relu(self.project(seen) + self.embedding, SLOPE)  # (B, U, node_dim)

    def scores(self, nodes):
        return (nodes * self.score).sum(-1) + self.offset  # (B, U)

    def forward(self, x, pool):
        nodes = self.nodes(x, pool)
        scores = self.scores(nodes)
        for layer in self.gcn:
            nodes = F.leaky_relu(self.graph @ layer(nodes), SLOPE)  # (B, U, width)
        return nodes.mean(dim=1), scores


# --- the whole ------------------------------------------------------------------------------------


class AMGCN(nn.Module):
    """motion, face, pool -> logits (B, n_classes); while training also what the loss asks for."""

    def __init__(self, config: Config, n_classes: int, unit_graph: np.ndarray | None):
        super().__init__()
        self.config, self.n_classes = config, n_classes
        widths, count = config.widths, cells(config)
        self.stem = nn.Sequential(
            nn.Conv2d(config.channels, config.stem, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(config.stem),
            nn.ReLU(),
        )
        self.widen = nn.Sequential(
            nn.Conv2d(config.stem, widths[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        strides = (1, *[2] * (len(widths) - 1))
        self.blocks = nn.ModuleList(
            CABlock(*sizes) for sizes in zip((widths[0], *widths), widths, strides, strict=False)
        )
        for module in (*self.widen.modules(), *self.blocks.modules()):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.balance = nn.BatchNorm2d(widths[-1]) if config.balance else nn.Identity()
        self.position = Position(config) if config.position else None
        self.units = UnitGraph(config, unit_graph) if config.graph != "none" else None
        size = widths[-1] * (count**2 if config.head == "flat" else 1)
        self.head = nn.Linear(size, max(config.outputs, n_classes))
        if self.units is not None:
            self.unit_head = nn.Linear(config.gcn_dims[-1], n_classes, bias=False)
        if config.dead_parts:
            self.dead = dead_parts(config)

    def trunk(self, motion):
        """(B, 1 or 2, size, size) -> last map (B, dim, cells, cells), attention of each block."""
        x = self.widen(self.stem(motion.expand(-1, self.config.channels, -1, -1)))
        carried, seen = None, []
        for block in self.blocks:
            x, attention = block(x, carried if self.config.continuous else None)
            carried = F.max_pool2d(attention, 3, 2, padding=1)
            seen.append(attention)
        return x, seen

    def locate(self, x, face):
        """Last map and onset (B, 1, cells, cells) -> motion, balanced and told where it lies."""
        x = self.balance(x)
        if self.position is None:
            return x
        position = self.position(face.expand(-1, self.config.channels, -1, -1))
        return x * (1 + position) if self.config.fusion == "product" else x + position

    def forward(self, motion, face=None, pool=None):
        x, _ = self.trunk(motion)  # (B, dim, cells, cells)
        x = self.locate(x, face)
        logits = self.head(x.flatten(1) if self.config.head == "flat" else x.mean((2, 3)))
        if not self.training:
            logits = logits[:, : self.n_classes]  # a fifth class cannot be right
        if self.units is None:
            return logits
        readout, scores = self.units(x, pool)
        logits = logits + self.unit_head(readout)
        return (logits, scores) if self.training else logits


def dead_parts(config: Config) -> nn.ModuleDict:
    """What the published network builds, counts and never uses."""
    dim, half = config.widths[-1], config.size // 2
    branch = Position(config)
    branch.class_token = nn.Parameter(torch.zeros(1, 1, dim))
    branch.head, branch.mask = nn.Linear(dim, 5), nn.Linear(dim, 1)
    place = nn.Sequential(nn.Conv2d(config.channels, dim, 1, bias=False), nn.BatchNorm2d(dim))
    time = nn.Module()
    time.embedding = nn.Parameter(torch.zeros(1, 4, half - 1, half - 1))
    return nn.ModuleDict(
        {
            "position": branch,  # computed by the code, then dropped
            "place": place,
            "unit_head": nn.Linear(half**2, 38, bias=False),
            "time": time,
        }
    )


def network(config: Config, n_classes: int, context: dict[str, np.ndarray]) -> nn.Module:
    """The network of one fold; context as `fit_context` gives it."""
    return AMGCN(config, n_classes, context.get("unit_graph"))


def multi_label_loss(scores: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """log(1 + sum over absent e^s) + log(1 + sum over present e^-s), mean over coded clips.

    scores and known (B, U); a clip whose units nobody coded (-1) costs nothing.
    """
    zero = torch.zeros_like(scores[:, :1])
    absent = torch.where(known == 0, scores, -torch.inf)
    present = torch.where(known == 1, -scores, -torch.inf)
    costs = sum(torch.cat([part, zero], 1).logsumexp(1) for part in (absent, present))  # (B,)
    return costs.sum() / (known[:, 0] >= 0).sum().clamp(min=1)


def loss(config: Config, class_counts):
    """Cross-entropy, plus the multi-label loss on the action units of the training clips."""

    def criterion(output, labels, action_units):
        if config.graph == "none":
            return F.cross_entropy(output, labels)
        logits, scores = output
        cost = F.cross_entropy(logits, labels)
        return cost + config.unit_weight * multi_label_loss(scores, action_units)

    return criterion


def optimizer(config: Config, parameters) -> torch.optim.Optimizer:
    """AdamW, as coded."""
    return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)


def rate(config: Config, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1: falls for the first 50, as coded."""
    return config.learning_rate * config.rate_decay ** min(epoch - 1, config.rate_decay_epochs)
