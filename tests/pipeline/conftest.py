import shutil
from pathlib import Path

import pytest

from tests.conftest import Finished


@pytest.fixture
def with_backbone(first_run: Finished, tmp_path: Path) -> Path:
    """A new output folder whose cache holds nothing but the embedded data and the pretrained backbone."""
    output = tmp_path / "frostgate-output"
    for name in ("embedded", "backbones"):
        shutil.copytree(first_run.output / "cache" / name, output / "cache" / name)
    return output
