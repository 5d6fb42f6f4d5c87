"""The gate on toys that were really trained, exported and evaluated with TFMA."""

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import numpy as np
import pytest

from components.push_gate.exported import read_facts
from components.push_gate.judge import Judgement, Uris, judge
from components.push_gate.settings import GateSettings
from components.push_gate.verdict import evidence_document, verdict_document

pytestmark = pytest.mark.tfx

SETTINGS = GateSettings()
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "verdict.schema.json").read_text())


def verdict_of(judgement: Judgement, uris: Uris) -> dict[str, Any]:
    """Builds both documents as strict JSON and holds the verdict against its schema."""
    facts = read_facts(uris.model, "frostgate.json")
    document = verdict_document(judgement, SETTINGS, facts, "config-hash")
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    json.dumps(evidence_document(judgement), allow_nan=False)
    return json.loads(json.dumps(document, allow_nan=False))


def copied(run: Any, folder: Path) -> Uris:
    """The run's model and documents in a folder that a test may change."""
    uris = run.uris()
    shutil.copytree(run.model, folder / "model")
    for name in ("ingest", "data", "baseline"):
        shutil.copytree(run.root / name, folder / name)
    return replace(
        uris,
        model=str(folder / "model"),
        ingest_report=str(folder / "ingest"),
        data_decision=str(folder / "data"),
        baseline=str(folder / "baseline"),
    )


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_healthy_model_passes_and_tfma_agrees(run_of: Callable[[str], Any]) -> None:
    uris = run_of("healthy").uris()
    judgement = judge(uris, SETTINGS)
    document = verdict_of(judgement, uris)
    assert (document["decision"], document["codes"]) == ("PASS", [])
    measurements = document["measurements"]
    assert (measurements["A"]["total"], measurements["B"]["total"], measurements["C"]["total"]) == (597, 597, 299)
    assert measurements["C"]["value"] > 0.9 and measurements["parity_difference"] < 1e-5
    assert document["counts"] == {"train": 597, "eval": 299, "rejected": 0}
    assert {part["name"] for part in document["slices"]} == {
        *(f"label={name}" for name in "56789"),
        "format=png",
        "format=bmp",
    }
    assert document["diagnosis"] is None
    assert document["fingerprints"]["backbone"] == "ab" and len(document["fingerprints"]["model"]) == 64


def test_evidence_shows_confusion_reliability_and_the_worst_images(run_of: Callable[[str], Any]) -> None:
    document = evidence_document(judge(run_of("healthy").uris(), SETTINGS))
    assert sum(map(sum, document["confusion"]["eval"])) == 299
    assert sum(part["count"] for part in document["reliability"]["eval"]) == 299
    probabilities = [item["probability"] for item in document["worst"]]
    assert len(probabilities) == 12 and probabilities == sorted(probabilities)
    assert document["worst"][0]["thumbnail"].startswith("data:image/png;base64,iVBOR")
    assert document["tfma"]["eval"]["example_count"] == 299
    assert [item["class"] for item in document["per_class"]] == list("56789")


def test_unconverged_batch_norm_is_blocked_as_a_mode_gap(run_of: Callable[[str], Any]) -> None:
    uris = run_of("collapsed").uris()
    document = verdict_of(judge(uris, SETTINGS), uris)
    measurements = document["measurements"]
    assert document["decision"] == "BLOCK" and document["codes"][0] == "G1"
    assert measurements["A"]["value"] > measurements["B"]["value"] + 0.3
    # What a gap between the splits alone would have seen: nothing.
    assert abs(measurements["B"]["value"] - measurements["C"]["value"]) < 0.1
    assert "in training mode but" in document["sentence"]
    (cause,) = document["diagnosis"]["causes"]
    assert (cause["id"], cause["confidence"]) == ("statistics_not_converged", "strong")
    assert document["diagnosis"]["measurements"]["layers"][0]["log_variance_ratio"] > 1
    assert document["diagnosis"]["forward_passes"] <= 4


