"""Moving statistics re-estimated on the training split: a new export with the same weights."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from components.diagnosis.batch_norm import reestimated
from components.push_gate.examples import read_split
from components.push_gate.exported import (
    FACTS_FILE,
    FREEZE_PROOF_FILE,
    HISTORY_FILE,
    KERAS_PATH,
    SERVING_FOLDER,
    ExportedModel,
    read_facts,
)
from components.push_gate.fingerprint import directory_fingerprint
from components.push_gate.training_mode import load_keras
from components.trainer.examples import ExampleReader
from components.trainer.export import write

# Precise BatchNorm needs about a thousand; pixels of these are held in memory.
NUM_EXAMPLES: Final = 1_024


def is_called_for(verdict: Mapping[str, Any]) -> bool:
    """Whether re-estimation is right: a refused model whose trainable BatchNorm never converged.

    Frozen BatchNorm is not re-estimated: the statistics of the source task are what its weights were trained with, and
    on a far domain re-estimation does harm.
    """
    causes = (verdict.get("diagnosis") or {}).get("causes") or []
    return verdict["decision"] != "PASS" and "statistics_not_converged" in [cause["id"] for cause in causes]


def mend(model_uri: str, repaired_uri: str, train_uri: str, transform_graph_uri: str) -> None:
    """Writes the model again with re-estimated statistics, and says so in its history and facts.

    Args:
        model_uri: The Model artifact that was refused.
        repaired_uri: Where the mended one goes.
        train_uri: Folder with the training split's examples.
        transform_graph_uri: The TransformGraph artifact that the model was trained with.
    """
    exported, model = ExportedModel(model_uri), load_keras(f"{model_uri.rstrip('/')}/{KERAS_PATH}")
    assert model is not None, "the cause was found on the Keras model"
    facts = dict(exported.facts)
    examples = read_split(train_uri, exported.classes, (), NUM_EXAMPLES)
    pixels = exported.pixels_of(examples, NUM_EXAMPLES)
    batch_size, seed = facts["batch_size"], facts["seed"]
    with reestimated(model, pixels, batch_size, NUM_EXAMPLES, seed) as distances:
        history = dict(read_facts(model_uri, HISTORY_FILE) or {})
        history["repair"] = {"layers": [asdict(one) for one in distances], "num_examples": len(examples.rows)}
        facts["repaired_from"] = directory_fingerprint(f"{model_uri.rstrip('/')}/{SERVING_FOLDER}")
        proof = read_facts(model_uri, FREEZE_PROOF_FILE)
        papers = {FACTS_FILE: facts, FREEZE_PROOF_FILE: proof, HISTORY_FILE: history}
        reader = ExampleReader(transform_graph_uri)
        write(model, reader, exported.classes, papers, Path(repaired_uri) / SERVING_FOLDER)
