"""The node and the file it writes."""

import json
from pathlib import Path

import pytest

from components.card.facts import RunFacts
from components.errors import ArtifactChanged

pytestmark = pytest.mark.tfx


@pytest.fixture
def verdict_dir(tmp_path: Path, verdict: dict, evidence: dict) -> Path:
    folder = tmp_path / "verdict"
    folder.mkdir()
    (folder / "verdict.json").write_text(json.dumps(verdict))
    (folder / "evidence.json").write_text(json.dumps(evidence))
    return folder


def test_a_card_is_written_where_no_folder_was(verdict_dir: Path, tmp_path: Path, run_facts: RunFacts) -> None:
    from components.card.files import write_card

    path = tmp_path / "runs" / "one" / "card.html"
    write_card(str(verdict_dir), None, str(path))
    write_card(str(verdict_dir), run_facts, str(path))
    assert str(run_facts.run_id) in path.read_text()
    assert [one.name for one in path.parent.iterdir()] == ["card.html"]


def test_a_verdict_without_evidence_still_has_its_card(verdict_dir: Path, tmp_path: Path, verdict: dict) -> None:
    from components.card.files import write_card

    (verdict_dir / "evidence.json").unlink()
    write_card(str(verdict_dir), None, str(tmp_path / "card.html"))
    assert verdict["sentence"] in (tmp_path / "card.html").read_text()


def test_a_folder_without_a_verdict_is_refused(tmp_path: Path) -> None:
    from components.card.files import write_card

    with pytest.raises(ValueError, match="there is none"):
        write_card(str(tmp_path), None, str(tmp_path / "card.html"))


@pytest.mark.parametrize("served", [True, False])
def test_the_node_runs_with_and_without_a_serving_report_and_shows_no_edited_verdict(
    verdict_dir: Path, tmp_path: Path, run_facts: RunFacts, served: bool
) -> None:
    from tfx.dsl.components.base import base_executor
    from tfx.types import channel_utils
    from tfx.types.standard_artifacts import ModelBlessing

    from components import artifacts
    from components.blessing import vouch
    from components.card.component import Card

    blessing = ModelBlessing()
    vouch(blessing, "e" * 64, str(verdict_dir / "verdict.json"))
    verdict, report, card = artifacts.Verdict(), artifacts.ServingReport(), artifacts.Card()
    verdict.uri, report.uri, card.uri = str(verdict_dir), str(tmp_path), str(tmp_path / "out")
    (tmp_path / "serving.json").write_text(json.dumps(dict(run_facts.serving or {})))
    reports = {"serving_report": channel_utils.as_channel([report])} if served else {}
    given = {"verdict": channel_utils.as_channel([verdict]), "blessing": channel_utils.as_channel([blessing])}
    node = Card(**given, code_hash="x", **reports)
    executor = node.executor_spec.executor_class(base_executor.BaseExecutor.Context())
    inputs = {"verdict": [verdict], "blessing": [blessing]} | ({"serving_report": [report]} if served else {})
    executor.Do(inputs, {"card": [card]}, {"code_hash": "x"})
    page = (tmp_path / "out" / "card.html").read_text()
    assert ("26.9 ms" in page) is served
    assert ("Serving report: not available" in page) is not served
    (verdict_dir / "verdict.json").write_text("{}")
    with pytest.raises(ArtifactChanged, match=r"verdict\.json must be what was judged"):
        executor.Do(inputs, {"card": [card]}, {"code_hash": "x"})
