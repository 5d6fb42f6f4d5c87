"""The fresh process: loads an export as a server would and answers requests, with TensorFlow and nothing of ours.

Run as `python -m components.serving_check.probe --model DIR --requests FILE --out FILE`. An answer is written as soon
as it is there, so that after a crash the last line says how far the export came.
"""

import argparse
import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

Serve = Callable[..., dict[str, tf.Tensor]]


def main() -> None:
    """Answers every request in `--requests` with a line of JSON in `--out`; the first line describes the signature."""
    parser = argparse.ArgumentParser()
    for name in ("--model", "--requests", "--out"):
        parser.add_argument(name, required=True)
    arguments = parser.parse_args()
    plan = json.loads(Path(arguments.requests).read_bytes())
    loaded = tf.saved_model.load(arguments.model)
    serve = loaded.signatures.get("serving_default")
    with Path(arguments.out).open("w") as out:
        _write(out, _describe(serve))
        if serve is None or "image_bytes" not in serve.structured_input_signature[1]:
            return
        for request in plan["requests"]:
            _write(out, {"name": request["name"], **_answer(serve, _decode(request["images"]))})
        for size in plan["timed"]["batch_sizes"]:
            images = _decode([plan["timed"]["image"]] * size)
            _write(out, {"timed": size, "milliseconds": _time(serve, images, plan["timed"]["repetitions"])})


def _describe(serve: Any) -> dict[str, dict[str, str]]:
    inputs = serve.structured_input_signature[1] if serve else {}
    outputs = serve.structured_outputs if serve else {}
    return {
        "inputs": {name: spec.dtype.name for name, spec in inputs.items()},
        "outputs": {name: spec.dtype.name for name, spec in outputs.items()},
    }


def _decode(images: list[str]) -> tf.Tensor:
    return tf.constant([base64.b64decode(image) for image in images], tf.string)


def _answer(serve: Serve, images: tf.Tensor) -> dict[str, Any]:
    try:
        outputs = serve(image_bytes=images)
    except tf.errors.OpError as error:
        # The first lines say where in the graph it happened, a line each; the cause comes last.
        lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
        text = next((line for line in reversed(lines) if not line.startswith("[[")), "")
        return {"outcome": "refused", "error": type(error).__name__, "detail": text[:300]}
    values = {name: np.asarray(tensor).tolist() for name, tensor in outputs.items()}
    names = [name.decode("utf-8", "replace") for name in values.get("class_name", [])]
    return {"outcome": "answered", **values, "class_name": names}


def _time(serve: Serve, images: tf.Tensor, repetitions: int) -> list[float]:
    milliseconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        # A result on a device counts when it has arrived.
        {name: tensor.numpy() for name, tensor in serve(image_bytes=images).items()}
        milliseconds.append(1000 * (time.perf_counter() - start))
    return milliseconds


def _write(out: Any, line: dict[str, Any]) -> None:
    out.write(json.dumps(line, default=str) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
