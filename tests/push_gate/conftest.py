"""Shared by the gate's tests: healthy evidence, and toy models that were really exported."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from components.copies.counting import CopyCounts
from components.intervals import Counts, PairedCounts
from components.parity import Parity
from components.push_gate.evidence import DataDecision, Evidence, FreezeProof, SliceEvidence, SplitEvaluation
from components.push_gate.evidence import SplitMeasurement as Measured
from tests.push_gate.tables import guessing

SLICES = frozenset({"label=a", "label=b"})


@pytest.fixture
def healthy() -> Evidence:
    """2,000 training and 500 validation examples of two even classes; nothing to complain about."""
    return Evidence(
        data_decision=DataDecision(True, ()),
        freeze_proof=FreezeProof(True, (), 2, 2, "aa", "aa"),
        train=Measured(Counts(1960, 2000), 2000, 2000, 0, SLICES),
        validation=Measured(Counts(480, 500), 500, 500, 0, SLICES),
        modes=PairedCounts(1955, 5, 5, 35),
        tfma={"train": SplitEvaluation(0.98, 2000, SLICES), "eval": SplitEvaluation(0.96, 500, SLICES)},
        parity=Parity(0.0, 1e-5),
        copies=CopyCounts(500, 0, 0, 0),
        num_compared=2200,
        num_written=2200,
        guessing=guessing(Counts(480, 500), 0.5),
        top_share=0.5,
        top_class="a",
        slices=(
            SliceEvidence("label=a", Counts(980, 1000), Counts(240, 250)),
            SliceEvidence("label=b", Counts(980, 1000), Counts(240, 250)),
        ),
    )


@pytest.fixture(scope="session")
def run_of(toy: ModuleType, made_once: Callable[[str, Callable[[Path], None]], Path]) -> Callable[[str], Any]:
    """Kind of toy -> its artifacts, trained, exported and evaluated once for all tests; not to be changed."""

    def run(kind: str) -> Any:
        def make(root: Path) -> None:
            data = toy.digits()
            toy.write_examples(root / "examples", data)
            toy.write_documents(root, data)
            model = toy.export(root / "model", toy.KINDS[kind](data["train"]))
            evaluations = toy.evaluate(root / "evaluations", root / "examples", model, ("format",))
            (root / "evaluations.json").write_text(json.dumps(evaluations))

        root = made_once(f"toy-{kind}", make)
        return toy.Run(root, root / "model", json.loads((root / "evaluations.json").read_text()))

    return run
