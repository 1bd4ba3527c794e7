"""The visual stream of the unified framework: a vision transformer per map, BiLSTMs over time."""

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import StudyError


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

    def __init__(self, config):
        super().__init__()
        dim, cells = config.vit_dim, (config.side // config.vit_patch) ** 2
        self.patch = nn.Conv2d(3, dim, config.vit_patch, config.vit_patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.places = nn.Parameter(torch.zeros(1, 1 + cells, dim))
        layers = (Layer(dim, config.vit_heads) for _ in range(config.vit_depth))
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for parameter in (self.class_token, self.places):
            nn.init.trunc_normal_(parameter, std=0.02)

    def forward(self, pictures):
        weight = self.patch.weight.sum(1, keepdim=True)  # a map is the same in all three channels
        x = F.conv2d(pictures[:, None], weight, self.patch.bias, self.patch.stride)
        x = x.flatten(2).mT  # (B, patches, dim)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1) + self.places
        return self.norm(self.layers(x))[:, 0]


class VisualStream(nn.Module):
    """maps (B, T, side, side) -> embedding (B, D)"""

    def __init__(self, config):
        super().__init__()
        size = config.embedding
        self.vit = VisionTransformer(config)
        self.project = nn.Linear(config.vit_dim, size)
        self.lstm, steps = None, 1
        if config.recurrence == "bilstm":
            self.lstm = nn.LSTM(size, size // 2, 3, batch_first=True, bidirectional=True)
            steps = config.maps
        self.out = nn.Linear(steps * size, size)

    def forward(self, maps):
        pictures = 2 * maps.flatten(0, 1) - 1  # (B * T, side, side), 0..1 to -1..1
        x = self.project(self.vit(pictures)).unflatten(0, maps.shape[:2])  # (B, T, D)
        x = x.mean(1) if self.lstm is None else self.lstm(x)[0].flatten(1)
        return self.out(x)


# Hugging Face's names, and what they are here; replaced in this order.
HUGGING_FACE = (
    ("encoder.layer.", "layers."),
    ("layernorm_before.", "norm1."),
    ("layernorm_after.", "norm2."),
    ("layernorm.", "norm."),
    ("attention.attention.", ""),
    ("attention.output.dense.", "out."),
    ("intermediate.dense.", "mlp.0."),
    ("output.dense.", "mlp.2."),
    ("embeddings.patch_embeddings.projection.", "patch."),
    ("embeddings.cls_token", "class_token"),
    ("embeddings.position_embeddings", "places"),
)


def load_vit(vit: VisionTransformer, file: str) -> None:
    """Fill the ViT with pretrained weights, safetensors in Hugging Face's naming.

    Places are interpolated where the file's pictures have another size.  Raises StudyError where
    the file cannot be read or its sizes are not the Config's.
    """
    from safetensors import SafetensorError  # only needed with pretrained weights
    from safetensors.torch import load_file

    stored = {}
    try:
        for name, value in load_file(file).items():
            name = name.removeprefix("vit.")
            for theirs, ours in HUGGING_FACE:
                name = name.replace(theirs, ours)
            stored[name] = value
        dim, _, _, patch = stored["patch.weight"].shape
        stored["places"] = resized(stored["places"], vit.places.shape[1])
    except (OSError, SafetensorError, KeyError) as error:
        raise StudyError(
            f"unified: vit_weights={file} cannot be read ({error}); "
            "give a .safetensors file of a ViT in Hugging Face's naming"
        ) from error
    sizes = {name: value.shape for name, value in stored.items()}
    wrong = [name for name, value in vit.state_dict().items() if sizes.get(name) != value.shape]
    depth = len({name.split(".")[1] for name in stored if name.startswith("layers.")})
    if wrong or depth != len(vit.layers):
        raise StudyError(
            f"unified: {file} holds another ViT than the Config's ({(wrong or ['layers'])[0]} "
            f"differs); set vit_dim={dim}, vit_depth={depth} and vit_patch={patch}, "
            "or give a file of the Config's sizes"
        )
    vit.load_state_dict(stored, strict=False)  # a file may hold a pooler, too


def resized(places: torch.Tensor, count: int) -> torch.Tensor:
    """(1, 1 + a * a, dim) -> (1, count, dim), the grid of places interpolated."""
    if places.shape[1] == count:
        return places
    before, after = (int((number - 1) ** 0.5) for number in (places.shape[1], count))
    grid = places[:, 1:].mT.unflatten(2, (before, before))
    grid = F.interpolate(grid, (after, after), mode="bicubic", align_corners=False)
    return torch.cat([places[:, :1], grid.flatten(2).mT], dim=1)
