"""The unified macro/micro framework: key frames, STLDN, a graph autoencoder, a ViT with BiLSTM.

Shayhan Ameen Chowdhury, "Unified_MaE_and_ME_Recognition", code under MIT at 593fea0c (2025) and its
revision of 2026, whose docstrings restate the paper's equations; the paper's text is not public.

Followed, as the revision describes it:
* LMKS: the frames in which the landmarks move most (`keyframes.select`, view `keyframes`);
* STLDN: Kirsch's eight edge responses in each of three frames in a row, 24 in all.  The numbers i
  of the largest and j of the smallest make one code, 32 i + j, divided by its maximum 758;
* two streams, `unified_graph` and `unified_visual`; attentive fusion gives each one weight.

Decided here:
* the head's movement is taken off, then frames are smoothed by 2 pixels: the 3x3 masks see mostly
  noise.  UF1 of an SVM on the codes around the landmarks of the synthetic clips rises from .25 to
  .51 by smoothing, and to .55 with a still head;
* the encoder runs on the graph of the face and not on 51x51 ones, which would only take the mean;
* a reconstruction loss asks the decoder for the graph of the face, as in any graph autoencoder;
* the decoder's nodes are standardised: the sigmoids before them leave every score at 0;
* logits into the loss, rare classes weighted; no bias before a BatchNorm;
* a small ViT from scratch instead of ViT-L/16, or any ViT's weights (`vit_weights`).

Input patches (B, T * 51, 7, 7), maps (B, T, side, side); output (B, n_classes).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..errors import StudyError
from ..preprocessing import head
from .inputs import Arrays, Clips, ask
from .unified_graph import LANDMARKS, PATCH, GraphStream, reconstruction_loss
from .unified_visual import VisualStream, load_vit

TITLE = "Unified macro/micro"
COLOUR, MARKER = "#7a6a2f", ">"
VIEWS = ("keyframes", "keyframe_points")

FACE = 128  # pixels a side of the aligned face
TRIPLETS = 9  # three frames in a row, of eleven
INNER = slice(17, 17 + LANDMARKS)  # dlib's 68 points without the jaw
HIGHEST = 32 * 23 + 22  # 758: the two extremes of 24 responses are never the same one


@dataclass(frozen=True)
class Config:
    """Defaults are the numbers of the published command line; ours are marked."""

    mirror: bool = True  # ours: learn from mirror images too, and predict by the mean of both
    frames: Literal["keyframes", "rise"] = "keyframes"  # LMKS, or even steps from onset to apex
    pattern: Literal["stldn", "difference"] = "stldn"
    stilled: bool = True  # ours: take the movement of the head and of the light off first
    smoothing: float = 2.0  # ours: pixels, standard deviation, before the Kirsch masks
    maps: int = 9  # patterns of three frames in a row; fewer are taken evenly from the nine
    streams: Literal["both", "graph", "visual"] = "both"
    graph: Literal["learned", "face", "identity"] = "learned"  # of the graph stream
    reconstruction: float = 0.1  # ours: weight of the loss on the decoder's graph
    attention: Literal["weigh", "none"] = "weigh"  # over frames and landmarks
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
    vit_weights: str = ""  # a local safetensors file in Hugging Face's naming
    recurrence: Literal["bilstm", "mean"] = "bilstm"  # the mean over time knows no order
    fusion: Literal["attentive", "equal"] = "attentive"  # equal: both streams as they are
    balanced: bool = True  # ours: weight classes by how rare they are
    epochs: int = 15
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.0

    def __post_init__(self):
        if not 1 <= self.maps <= TRIPLETS:
            raise StudyError(f"unified: maps={self.maps} is not possible; choose 1 to {TRIPLETS}")
        if self.side < 1 or FACE % self.side or self.side % self.vit_patch:
            raise StudyError(
                f"unified: side={self.side} does not divide {FACE} pixels into whole patches of "
                f"{self.vit_patch}; choose a power of two from {self.vit_patch} to {FACE}"
            )
        for name in ("encoder", "network"):
            if len(getattr(self, name)) != len(getattr(self, f"{name}_depth")):
                raise StudyError(
                    f"unified: {name} and {name}_depth differ in length; give one depth a block"
                )


SMALL = {"maps": 5, "side": 64, "encoder": (8, 16), "encoder_depth": (1, 1), "network": (16, 32)}
SMALL |= {"network_depth": (1, 1), "embedding": 32, "vit_dim": 32, "vit_depth": 1, "vit_heads": 2}
SMALL |= {"dropout": 0.5, "learning_rate": 1e-3, "weight_decay": 1e-3, "epochs": 30}
ABLATIONS = dict(
    even_frames=ask("key-frame selection", "Does the choice of frames matter?", frames="rise"),
    no_stldn=ask("STLDN", "Does STLDN beat a plain difference?", pattern="difference"),
    with_head=ask("still head", "What does the head's own movement cost?", stilled=False),
    no_smoothing=ask("smoothing", "Must the frames be smoothed first?", smoothing=0.0),
    face_graph=ask("graph", "Does a clip need its own graph?", graph="face"),
    no_graph=ask("graph", "Must landmarks exchange anything?", graph="identity"),
    no_reconstruction=ask("graph autoencoder", "Must it reconstruct?", reconstruction=0.0),
    no_attention=ask("attention", "Does landmark attention help?", attention="none"),
    graph_stream=ask("streams", "Is the visual stream needed?", streams="graph"),
    visual_stream=ask("streams", "Is the graph stream needed?", streams="visual"),
    no_bilstm=ask("order in time", "Does the order of frames matter?", recurrence="mean"),
    equal_fusion=ask("fusion", "Must the streams be weighted?", fusion="equal"),
    unbalanced=ask("class weights", "Must rare classes be weighted?", balanced=False),
)


def views_needed(config: Config) -> tuple[str, ...]:
    """The frames of its choice, and the landmarks in them where there is a graph stream."""
    points = "keyframe_points" if config.frames == "keyframes" else "rise_points"
    return (config.frames,) if config.streams == "visual" else (config.frames, points)


def files(config: Config) -> tuple[str, ...]:
    """The pretrained weights, where there are any."""
    return (config.vit_weights,) if config.vit_weights else ()


def kirsch_masks() -> torch.Tensor:
    """(8, 3, 3): three neighbours in a row 5, five -3; from the right, against the clock."""
    rows, columns = (0, 0, 0, 1, 2, 2, 2, 1), (0, 1, 2, 2, 2, 1, 0, 0)  # around the middle
    right = torch.tensor([-3.0, -3.0, 5.0, 5.0, 5.0, -3.0, -3.0, -3.0])
    masks = torch.zeros(8, 3, 3)
    masks[:, rows, columns] = torch.stack([right.roll(-turn) for turn in range(8)])
    return masks


def responses(frames: torch.Tensor, smoothing: float) -> torch.Tensor:
    """(T, H, W) grey -> (T, 8, H, W) Kirsch responses of the smoothed frames."""
    x = frames[:, None]
    if smoothing:
        reach = int(np.ceil(3 * smoothing))
        bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / smoothing) ** 2)
        bell = bell / bell.sum()
        x = F.conv2d(F.pad(x, (reach,) * 4, mode="replicate"), bell[None, None, None])
        x = F.conv2d(x, bell[None, None, :, None])
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kirsch_masks()[:, None])


def strongest(values: torch.Tensor) -> torch.Tensor:
    """(T, K, H, W) -> (T - 2, H, W) number of the largest of the 3 K values of three frames."""
    value, number = values.max(1)  # (T, H, W), first: several times faster than all 3 K at once
    best, strongest = value[:-2], number[:-2]
    for frame, stop in ((1, -1), (2, None)):  # of equal values the first counts
        larger = value[frame:stop] > best
        best = torch.where(larger, value[frame:stop], best)
        strongest = torch.where(larger, number[frame:stop] + frame * values.shape[1], strongest)
    return strongest


def grey(frames: np.ndarray, config: Config) -> torch.Tensor:
    """(T, 128, 128) uint8 -> float32, with or without the head's own movement."""
    return torch.from_numpy(head.stilled(frames) if config.stilled else frames.astype(np.float32))


