"""Training clips per second of MHSSA-GCN, and its graph step beside the published way.

Run it with `python benchmarks/mhssa_gcn.py` on a machine that does nothing else; one thread.
"""

import argparse
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import sklearn
import torch
from sklearn.manifold import MDS
from torch.nn import functional

from mer_utils.systems import mhssa_gcn

GRAPH = np.eye(6, dtype=np.float32)  # what is in it costs the same


def training(config: mhssa_gcn.Config, batch_size: int, device: str, rounds: int) -> float:
    """Clips per second of forward, backward and fused Adam; the median of `rounds` steps."""
    torch.manual_seed(0)
    net = mhssa_gcn.network(config, 3, {"action_unit_graph": GRAPH}).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate, fused=True)
    tokens = len(net.region)
    patches = torch.randn(batch_size, tokens, 147, device=device)
    positions = 28 * torch.rand(batch_size, tokens, 2, device=device)
    labels = torch.randint(3, (batch_size,), device=device)
    seconds = []
    for _ in range(rounds + 1):  # the first one warms up
        began = now(device)
        optimizer.zero_grad()
        functional.cross_entropy(net(patches, positions), labels).backward()
        optimizer.step()
        seconds.append(now(device) - began)
    return batch_size / median(seconds[1:])


def now(device: str) -> float:
    """Seconds, when all that was asked of the device is done."""
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def published_way(cosines: np.ndarray) -> np.ndarray:
    """(B, 6, 6) cosines -> (B, 6, 6), one clip after the other in Python, as published."""
    found = []
    for cosine in cosines:
        paths = np.maximum(cosine, 0.1)
        np.fill_diagonal(paths, 0.0)
        for via in range(6):
            for first in range(6):
                for second in range(6):
                    way = paths[first, via] + paths[via, second]
                    paths[first, second] = min(paths[first, second], way)
        points = MDS(
            n_components=2,
            metric="precomputed",
            n_init=4,
            init="random",
            max_iter=300,
            eps=1e-3,
            random_state=42,
            normalized_stress=False,
        ).fit_transform(paths)
        apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
        found.append(apart / apart.max(axis=1, keepdims=True))
    return np.array(found)


def graph_step(clips: int, device: str) -> tuple[float, float, float]:
    """Seconds of the published way and of ours for a batch, and their largest difference."""
    config = replace(mhssa_gcn.Config(), **mhssa_gcn.VARIANTS["as_coded"][1])
    graph = mhssa_gcn.RegionGraph(config, GRAPH).double().to(device)
    torch.manual_seed(0)
    features = torch.randn(clips, 6, 256, dtype=torch.float64, device=device) + 1.0
    unit = functional.normalize(features, dim=-1)
    cosines = (unit @ unit.mT).cpu().numpy()
    began = time.perf_counter()
    expected = published_way(cosines)
    published = time.perf_counter() - began
    seconds = []
    with torch.no_grad():
        for _ in range(6):
            began = now(device)
            found = graph.manifold_graph(features)
            seconds.append(now(device) - began)
    return published, median(seconds[1:]), np.abs(found.cpu().numpy() - expected).max()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--rounds", type=int, default=5, help="steps that are timed")
    options = parser.parse_args()
    torch.set_num_threads(1)

    print(f"{platform.processor() or platform.machine()}, {cpu()}, {options.device}")
    print(f"Python {platform.python_version()}, torch {torch.__version__}, "
          f"scikit-learn {sklearn.__version__}, one thread")  # fmt: skip
    coded = mhssa_gcn.VARIANTS["as_coded"][1]
    forms = {
        "as described, paper size": (mhssa_gcn.Config(), 128),
        "as coded, paper size": (replace(mhssa_gcn.Config(), **coded), 128),
        "as described, small": (replace(mhssa_gcn.Config(), **mhssa_gcn.SMALL), 32),
        "as coded, small": (replace(mhssa_gcn.Config(), **(mhssa_gcn.SMALL | coded)), 32),
    }
    for name, (config, batch_size) in forms.items():
        rate = training(config, batch_size, options.device, options.rounds)
        print(f"{name:26s} batch {batch_size:3d}  {rate:7.0f} training clips/s")
    published, ours, difference = graph_step(128, options.device)
    print(
        f"graph, 128 clips: one by one {1000 * published:.0f} ms, as a batch {1000 * ours:.1f} ms, "
        f"{published / ours:.0f} times faster, largest difference {difference:.0e}"
    )
    return 0


def cpu() -> str:
    """The processor's name, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


if __name__ == "__main__":
    sys.exit(main())
