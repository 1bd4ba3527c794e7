"""The packages the study was made with: the pins in environment.yml, and what is installed.

Standard library only: `run_all.sh` asks this module before anything has been installed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from itertools import starmap
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .errors import StudyError
from .paths import ROOT

LIST = ROOT / "environment.yml"
PROJECT = "micro-expression-study"  # [project] name in pyproject.toml
OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Package:
    """A pinned package and what this interpreter has of it."""

    name: str
    pinned: str
    installed: str | None  # None: not installed

    @property
    def holds(self) -> bool:
        """A local label names a build, not a version: torch 2.13.0+cpu is torch 2.13.0."""
        return self.installed is not None and self.installed.partition("+")[0] == self.pinned


def requirements(path: Path = LIST) -> list[str]:
    """The lines of the `pip:` section of environment.yml, its last one, as pip reads them."""
    _, _, section = path.read_text(encoding="utf-8").partition("- pip:\n")
    lines = re.findall(r"^\s+- (.+?)(?:\s+#.*)?\s*$", section, re.MULTILINE)
    if not lines:
        raise StudyError(f"{path}: no `- pip:` section with packages; restore the file from git")
    return lines


def pins(path: Path = LIST) -> dict[str, str]:
    """Name -> exact version of every direct dependency."""
    lines = [line for line in requirements(path) if not line.startswith("-e ")]
    if loose := [line for line in lines if "==" not in line]:
        raise StudyError(f"{path}: {loose[0]!r} has no exact version; write it as name==1.2.3")
    return dict(line.split("==", 1) for line in lines)


def installed() -> dict[str, str]:
    """Version of every distribution, by its name in lower case with hyphens."""
    found = [(one.metadata["Name"], one.version) for one in metadata.distributions()]
    # a half-removed one has no name; of two, the first one found is the one that is imported
    return {_normal(name): version for name, version in reversed(found) if name}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(path: Path = LIST) -> list[Package]:
    """Every pinned package with what is installed of it, in the order of the list."""
    here = installed()
    return [Package(name, pin, here.get(_normal(name))) for name, pin in pins(path).items()]


def project_folder() -> Path | None:
    """The checkout that `import mer_utils` finds from a notebook, None if it finds none."""
    # more than one may be seen: the build leaves an egg-info in the checkout, without the address
    for distribution in metadata.distributions(name=PROJECT):
        if text := distribution.read_text("direct_url.json"):
            return Path(unquote(urlsplit(json.loads(text)["url"]).path))
    return None


def other_checkout() -> Path | None:
    """The checkout that loses this environment where it is installed from here, None if none does.

    An environment inside this checkout is its own, wherever it was copied from.
    """
    folder, home = project_folder(), Path(sys.prefix).resolve()
    if folder is None or folder.resolve() == ROOT or home.is_relative_to(ROOT):
        return None
    return folder if (folder / "mer_utils").is_dir() else None


def problems(path: Path = LIST) -> list[str]:
    """What keeps this interpreter from running the study, one phrase each; empty if nothing."""
    phrases = [
        f"{package.name} {package.installed or 'missing'} where {package.pinned} is needed"
        for package in packages(path)
        if not package.holds
    ]
    if sys.version_info < OLDEST_PYTHON:
        phrases.insert(0, f"Python {sys.version.split()[0]} where 3.11 or newer is needed")
    folder = project_folder()
    if folder is None or folder.resolve() != ROOT:
        state = "installed from another checkout" if folder else "not installed"
        phrases.append(f"mer_utils {state} (pip install -e .)")
    return phrases


def lock() -> str:
    """Every installed package as `name==version`, sorted; no path and no index address."""
    others = sorted((name, version) for name, version in installed().items() if name != PROJECT)
    head = f"# Python {sys.version.split()[0]} on {sys.platform}\n"
    return head + "".join(f"{name}=={version}\n" for name, version in others)


def cores() -> int:
    """Processor cores this process may use: its affinity, cut by a container's quota."""
    import joblib  # for once not of the standard library: only what computes asks this

    return joblib.cpu_count()


def each(
    jobs: int | None, doing: str, work: Callable, items: Sequence[tuple]
) -> Iterator[tuple[int, Any]]:
    """(place, `work(*item)`) of every item, as it ends, by processes of one thread each.

    jobs: how many, None for one per core; one alone is this process.  Large arrays lie once in
    memory for all of them.  Raises StudyError where one of them is killed meanwhile.
    """
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed

    jobs = min(jobs or cores(), len(items))
    if jobs < 2:
        yield from enumerate(starmap(work, items))
        return
    ways = {"backend": "loky", "inner_max_num_threads": 1, "mmap_mode": "c"}
    ending = {"initializer": _end_with, "initargs": (os.getpid(),)}
    pool = Parallel(jobs, return_as="generator_unordered", **ways, **ending)
    try:
        with uninterrupted():
            results = pool(delayed(_one)(i, work, item) for i, item in enumerate(items))
        yield from results
    except BrokenProcessPool as error:
        raise StudyError(
            f"a process that {doing} was killed, most often for lack of memory: run the same "
            "command again with fewer --jobs, what was computed is kept"
        ) from error


def _one(place: int, work: Callable, item: tuple) -> tuple[int, Any]:
    return place, work(*item)


def _end_with(parent: int) -> None:
    """A killed run takes its workers along, which would go on working for nothing."""

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Processes that begin meanwhile are not told of Ctrl-C: this one ends them, in one line."""
    from multiprocessing.resource_tracker import ensure_running

    ensure_running()  # where it has to begin, it would let Ctrl-C through afterwards
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def memory() -> float | None:
    """GiB of memory of the machine, None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (ValueError, OSError):
        return None