def test_a_trainer_that_saw_what_serving_does_not_is_named(run_of: Callable[[str], Any], tmp_path: Path) -> None:
    uris = copied(run_of("constant"), tmp_path)
    history = {"phases": [{"best_epoch": 0, "epochs": [{"accuracy": 0.99}]}]}
    (tmp_path / "model" / "Format-Serving" / "assets.extra" / "history.json").write_text(json.dumps(history))
    document = verdict_of(judge(uris, SETTINGS), uris)
    assert document["diagnosis"]["causes"][0]["id"] == "training_serving_skew"
    assert "the trainer saw 99.0% of training examples right" in document["diagnosis"]["sentence"]


def test_copies_across_the_splits_are_shown_side_by_side(
    run_of: Callable[[str], Any], toy: ModuleType, tmp_path: Path
) -> None:
    data = toy.digits()
    few = toy.Digits(data["train"].images[:12], data["train"].labels[:12])
    half = toy.Digits(data["eval"].images.copy(), data["eval"].labels.copy())
    half.images[:150], half.labels[:150] = few.images[np.arange(150) % 12], few.labels[np.arange(150) % 12]
    half.labels[150:] = np.random.default_rng(0).permutation(half.labels[150:])  # Otherwise too easy to be refused.
    splits = {"train": few, "eval": half}
    toy.write_examples(tmp_path / "examples", splits)
    toy.write_documents(tmp_path, splits)
    model = toy.export(tmp_path / "model", toy.train(toy.network(dropout=0.0), few, epochs=40))
    run = toy.Run(tmp_path, model, toy.evaluate(tmp_path / "evaluations", tmp_path / "examples", model))
    judgement = judge(run.uris(), SETTINGS)
    document = verdict_of(judgement, run.uris())
    assert "duplicates" in [cause["id"] for cause in document["diagnosis"]["causes"]]
    copies = evidence_document(judgement)["copies"]
    assert len(copies) == 6
    for pair in copies:
        assert pair["validation"]["label"] == pair["train"]["label"]
        assert pair["validation"]["thumbnail"] == pair["train"]["thumbnail"]


def test_validation_by_training_images_with_one_pixel_changed_is_held(
    run_of: Callable[[str], Any], toy: ModuleType, tmp_path: Path
) -> None:
    data = toy.digits()
    few = toy.Digits(data["train"].images[:220], data["train"].labels[:220])
    twice = np.concatenate([few.images, few.images])
    twice[:220, 0, 0] += 90
    twice[220:, 0, 7] += 70
    splits = {"train": few, "eval": toy.Digits(twice, np.concatenate([few.labels, few.labels]))}
    toy.write_examples(tmp_path / "examples", splits)
    toy.write_documents(tmp_path, splits)
    model = run_of("healthy").model
    run = toy.Run(tmp_path, model, toy.evaluate(tmp_path / "evaluations", tmp_path / "examples", model))
    judgement = judge(run.uris(), SETTINGS)
    document = verdict_of(judgement, run.uris())
    assert (document["decision"], document["codes"]) == ("HOLD", ["HOLD"])
    assert "220 of 220 validation images of distinct content are copies of training images" in document["sentence"]
    assert document["measurements"]["C"]["total"] == 220 and document["counts"]["eval"] == 440
    assert (document["copies"]["repeated"], document["copies"]["in_training"]) == (220, 220)
    assert document["copies"]["examples"][0]["validation"].startswith("eval/")


def test_what_repeats_another_validation_image_counts_once_everywhere(
    run_of: Callable[[str], Any], toy: ModuleType, tmp_path: Path
) -> None:
    data = toy.digits()
    again = toy.Digits(
        np.concatenate([data["eval"].images, data["eval"].images[:100]]),
        np.concatenate([data["eval"].labels, data["eval"].labels[:100]]),
    )
    splits = {"train": data["train"], "eval": again}
    toy.write_examples(tmp_path / "examples", splits)
    toy.write_documents(tmp_path, splits)
    model = run_of("healthy").model
    run = toy.Run(tmp_path, model, toy.evaluate(tmp_path / "evaluations", tmp_path / "examples", model, ("format",)))
    once, repeated = judge(run_of("healthy").uris(), SETTINGS), judge(run.uris(), SETTINGS)
    assert repeated.decision.outcome == "PASS"
    assert once.evidence.validation is not None and repeated.evidence.validation is not None
    assert repeated.evidence.validation.counts == once.evidence.validation.counts
    assert repeated.evidence.slices == once.evidence.slices
    assert repeated.evidence.majority_share == once.evidence.majority_share
    assert repeated.evidence.top_share == once.evidence.top_share
    documents = [evidence_document(judgement) for judgement in (once, repeated)]
    assert documents[0]["confusion"] == documents[1]["confusion"]
    assert documents[0]["per_class"] == documents[1]["per_class"]


