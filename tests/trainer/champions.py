"""Exports in a registry, and what the nodes make of the champion for the next training."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfx.types.standard_artifacts import Model

from components.artifacts import Baseline, IngestReport
from components.push_gate.fingerprint import directory_fingerprint, file_sha256
from components.registry.component import Champion
from components.registry.opening import open_registry
from components.registry.protocol import (
    BASELINE,
    DECISION,
    FINGERPRINT,
    KERAS,
    RUN_KEY,
    TRAINING_KEY,
    VALIDATION,
    WARM_START,
    ModelRecord,
)
from components.registry.settings import RegistrySettings
from components.trainer.settings import TrainerSettings
from components.warm_start.component import WarmStart


@dataclass(frozen=True)
class Champions:
    """A registry of exports."""

    settings: RegistrySettings
    folder: Path

    def register(self, args: Any, key: str = "", **tags: str) -> str:
        """Registers what `run_fn` exported; a tag that is empty is left out. Returns the version."""
        saved_model = Path(args.serving_model_dir)
        keras_file = saved_model.parent / "Format-Keras" / "model.keras"
        said = {
            FINGERPRINT: directory_fingerprint(str(saved_model)),
            DECISION: "PASS",
            RUN_KEY: "",
            BASELINE: "none",
            KERAS: file_sha256(str(keras_file)),
            VALIDATION: "0.33",
            TRAINING_KEY: key,
            WARM_START: "none",
        }
        said = {name: value for name, value in (said | tags).items() if value}
        record = ModelRecord(said[FINGERPRINT], "PASS", said, {}, {})
        artifacts = {saved_model: "Format-Serving", keras_file: "Format-Keras"}
        return open_registry(self.settings).register(replace(record, artifacts=artifacts)).version

    def start(self, version: str, settings: TrainerSettings, backbone: Path, out: Path, **changes: Any) -> Path:
        """Runs both nodes on a version; returns the folder that the Trainer is given."""
        source, baseline, report, started = Model(), Baseline(), IngestReport(), Model()
        source.uri, baseline.uri = str(out / "source"), str(out / "baseline")
        report.uri, started.uri = str(out / "report"), str(out / "start")
        for folder in (source.uri, report.uri):
            Path(folder).mkdir(parents=True)
        Path(source.uri, "Format-Serving").symlink_to(backbone)
        Path(report.uri, "report.json").write_text('{"eval_fraction": 0.33}')
        registry = {"settings": self.settings.model_dump_json(), "version": version, "code_hash": ""}
        Champion.EXECUTOR_SPEC.executor_class().Do({}, {"baseline": [baseline]}, registry)
        properties = {
            "registry": self.settings.model_dump_json(),
            "trainer": settings.model_dump_json(),
            "classes": json.dumps(list("56789")),
            "image_size": 32,
            "training_key": "new",
            "code_hash": "",
        }
        inputs = {"backbone": [source], "baseline": [baseline], "ingest_report": [report]}
        WarmStart.EXECUTOR_SPEC.executor_class().Do(inputs, {"start": [started]}, properties | changes)
        return Path(started.uri, "Format-Serving")
