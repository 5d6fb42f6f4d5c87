"""The page on reliability names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text())))


def test_the_page_names_a_test_in_every_row() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text().partition("## The campaign")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    without = [row for row in rows if "::test_" not in row and "shown by" not in row]
    assert without == [] and len(rows) > 35


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_the_page_names_exists(file: str, test: str) -> None:
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file} has no {test}"
