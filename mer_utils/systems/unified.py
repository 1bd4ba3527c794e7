"""The unified macro/micro framework: key frames, STLDN, a graph autoencoder, a ViT with BiLSTM.

Shayhan Ameen Chowdhury, "Unified_MaE_and_ME_Recognition", code under MIT at 593fea0c (2025) and its
revision of 2026, whose docstrings restate the paper's equations; the paper's text is not public.

Followed, as the revision's words describe it:
* LMKS: the frames in which the landmarks move most (`keyframes.select`, view `keyframes`);
* STLDN: eight Kirsch responses of each of three frames in a row, 24 in all; the numbers i of the
  largest and j of the smallest make one code, 32 i + j, divided by its maximum 758;
* graph stream: 7x7 codes around each of 51 landmarks in each of nine maps; depthwise separable
  convolution; a spatio-temporal encoder and the decoder sigmoid(Z B Z' / sqrt(d)) give every clip
  a graph of its own, on which an EfficientGCN-like network runs;
* visual stream: every map through one ViT, nine vectors through three BiLSTMs;
* attentive fusion: one weight per stream; linear; Adam 1e-4, batches of 32, 15 epochs.

Decided here:
* the frames are smoothed (2 pixels) before Kirsch's 3x3 masks, which on a face of 128 pixels see
  little but noise, and before that the head's own movement is taken off: a plain SVM on the codes
  around the landmarks of the synthetic clips has UF1 .25, smoothed .51, with a still head .55;
* the encoder runs on the graph of the face (`EDGES`), not on 51x51 ones, which would only take the
  mean; and a reconstruction loss (weight 0.1) makes the decoder give that graph back, as a graph
  autoencoder's does: the classifier alone decides how far a clip's own graph departs from it;
* the decoder's nodes are standardised: twice two sigmoids have shrunk them so far that every score
  is 0, every weight one half, and no epoch of the published fifteen changes that;
* `max_graph_distance` 2 means walks of 0, 1 and 2 steps, each with weights of its own; the code
  makes the three sets of weights and puts all of them on one and the same graph;
* logits into the loss, rare classes weighted; no bias before a BatchNorm;
* a small ViT from scratch instead of ViT-L/16; `vit_weights` names a local safetensors file of any
  ViT in Hugging Face's naming, whose sizes must be those of `vit_dim`, `vit_depth`, `vit_patch`;
  what is in the file is part of a run's name.

`as_coded` (2025): even frames from onset to apex; STLDN of the three *code numbers*, of which seven
values occur; channel, time and landmark scrambled by a view; the attention map instead of what it
weighs; the diagonal of the graph alone, then overwritten by 1; the ViT's input rescaled twice to a
constant; a softmax before the loss.  7 619 718 parameters beside the body of ViT-L; 3 850 129 of
them, encoder and decoder, never get a gradient.

Input patches (B, T * 51, 7, 7), maps (B, T, side, side); output (B, n_classes).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from ..errors import StudyError
from ..preprocessing import head

TITLE = "Unified macro/micro"
COLOUR, MARKER = "#7a6a2f", ">"
VIEWS = ("keyframes", "keyframe_points")

CHOICES = {
    "frames": ("keyframes", "rise"),
    "pattern": ("stldn", "codes", "difference"),
    "layout": ("described", "scrambled"),
    "attention": ("weigh", "map", "none"),
    "graph": ("learned", "face", "identity", "diagonal"),
    "streams": ("both", "graph", "visual"),
    "recurrence": ("bilstm", "mean"),
    "fusion": ("attentive", "equal"),
}


@dataclass(frozen=True)
class Config:
    """Defaults are the numbers of the published command line; ours are marked."""

    frames: str = "keyframes"  # LMKS; "rise": even steps from onset to apex, as coded
    pattern: str = "stldn"  # "codes": of three code numbers, as coded; "difference": no pattern
    stilled: bool = True  # ours: take the head's own movement and the light's off the frames first
    smoothing: float = 2.0  # ours: pixels, standard deviation, before the Kirsch masks
    maps: int = 9  # patterns of three frames in a row; fewer are taken evenly from the nine
    streams: str = "both"
    layout: str = "described"  # "scrambled": (B, 459, 49) viewed as (B, 49, 9, 51), as coded
    graph: str = "learned"  # "face": fixed; "identity": none; "diagonal": as coded
    reconstruction: float = 0.1  # ours: weight of the loss on the decoder's graph
    attention: str = "weigh"  # over frames and landmarks; "map": the weights alone, as coded
    encoder: tuple[int, ...] = (32, 256, 512)  # channels of the blocks of the graph encoder
    encoder_depth: tuple[int, ...] = (2, 2, 3)  # temporal convolutions of each
    network: tuple[int, ...] = (32, 512)  # channels of the blocks of the facial graph network
    network_depth: tuple[int, ...] = (2, 3)
    reduction: int = 4  # of the channels inside the attention
    embedding: int = 128  # of each stream
    dropout: float = 0.25
    side: int = 128  # ours: pixels of the maps that the ViT sees, each k-th of 128
    vit_dim: int = 192  # ours: ViT-tiny's; published 1024
    vit_depth: int = 4  # ours; published 24
    vit_heads: int = 3  # ours; published 16
    vit_patch: int = 16
    vit_weights: str = ""  # a local file of pretrained weights; none by default
    recurrence: str = "bilstm"  # "mean": over time, which knows no order
    fusion: str = "attentive"  # "equal": both streams as they are
    balanced: bool = True  # ours: weigh classes by how rare they are
    probabilities: bool = False  # softmax before the cross-entropy, as coded
    rescaled: bool = False  # the ViT's input divided by 255 once more, as coded
    bias: bool = False  # a bias before each BatchNorm, and one BatchNorm never used, as coded
    epochs: int = 15
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.0

    def __post_init__(self):
        for field, known in CHOICES.items():
            if getattr(self, field) not in known:
                raise StudyError(
                    f"unified: {field}={getattr(self, field)!r} is not known; "
                    f"choose one of {', '.join(known)}"
                )
        if not 1 <= self.maps <= TRIPLETS:
            raise StudyError(f"unified: maps={self.maps} is not possible; choose 1 to {TRIPLETS}")
        if self.side < 1 or FACE % self.side or self.side % self.vit_patch:
            raise StudyError(
                f"unified: side={self.side} does not divide {FACE} pixels into whole patches of "
                f"{self.vit_patch}; choose a power of two from {self.vit_patch} to {FACE}"
            )
        for blocks in ("encoder", "network"):
            if len(getattr(self, blocks)) != len(getattr(self, f"{blocks}_depth")):
                raise StudyError(
                    f"unified: {blocks} and {blocks}_depth differ in length; give one depth a block"
                )


FACE = 128  # pixels a side of the aligned face
TRIPLETS = 9  # three frames in a row, of eleven
INNER = slice(17, 68)  # landmarks without the jaw
LANDMARKS, PATCH = 51, 7
HIGHEST = 32 * 23 + 22  # 758: the largest code of 24 responses, whose extremes are two of them
PUBLISHED_HIGHEST = 986  # divisor of the code; 32 * 30 + 26 fits no number of responses

SMALL = {
    "maps": 5,
    "side": 64,
    "encoder": (8, 16),
    "encoder_depth": (1, 1),
    "network": (16, 32),
    "network_depth": (1, 1),
    "embedding": 32,
    "vit_dim": 32,
    "vit_depth": 1,
    "vit_heads": 2,
    "dropout": 0.5,
    "epochs": 15,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "weight_decay": 1e-3,
}

AS_CODED = {
    "frames": "rise",
    "pattern": "codes",
    "stilled": False,
    "smoothing": 0.0,
    "layout": "scrambled",
    "graph": "diagonal",
    "reconstruction": 0.0,
    "attention": "map",
    "balanced": False,
    "probabilities": True,
    "rescaled": True,
    "bias": True,
}
VIT_LARGE = {"vit_dim": 1024, "vit_depth": 24, "vit_heads": 16}

ABLATIONS = {
    "as_coded": (
        "all at once",
        "What does the published code do, under the same honest protocol?",
        AS_CODED | VIT_LARGE,
    ),
    "as_coded_small_vit": (
        "all at once",
        "What does the published code do, with a ViT that a laptop can train?",
        AS_CODED,
    ),
    "even_frames": (
        "key-frame selection",
        "Does it matter which frames are taken?",
        {"frames": "rise"},
    ),
    "no_stldn": (
        "STLDN",
        "Does the pattern tell more than a difference?",
        {"pattern": "difference"},
    ),
    "with_head": (
        "stilled",
        "Must the head's own movement be taken off first?",
        {"stilled": False},
    ),
    "no_smoothing": ("smoothing", "Must the frames be smoothed first?", {"smoothing": 0.0}),
    "face_graph": ("graph", "Does a clip need a graph of its own?", {"graph": "face"}),
    "no_graph": ("graph", "Must landmarks hear each other?", {"graph": "identity"}),
    "no_reconstruction": (
        "graph autoencoder",
        "Must the autoencoder reconstruct?",
        {"reconstruction": 0.0},
    ),
    "no_attention": (
        "attention",
        "Does weighing frames and landmarks help?",
        {"attention": "none"},
    ),
    "graph_stream": ("streams", "Is the visual stream needed?", {"streams": "graph"}),
    "visual_stream": ("streams", "Is the graph stream needed?", {"streams": "visual"}),
    "no_bilstm": (
        "order in time",
        "Does the order of the frames matter to the ViT?",
        {"recurrence": "mean"},
    ),
    "equal_fusion": ("fusion", "Must the streams be weighed?", {"fusion": "equal"}),
    "unbalanced": ("class weights", "Must rare classes weigh more?", {"balanced": False}),
}


def views_needed(config: Config) -> tuple[str, ...]:
    """The frames of its choice, and the landmarks in them where there is a graph."""
    if config.streams == "visual":
        return (config.frames,)
    points = "keyframe_points" if config.frames == "keyframes" else "rise_points"
    return (config.frames, points)


def files(config: Config) -> tuple[str, ...]:
    """The pretrained weights, where there are any."""
    return (config.vit_weights,) if config.vit_weights else ()


# --- the face as a graph --------------------------------------------------------------------------

# dlib's points 17..67, counted from 0: (first, last, closed) of each outline.
_OUTLINES = (
    (0, 4, False),  # right brow
    (5, 9, False),  # left brow
    (10, 13, False),  # ridge of the nose
    (14, 18, False),  # nostrils
    (19, 24, True),  # right eye
    (25, 30, True),  # left eye
    (31, 42, True),  # outer lip
    (43, 50, True),  # inner lip
)
_BRIDGES = (
    *((4, 5), (4, 10), (5, 10)),  # brows and the root of the nose
    *((0, 19), (2, 20), (4, 22), (5, 25), (7, 27), (9, 28)),  # brow and eye
    *((10, 22), (10, 25), (22, 14), (25, 18)),  # eye and nose
    *((13, 14), (13, 16), (13, 18)),  # tip and nostrils
    *((14, 31), (16, 34), (18, 37)),  # nostrils and outer lip
    *((31, 43), (34, 45), (37, 47), (40, 49)),  # outer and inner lip
)


def _face_graph() -> np.ndarray:
    """(51, 51) 1 where two landmarks are neighbours on the face, no loops."""
    pairs = list(_BRIDGES)
    for first, last, closed in _OUTLINES:
        pairs += [(point, point + 1) for point in range(first, last)]
        pairs += [(last, first)] if closed else []
    graph = np.zeros((LANDMARKS, LANDMARKS), np.float32)
    for a, b in pairs:
        graph[a, b] = graph[b, a] = 1
    return graph


EDGES = _face_graph()


def normalise(graph: torch.Tensor) -> torch.Tensor:
    """D^-1/2 (A + I) D^-1/2 of graphs (..., 51, 51) without loops."""
    graph = graph + torch.eye(graph.shape[-1], dtype=graph.dtype, device=graph.device)
    root = graph.sum(-1).rsqrt()
    return root.unsqueeze(-1) * graph * root.unsqueeze(-2)


# --- what is known of a clip ----------------------------------------------------------------------

_RING = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))  # around the middle


def kirsch_masks() -> torch.Tensor:
    """(8, 3, 3): three neighbours in a row 5, the other five -3; turned eight times by 45 degrees.

    The order of directions is the code's: from the right, against the clock.
    """
    masks = torch.zeros(8, 3, 3)
    for number in range(8):
        for place, (row, column) in enumerate(_RING):
            ahead = (place - (2 - number)) % len(_RING)  # number 0: the right-hand column is 5
            masks[number, row, column] = 5.0 if ahead < 3 else -3.0
    return masks


def responses(frames: torch.Tensor, smoothing: float) -> torch.Tensor:
    """(T, H, W) grey -> (T, 8, H, W) Kirsch responses of the smoothed frames."""
    x = frames[:, None]
    if smoothing:
        reach = int(np.ceil(3 * smoothing))
        bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / smoothing) ** 2)
        bell = (bell / bell.sum()).to(x.dtype)
        x = F.conv2d(F.pad(x, (reach,) * 4, mode="replicate"), bell[None, None, None])
        x = F.conv2d(x, bell[None, None, :, None])
    masks = kirsch_masks()[:, None].to(x.dtype)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), masks)


def patterns(frames: np.ndarray, config: Config) -> np.ndarray:
    """(11, 128, 128) uint8 -> (9, 128, 128) float32, one map for every three frames in a row.

    `stldn` and `codes` lie in 0..1; `difference` is the grey value after minus the one before, in
    units of 25 grey levels.
    """
    grey = torch.from_numpy(head.stilled(frames) if config.stilled else frames.astype(np.float32))
    if config.pattern == "difference":
        return ((grey[2:] - grey[:-2]) / 25).numpy()
    found = responses(grey, config.smoothing)  # (11, 8, H, W)
    if config.pattern == "codes":
        found = (8 * found.argmax(1) + found.argmin(1))[:, None]  # (11, 1, H, W) numbers 0..63
    code = 32 * _strongest(found) + _strongest(-found)
    return (code / (HIGHEST if config.pattern == "stldn" else PUBLISHED_HIGHEST)).float().numpy()


def _strongest(found: torch.Tensor) -> torch.Tensor:
    """(T, K, H, W) -> (T - 2, H, W) number of the largest of 3 K values of three frames in a row.

    The largest of each frame first, then of the three: several times faster than all at once.
    """
    value, number = found.max(1)  # (T, H, W)
    count = len(found) - 2
    best, chosen = value[:count], number[:count]
    for later in (1, 2):
        seen = slice(later, count + later)
        better = value[seen] > best
        best = torch.where(better, value[seen], best)
        chosen = torch.where(better, number[seen] + later * found.shape[1], chosen)
    return chosen


def patches(maps: np.ndarray, points: np.ndarray) -> np.ndarray:
    """maps (T, H, W), points (T, 51, 2) in their pixels -> (T, 51, 7, 7) around each landmark.

    Beyond the border the last pixel is repeated.
    """
    reach = np.arange(PATCH) - PATCH // 2
    near = np.rint(points).astype(int)[..., None] + reach  # (T, 51, 2, 7)
    columns, rows = (np.clip(near[:, :, axis], 0, maps.shape[-1] - 1) for axis in (0, 1))
    frame = np.arange(len(maps))[:, None, None, None]
    return maps[frame, rows[..., :, None], columns[..., None, :]]


def features(
    views: dict[str, np.ndarray], clips: pd.DataFrame, config: Config
) -> dict[str, np.ndarray]:
    """patches (N, T * 51, 7, 7) for the graph stream, maps (N, T, side, side) for the other."""
    names = views_needed(config)
    chosen = np.linspace(0, TRIPLETS - 1, config.maps).round().astype(int)
    step = FACE // config.side
    around, whole = [], []
    for number, frames in enumerate(views[names[0]]):
        maps = patterns(frames, config)[chosen]
        if config.streams != "visual":
            points = views[names[1]][number, 1:-1][chosen][:, INNER]  # in the middle of the three
            around.append(patches(maps, points).reshape(-1, PATCH, PATCH))
        if config.streams != "graph":
            whole.append(maps[:, ::step, ::step])  # codes have no mean
    found = {"patches": around, "maps": whole}
    return {name: np.stack(values) for name, values in found.items() if values}


def fit_context(
    clips: pd.DataFrame, features: dict[str, np.ndarray], config: Config
) -> dict[str, np.ndarray]:
    """Nothing is learned from the training clips but the weights."""
    return {}


# --- graph stream ---------------------------------------------------------------------------------


class GraphConvolution(nn.Module):
    """(B, C, T, V) and graph (B, V, V) -> (B, width, T, V): walks of 0, 1 and 2 steps, summed."""

    def __init__(self, channels: int, width: int, config: Config):
        super().__init__()
        self.coded = config.graph == "diagonal"
        # as coded a bias may stand before a BatchNorm, where it changes nothing
        self.steps = nn.Conv2d(channels, 3 * width, 1, bias=config.bias)
        self.norm = nn.BatchNorm2d(width)
        self.shortcut = nn.Identity()
        if channels != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, width, 1, bias=config.bias), nn.BatchNorm2d(width)
            )

    def forward(self, x, graph):
        near, once, twice = self.steps(x).chunk(3, dim=1)
        if self.coded:  # 'nkctv,vv->nctv' reads the diagonal alone
            mixed = (near + once + twice) * graph.diagonal(dim1=-2, dim2=-1)[:, None, None]
        else:
            walked = (once.flatten(1, 2) + twice.flatten(1, 2) @ graph) @ graph  # (B, width * T, V)
            mixed = near + walked.view_as(near)
        return F.relu(self.norm(mixed) + self.shortcut(x))


class TemporalConvolution(nn.Module):
    """(B, C, T, V) -> (B, C, ceil(T / stride), V): three frames of one landmark."""

    def __init__(self, channels: int, stride: int, config: Config):
        super().__init__()
        bias = config.bias
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, (3, 1), (stride, 1), (1, 0), bias=bias),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, (stride, 1), bias=bias), nn.BatchNorm2d(channels)
            )

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


class LandmarkAttention(nn.Module):
    """(B, C, T, V) weighed by frame and by landmark: x sigmoid(f(time)) sigmoid(g(landmarks))."""

    def __init__(self, channels: int, config: Config):
        super().__init__()
        inner = max(1, channels // config.reduction)
        self.map_alone = config.attention == "map"
        self.squeeze = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=config.bias), nn.BatchNorm2d(inner), nn.Hardswish()
        )
        self.time, self.landmark = nn.Conv2d(inner, channels, 1), nn.Conv2d(inner, channels, 1)
        self.dead = nn.BatchNorm2d(inner) if config.bias else None

    def weights(self, x):
        """(B, C, T, V) in 0..1"""
        count = x.shape[2]
        pooled = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).mT], dim=2)
        pooled = self.squeeze(pooled)  # (B, inner, T + V, 1)
        time, landmark = pooled[:, :, :count], pooled[:, :, count:].mT
        return self.time(time).sigmoid() * self.landmark(landmark).sigmoid()

    def forward(self, x):
        return self.weights(x) if self.map_alone else x * self.weights(x)


class Blocks(nn.ModuleList):
    """(B, 49, T, V), graph (B, V, V) -> (B, last width, ceil(T / 2), V): the last halves T."""

    def __init__(self, widths, depths, config: Config):
        before = (PATCH**2, *widths)
        super().__init__()
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            stride = 2 if number == len(widths) - 1 else 1
            block = nn.ModuleDict({"graph": GraphConvolution(before[number], width, config)})
            block["time"] = nn.Sequential(
                *(TemporalConvolution(width, 1 if at else stride, config) for at in range(depth))
            )
            block["attention"] = (
                nn.Identity() if config.attention == "none" else LandmarkAttention(width, config)
            )
            self.append(block)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="leaky_relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x, graph):
        for block in self:
            x = block["attention"](block["time"](block["graph"](x, graph)))
        return x


class Autoencoder(nn.Module):
    """(B, 49, T, 51) -> a score per pair of landmarks, (B, 51, 51): the clip's own graph."""

    def __init__(self, config: Config):
        super().__init__()
        self.encoder = Blocks(config.encoder, config.encoder_depth, config)
        width = config.encoder[-1]
        self.coded = config.graph == "diagonal"
        self.bilinear = nn.Parameter(torch.zeros(LANDMARKS, LANDMARKS))
        if not self.coded:
            self.bilinear = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, width)))
        self.register_buffer("face", normalise(torch.from_numpy(EDGES)), persistent=False)

    def forward(self, x):
        if self.coded:  # products summed over the whole batch, times a matrix of zeros
            ones = torch.ones_like(self.face).expand(len(x), -1, -1)
            hidden = self.encoder(x, ones)
            return (torch.einsum("nctv,nctw->vw", hidden, hidden) @ self.bilinear).expand_as(ones)
        hidden = self.encoder(x, self.face.expand(len(x), -1, -1))
        nodes = F.layer_norm(hidden.mean(2).mT, hidden.shape[1:2])  # (B, 51, width)
        scores = nodes @ self.bilinear @ nodes.mT / nodes.shape[-1] ** 0.5
        return (scores + scores.mT) / 2