def test_a_model_of_nan_is_blocked_and_nan_is_never_written(run_of: Callable[[str], Any]) -> None:
    uris = run_of("broken").uris()
    judgement = judge(uris, SETTINGS)
    document = verdict_of(judgement, uris)
    assert document["codes"][0] == "G0"
    assert "is not a finite number" in document["sentence"]
    assert document["measurements"]["loss"] == {"train": None, "eval": None}
    assert document["measurements"]["parity_difference"] is None
    assert "G0 agreement" not in [f"{check['code']} {check['name']}" for check in document["checks"] if check["fired"]]


def test_a_constant_model_is_blocked_as_chance_and_degenerate(run_of: Callable[[str], Any]) -> None:
    uris = run_of("constant").uris()
    document = verdict_of(judge(uris, SETTINGS), uris)
    assert {"G2", "G4", "G5"} <= set(document["codes"]) and "G0" not in document["codes"]
    assert (document["measurements"]["top_class"], document["measurements"]["top_share"]) == ("7", 1.0)


def test_a_model_without_a_keras_file_is_held(run_of: Callable[[str], Any], tmp_path: Path) -> None:
    uris = copied(run_of("healthy"), tmp_path)
    shutil.rmtree(Path(uris.model) / "Format-Keras")
    document = verdict_of(judge(uris, SETTINGS), uris)
    assert (document["decision"], document["codes"]) == ("HOLD", ["HOLD"])
    assert "could not be examined" in document["sentence"]
    assert document["measurements"]["A"] is None
    (unexamined,) = document["diagnosis"]["unexamined"]
    assert unexamined == {"id": "every cause", "why": "the export has no Keras model"}


def test_the_verdict_says_what_the_training_started_from(run_of: Callable[[str], Any]) -> None:
    uris = run_of("healthy").uris()
    judgement = judge(uris, SETTINGS)

    def said(start: Any) -> Any:
        documents = replace(judgement.documents, history={"phases": [], "warm_start": start})
        return verdict_of(replace(judgement, documents=documents), uris)["warm_start"]

    for known in (
        {"version": "3", "sentence": "The training started from the weights of version 3."},
        {"version": None, "sentence": "The training started cold: there is no champion yet."},
    ):
        assert said(known) == said(known | {"more": 1}) == known
    # A trainer of one's own may write anything.
    assert [said(start) for start in (None, 3, {}, {"version": "3"}, {"sentence": 3})] == [None] * 5
    assert verdict_of(judgement, uris)["warm_start"] is None


def test_training_mode_then_comes_from_the_history(run_of: Callable[[str], Any], tmp_path: Path) -> None:
    uris = copied(run_of("collapsed"), tmp_path)
    shutil.rmtree(Path(uris.model) / "Format-Keras")
    history = {"phases": [{"name": "head", "epochs": [{"accuracy": 0.5}, {"accuracy": 0.97}], "best_epoch": 1}]}
    (Path(uris.model) / "Format-Serving" / "assets.extra" / "history.json").write_text(json.dumps(history))
    document = verdict_of(judge(uris, SETTINGS), uris)
    assert document["codes"][0] == "G1"
    assert document["measurements"]["A"]["value"] == pytest.approx(0.97, abs=1e-3)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("model/Format-Serving/saved_model.pb", "the measurement broke off"),
        ("model/Format-Serving/assets.extra/frostgate.json", "frostgate.json"),
        ("model/Format-Serving/assets.extra/freeze_proof.json", "no proof"),
        ("data/decision.json", "no decision about the data"),
        ("ingest/report.json", "is not known"),
        ("baseline/baseline.json", "baseline.json"),
    ],
)
def test_a_missing_file_blocks_and_is_told_without_a_crash(
    run_of: Callable[[str], Any], tmp_path: Path, path: str, words: str
) -> None:
    uris = copied(run_of("healthy"), tmp_path)
    (tmp_path / path).unlink()
    document = verdict_of(judge(uris, SETTINGS), uris)
    assert (document["decision"], document["codes"][0]) == ("BLOCK", "G0")
    assert words in document["sentence"]


