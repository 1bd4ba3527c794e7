"""What several test files share, and which tests run: `--all` adds those marked slow."""

import importlib.metadata
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mer_utils import environment, paths

# Several test processes share the cores; a second thread in each would only wait for the first.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is slow without being wrong.
settings.register_profile("study", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("study")


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config, items):
    """Without --all, and without a -m of the user's own, tests marked slow are left out.

    The file whose tests take longest comes first: begun last, it would keep one process alone.
    """
    items.sort(key=lambda item: item.path.stem != "test_whole_study")
    if config.getoption("--all") or config.getoption("-m"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in set(slow)]


def installed() -> tuple[dict[str, str], Path | None]:
    """Every distribution of this environment with its version, and where mer_utils is from."""
    versions = {
        str(distribution.metadata["Name"]): distribution.version
        for distribution in importlib.metadata.distributions()
    }
    return versions, environment.project_folder()


@pytest.fixture(scope="session", autouse=True)
def unchanged_environment():
    """No test may install into the environment that it runs in."""
    before = installed()
    yield
    assert installed() == before, "a test changed the environment that it runs in"


@pytest.fixture(scope="session")
def megc2019_folder() -> Path:
    """The real 442 flow images, which no repository may hold; without them the test is skipped."""
    return _real("megc2019_flow", "megc2019")


@pytest.fixture(scope="session")
def causal_folder() -> Path:
    """The same clips by CausalNet's flow, as `megc2019_folder`."""
    return _real("megc2019_flow_causal", "causalnet")


def _real(corpus: str, name: str) -> Path:
    for folder in (paths.RAW / corpus, paths.ROOT.parent / "shared" / name):
        if folder.is_dir():
            return folder
    pytest.skip(f"the real images of {corpus} are not here (data/README.md says where they go)")
