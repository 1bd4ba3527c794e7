"""How sums are rounded: the precision of matrix products, and one thread on a CPU."""

import ctypes
import platform
from contextlib import contextmanager
from functools import cache

import torch

KEPT = 1 << 30  # bytes that a process's allocator may hold for the next step


@contextmanager
def numerics(precision: str, device: str):
    """How matrix products are rounded; on a CPU by one thread, for their sums depend on its number.

    fp32: as IEEE says, convolutions on a GPU included; tf32: a GPU's 10-bit factors, float32 sums;
    bf16: torch's autocast, weights and sums float32; fp64: for checks.
    """
    threads = torch.get_num_threads()
    if device == "cpu":
        keep_memory()
        torch.set_num_threads(1)
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    # TorchScript's own way to say autocast has no rule under vmap; the plain one works inside it
    scripted = torch._C._jit_set_autocast_mode(False)
    # a cache would hold on to the first step's weights
    ways = {"enabled": precision == "bf16", "cache_enabled": False}
    try:
        with torch.autocast(device, torch.bfloat16, **ways):
            yield
    finally:
        torch._C._jit_set_autocast_mode(scripted)
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions
        torch.set_num_threads(threads)


@cache
def keep_memory() -> None:
    """Stop glibc from giving every freed tensor back to the system, and asking for it again.

    Page faults were half of a step of STSTNet, and under Dask, which pins MALLOC_TRIM_THRESHOLD_,
    of every system.
    """
    if platform.libc_ver()[0] == "glibc":
        for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
            ctypes.CDLL(None).mallopt(option, KEPT)
