"""The node pushes what both blessed, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, PushedModel

from components.artifacts import Baseline
from components.blessing import MODEL_FINGERPRINT
from components.errors import ArtifactChanged
from components.push_gate.fingerprint import directory_fingerprint
from components.pusher import component
from components.pusher.component import VersionPusher
from components.registry.opening import open_registry
from components.registry.protocol import DECISION, FINGERPRINT, WITHDRAWN, ModelRecord
from components.registry.settings import RegistrySettings

pytestmark = pytest.mark.tfx
Push = Callable[..., tuple[PushedModel, dict]]


@pytest.fixture
def registry(tmp_path: Path) -> RegistrySettings:
    return RegistrySettings(uri=f"sqlite:///{tmp_path}/mlflow.db", model_name="digits")


@pytest.fixture
def register(tmp_path: Path, registry: RegistrySettings) -> Callable[..., str]:
    """Registers some other model as the champion; returns its version."""

    def make(contents: str, champion_before: str | None = None) -> str:
        folder = tmp_path / contents
        folder.mkdir()
        (folder / "saved_model.pb").write_text(contents)
        fingerprint = directory_fingerprint(str(folder))
        tags = {FINGERPRINT: fingerprint, DECISION: "PASS"}
        record = ModelRecord(fingerprint, "PASS", tags, {}, {}, {folder: "Format-Serving"})
        version = open_registry(registry).register(record).version
        open_registry(registry).move_alias(version, champion_before)
        return version

    return make


@pytest.fixture
def push_node(tmp_path: Path, registry: RegistrySettings) -> Push:
    """Runs the node; `gate` and `serving` are the blessings as metadata holds them, None is no property at all.

    `judged_against` is the champion's version that the gate compared with, `judged` are the fingerprints that the two
    blessings carry.
    """
    saved_model = tmp_path / "model" / "Format-Serving"
    saved_model.mkdir(parents=True)
    (saved_model / "saved_model.pb").write_bytes(b"graph")

    (tmp_path / "model" / "Format-Keras").mkdir()
    (tmp_path / "model" / "Format-Keras" / "model.keras").write_bytes(b"keras")
    same = (directory_fingerprint(str(tmp_path / "model")),) * 2

    def run(
        gate: float | None,
        serving: float | None,
        judged_against: str | None = None,
        judged: tuple[str, str] = same,
    ) -> tuple[PushedModel, dict]:
        model, blessings, pushed = Model(), (ModelBlessing(), InfraBlessing()), PushedModel()
        model.uri, pushed.uri = str(tmp_path / "model"), str(tmp_path / "pushed")
        for blessing, value, fingerprint in zip(blessings, (gate, serving), judged, strict=True):
            blessing.uri = str(tmp_path / type(blessing).__name__)
            if fingerprint:
                blessing.set_string_custom_property(MODEL_FINGERPRINT, fingerprint)
            if isinstance(value, float):
                blessing.set_float_custom_property("blessed", value)
            elif value is not None:
                blessing.set_int_custom_property("blessed", value)
        baseline = Baseline()
        baseline.uri = str(tmp_path)
        (tmp_path / "baseline.json").write_text(json.dumps({"version": judged_against}))
        inputs = {"model": [model], "model_blessing": [blessings[0]], "infra_blessing": [blessings[1]]}
        inputs["baseline"] = [baseline]
        properties = {"destination": str(tmp_path / "models"), "registry": registry.model_dump_json()}
        properties["code_hash"] = "x"
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


def test_a_model_that_was_compared_with_the_champion_is_pushed(
    push_node: Push, register: Callable[..., str], tmp_path: Path
) -> None:
    assert push_node(1, 1, register("champion"))[1]["pushed"] == 1
    # Whoever registers it gives the destination back.
    assert (tmp_path / "models" / ".push-lease.json").exists()


@pytest.mark.parametrize("judged_against", [None, "1"])
def test_a_champion_that_moved_meanwhile_stops_the_push(
    push_node: Push, register: Callable[..., str], tmp_path: Path, judged_against: str | None
) -> None:
    register("first")
    register("second", "1")
    pushed, record = push_node(1, 1, judged_against)
    assert pushed.get_int_custom_property("pushed") == 0 and record["pushed"] == 0
    assert "and is 2 now; run again to be compared with it." in record["objection"]
    assert [child.name for child in (tmp_path / "models").iterdir() if child.name.isdigit()] == []
    assert not (tmp_path / "models" / ".push-lease.json").exists()


def test_a_model_that_was_taken_back_is_not_pushed_again(
    push_node: Push, register: Callable[..., str], registry: RegistrySettings
) -> None:
    register("first")
    # The very content that the node would push.
    version = register("graph", "1")
    open_registry(registry).move_alias("1", version)
    open_registry(registry).tag(version, {WITHDRAWN: "Ada"})
    assert "taken back by Ada" in push_node(1, 1, "1")[1]["objection"]


def test_without_a_registry_to_ask_nothing_is_pushed(
    push_node: Push, registry: RegistrySettings, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.db").write_text("these are notes")
    with pytest.raises(ValueError, match="must be an SQLite database"):
        push_node(1, 1)
    assert [child.name for child in (tmp_path / "models").iterdir() if not child.name.endswith("lock")] == []


@pytest.mark.parametrize("path", ["Format-Serving/saved_model.pb", "Format-Keras/model.keras"])
def test_a_model_that_changed_since_it_was_judged_is_refused_before_anything_is_locked_or_written(
    push_node: Push, tmp_path: Path, path: str
) -> None:
    (tmp_path / "model" / path).write_bytes(b"grapi")
    with pytest.raises(ArtifactChanged, match=f"^{tmp_path}/model: the model must be what was judged") as caught:
        push_node(1, 1)
    assert caught.value.folder == str(tmp_path / "model")
    assert not (tmp_path / "models").exists()


def test_a_model_whose_files_are_gone_is_made_again(push_node: Push, tmp_path: Path) -> None:
    judged = (directory_fingerprint(str(tmp_path / "model")),) * 2
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(ArtifactChanged, match="it is gone now") as caught:
        push_node(1, 1, judged=judged)
    assert caught.value.folder == str(tmp_path / "model")


@pytest.mark.parametrize("stale", [0, 1])
def test_blessings_of_two_models_push_neither(push_node: Push, tmp_path: Path, stale: int) -> None:
    judged = [directory_fingerprint(str(tmp_path / "model"))] * 2
    judged[stale] = "e" * 64
    with pytest.raises(ArtifactChanged, match="must be what was judged, sha256 eeeeeeeeeeee"):
        push_node(1, 1, judged=tuple(judged))
    assert not (tmp_path / "models").exists()


def test_a_blessing_that_names_no_model_pushes_none(push_node: Push, tmp_path: Path) -> None:
    with pytest.raises(ArtifactChanged, match="InfraBlessing: a blessing must say which model was judged"):
        push_node(1, 1, judged=(directory_fingerprint(str(tmp_path / "model")), ""))
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("dies", ["push", "write"])
def test_a_push_that_dies_gives_the_destination_back(
    push_node: Push, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    if dies == "push":
        monkeypatch.setattr(component, "push", full)
    else:
        monkeypatch.setattr(component.io_utils, "write_string_file", full)
    with pytest.raises(OSError, match="No space left"):
        push_node(1, 1)
    assert not (tmp_path / "models" / ".push-lease.json").exists()
