"""What several test files share: the real flow images where this machine has them."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mer_utils import paths

# A busy machine is slow without being wrong.
settings.register_profile("study", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("study")


@pytest.fixture(scope="session")
def megc2019_folder() -> Path:
    """The real 442 flow images, which no repository may hold; without them the test is skipped."""
    for folder in (paths.RAW / "megc2019_flow", paths.ROOT.parent / "shared" / "megc2019"):
        if folder.is_dir():
            return folder
    pytest.skip("the real MEGC2019 flow images are not here (data/README.md says where they go)")
