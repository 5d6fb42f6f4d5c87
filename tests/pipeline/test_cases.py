"""Some of the cases through the real pipeline; `make cases` runs all of them."""

import json
from typing import Any

import pytest

from components.cases.catalogue import CASES, Case
from pipeline.cases import Finished, drawn, run_variant
from tests.conftest import SHORT_PRETRAINING
from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.engine


@pytest.fixture
def run_case(with_resnet50, monkeypatch):
    """Runs variants of a case on the first run's backbone."""
    for setting in SHORT_PRETRAINING:
        key, _, value = setting.upper().partition("=")
        monkeypatch.setenv(f"FROSTGATE__{key.replace('.', '__')}", value)

    def run(case_id: str, *names: str) -> list[Finished]:
        case: Case = next(one for one in CASES if one.id == case_id)
        wanted = [variant for variant in case.variants if variant.name in names]
        return [run_variant(case, variant, str(with_resnet50)) for variant in wanted]

    return run


def verdict_of(finished: Finished) -> dict[str, Any]:
    assert finished.summary.verdict is not None, finished.summary.message
    return finished.summary.verdict


def accuracies(finished: Finished) -> dict[str, float]:
    measured = verdict_of(finished)["measurements"]
    return {name: measured[name]["value"] for name in ("claimed", "A", "B", "C")}


def test_frozen_batch_statistics_are_blocked_and_explained(run_case):
    (naive,) = run_case("frozen-batch-stats", "naive")
    assert naive.as_expected, naive.summary.message
    assert naive.decision == "BLOCK" and naive.causes[0] == "batch_norm_mode"
    # The same pictures as the author saw them right, and as they would have been served: .19 to .28 by the machine.
    assert accuracies(naive)["A"] > accuracies(naive)["B"] + 0.1
    assert accuracies(naive)["claimed"] > accuracies(naive)["B"] + 0.1
    assert naive.summary.served_version is None
    assert naive.summary.message.endswith(
        "Cause: frozen BatchNorm trained on batch statistics and is served with other ones."
    )


@pytest.mark.long
def test_frozen_batch_statistics_are_mended(run_case):
    (remedied,) = run_case("frozen-batch-stats", "remedied")
    assert remedied.as_expected, remedied.summary.message
    assert remedied.summary.served_version == "1"


@pytest.mark.long
def test_three_images_are_repaired_and_still_too_few(run_case):
    naive, repaired = run_case("three-images", "naive", "reestimated")
    assert naive.as_expected and repaired.as_expected, (naive.summary.message, repaired.summary.message)
    assert accuracies(naive)["A"] == 1.0 and accuracies(naive)["B"] < 0.5
    assert "5 updates leave 95%" in json.dumps(verdict_of(naive)["diagnosis"])
    # In validation the changed pixel turns answers over, from one seed or number of threads to another.
    assert accuracies(repaired)["B"] == 1.0
    assert repaired.decision == "HOLD" and repaired.summary.served_version is None
    mended = verdict_of(repaired)
    assert mended["repaired_from"] == verdict_of(naive)["fingerprints"]["model"]
    assert mended["fingerprints"]["model"] != mended["repaired_from"]
    # The training is the naive run's; only what follows its verdict was done.
    done = {node.id for node in repaired.summary.nodes if node.status == "done"}
    assert {"Repair", "PushGate-repaired"} <= done and "Trainer" not in done


@pytest.fixture(scope="module")
def on_cifar10(tmp_path_factory):
    """Runs a case on CIFAR-10 itself; the cases share their backbone."""
    archive = ROOT.parent / "shared" / "data" / "cifar10-train.tar.gz"
    if not archive.exists():
        pytest.skip("CIFAR-10 does not lie beside the checkout, in ../shared/data/cifar10-train.tar.gz")
    output = str(tmp_path_factory.mktemp("cifar10"))
    pictures = drawn(archive, output)

    def run(case_id: str) -> list[Finished]:
        case: Case = next(one for one in CASES if one.id == case_id)
        return [run_variant(case, variant, output, pictures) for variant in case.variants]

    return run


@pytest.mark.long
@pytest.mark.parametrize("case_id", ["frozen-batch-stats", "learning-phase"])
def test_on_cifar10_itself_the_cause_is_the_same_and_the_remedied_model_is_pushed(on_cifar10, case_id):
    naive, remedied = on_cifar10(case_id)
    assert naive.decision == "BLOCK" and naive.causes[0] == "batch_norm_mode", naive.summary.message
    assert naive.summary.served_version is None
    assert accuracies(naive)["A"] > accuracies(naive)["B"] + 0.15
    assert remedied.decision == "PASS" and remedied.summary.served_version == "1", remedied.summary.message
    assert accuracies(remedied)["C"] > 0.6
