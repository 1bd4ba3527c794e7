"""The packages the study was made with: the pins in environment.yml, and what is installed.

Standard library only: `run_all.sh` asks this module before anything has been installed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import StudyError
from .paths import ROOT

LIST = ROOT / "environment.yml"
PROJECT = "micro-expression-study"  # [project] name in pyproject.toml
OLDEST_PYTHON = (3, 11)
GIBIBYTE = 2**30


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
    """The lines of the `pip:` section of environment.yml, as pip reads them."""
    lines, depth = [], None
    for line in path.read_text(encoding="utf-8").splitlines():
        content = line.split(" #")[0].rstrip()
        indent = len(content) - len(content.lstrip())
        if re.fullmatch(r"\s*- pip:", content):
            depth = indent
        elif depth is not None and content.strip() and not content.lstrip().startswith("#"):
            if indent <= depth:
                break
            lines.append(content.strip().removeprefix("- ").strip())
    if not lines:
        raise StudyError(f"{path}: no `- pip:` section with packages; restore the file from git")
    return lines


def pins(path: Path = LIST) -> dict[str, str]:
    """Name -> exact version of every direct dependency."""
    found = {}
    for line in requirements(path):
        if line.startswith("-e "):
            continue
        name, equals, version = line.partition("==")
        if not equals:
            raise StudyError(f"{path}: {line!r} has no exact version; write it as name==1.2.3")
        found[name.strip()] = version.strip()
    return found


def installed(name: str) -> str | None:
    """Version of an installed distribution, None without it (or with a half-removed one)."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def packages(path: Path = LIST) -> list[Package]:
    """Every pinned package with what is installed of it, in the order of the list."""
    return [Package(name, version, installed(name)) for name, version in pins(path).items()]


def project_folder() -> Path | None:
    """The checkout that `import mer_utils` finds from a notebook, None if it finds none."""
    # more than one may be seen: the build leaves an egg-info in the checkout, without the address
    for found in metadata.distributions(name=PROJECT):
        text = found.read_text("direct_url.json")
        if text:
            return Path(unquote(urlsplit(json.loads(text)["url"]).path))
    return None


def problems(path: Path = LIST) -> list[str]:
    """What keeps this interpreter from running the study, one phrase each; empty if nothing."""
    found = []
    if sys.version_info < OLDEST_PYTHON:
        found.append(f"Python {sys.version.split()[0]} where 3.11 or newer is needed")
    found += [
        f"{package.name} {package.installed or 'missing'} where {package.pinned} is needed"
        for package in packages(path)
        if not package.holds
    ]
    folder = project_folder()
    if folder is None:
        found.append("mer_utils not installed (pip install -e .)")
    elif folder.resolve() != ROOT:
        found.append("mer_utils installed from another checkout (pip install -e .)")
    return found


def lock() -> str:
    """Every installed package as `name==version`, sorted; no path and no index address."""
    versions = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name and name != PROJECT:
            # the first one found is the one that is imported
            versions.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    lines = [f"{name}=={version}" for name, version in sorted(versions.items())]
    return f"# Python {sys.version.split()[0]} on {sys.platform}\n" + "\n".join(lines) + "\n"


def cores() -> int:
    """Processor cores this process may use: its affinity, cut by a container's quota."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.is_file():
        allowed, _, period = quota.read_text().strip().partition(" ")
        if allowed != "max":
            count = min(count, max(1, int(allowed) // int(period)))
    return count


def memory() -> float | None:
    """GiB of memory of the machine, None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIBIBYTE
    except (ValueError, OSError):
        return None