def test_a_proof_without_its_parts_is_no_proof(run_of: Callable[[str], Any], tmp_path: Path) -> None:
    uris = copied(run_of("healthy"), tmp_path)
    proof = Path(uris.model) / "Format-Serving" / "assets.extra" / "freeze_proof.json"
    proof.write_text('{"passed": true, "findings": []}')
    assert judge(uris, SETTINGS).decision.codes == ("G0",)


def test_examples_that_ingest_did_not_write_block(run_of: Callable[[str], Any], tmp_path: Path) -> None:
    uris = copied(run_of("healthy"), tmp_path)
    report = json.loads((tmp_path / "ingest" / "report.json").read_text())
    (tmp_path / "ingest" / "report.json").write_text(json.dumps({**report, "by_split": {"train": 597, "eval": 300}}))
    assert "299 examples where ingest wrote 300" in judge(uris, SETTINGS).decision.sentence


def test_swapped_evaluations_are_noticed(run_of: Callable[[str], Any]) -> None:
    uris = run_of("healthy").uris()
    swapped = {"train": uris.evaluations["eval"], "eval": uris.evaluations["train"]}
    assert judge(replace(uris, evaluations=swapped), SETTINGS).decision.codes == ("G0",)


def test_serving_another_model_than_was_trained_fails_parity(
    run_of: Callable[[str], Any], toy: ModuleType, tmp_path: Path
) -> None:
    uris = copied(run_of("healthy"), tmp_path)
    other = toy.train(toy.network(), toy.digits()["train"], epochs=11)
    other.save(Path(uris.model) / "Format-Keras" / "model.keras")
    decision = judge(uris, SETTINGS).decision
    assert [check.name for check in decision.checks if check.fired] == ["parity"]


def test_a_keras_file_with_code_in_it_is_never_run(run_of: Callable[[str], Any], tmp_path: Path) -> None:
    import keras

    uris = copied(run_of("healthy"), tmp_path)
    crafted = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x)])
    crafted.save(Path(uris.model) / "Format-Keras" / "model.keras")
    assert judge(uris, SETTINGS).decision.sentence.startswith("Blocked (G0 measurement): the measurement broke off")


def with_champion(run: Any, champion: Path, folder: Path) -> Uris:
    uris = copied(run, folder)
    shutil.copytree(champion / "Format-Serving", folder / "baseline" / "Format-Serving")
    (folder / "baseline" / "baseline.json").write_text(json.dumps({"version": "3"}))
    return uris


def test_a_worse_model_than_the_champion_is_blocked(run_of: Callable[[str], Any], tmp_path: Path) -> None:
    uris = with_champion(run_of("constant"), run_of("healthy").model, tmp_path)
    document = verdict_of(judge(uris, SETTINGS), uris)
    assert "G4" in document["codes"]
    assert document["baseline"]["version"] == "3" and document["baseline"]["accuracy"] > 0.9


def test_a_better_model_than_the_champion_passes(run_of: Callable[[str], Any], tmp_path: Path) -> None:
    uris = with_champion(run_of("healthy"), run_of("constant").model, tmp_path)
    document = verdict_of(judge(uris, SETTINGS), uris)
    assert document["decision"] == "PASS" and document["baseline"]["accuracy"] < 0.3


def test_the_champions_classes_are_matched_by_name(
    run_of: Callable[[str], Any], toy: ModuleType, tmp_path: Path
) -> None:
    digits = toy.digits()["train"]
    turned = toy.Digits(digits.images, 4 - digits.labels)
    champion = toy.export(tmp_path / "champion", toy.healthy(turned), classes=toy.CLASSES[::-1])
    uris = with_champion(run_of("healthy"), champion, tmp_path)
    document = verdict_of(judge(uris, SETTINGS), uris)
    assert document["decision"] == "PASS" and document["baseline"]["accuracy"] > 0.9


