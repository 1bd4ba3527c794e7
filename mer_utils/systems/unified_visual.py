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


# --- pretrained weights ---------------------------------------------------------------------------

# What our names are in Hugging Face's files, replaced in this order.
HUGGING_FACE = (
    ("layers.", "encoder.layer."),
    ("norm1.", "layernorm_before."),
    ("norm2.", "layernorm_after."),
    ("norm.", "layernorm."),
    *((f"{part}.", f"attention.attention.{part}.") for part in ("query", "key", "value")),
    ("out.", "attention.output.dense."),
    ("mlp.0.", "intermediate.dense."),
    ("mlp.2.", "output.dense."),
    ("patch.", "embeddings.patch_embeddings.projection."),
    ("class_token", "embeddings.cls_token"),
    ("places", "embeddings.position_embeddings"),
)


def load_vit(vit: VisionTransformer, file: str) -> None:
    """Fill the ViT with pretrained weights, safetensors in Hugging Face's naming.

    Places are interpolated where the file's pictures have another size.  Raises StudyError where
    the file cannot be read or its sizes are not the Config's.
    """
    from safetensors import SafetensorError  # only needed with pretrained weights
    from safetensors.torch import load_file

    try:
        stored = {name.removeprefix("vit."): value for name, value in load_file(file).items()}
    except (OSError, SafetensorError) as error:
        raise StudyError(
            f"unified: vit_weights={file} cannot be read ({error}); give a .safetensors file"
        ) from error
    state = {}
    for name, parameter in vit.state_dict().items():
        key = name
        for ours, theirs in HUGGING_FACE:
            key = key.replace(ours, theirs)
        state[name] = stored.get(key, torch.empty(0))
        if name == "places" and state[name].ndim == 3:
            state[name] = resized(state[name], parameter.shape[1])
    depth = len({name.split(".")[2] for name in stored if name.startswith("encoder.layer.")})
    wrong = [name for name, value in vit.state_dict().items() if value.shape != state[name].shape]
    if wrong or depth != len(vit.layers):
        kernel = stored.get("embeddings.patch_embeddings.projection.weight", torch.empty(0, 0, 0))
        raise StudyError(
            f"unified: {file} holds another ViT than the Config's; set vit_dim={len(kernel)}, "
            f"vit_depth={depth} and vit_patch={kernel.shape[-1]}, or give a file of "
            f"{', '.join(wrong) or f'{len(vit.layers)} layers'} in these sizes"
        )
    vit.load_state_dict(state)


def resized(places: torch.Tensor, count: int) -> torch.Tensor:
    """(1, 1 + a * a, dim) -> (1, count, dim), the grid of places interpolated."""
    if places.shape[1] == count:
        return places
    before, after = (int((number - 1) ** 0.5) for number in (places.shape[1], count))
    grid = places[:, 1:].mT.unflatten(2, (before, before))
    grid = F.interpolate(grid, (after, after), mode="bicubic", align_corners=False)
    return torch.cat([places[:, :1], grid.flatten(2).mT], dim=1)
