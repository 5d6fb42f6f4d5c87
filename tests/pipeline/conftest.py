import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished

ROOT = Path(__file__).parents[2]
CLASSES = "56789"


def frostgate(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Types a command and waits for it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipeline.cli.main", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=580)


@pytest.fixture
def with_backbone(small_run: Finished, tmp_path: Path) -> Path:
    """A new output folder whose cache holds nothing but the embedded data and the small pretrained backbone."""
    return _with_backbone(small_run, tmp_path)


@pytest.fixture
def with_resnet50(first_run: Finished, tmp_path: Path) -> Path:
    """The same with ResNet50."""
    return _with_backbone(first_run, tmp_path)


def _with_backbone(run: Finished, tmp_path: Path) -> Path:
    output = tmp_path / "frostgate-output"
    for name in ("embedded", "backbones"):
        shutil.copytree(run.output / "cache" / name, output / "cache" / name)
    return output


@pytest.fixture
def arrives(small_run: Finished, tmp_path: Path) -> Callable[..., None]:
    """Delivers every third of the embedded pictures, under the names that they are given."""
    (digits,) = [path for path in (small_run.output / "cache" / "embedded").iterdir() if (path / "5").is_dir()]

    def deliver(span: int, names: str = CLASSES) -> None:
        for position, picture in enumerate(sorted(digits.glob("[5-9]/*.png"), key=lambda path: path.name)):
            if position % 3 == span - 1:
                name = names[CLASSES.index(picture.parent.name)]
                target = tmp_path / "incoming" / f"span-{span}" / name / picture.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(picture, target)

    return deliver