def patterns(frames: np.ndarray, config: Config) -> np.ndarray:
    """(11, 128, 128) uint8 -> (9, 128, 128) float32 of three frames each; 0..1, or grey / 25"""
    x = grey(frames, config)
    if config.pattern == "difference":
        return ((x[2:] - x[:-2]) / 25).numpy()
    x = responses(x, config.smoothing)  # (11, 8, 128, 128)
    return ((32 * strongest(x) + strongest(-x)) / HIGHEST).numpy()


def patches(maps: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(T, H, W) and (T, 51, 2) pixels -> (T, 51, 7, 7) around each; the border is repeated."""
    reach = np.arange(PATCH) - PATCH // 2
    near = np.rint(points).astype(int)[..., None] + reach  # (T, 51, 2, 7)
    columns, rows = np.moveaxis(near.clip(0, maps.shape[-1] - 1), 2, 0)
    frame = np.arange(len(maps))[:, None, None, None]
    return maps[frame, rows[..., :, None], columns[..., None, :]]


def features(views: Arrays, clips: Clips, config: Config, patterns=patterns) -> Arrays:
    """patches (N, T * 51, 7, 7) for the graph stream, maps (N, T, side, side) for the other."""
    names = views_needed(config)
    chosen = np.linspace(0, TRIPLETS - 1, config.maps).round().astype(int)
    step = FACE // config.side
    arrays = {"patches": [], "maps": []}
    for clip, frames in enumerate(views[names[0]]):
        maps = patterns(frames, config)[chosen]
        if config.streams != "visual":
            points = views[names[1]][clip, 1:-1][chosen][:, INNER]  # in the middle of the three
            arrays["patches"].append(patches(maps, points).reshape(-1, PATCH, PATCH))
        if config.streams != "graph":
            arrays["maps"].append(maps[:, ::step, ::step])  # codes have no mean
    return {name: np.stack(values) for name, values in arrays.items() if values}


class Unified(nn.Module):
    """patches, maps -> logits (B, n_classes); while training also the scores of a learned graph."""

    def __init__(self, config: Config, n_classes: int, context: Arrays, graph_stream=GraphStream):
        super().__init__()
        self.graph_stream = graph_stream(config) if config.streams != "visual" else None
        self.visual_stream = VisualStream(config) if config.streams != "graph" else None
        both = config.streams == "both"
        width = config.embedding * (2 if both else 1)
        self.weigh = nn.Linear(width, 2) if both and config.fusion == "attentive" else None
        self.classify = nn.Linear(width, n_classes)
        if config.vit_weights and self.visual_stream is not None:
            load_vit(self.visual_stream.vit, config.vit_weights)

    def forward(self, patches=None, maps=None):
        embeddings, scores = [], None
        if self.graph_stream is not None:
            embedding, scores = self.graph_stream(patches)  # (B, D), (B, 51, 51) or None
            embeddings.append(embedding)
        if self.visual_stream is not None:
            embeddings.append(self.visual_stream(maps))
        joined = torch.cat(embeddings, dim=1)
        if self.weigh is not None:
            weights = self.weigh(joined).softmax(1)  # (B, 2), sum to 1
            joined = (torch.stack(embeddings, dim=1) * weights.unsqueeze(-1)).flatten(1)
        logits = self.classify(joined)
        return (logits, scores) if self.training and scores is not None else logits


network = Unified


def loss(config: Config, class_counts: np.ndarray):
    """Cross-entropy, and where the graph is learned its reconstruction."""
    weights = None
    if config.balanced:
        counts = np.maximum(class_counts, 1)
        weights = torch.as_tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)

    def criterion(output, labels):
        logits, scores = output if isinstance(output, tuple) else (output, None)
        of_classes = None if weights is None else weights.to(logits)
        cost = F.cross_entropy(logits, labels, of_classes)
        if scores is None or not config.reconstruction:
            return cost
        return cost + config.reconstruction * reconstruction_loss(scores)

    return criterion
