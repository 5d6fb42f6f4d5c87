"""Node by node through TFX's launcher: what is told, what is cached, what happens after a failure."""

import shutil

import pytest

from components.errors import ArtifactChanged
from pipeline.runners.progress import Silent
from pipeline.runners.results import Walk

pytestmark = pytest.mark.tfx


@pytest.fixture
def walked(tmp_path):
    def walk_through(holds=None, **options):
        import tiny_nodes

        from pipeline.runners.engine import run_pipeline

        walk = Walk()
        try:
            run_pipeline(
                tiny_nodes.pipeline(tmp_path, tmp_path / "witness", **options), "run", Silent(), walk, holds or {}
            )
        except Exception as error:
            return walk, error
        return walk, None

    return walk_through


def statuses(walk):
    return {node.id: node.status for node in walk.nodes}


def test_cached_nodes_have_the_outputs_of_those_that_ran(walked):
    first, _ = walked()
    second, _ = walked()
    assert set(statuses(first).values()) == {"done"}
    cached = [node for node, status in statuses(second).items() if status == "cached"]
    assert cached == ["Start", "PushGate", "ServingCheck"]
    assert all(second.outputs[node] == first.outputs[node] for node in cached)
    assert (first.outputs["PushGate"]["Verdict"] / "verdict.json").exists()
    assert all(node.peak_memory_gigabytes > 0 for node in first.nodes)


def test_nothing_runs_after_a_failure_and_its_error_is_kept(walked):
    walk, error = walked(behaviour="crash")
    assert isinstance(error, ZeroDivisionError)
    assert [node.status for node in walk.nodes] == ["failed", *["skipped"] * 4]
    assert walk.nodes[0].error.startswith("nothing to divide by")


def test_after_a_failure_only_the_rest_is_run(walked, monkeypatch):
    import tiny_nodes

    walked(behaviour="crash", decision="BLOCK")
    monkeypatch.setitem(tiny_nodes.BEHAVIOURS, "crash", lambda: None)
    walk, _ = walked(behaviour="crash", decision="BLOCK")
    assert set(statuses(walk).values()) == {"done"}
    walk, _ = walked(behaviour="crash", decision="HOLD")
    assert statuses(walk)["Start"] == "cached" and statuses(walk)["PushGate"] == "done"


def test_an_artifact_that_was_deleted_is_made_again(walked):
    first, _ = walked()
    shutil.rmtree(first.outputs["PushGate"]["Verdict"])
    second, error = walked()
    assert error is None
    assert statuses(second)["Start"] == "cached" and statuses(second)["PushGate"] == "done"
    assert (second.outputs["PushGate"]["Verdict"] / "verdict.json").exists()


def test_what_lies_outside_the_store_is_looked_at_by_every_run(walked):
    for _ in range(2):
        walk, _ = walked()
        assert (statuses(walk)["Pusher"], statuses(walk)["RegistryPush"]) == ("done", "done")


def test_what_may_not_be_taken_from_the_cache_is_made_again(walked):
    first, _ = walked()
    changed = first.outputs["PushGate"]["Verdict"]
    for expected in ("done", "cached"):
        walk, error = walked(holds={"frostgate.Verdict": lambda folder: folder != changed})
        assert error is None
        assert statuses(walk)["Start"] == "cached"
        assert statuses(walk)["PushGate"] == statuses(walk)["ServingCheck"] == expected
        assert walk.outputs["PushGate"]["Verdict"] != changed


def test_an_artifact_that_changed_since_it_was_judged_is_made_again_by_the_next_run(walked):
    first, _ = walked()
    (first.outputs["ServingCheck"]["ServingReport"] / "changed").touch()
    second, error = walked(version="10")
    assert isinstance(error, ArtifactChanged) and statuses(second)["Pusher"] == "failed"
    third, error = walked(version="10")
    assert error is None
    assert statuses(third)["PushGate"] == "cached" and statuses(third)["ServingCheck"] == "done"
    assert third.outputs["ServingCheck"] != first.outputs["ServingCheck"]


def flip(folder):
    path = folder / "verdict.json"
    text = path.read_bytes()
    path.write_bytes(text[:-3] + b" " + text[-2:])


def cut(folder):
    (folder / "verdict.json").write_bytes((folder / "verdict.json").read_bytes()[:5])


def empty(folder):
    (folder / "verdict.json").unlink()


def add(folder):
    (folder / "part-2.json").write_text("{}")


@pytest.mark.parametrize(
    ("change", "said"),
    [(flip, "verdict.json is changed"), (cut, "verdict.json is changed"), (empty, "verdict.json is gone"),
     (add, "part-2.json is new")],
)  # fmt: skip
def test_what_changed_since_it_was_written_is_named_by_whoever_reads_it_and_made_again_by_the_next_run(
    walked, change, said
):
    first, _ = walked()
    folder = first.outputs["PushGate"]["Verdict"]
    change(folder)
    second, error = walked(serves=False)
    assert isinstance(error, ArtifactChanged) and statuses(second)["ServingCheck"] == "failed"
    assert str(error) == f"{folder}: {said} since the step wrote it, so nothing was made of it."
    third, error = walked(serves=False)
    assert error is None
    assert (statuses(third)["Start"], statuses(third)["PushGate"]) == ("cached", "done")
    assert third.outputs["PushGate"]["Verdict"] != folder


def test_what_nobody_reads_is_not_looked_at(walked):
    first, _ = walked()
    flip(first.outputs["PushGate"]["Verdict"])
    again, error = walked()
    assert error is None and statuses(again)["ServingCheck"] == "cached"


def test_a_node_on_beam_builds_no_package_of_tfx():
    from tfx.utils.dependency_utils import make_beam_dependency_flags

    from pipeline.config import BeamSettings
    from pipeline.training import beam_args

    flags = beam_args(BeamSettings())
    assert make_beam_dependency_flags(flags) == flags
