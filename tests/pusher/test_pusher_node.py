"""The node pushes what both blessed, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, PushedModel

from components.push_gate.fingerprint import directory_fingerprint
from components.pusher.component import VersionPusher

pytestmark = pytest.mark.tfx
Push = Callable[..., tuple[PushedModel, dict]]


@pytest.fixture
def push_node(tmp_path: Path) -> Push:
    """Runs the node; `gate` and `serving` are the blessings as metadata holds them, None is no property at all."""
    saved_model = tmp_path / "model" / "Format-Serving"
    saved_model.mkdir(parents=True)
    (saved_model / "saved_model.pb").write_bytes(b"graph")

    def run(gate: float | None, serving: float | None) -> tuple[PushedModel, dict]:
        model, blessings, pushed = Model(), (ModelBlessing(), InfraBlessing()), PushedModel()
        model.uri, pushed.uri = str(tmp_path / "model"), str(tmp_path / "pushed")
        for blessing, value in zip(blessings, (gate, serving), strict=True):
            if isinstance(value, float):
                blessing.set_float_custom_property("blessed", value)
            elif value is not None:
                blessing.set_int_custom_property("blessed", value)
        inputs = {"model": [model], "model_blessing": [blessings[0]], "infra_blessing": [blessings[1]]}
        properties = {"destination": str(tmp_path / "models"), "code_hash": "x"}
        VersionPusher.EXECUTOR_SPEC.executor_class().Do(inputs, {"pushed_model": [pushed]}, properties)
        return pushed, json.loads((tmp_path / "pushed" / "pushed.json").read_text())

    return run


@pytest.mark.parametrize("yes", [1, 1.0])
def test_a_model_that_both_blessed_is_pushed_also_when_ints_came_back_as_doubles(
    push_node: Push, tmp_path: Path, yes: float
) -> None:
    pushed, record = push_node(yes, yes)
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version") == "1"
    assert pushed.get_string_custom_property("pushed_destination") == str(tmp_path / "models" / "1")
    assert (tmp_path / "models" / "1" / "saved_model.pb").read_bytes() == b"graph"
    assert record["fingerprint"] == directory_fingerprint(str(tmp_path / "model" / "Format-Serving"))


@pytest.mark.parametrize(("gate", "serving"), [(0, 1), (1, 0), (0.0, 1.0), (None, 1), (1, None), (2, 1), (0.9, 1.0)])
def test_anything_else_leaves_the_destination_alone(
    push_node: Push, tmp_path: Path, gate: float | None, serving: float | None
) -> None:
    pushed, record = push_node(gate, serving)
    assert pushed.get_int_custom_property("pushed") == 0 and record == {"pushed": 0}
    assert not (tmp_path / "models").exists()


def test_a_second_push_is_recorded_as_a_no_op(push_node: Push) -> None:
    assert [push_node(1, 1)[1]["already_there"] for _ in range(2)] == [False, True]
