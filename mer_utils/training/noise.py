"""Dropout that depends on a key alone, and BatchNorm over part of a batch.

While a network runs inside `Noise`, every dropout gets its noise from a key, the number of the call
and the place in the tensor, by integer hashing.  So a fold drops the same values alone or stacked
with others, in float32 or float64, on a CPU or a GPU, and a clip drops the same in a batch of any
size.  On a CPU it is also three times as fast as torch's generator (`benchmarks/training.py`).

A system needs nothing for this: `Noise` intercepts every dropout and every BatchNorm of
`torch.nn.functional`, and so those of `torch.nn`.
"""

import math
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from ..errors import StudyError

GOLDEN = -0x61C88647  # 2^32 / golden ratio, as a signed number
FIRST, SECOND = 0x7FEB352D, 0x846CA68B - 2**32  # multipliers of the `lowbias32` hash (C. Wellons)
PER_CHANNEL = (F.dropout1d, F.dropout2d, F.dropout3d)


class Noise(TorchFunctionMode):
    """What a forward pass in training mode runs in, and every one of a stack.

    key: 32 bits, signed; in a stack an int32 tensor, a number per fold, or None in evaluation mode.
    real (B,) bool: which clips of the batch count; None: all.  The others come last; BatchNorm
    ignores them.
    """

    def __init__(self, key: int | torch.Tensor | None, real: torch.Tensor | None = None):
        super().__init__()
        self.key, self.real, self.calls = key, real, 0

    @classmethod
    def seeded(cls, seed: int) -> "Noise":
        """Noise of a random state; torch's own noise, in a recurrent layer, follows it too."""
        # `torch.manual_seed` notes its callers each time where no GPU is used: 3 % of a step
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(seed)
        return cls(key_of(seed))

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is F.dropout or function in PER_CHANNEL:
            return self._dropout(function in PER_CHANNEL, *args, **kwargs)
        if function is F.batch_norm and not isinstance(self.key, int):
            return stacked_batch_norm(*args, **kwargs, real=self.real)
        return function(*args, **kwargs)

    def _dropout(self, per_channel, x, p=0.5, training=True, inplace=False):
        if not training or p == 0:
            return x
        shape = x.shape[:2] + (1,) * (x.ndim - 2) if per_channel else x.shape
        kept = keep(self.key, self.calls, shape, p, x.device)
        self.calls += 1
        return x * kept.to(x.dtype).mul_(1 / (1 - p) if p < 1 else 0.0)


def key_of(seed: int) -> int:
    """The lowest 32 bits of a random state, as a signed number."""
    return (seed + 2**31) % 2**32 - 2**31


def keep(key, call: int, shape, p: float, device) -> torch.Tensor:
    """bool, True with probability 1 - p; the first axis of `shape` counts clips (or their parts).

    A hashed number of the row and a random number of the column, mixed once more, decide.
    """
    columns = math.prod(shape[1:])
    rows = torch.arange(shape[0] if shape else 1, dtype=torch.int32, device=device)
    row = _mixed(_mixed(key + rows * GOLDEN) + call)
    bits = (row[:, None] ^ _columns(columns, device)).mul_(FIRST)
    bits = bits.bitwise_xor_(bits >> 15).mul_(GOLDEN)
    return (bits >= int(p * 2**32) - 2**31).view(shape)


def _mixed(bits: torch.Tensor) -> torch.Tensor:
    """lowbias32: every bit of the input moves every bit of the output."""
    bits = (bits ^ ((bits >> 16) & 0xFFFF)) * FIRST
    bits = (bits ^ ((bits >> 15) & 0x1FFFF)) * SECOND
    return bits ^ ((bits >> 16) & 0xFFFF)


@lru_cache(maxsize=64)
def _columns(count: int, device) -> torch.Tensor:
    """(count,) int32 random numbers, the same on every device."""
    # numpy's: vmap refuses torch's
    numbers = np.random.default_rng(count).integers(-(2**31), 2**31, count, dtype=np.int32)
    return torch.from_numpy(numbers).to(device)


def stacked_batch_norm(
    x, mean, variance, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5, *, real
):
    """`F.batch_norm` under vmap, in training mode over the clips of `real` alone; x (B, C, ...).

    A network that puts parts of a clip (frames, crops) into the batch has several rows a clip.
    """
    dtype = x.dtype
    x = x.to(mean.dtype if mean is not None else weight.dtype)  # from bfloat16
    if real is None or not training:
        # cuDNN's refuses most layouts of a stack: all values of a channel in a row it takes
        x = x.transpose(0, 1).clone(memory_format=torch.contiguous_format)  # (C, B, ...)
        rows = x.flatten(1)[None]  # (1, C, B ...)
        rows = F.batch_norm(rows, mean, variance, weight, bias, training, momentum, eps)
        return rows.view(x.shape).transpose(0, 1).to(dtype)
    parts, rest = divmod(len(x), len(real))
    if rest:
        raise StudyError(f"BatchNorm sees {len(x)} rows of {len(real)} clips")
    shape, axes = (1, -1, *(1,) * (x.ndim - 2)), (0, *range(2, x.ndim))
    counts = real.repeat_interleave(parts).view(-1, *(1,) * (x.ndim - 1)).to(x.dtype)
    number = counts.sum() * math.prod(x.shape[2:])
    centre = (x * counts).sum(axes) / number  # (C,)
    centred = x - centre.view(shape)
    spread = (centred.square() * counts).sum(axes) / number
    if mean is not None:
        with torch.no_grad():
            mean.mul_(1 - momentum).add_(centre, alpha=momentum)
            variance.mul_(1 - momentum).add_(spread * (number / (number - 1)), alpha=momentum)
    x = centred * (spread + eps).rsqrt().view(shape)
    if weight is not None:
        x = x * weight.view(shape) + bias.view(shape)
    return x.to(dtype)