def test_labels_in_another_order_than_the_champion_learnt_are_blocked(
    run_of: Callable[[str], Any], toy: ModuleType, tmp_path: Path
) -> None:
    digits = toy.digits()["train"]
    # The same names in the same order, and yet what was called 5 is called 9 now.
    champion = toy.export(tmp_path / "champion", toy.healthy(toy.Digits(digits.images, 4 - digits.labels)))
    uris = with_champion(run_of("healthy"), champion, tmp_path)
    document = verdict_of(judge(uris, SETTINGS), uris)
    assert (document["decision"], document["codes"]) == ("BLOCK", ["G4"])
    assert document["sentence"].startswith("Blocked (G4 label order): the champion (version 3) gets")
    renamed = "('5' is called '9', '6' is called '8', '8' is called '6', '9' is called '5')"
    assert renamed in document["sentence"]
    (cause,) = document["diagnosis"]["causes"]
    assert (cause["id"], cause["confidence"]) == ("renamed_classes", "strong")
    assert cause["evidence"][0].endswith(f"in another order of the classes {renamed}")
    assert document["diagnosis"]["sentence"].startswith("The classes were called otherwise when the champion learnt")


def test_a_champion_of_other_classes_is_for_a_person_to_replace(
    run_of: Callable[[str], Any], toy: ModuleType, tmp_path: Path
) -> None:
    model = toy.train(toy.network(), toy.digits()["train"], epochs=1)
    champion = toy.export(tmp_path / "champion", model, classes=("a", "b", "c", "d", "e"))
    uris = with_champion(run_of("healthy"), champion, tmp_path)
    document = verdict_of(judge(uris, SETTINGS), uris)
    checks = {check["name"]: check for check in document["checks"]}
    assert document["baseline"] is None
    assert "knows other classes" in checks["baseline"]["detail"] and not checks["baseline"]["fired"]
    assert checks["accuracy floor"]["threshold"] == SETTINGS.min_first_accuracy
    assert (document["decision"], document["codes"]) == ("HOLD", ["HOLD"])
    assert "knows other classes (a, b, c, d, e; these images: 5, 6, 7, 8, 9)" in document["sentence"]


@pytest.mark.parametrize(
    ("error", "fails"),
    [(OSError(errno.ENOSPC, "No space left on device"), True), (MemoryError(), True), (OSError("unreadable"), False)],
)
def test_a_machine_that_is_too_small_says_nothing_about_the_model(
    run_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, error: Exception, fails: bool
) -> None:
    def broken(*args: object) -> None:
        raise error

    monkeypatch.setattr("components.push_gate.judge.measure", broken)
    if fails:
        with pytest.raises(type(error)):
            judge(run_of("healthy").uris(), SETTINGS)
    else:
        assert judge(run_of("healthy").uris(), SETTINGS).decision.codes[0] == "G0"


def test_only_the_first_training_examples_are_measured(run_of: Callable[[str], Any]) -> None:
    uris = run_of("healthy").uris()
    judgement = judge(uris, SETTINGS.model_copy(update={"max_train_examples": 200}))
    assert judgement.decision.outcome == "PASS"
    assert judgement.evidence.train is not None
    assert (judgement.evidence.train.counts.total, judgement.evidence.train.num_examples) == (200, 597)


def test_the_best_champion_of_before_is_compared_on_the_same_images(
    run_of: Callable[[str], Any], tmp_path: Path
) -> None:
    healthy, constant = run_of("healthy"), run_of("constant")
    uris = with_champion(constant, constant.model, tmp_path)
    shutil.copytree(healthy.model / "Format-Serving", tmp_path / "baseline" / "ancestor" / "Format-Serving")
    (tmp_path / "baseline" / "baseline.json").write_text(json.dumps({"version": "3", "ancestor": "1"}))
    judged = judge(uris, SETTINGS)
    assert judged.evidence.ancestor is not None and judged.evidence.ancestor.version == "1"
    assert "best ancestor" in [check.name for check in judged.decision.checks if check.fired]
    assert judged.evidence.champion is not None and judged.evidence.champion.pairs.difference == 0


def test_an_ancestor_that_is_not_there_is_a_broken_measurement(run_of: Callable[[str], Any], tmp_path: Path) -> None:
    run = run_of("healthy")
    uris = with_champion(run, run.model, tmp_path)
    (tmp_path / "baseline" / "baseline.json").write_text(json.dumps({"version": "3", "ancestor": "1"}))
    assert judge(uris, SETTINGS).decision.sentence.startswith("Blocked (G0 measurement): the measurement broke off")
