"""Which execution properties a node has, and what a run changes about them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from pipeline.code_hash import code_hash
from pipeline.config import Config
from pipeline.runners.kubeflow.facts import Facts, no_code, plan_of, told, watch_of
from pipeline.runners.kubeflow.pipelines import UNTIL

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode


@dataclass(frozen=True)
class Met:
    """What is known in a step alone."""

    data_fingerprint: str = ""
    """Of the images that ingest found; empty where the node does not see them."""
    until: str = ""
    """The last day of a look at the requests; empty: today."""
    code_hash: Callable[[str], str] = no_code
    """Hashes a module's code."""


def nodes_of(facts: Facts, config: Config, met: Met | None = None) -> list["BaseNode"]:
    """Returns the nodes of the pipeline that the facts are of, by its own definition.

    Args:
        facts: The compiled pipeline's.
        config: With the run's parameters.
        met: What the step knows; None outside one.
    """
    met = met or Met()
    # Either imports TFX.
    if facts.pipeline == "monitoring":
        from pipeline import monitoring

        return monitoring.nodes(watch_of(config, met.until, met.code_hash))
    from pipeline import training

    return training.nodes(plan_of(facts, config, met.data_fingerprint, met.code_hash))


def properties(facts: Facts, config: Config, met: Met | None = None) -> dict[str, dict[str, Any]]:
    """Returns the execution properties of every one of these nodes."""
    return {node.id: dict(node.exec_properties) for node in nodes_of(facts, config, met)}


def changed_at_run_time(facts: Facts, node_id: str, given: Mapping[str, Any], data_fingerprint: str) -> dict[str, Any]:
    """Finds what a run's parameters, the data it met and the image's code make of one node's properties.

    Args:
        facts: The compiled pipeline's.
        node_id: The node.
        given: The run's parameters that reach the node, name -> value.
        data_fingerprint: Of the images that ingest found; empty where the node does not see them.

    Returns:
        Only what differs from what was compiled; messages always, for TFX's compiler makes texts of them and its
        executors want them as they were.

    Raises:
        ConfigRefused: A parameter's value is impossible.
    """
    compiled = properties(facts, facts.config)[node_id]
    met = Met(data_fingerprint, str(given.get(UNTIL, "")), code_hash)
    now = properties(facts, told(facts, given), met)[node_id]
    return {name: value for name, value in now.items() if isinstance(value, Message) or compiled[name] != value}
