"""Trains until a checkpoint of the wanted phase and epoch exists, then kills its own process without a warning."""

import importlib.util
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path


def kill_when(record: Path, num_epochs: int) -> None:
    while True:
        if record.exists() and len(json.loads(record.read_text())["epochs"]) >= num_epochs:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.002)


if __name__ == "__main__":
    prepared, backbone, out, settings, phase, num_epochs, *folder = sys.argv[1:]
    record = Path(out) / "work" / (folder[0] if folder else "checkpoints") / phase / "progress.json"
    threading.Thread(target=kill_when, args=(record, int(num_epochs)), daemon=True).start()
    spec = importlib.util.spec_from_file_location("trainer_conftest", Path(__file__).with_name("conftest.py"))
    assert spec is not None and spec.loader is not None
    helpers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(helpers)
    from components.trainer.run_fn import run_fn

    run_fn(helpers.make_fn_args(Path(prepared), Path(backbone), Path(out), settings))
