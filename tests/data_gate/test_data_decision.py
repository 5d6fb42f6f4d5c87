from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.data_gate.anomalies import findings, numbers
from components.data_gate.decision import Decision, decide
from components.ingest.report import RejectExample, Report

CLEAN: dict[str, list[str]] = {"train": [], "stop": [], "eval": []}


def report(**changes: Any) -> Report:
    values: dict[str, Any] = {
        "uri": "data", "fingerprint": "f", "spans": (), "classes": ("cat", "dog"), "num_read": 100, "num_kept": 99,
        "num_rejected": 1, "by_split": {"train": 60, "stop": 6, "eval": 33},
        "by_class": {
            "train": {"cat": 30, "dog": 30}, "stop": {"cat": 6}, "eval": {"cat": 16, "dog": 17},
        },
        "rejected_by_reason": {"corrupt": 1}, "num_duplicates": 0, "eval_fraction": 0.33,
        "reject_examples": (RejectExample(uri="data/cat/x.jpg", reason="corrupt", detail="Invalid JPEG"),),
    }  # fmt: skip
    return Report(**values | changes)


def judge(anomalies: dict[str, list[str]] = CLEAN, limit: float = 0.01, **changes: Any) -> Decision:
    return decide(anomalies, report(**changes), limit)


def test_clean_splits_and_few_rejects_pass() -> None:
    assert judge() == Decision(passed=True, reasons=(), checked_splits=("eval", "stop", "train"))


def test_unvalidated_split_stops_training() -> None:
    assert judge({"train": []}).reasons == ("eval: not validated", "stop: not validated")


def test_an_anomaly_stops_training_and_is_named() -> None:
    decision = judge(CLEAN | {"train": ["label: Unexpected string values: elk"]})
    assert not decision.passed
    assert decision.reasons == ("train: label: Unexpected string values: elk",)


def test_more_rejects_than_the_ceiling_stop_training_naming_kinds_and_the_first() -> None:
    (reason,) = judge(limit=0.009).reasons
    assert reason == (
        "1 of 100 images were rejected (1 corrupt), more than data.max_reject_fraction = 0.009; "
        "the first is data/cat/x.jpg: Invalid JPEG"
    )


def test_one_lost_label_stops_training_whatever_the_ceiling() -> None:
    assert judge(limit=1, rejected_by_reason={"missing_label": 1}).reasons == ("label: 1 images have none",)


def test_a_class_without_images_on_either_side_stops_training() -> None:
    by_class = {"train": {"cat": 66}, "eval": {"dog": 33}}
    assert judge(by_class=by_class).reasons == ("eval: class 'cat' has no image", "train: class 'dog' has no image")


def test_a_label_that_is_no_class_stops_training_however_rare() -> None:
    by_class = {"train": {"cat": 30, "dog": 30}, "stop": {"cat": 5, "elk": 1}, "eval": {"cat": 16, "dog": 17}}
    assert judge(by_class=by_class).reasons == ("stop: label 'elk' is not a class",)


def test_that_no_image_says_when_to_stop_is_no_reason_against_the_data() -> None:
    none: dict[str, Any] = {"by_split": {"train": 66, "stop": 0, "eval": 33}}
    anomalies = CLEAN | {"stop": ["data set: there are no examples"]}
    assert judge(anomalies, **none).passed
    assert judge(anomalies).reasons == ("stop: data set: there are no examples",)


def test_nothing_read_stops_training() -> None:
    empty: dict[str, Any] = {
        "num_read": 0,
        "num_kept": 0,
        "num_rejected": 0,
        "by_split": dict.fromkeys(CLEAN, 0),
        "rejected_by_reason": {},
    }
    assert "no image was read" in judge(**empty).reasons


def test_findings_hold_feature_and_both_descriptions_of_any_severity() -> None:
    anomalies = anomalies_pb2.Anomalies()
    anomalies.anomaly_info["width"].CopyFrom(
        anomalies_pb2.AnomalyInfo(
            short_description="Too small", description="min is\n0", severity=anomalies_pb2.AnomalyInfo.WARNING
        )
    )
    anomalies.dataset_anomaly_info.short_description = "Low"
    anomalies.data_missing = True
    assert findings(anomalies) == ("width: Too small: min is 0", "data set: Low: ", "data set: there are no examples")
    assert numbers(anomalies) == {"width": 1, "data set": 2}
    assert findings(anomalies_pb2.Anomalies()) == () and numbers(anomalies_pb2.Anomalies()) == {}
