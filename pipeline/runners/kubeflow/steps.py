"""What every step is given on the cluster: the settings' defaults, the kind of the node, and the exceptions."""

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.config import Config
from pipeline.config_errors import ConfigRefused
from pipeline.runners import outside
from pipeline.runners.kubeflow.branching import NEWS

# They look at the world outside the run (new data, the champion, the destination, the registry, the log of requests),
# which no cache key of the backend covers, or tell it what they found.
NEVER_CACHED: Final = outside.NODES | {NEWS, "ImageExampleGen", "Champion", "ServingLogGen", "DriftGate"}

_FIRST_RETRY_AFTER_SECONDS: Final = 60
# How long a step may wait for a node each time.
_LONGEST_WAIT_SECONDS: Final = 86_400


@dataclass(frozen=True)
class Resources:
    """What one step gets."""

    cpu: float
    cpu_request: float
    memory_gigabytes: float
    memory_request_gigabytes: float
    gpus: int
    retries: int
    timeout_seconds: int
    is_cached: bool
    beam_args: tuple[str, ...]


def resources(config: Config, node_ids: Sequence[str], others: Collection[str]) -> dict[str, Resources]:
    """Says what every node of the pipeline gets.

    Args:
        config: Whose settings hold for every pipeline that is compiled from it.
        node_ids: The pipeline's.
        others: Nodes of the other one, which may be named, too.

    Raises:
        ConfigRefused: `kubeflow.steps` names a node that is in no pipeline, or wants a cache where none may be.
    """
    settings, problems = config.kubeflow, []
    for name, exception in settings.steps.items():
        if name not in node_ids and name not in others:
            near = difflib.get_close_matches(name, [*node_ids, *others], 1)
            further = sorted(set(others) - set(node_ids))
            problems.append(
                f"kubeflow.steps.{name} must be a step of a pipeline{f'; did you mean {near[0]}?' if near else '.'} "
                f"This one has {', '.join(node_ids)}; the other one {', '.join(further)}."
            )
        if exception.cache and name in NEVER_CACHED:
            problems.append(
                f"kubeflow.steps.{name}.cache must be false; received true. The step looks at what the cache key does "
                "not cover, and would hide what is new."
            )
    if problems:
        raise ConfigRefused(problems)
    return {name: _of(config, name) for name in node_ids}


def retried(times: int, timeout_seconds: int) -> dict[str, Any]:
    """What a compiled task says of being tried again so often.

    Args:
        times: After the first.
        timeout_seconds: What one try may take.
    """
    if not times:
        return {}
    # Counted from the start of the first try; without it the backend writes zero, which is over at once. A try that
    # still runs then is stopped.
    pauses = _FIRST_RETRY_AFTER_SECONDS * (2**times - 1)
    longest = (times + 1) * (timeout_seconds + _LONGEST_WAIT_SECONDS) + pauses
    return {
        "retryPolicy": {
            "maxRetryCount": times,
            "backoffDuration": f"{_FIRST_RETRY_AFTER_SECONDS}s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": f"{longest}s",
        }
    }


def _of(config: Config, name: str) -> Resources:
    settings = config.kubeflow
    exception = settings.steps.get(name)
    trains = {"Trainer"} | ({"Backbone"} if config.backbone.weights == "pretrain" else set())
    found = Resources(
        cpu=settings.cpu,
        cpu_request=settings.cpu_request,
        memory_gigabytes=settings.memory_gigabytes,
        memory_request_gigabytes=settings.memory_request_gigabytes,
        gpus=settings.gpus if name in trains else 0,
        retries=settings.retries,
        timeout_seconds=settings.timeout_seconds,
        is_cached=name not in NEVER_CACHED,
        beam_args=(),
    )
    if exception is None:
        return found
    own = exception.model_dump(exclude_none=True)
    own["is_cached"] = own.pop("cache", found.is_cached)
    given = {**vars(found), **own}
    # A smaller limit alone must not end below what is asked for.
    for asked, limit in (("cpu_request", "cpu"), ("memory_request_gigabytes", "memory_gigabytes")):
        given[asked] = min(given[asked], given[limit])
    return Resources(**given)