class GraphStream(nn.Module):
    """patches (B, T * 51, 7, 7) -> embedding (B, D), scores of the graph (B, 51, 51) or None."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        count = config.maps * LANDMARKS
        self.appearance = nn.Sequential(
            nn.Conv2d(count, count, 3, padding=1, groups=count, bias=False),
            nn.BatchNorm2d(count),
            nn.ReLU(),
            nn.Conv2d(count, count, 1, bias=False),
            nn.BatchNorm2d(count),
            nn.ReLU(),
        )
        learned = config.graph in ("learned", "diagonal")
        self.autoencoder = Autoencoder(config) if learned else None
        self.blocks = Blocks(config.network, config.network_depth, config)
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(config.network[-1], config.embedding)
        self.register_buffer("face", normalise(torch.from_numpy(EDGES)), persistent=False)

    def nodes(self, patches):
        """(B, 49, T, 51)"""
        x = self.appearance(patches).flatten(2)  # (B, T * 51, 49)
        if self.config.layout == "scrambled":
            return x.reshape(len(x), -1, self.config.maps, LANDMARKS)
        return x.unflatten(1, (self.config.maps, LANDMARKS)).permute(0, 3, 1, 2).contiguous()

    def graph(self, x):
        """The graph (B, 51, 51) on which the network runs, and the scores it was made from."""
        eye = torch.eye(LANDMARKS, dtype=x.dtype, device=x.device)
        if self.autoencoder is None:
            graph = self.face if self.config.graph == "face" else eye
            return graph.expand(len(x), -1, -1), None
        scores = self.autoencoder(x)
        if self.config.graph == "diagonal":
            return scores * (1 - eye) + eye, scores
        return normalise(scores.sigmoid() * (1 - eye)), scores

    def forward(self, patches):
        x = self.nodes(patches)
        graph, scores = self.graph(x)
        return self.project(self.dropout(self.blocks(x, graph).mean((2, 3)))), scores


# --- visual stream --------------------------------------------------------------------------------


class Layer(nn.Module):
    """Pre-norm attention and MLP, (B, tokens, dim) -> the same."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-12), nn.LayerNorm(dim, eps=1e-12)
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        normed = self.norm1(x)
        q, k, v = (
            part(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        weights = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """(B, side, side) -> (B, dim), the class token's."""

    def __init__(self, config: Config):
        super().__init__()
        dim, cells = config.vit_dim, (config.side // config.vit_patch) ** 2
        self.patch = nn.Conv2d(3, dim, config.vit_patch, config.vit_patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.places = nn.Parameter(torch.zeros(1, 1 + cells, dim))
        self.layers = nn.Sequential(
            *(Layer(dim, config.vit_heads) for _ in range(config.vit_depth))
        )
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for parameter in (self.class_token, self.places):
            nn.init.trunc_normal_(parameter, std=0.02)

    def forward(self, pictures):
        x = self.patch(pictures[:, None].expand(-1, 3, -1, -1)).flatten(2).mT  # (B, patches, dim)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1) + self.places
        return self.norm(self.layers(x))[:, 0]


class VisualStream(nn.Module):
    """maps (B, T, side, side) -> embedding (B, D): a ViT for every map, then BiLSTMs over time."""

    def __init__(self, config: Config):
        super().__init__()
        size = config.embedding
        self.rescaled = config.rescaled
        self.vit = VisionTransformer(config)
        self.project = nn.Linear(config.vit_dim, size)
        self.lstm = None
        if config.recurrence == "bilstm":
            self.lstm = nn.LSTM(size, size // 2, 3, batch_first=True, bidirectional=True)
        steps = config.maps if self.lstm is not None else 1
        self.out = nn.Linear(steps * size, size)

    def forward(self, maps):
        batch, count = maps.shape[:2]
        if self.rescaled:
            maps = maps / 255  # what a processor made for 0..255 does to 0..1
        pictures = 2 * maps.flatten(0, 1) - 1  # mean and deviation 0.5, as the processor's
        x = self.project(self.vit(pictures)).unflatten(0, (batch, count))  # (B, T, D)
        x = x.mean(1) if self.lstm is None else self.lstm(x)[0].flatten(1)
        return self.out(x)


def load_vit(vit: VisionTransformer, file: str) -> None:
    """Fill the ViT with pretrained weights, safetensors in Hugging Face's naming.

    Places are interpolated where the file's pictures have another size.  Raises StudyError where
    the file is not there or its sizes are not the Config's.
    """
    from safetensors import SafetensorError  # only who has weights needs it
    from safetensors.torch import load_file

    if not Path(file).is_file():
        raise StudyError(
            f"unified: vit_weights={file} does not exist; give a .safetensors file of a ViT"
        )
    try:
        stored = {name.removeprefix("vit."): value for name, value in load_file(file).items()}
    except SafetensorError as error:
        raise StudyError(f"unified: {file} is no safetensors file ({error})") from error
    layers = {name.split(".")[2] for name in stored if name.startswith("encoder.layer.")}
    if len(layers) != len(vit.layers):
        raise StudyError(
            f"unified: {file} holds a ViT of {len(layers)} layers, the Config's has "
            f"{len(vit.layers)}; set vit_depth={len(layers)}"
        )
    names = {
        "class_token": "embeddings.cls_token",
        "places": "embeddings.position_embeddings",
        "patch": "embeddings.patch_embeddings.projection",
        "norm": "layernorm",
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        **{part: f"attention.attention.{part}" for part in ("query", "key", "value")},
        "out": "attention.output.dense",
        "mlp.0": "intermediate.dense",
        "mlp.2": "output.dense",
    }
    state = {}
    for name, parameter in vit.state_dict().items():
        module, _, kind = name.rpartition(".") if name.count(".") else (name, "", "")
        layer, number = "", module
        if module.startswith("layers."):
            _, count, number = module.split(".", 2)
            layer = f"encoder.layer.{count}."
        wanted = layer + names[number] + (f".{kind}" if kind else "")
        if wanted not in stored:
            raise StudyError(f"unified: {file} holds no {wanted}; give a ViT of vit_depth layers")
        value = stored[wanted]
        if name == "places" and value.shape[1] != parameter.shape[1]:
            value = _resized(value, parameter.shape[1])
        if value.shape != parameter.shape:
            raise StudyError(
                f"unified: {wanted} in {file} is {tuple(value.shape)}, the Config's is "
                f"{tuple(parameter.shape)}; set vit_dim and vit_patch to the file's"
            )
        state[name] = value
    vit.load_state_dict(state)


def _resized(places: torch.Tensor, count: int) -> torch.Tensor:
    """(1, 1 + a * a, dim) -> (1, count, dim), the grid of places interpolated."""
    side, wanted = (int((number - 1) ** 0.5) for number in (places.shape[1], count))
    grid = places[:, 1:].mT.unflatten(2, (side, side))
    grid = F.interpolate(grid, (wanted, wanted), mode="bicubic", align_corners=False)
    return torch.cat([places[:, :1], grid.flatten(2).mT], dim=1)


# --- both -----------------------------------------------------------------------------------------


class Unified(nn.Module):
    """Two streams, weighed and joined."""

    def __init__(self, config: Config, n_classes: int):
        super().__init__()
        self.config = config
        self.graph_stream = GraphStream(config) if config.streams != "visual" else None
        self.visual_stream = VisualStream(config) if config.streams != "graph" else None
        both = config.streams == "both"
        width = config.embedding * (2 if both else 1)
        self.weigh = nn.Linear(width, 2) if both and config.fusion == "attentive" else None
        self.classify = nn.Linear(width, n_classes)

    def forward(self, patches=None, maps=None):
        found, scores = [], None
        if self.graph_stream is not None:
            embedding, scores = self.graph_stream(patches)
            found.append(embedding)
        if self.visual_stream is not None:
            found.append(self.visual_stream(maps))
        joined = torch.cat(found, dim=1)
        if self.weigh is not None:
            shares = self.weigh(joined).softmax(1)  # (B, 2)
            joined = (torch.stack(found, dim=1) * shares.unsqueeze(-1)).flatten(1)
        logits = self.classify(joined)
        if self.config.probabilities:
            logits = logits.softmax(1)  # into a loss that takes it once more
        reconstructs = self.config.graph == "learned" and scores is not None
        return (logits, scores) if self.training and reconstructs else logits


def network(config: Config, n_classes: int, context: dict[str, np.ndarray]) -> nn.Module:
    """The network of one fold."""
    net = Unified(config, n_classes)
    if config.vit_weights and net.visual_stream is not None:
        load_vit(net.visual_stream.vit, config.vit_weights)
    return net


def reconstruction_loss(scores: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every pair of landmarks with the graph of the face; both kinds weigh alike.

    scores (B, 51, 51); a landmark's loop to itself is no pair.
    """
    edges = torch.as_tensor(EDGES, dtype=scores.dtype, device=scores.device)
    pairs = 1 - torch.eye(LANDMARKS, dtype=scores.dtype, device=scores.device)
    weight = pairs * torch.where(edges > 0, 0.5 / edges.sum(), 0.5 / (pairs.sum() - edges.sum()))
    costs = F.binary_cross_entropy_with_logits(scores, edges.expand_as(scores), reduction="none")
    return (costs * weight).sum((1, 2)).mean()


def loss(config: Config, class_counts):
    """Cross-entropy, and where the graph is learned its reconstruction."""
    weight = None
    if config.balanced:
        counts = np.maximum(class_counts, 1)
        weight = torch.as_tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)

    def criterion(output, labels):
        logits, scores = output if isinstance(output, tuple) else (output, None)
        weights = weight if weight is None else weight.to(logits)
        cost = F.cross_entropy(logits, labels, weights)
        if scores is None or not config.reconstruction:
            return cost
        return cost + config.reconstruction * reconstruction_loss(scores)

    return criterion
