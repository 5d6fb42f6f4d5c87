"""Whether the export may serve, from what it answered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from components.parity import rounding_limit
from components.serving_check.launch import ProbeRun
from components.serving_check.requests import Request

# TensorFlow Serving's clients are written against these names and dtypes.
INPUTS: Final = {"image_bytes": "string"}
OUTPUTS: Final = {"probabilities": "float32", "class_index": "int64", "class_name": "string"}

_REFUSAL: Final = "InvalidArgumentError"
_SUM_TOLERANCE: Final = 1e-4

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Reference:
    """What the training graph says of the validation pictures that are asked about."""

    probabilities: np.ndarray
    """float32 [num_examples, num_classes]."""
    limit: float
    """How far rounding may move one of them."""


def findings(
    run: ProbeRun,
    requests: Sequence[Request],
    classes: Sequence[str],
    reference: Reference | None,
) -> tuple[str, ...]:
    """Lists every reason not to serve the export.

    Args:
        run: What the fresh process said.
        requests: What it was asked.
        classes: Class names in the order of the probabilities; empty where the export names none.
        reference: The training graph's probabilities; None where there are none.

    Returns:
        A sentence a finding, each with the request's name; empty when the export may serve.
    """
    general = list(_general(run, classes, reference))
    if run.failure or run.signature is None or _signature(run.signature):
        return tuple(general)
    for request in requests:
        texts = _of_request(request, run.answers, classes, reference)
        general += [f"{request.name}: {text}" for text in texts]
    return tuple(general)


def largest_difference(run: ProbeRun, requests: Sequence[Request], reference: Reference | None) -> float | None:
    """The largest difference of a served probability from the training graph's; None if none could be compared."""
    if reference is None:
        return None
    found = [
        _difference(probabilities, reference.probabilities[list(request.rows)])
        for request in requests
        if request.rows is not None and (probabilities := _probabilities(run.answers.get(request.name))) is not None
    ]
    # NaN, which max() would lose and JSON lacks, is a finding of its own.
    return max((value for value in found if value is not None and np.isfinite(value)), default=None)


def _general(run: ProbeRun, classes: Sequence[str], reference: Reference | None) -> Iterator[str]:
    if run.failure:
        yield f"{run.failure} ({_progress(run)})"
    elif run.signature is None:
        yield "the fresh process said nothing"
    else:
        yield from _signature(run.signature)
    if not classes:
        yield "the export names no classes in assets.extra/frostgate.json"
    if reference is None and not run.failure:
        yield "the training graph gave no probabilities to compare with"


def _progress(run: ProbeRun) -> str:
    return f"last answer: {list(run.answers)[-1]}" if run.answers else "before the first answer"


def _signature(signature: Mapping[str, Mapping[str, str]]) -> list[str]:
    if signature["inputs"] == INPUTS and OUTPUTS.items() <= signature["outputs"].items():
        return []
    return [
        f"serving_default must take {INPUTS} and give {OUTPUTS}; it takes {dict(signature['inputs'])} and gives "
        f"{dict(signature['outputs'])}"
    ]


def _of_request(
    request: Request,
    answers: Mapping[str, Answer],
    classes: Sequence[str],
    reference: Reference | None,
) -> Iterator[str]:
    answer = answers.get(request.name)
    if answer is None:
        yield "no answer"
    elif request.is_bad:
        yield from _of_bad(answer)
    elif answer["outcome"] != "answered":
        yield f"must be answered; {answer['error']}: {answer['detail']}"
    else:
        yield from _of_answer(answer, len(request.images), classes)
        for source, expected in _expected(request, answers, reference):
            difference = _difference(_probabilities(answer), expected)
            if difference is None or not difference <= _limit(reference, expected):
                yield f"probabilities differ from {source} by {difference}, which rounding does not explain"


def _of_bad(answer: Answer) -> Iterator[str]:
    if answer["outcome"] == "answered":
        yield "must be refused; it was answered with probabilities"
    elif answer["error"] != _REFUSAL:
        yield f"must be refused with {_REFUSAL}; {answer['error']}: {answer['detail']}"


def _of_answer(answer: Answer, batch_size: int, classes: Sequence[str]) -> Iterator[str]:
    probabilities = _probabilities(answer)
    if probabilities is None or probabilities.shape != (batch_size, len(classes)):
        shape = None if probabilities is None else list(probabilities.shape)
        yield f"probabilities must have shape {[batch_size, len(classes)]}; they have {shape}"
    elif not np.isfinite(probabilities).all():
        yield "probabilities must be finite"
    elif (probabilities < 0).any() or (np.abs(probabilities.sum(axis=1) - 1) > _SUM_TOLERANCE).any():
        yield f"probabilities must be positive and sum to 1; they sum to {probabilities.sum(axis=1).tolist()[:3]}"
    else:
        indices = probabilities.argmax(axis=1).tolist()
        if answer["class_index"] != indices or answer["class_name"] != [classes[index] for index in indices]:
            yield "class_index and class_name must name the most probable class"


def _limit(reference: Reference | None, expected: np.ndarray | None) -> float:
    """How far rounding may move an answer; the training graph knows, and without one what was expected knows less."""
    if reference is not None:
        return reference.limit
    return 0.0 if expected is None else rounding_limit(expected)


def _expected(
    request: Request, answers: Mapping[str, Answer], reference: Reference | None
) -> Iterator[tuple[str, np.ndarray | None]]:
    if request.rows is not None and reference is not None:
        yield "the training graph's", reference.probabilities[list(request.rows)]
    if request.same_as is not None:
        yield f"{request.same_as}'s", _probabilities(answers.get(request.same_as))


def _probabilities(answer: Answer | None) -> np.ndarray | None:
    """float64 [batch, classes]; None where the answer has no such table."""
    try:
        table = np.asarray((answer or {}).get("probabilities"), np.float64)
    except ValueError:
        return None
    return table if table.ndim == 2 else None


def _difference(found: np.ndarray | None, expected: np.ndarray | None) -> float | None:
    if found is None or expected is None or found.shape != expected.shape:
        return None
    return float(np.abs(found - expected).max())
