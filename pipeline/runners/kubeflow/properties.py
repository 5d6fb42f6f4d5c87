"""Which execution properties a node has, and what a run changes about them."""

from collections.abc import Mapping
from typing import Any

from pipeline.code_hash import code_hash
from pipeline.resolve import Plan
from pipeline.runners.kubeflow.facts import Facts, plan_of, told


def properties(plan: Plan) -> dict[str, dict[str, Any]]:
    """Returns every node's execution properties, by the pipeline's own definition."""
    from pipeline.training import nodes

    return {node.id: dict(node.exec_properties) for node in nodes(plan)}


def changed_at_run_time(facts: Facts, node_id: str, given: Mapping[str, Any], data_fingerprint: str) -> dict[str, Any]:
    """Finds what a run's parameters, the data it met and the image's code make of one node's properties.

    Args:
        facts: The compiled pipeline's.
        node_id: The node.
        given: The run's parameters that reach the node, name -> value.
        data_fingerprint: Of the images that ingest found; empty where the node does not see them.

    Returns:
        Only what differs from what was compiled.

    Raises:
        ConfigRefused: A parameter's value is impossible.
    """
    compiled = properties(plan_of(facts, facts.config))[node_id]
    now = properties(plan_of(facts, told(facts, given), data_fingerprint, code_hash))[node_id]
    return {name: value for name, value in now.items() if compiled[name] != value}
